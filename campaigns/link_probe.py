"""Ask whether a link works, as a program may: HEAD, then GET where HEAD does not do, and nothing of the page is read.

Every address is judged before it is connected to, at every redirect anew, so that no letter leads us into our own
network (`sending.egress`); in the lab only loopback is asked.
"""

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from django.conf import settings

from campaigns.pure.link_results import Result, Why, of_status, of_trouble
from reputation import resolver
from sending import egress

# For a connection and each of its answers; and for a link with all its redirects.
PATIENCE_SECONDS, AT_MOST_SECONDS = 5.0, 15.0
MOST_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Probed:
    result: Result
    status: int | None = None
    why: str = ""


class _Trouble(Exception):
    def __init__(self, why: Why) -> None:
        self.why = why


def probe(url: str) -> Probed:
    """`url` begins with http:// or https://. Takes a quarter of a minute at most; raises nothing that a server does."""
    try:
        status = _last_status(url)
    except _Trouble as trouble:
        return Probed(of_trouble(trouble.why), why=trouble.why)
    except ssl.SSLCertVerificationError:
        return Probed(of_trouble(Why.CERTIFICATE), why=Why.CERTIFICATE)
    except (OSError, http.client.HTTPException, ValueError):
        return Probed(of_trouble(Why.SILENT), why=Why.SILENT)
    return Probed(of_status(status), status)


def _last_status(url: str) -> int:
    until = monotonic() + AT_MOST_SECONDS
    for _hop in range(MOST_REDIRECTS + 1):
        status, location = _asked(url, "HEAD", until)
        if status >= 400:
            # Many servers know no HEAD, and say so in many ways.
            status, location = _asked(url, "GET", until)
        if status not in _REDIRECTS or not location:
            return status
        url = urljoin(url, location)
    raise _Trouble(Why.CIRCLES)


def _asked(url: str, method: str, until: float) -> tuple[int, str]:
    """Status and Location."""
    parts = urlsplit(url)
    host, port = (parts.hostname or "").encode("idna").decode(), parts.port or (443 if parts.scheme == "https" else 80)
    if parts.scheme not in ("http", "https") or parts.username is not None or (port < 1024 and port not in (80, 443)):
        raise _Trouble(Why.NOT_ASKED)
    secure = parts.scheme == "https"
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE_SECONDS)
    # What needs no port in the Host header: servers tell sites apart by it.
    connection.default_port = 443 if secure else 80
    connection.sock = _connected(host, port, secure=secure)
    with _ended(connection.sock, until):
        try:
            connection.request(method, _path(parts), headers={"User-Agent": "Letterpace link check", "Accept": "*/*"})
            answer = connection.getresponse()
            return answer.status, answer.headers.get("Location", "")
        finally:
            connection.close()


def _path(parts: SplitResult) -> str:
    """As ASCII: whoever writes a link may write it in letters that HTTP does not know."""
    kept = "/%:;,+&=@~!$'()*-._?"
    return quote(parts.path or "/", safe=kept) + (f"?{quote(parts.query, safe=kept)}" if parts.query else "")


def _connected(host: str, port: int, *, secure: bool) -> socket.socket:
    """To the first address of the host that takes it."""
    found = resolver.addresses(host)
    if isinstance(found, resolver.CouldNotLookUp):
        raise _Trouble(Why.SILENT)
    if not found:
        raise _Trouble(Why.NO_HOST)
    try:
        return egress.connect_to_web(
            found[:3], host=host, port=port, secure=secure, timeout=PATIENCE_SECONDS, lab=settings.LAB, public=True
        )
    except egress.EgressRefused:
        raise _Trouble(Why.INSIDE) from None


@contextmanager
def _ended(connection: socket.socket, until: float) -> Iterator[None]:
    """A server that answers letter by letter would else keep us as long as it likes."""
    timer = threading.Timer(max(0.0, until - monotonic()), _shut, [connection])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
