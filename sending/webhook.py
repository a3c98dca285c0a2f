"""One signed call to the webhook of the settings, as Standard Webhooks has it: three headers, HMAC-SHA256 over them.

The host is looked up once and every address of it is judged before it is connected to, so that a name cannot lead the
call into our own network; redirects are not followed.
"""

import base64
import hashlib
import hmac
import http.client
import json
import socket
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings

from sending import egress

TIMEOUT_SECONDS = 10.0
PREFIX = "whsec_"


class NotCalled(Exception):
    """The call did not succeed; says why, in a sentence without the secret."""


def signature(*, secret: str, id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`: `v1,` and the base64 HMAC-SHA256 of `id.timestamp.body`."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    digest = hmac.digest(key, b".".join([id.encode(), str(timestamp).encode(), body]), hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


def call(*, now: datetime, id: str, body: Mapping[str, object]) -> None:
    """POST one event. `id` is the same for every try, so that the other side can drop repetitions. Raises NotCalled."""
    if not settings.ALERT_WEBHOOK_URL:
        raise NotCalled("ALERT_WEBHOOK_URL is empty.")
    content, timestamp = json.dumps(body).encode(), int(now.timestamp())
    signed = signature(secret=settings.ALERT_WEBHOOK_SECRET, id=id, timestamp=timestamp, body=content)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Letterpace",
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signed,
    }
    try:
        status = _post(settings.ALERT_WEBHOOK_URL, content, headers)
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        raise NotCalled(f"The webhook could not be called: {error}") from None
    if not 200 <= status < 300:
        raise NotCalled(f"The webhook answered with status {status}.")


def _post(url: str, content: bytes, headers: Mapping[str, str]) -> int:
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
    # What needs no port in the Host header: servers tell sites apart by it.
    connection.default_port = 443 if secure else 80
    connection.sock = _connected(host, port, secure=secure)
    try:
        connection.request("POST", path, content, dict(headers))
        return connection.getresponse().status
    finally:
        connection.close()


def _connected(host: str, port: int, *, secure: bool) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    ips = dict.fromkeys(str(info[4][0]) for info in found)
    public = not settings.ALERT_WEBHOOK_PRIVATE
    try:
        return egress.connect_to_web(
            ips, host=host, port=port, secure=secure, timeout=TIMEOUT_SECONDS, lab=settings.LAB, public=public
        )
    except egress.EgressRefused:
        allow = "" if settings.LAB else "; ALERT_WEBHOOK_PRIVATE=yes allows it"
        raise OSError(f"{host} is at an address of a private network, or of this machine{allow}") from None
