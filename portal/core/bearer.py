"""The credential in an `Authorization` header (RFC 6750, section 2.1)."""


def bearer(header: str) -> str:
    """The credential in `header`; empty for any other scheme or shape."""
    scheme, _, text = header.strip().partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""
