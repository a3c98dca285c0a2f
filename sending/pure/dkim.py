"""Sign a message with DKIM (RFC 6376): rsa-sha256, relaxed/relaxed, without `l=`, the key loaded once.

From is signed once more than it occurs, so that nobody can add a second one; Reply-To likewise when it is absent.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

# RFC 8058 §4 asks for both List-Unsubscribe headers under the signature.
SIGNED = (
    *("from", "to", "subject", "date", "message-id", "reply-to", "mime-version", "content-type"),
    *("list-unsubscribe", "list-unsubscribe-post", "list-id", "feedback-id"),
)
_ALWAYS = frozenset({"from", "reply-to"})
_BLANKS = re.compile(rb"[ \t]+")
_TRAILING_BLANKS = re.compile(rb"[ \t]+(?=\r\n)")
_PADDING = padding.PKCS1v15()
_SHA256 = hashes.SHA256()


class BadKey(ValueError):
    """The private key cannot sign; the message is a plain sentence."""


def load_key(pem: bytes) -> RSAPrivateKey:
    """Read an unencrypted PEM private key (PKCS#8 or PKCS#1). Raises BadKey unless it is RSA of 1024 bits or more."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise BadKey("This is not a private key in PEM form, or it is protected by a password.") from error
    if not isinstance(key, RSAPrivateKey):
        raise BadKey("The DKIM key has to be an RSA key.")
    if key.key_size < 1024:
        raise BadKey("The DKIM key is shorter than 1024 bits; receivers ignore its signatures (RFC 8301).")
    return key


def public_record(key: RSAPrivateKey) -> str:
    """The value of the TXT record at `<selector>._domainkey.<domain>` (RFC 6376 §3.6.1)."""
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode('ascii')}"


def sign(
    headers: Sequence[tuple[str, bytes]],
    body: bytes,
    *,
    key: RSAPrivateKey,
    domain: str,
    selector: str,
    now: datetime,
    is_relaxed: bool = False,
) -> bytes:
    """The DKIM-Signature header line, CRLF included, to stand before the headers. `body` has CRLF line ends.

    `is_relaxed`: the body is known to be in canonical form already.
    """
    folded_names, signed = _signed_headers(tuple([name for name, _ in headers]))
    canonical = [canonical_header(*headers[at]) for at in signed]
    body_hash = base64.b64encode(hashlib.sha256(body if is_relaxed else canonical_body(body)).digest())
    value = _begin(domain, selector, int(now.timestamp()), folded_names) + body_hash + b";\r\n b="
    canonical.append(canonical_header("dkim-signature", value))
    signature = base64.b64encode(key.sign(b"\r\n".join(canonical), _PADDING, _SHA256))
    lines = b"\r\n ".join([signature[at : at + 72] for at in range(0, len(signature), 72)])
    return b"DKIM-Signature: " + value + lines + b"\r\n"


@lru_cache(maxsize=64)
def _begin(domain: str, selector: str, at: int, names: str) -> bytes:
    """The signature's tags up to the body's hash: equal for all messages of one second."""
    tags = f"v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s={selector};\r\n t={at}; h={names};\r\n bh="
    return tags.encode("ascii")


@lru_cache(maxsize=64)
def _signed_headers(names: tuple[str, ...]) -> tuple[str, list[int]]:
    """The names for `h=`, folded, and where the headers they stand for are among `names`; the last of equal ones first
    (§5.4.2). A mailing's messages have the same names."""
    lower = [name.lower() for name in names]
    found: list[str] = []
    places: list[int] = []
    for name in SIGNED:
        for at in reversed(range(len(lower))):
            if lower[at] == name:
                found.append(name)
                places.append(at)
        if name == "from" or (name in _ALWAYS and name not in lower):
            found.append(name)
    return ":\r\n ".join(":".join(found[at : at + 4]) for at in range(0, len(found), 4)), places


def canonical_header(name: str, value: bytes) -> bytes:
    """A header in `relaxed` form (§3.4.2), without its CRLF."""
    if b"\r\n" in value:
        value = value.replace(b"\r\n", b"")
    if b"  " in value or b"\t" in value:
        value = _BLANKS.sub(b" ", value)
    return _before_value(name) + value.strip(b" \t")


@lru_cache(maxsize=256)
def _before_value(name: str) -> bytes:
    return name.lower().encode("ascii") + b":"


def canonical_body(body: bytes) -> bytes:
    """A body in `relaxed` form (§3.4.4). Ours already are: then only a few quick searches are paid."""
    if body and not body.endswith(b"\r\n"):
        body += b"\r\n"  # as SMTP will
    if b"\t" in body or b"  " in body or b" \r\n" in body:
        body = _TRAILING_BLANKS.sub(b"", _BLANKS.sub(b" ", body))
    return _without_empty_end(body) if body.endswith(b"\r\n\r\n") or body == b"\r\n" else body


def _without_empty_end(body: bytes) -> bytes:
    while body.endswith(b"\r\n"):
        body = body[:-2]
    return body + b"\r\n" if body else b""
