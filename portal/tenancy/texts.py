"""What people may write into names, labels and reasons."""

import unicodedata
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from audit.ledger.values import SECRET
from portal.core.refusals import refuse

NAME: Final = 128
REASON: Final = 512
EMAIL: Final = 254
"""RFC 5321, section 4.5.3.1.3."""
UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories: control, format (bidi among them), surrogates, line and paragraph ends."""


def fault_of_text(text: Any, most: int) -> str | None:
    """What is wrong with a line of 1 to `most` characters; None if nothing is.

    Characters that are invisible or turn the line around would make one name look like another
    (CVE-2021-42574). What looks like one of our credentials is refused before it is stored.
    """
    if not isinstance(text, str):
        return "A text is needed."
    if not text.strip() or len(text) > most:
        return f"1 to {most} characters are needed."
    if any(unicodedata.category(character) in UNSEEN for character in text):
        return "Control, format and bidirectional characters are not taken."
    if SECRET.search(text) or SECRET.search(unicodedata.normalize("NFC", text)):
        return "This looks like a credential. It was not stored; if it is one, revoke it."
    return None


def fault_of_email(text: Any) -> str | None:
    """What is wrong with a mail address; None if nothing is."""
    if fault := fault_of_text(text, EMAIL):
        return fault
    try:
        validate_email(text)
    except ValidationError:
        return "A mail address is needed."
    return None


def checked(text: Any, pointer: str, most: int = NAME) -> str:
    """`text` if nothing is wrong with it, else a Refusal that points at `pointer`."""
    if fault := fault_of_text(text, most):
        refuse(fault, pointer)
    assert isinstance(text, str)
    return text


def checked_reason(text: Any) -> str:
    """Why someone does it: 1 to 512 characters."""
    return checked(text, "/reason", REASON)
