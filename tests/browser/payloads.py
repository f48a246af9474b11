"""What an attacker writes, and which of it was written where."""

PAYLOADS = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "'><svg/onload=alert(1)>",
    "</title><script>alert(1)</script>",
    "</textarea><img src=x onerror=alert(1)>",
    "</option></select><img src=x onerror=alert(1)>",
    "<a href=javascript:alert(1)>here</a>",
    "javascript:alert(1)//",
    "&lt;img src=x onerror=alert(1)&gt;",
    "{{ 7|add:42 }}{% debug %}",
    "<style>*{display:none}</style>",
    "\" onfocus=alert(1) autofocus x=\"",
    "=HYPERLINK(\"http://evil.example\")",
    "<base href=//evil.example/>",
]  # fmt: skip
MARKS: dict[str, str] = {}
"""For each text that was written, which payload in which field it is, by its mark."""
NUMBERS: dict[str, int] = {}
"""Fields in the order of their first use."""


def bad(field: str, place: int) -> str:
    """A field's payload at a place, with a mark: over all places each field has every one."""
    number = NUMBERS.setdefault(field, len(NUMBERS))
    payload = PAYLOADS[(place + number) % len(PAYLOADS)]
    mark = f"f{number:02d}p{place:02d}z"
    MARKS[mark] = f"{field}: {payload}"
    return f"{payload} {mark}"


def address(field: str, place: int) -> str:
    """A mail address that is one and a payload; marked as `bad` does."""
    mark = bad(field, place).rpartition(" ")[2]
    return f'"<svg/onload=alert(1)>{mark}"@example.com'
