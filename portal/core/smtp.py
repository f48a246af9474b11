"""Handing a mail to the SMTP server of `MAIL_URL` (RFC 5321), and its answers in words."""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from socket import gaierror
from typing import Final
from urllib.parse import SplitResult, unquote

from portal.core import configuration
from portal.core.mail import CUT_OFF, TRIES, UNREADABLE, Letter, Outcome, letter_of
from portal.core.models import Mail

PATIENCE: Final = 20.0
"""Seconds for each answer of a server of somebody else's."""

UNADDRESSED: Final = Outcome("Its recipient is no mail address.", final=True)
WORDS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (smtplib.SMTPAuthenticationError, "The server refused user or password"),
    (smtplib.SMTPSenderRefused, "The server refused the sender"),
    (smtplib.SMTPRecipientsRefused, "The server refused the recipient"),
    (smtplib.SMTPDataError, "The server refused the mail"),
    (smtplib.SMTPNotSupportedError, "The server lacks what is needed, such as STARTTLS"),
    (smtplib.SMTPResponseException, "The server turned us away"),
    (smtplib.SMTPServerDisconnected, "The server hung up"),
    (ssl.SSLError, "The server's certificate is not trusted, or it has no TLS"),
    (gaierror, "The server's name is not known"),
    (TimeoutError, "The server did not answer in time"),
    (ConnectionRefusedError, "The server refused the connection"),
    (OSError, "The server can't be reached"),
)
"""The first that fits. Never the server's own text: it may repeat an address."""


def hand_over(mail: Mail) -> Outcome:
    """Send a claimed mail, outside of any transaction: a server may take its time.

    If the process dies between the server's yes and `settle`, the mail goes twice: rather than
    never.
    """
    letter = letter_of(mail)
    if letter is None:
        return UNREADABLE
    if mail.tries > TRIES:
        return CUT_OFF
    try:
        message = message_of(mail, letter)
    except (ValueError, IndexError, MessageError):  # what email's parser raises for a non-address
        return UNADDRESSED
    try:
        with _server() as server:
            server.send_message(message)
    except (OSError, smtplib.SMTPException, ValueError) as error:
        return outcome_of(error)
    return Outcome()


def outcome_of(error: Exception) -> Outcome:
    """What went wrong, in words. A 5yz answer to recipient or mail is final (section 4.2.1)."""
    words = next((text for kind, text in WORDS if isinstance(error, kind)), type(error).__name__)
    code = getattr(error, "smtp_code", 0)
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code = max((code for code, _ in error.recipients.values()), default=0)
    hopeless = isinstance(error, smtplib.SMTPRecipientsRefused | smtplib.SMTPDataError)
    return Outcome(f"{words} ({code})." if code > 0 else f"{words}.", hopeless and code >= 500)


def message_of(mail: Mail, letter: Letter) -> EmailMessage:
    """The mail as it goes over the wire; raises ValueError for what is no address."""
    message = EmailMessage()
    name, _, domain = configuration.MAIL_FROM().rpartition("@")
    message["From"] = Address("Countersign", name, domain)
    message["To"] = Address(addr_spec=_in_ascii(letter.to))
    message["Subject"] = letter.subject
    message["Date"] = mail.created_at
    message["Message-ID"] = f"<{mail.id}@{domain}>"  # the same on every try: readers see one mail
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday note comes back
    message.set_content(letter.text)
    return message


def _in_ascii(address: str) -> str:
    """The address with its domain as the DNS knows it: servers without SMTPUTF8 take it."""
    name, _, domain = address.rpartition("@")
    return f"{name}@{domain.encode('idna').decode()}"


@contextmanager
def _server() -> Iterator[smtplib.SMTP]:
    """The SMTP server of `MAIL_URL`, signed in to."""
    url = configuration.MAIL_URL()
    assert url is not None, "asked only when mail is configured"
    server = _connected(url)
    try:
        if url.scheme == "smtp":
            server.starttls(context=ssl.create_default_context())
        if url.username:
            server.login(unquote(url.username), unquote(url.password or ""))
        yield server
        # The mail is taken: how the server says good-bye can't undo it.
        with suppress(OSError, smtplib.SMTPException):
            server.quit()
    finally:
        server.close()


def _connected(url: SplitResult) -> smtplib.SMTP:
    host, ours = url.hostname or "", configuration.MAIL_FROM().rpartition("@")[2]
    if url.scheme == "smtps":
        trusted = ssl.create_default_context()
        return smtplib.SMTP_SSL(host, url.port or 465, ours, timeout=PATIENCE, context=trusted)
    return smtplib.SMTP(host, url.port or 587, ours, timeout=PATIENCE)
