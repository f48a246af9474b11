"""The one way out to servers that others run: bounded in time, size and reach.

The address is checked where the connection is made, so that a name that answers differently the
second time reaches nothing (DNS rebinding). There are no redirects, no proxies of the environment,
no cookies and no decompression: what leaves here is one request to one server. That is why the
standard library's client is enough, and another's conveniences would have to be turned off.
"""

import http.client
import ipaddress
import re
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Final
from urllib.parse import SplitResult, urlencode, urlsplit

from portal.core.client_address import Address, Network, parse_address

PATIENCE: Final = 5.0
"""Seconds for everything: the name, the connection, TLS, the whole answer."""
MOST: Final = 65_536
"""Bytes of an answer's body."""
AT_ONCE: Final = 16
"""Requests of one process; more wait, within the same patience."""
AT_ONE: Final = 4
"""Of these, to one host: one that is slow keeps nobody from the others."""
LONGEST: Final = 2_048
URL: Final = re.compile(r"[!-~]+", re.ASCII)
NEAR: Final = ("127.0.0.1", "localhost", "::1")
EVERYWHERE: Final = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
"""For what the operator configured: its own network is its own affair."""
TUNNELS: Final = tuple(
    ipaddress.ip_network(each)
    for each in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96",
                 "192.88.99.0/24", "100.64.0.0/10", "fec0::/10")
)  # fmt: skip
"""Python takes some of these for global; a private address can stand inside."""


class Unanswered(Exception):
    """No answer that could be used. The text is ours and says why; it repeats nothing of theirs."""


@dataclass(frozen=True)
class Answer:
    """What came back, whole."""

    status: int
    media: str
    """The media type, in lower case, without parameters."""
    body: bytes


def may_reach(address: Address, inside: Sequence[Network]) -> bool:
    """Whether a request may go to this address: a public one, or one of the networks `inside`."""
    if any(address in network for network in inside):
        return True
    if address.is_multicast or any(address in network for network in TUNNELS):
        return False
    return address.is_global


def fault_of_url(text: str) -> str | None:
    """What is wrong with an address to send a request to; None if nothing is."""
    if len(text) > LONGEST or not URL.fullmatch(text):
        return "is no address"
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return "is no address"
    if not parts.hostname or parts.username is not None or parts.fragment:
        return "is no plain address of a server"
    near = parts.scheme == "http" and parts.hostname in NEAR
    return None if parts.scheme == "https" or near else "is not https"


def fetch(
    url: str, *, inside: Sequence[Network], form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:  # fmt: skip
    """GET `url`, or POST `form` to it; raises Unanswered. Outside of any transaction.

    `inside` are the networks that may be reached beside the public internet.
    """
    if fault := fault_of_url(url):
        raise Unanswered(f"the address {fault}")
    with _asked_lock:
        host = urlsplit(url).hostname or ""
        if _asked[host] >= AT_ONE:
            raise Unanswered("too many ask it at this moment")
        _asked[host] += 1
    waiting = _pool().submit(_ask, urlsplit(url), inside, form, dict(headers or {}))
    waiting.add_done_callback(lambda _: _answered(host))
    try:
        # Names are resolved by a call that nothing can interrupt: its thread is left behind.
        return waiting.result(PATIENCE)
    except (TookTooLong, CancelledError):
        waiting.cancel()
        raise Unanswered("it took too long") from None


_asked: Counter[str] = Counter()
_asked_lock = threading.Lock()


def _answered(host: str) -> None:
    with _asked_lock:
        _asked[host] -= 1
        if not _asked[host]:
            del _asked[host]


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(AT_ONCE, thread_name_prefix="outbound")


@cache
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _ask(
    url: SplitResult, inside: Sequence[Network], form: Mapping[str, str] | None,
    headers: dict[str, str],
) -> Answer:  # fmt: skip
    host, secure = url.hostname or "", url.scheme == "https"
    port = url.port or (443 if secure else 80)
    try:
        raw = _connected(host, port, inside)
        with _cut_off(raw) as late:
            try:
                served = _tls().wrap_socket(raw, server_hostname=host) if secure else raw
                late.socket = served
                return _exchange(served, url, port, form, headers)
            finally:
                late.socket.close()
    except ssl.SSLError:
        raise Unanswered("its certificate or TLS is not good") from None
    except (OSError, http.client.HTTPException, ValueError):
        raise Unanswered("it did not answer, or not in HTTP") from None


def _connected(host: str, port: int, inside: Sequence[Network]) -> socket.socket:
    known = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [address for *_, found in known if (address := parse_address(str(found[0])))]
    allowed = [address for address in addresses if may_reach(address, inside)]
    if not allowed:
        raise Unanswered("its address is one of a private network")
    for address in allowed[:3]:
        try:
            return socket.create_connection((str(address), port), PATIENCE / len(allowed[:3]))
        except OSError as error:
            last = error
    raise last


class _Late:
    """Whether the time was over, and what is cut off then."""

    def __init__(self, of: socket.socket) -> None:
        self.socket, self.over = of, False

    def cut(self) -> None:
        """End both directions; whoever reads wakes up. Not TLS's own way: it may be in use."""
        self.over = True
        with suppress(OSError):
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)


@contextmanager
def _cut_off(raw: socket.socket) -> Iterator[_Late]:
    late = _Late(raw)
    timer = threading.Timer(PATIENCE, late.cut)
    timer.daemon = True
    timer.start()
    try:
        yield late
    except (OSError, http.client.HTTPException, ValueError):
        if late.over:
            raise Unanswered("it took too long") from None
        raise
    finally:
        timer.cancel()
    if late.over:  # what was cut off without a length would pass for whole
        raise Unanswered("it took too long")


def _exchange(
    served: socket.socket, url: SplitResult, port: int, form: Mapping[str, str] | None,
    headers: dict[str, str],
) -> Answer:  # fmt: skip
    host = url.hostname or ""
    connection = http.client.HTTPConnection(host, port)
    connection.sock, connection.auto_open = served, 0
    usual = port == (443 if url.scheme == "https" else 80)
    told = {
        "Host": (f"[{host}]" if ":" in host else host) + ("" if usual else f":{port}"),
        "Accept": "application/json", "Accept-Encoding": "identity", "Connection": "close",
        "User-Agent": "countersign", **headers,
    }  # fmt: skip
    body = None if form is None else urlencode(form).encode()
    if body is not None:
        told["Content-Type"] = "application/x-www-form-urlencoded"
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    connection.request("GET" if body is None else "POST", path, body, told)
    with connection.getresponse() as response:
        content = response.read(MOST + 1)
        if len(content) > MOST:
            raise Unanswered(f"its answer has more than {MOST} bytes")
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise Unanswered("its answer is compressed, which was not asked for")
        media = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return Answer(response.status, media, content)
