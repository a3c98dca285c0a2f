"""Whose signature a message bears: the domains whose DKIM signature (RFC 6376) holds over all of it."""

import re
from collections.abc import Callable

import dkim

from reputation import resolver
from reputation.resolver import CouldNotLookUp, Found

# Each may cost a question to DNS; forwarders add some, forgers as many as they like.
MOST = 3
_SHORTENED = re.compile(rb"[;\s]l\s*=")
_OLD_HASH = re.compile(rb"rsa-sha1", re.IGNORECASE)


class CouldNotAsk(Exception):
    """DNS gave no answer about a key: nobody knows yet."""


def signers(raw: bytes, *, is_tls_report: bool = False) -> list[str]:
    """Domains, in lower case. A signature over a part of the body, or by SHA-1, proves nothing (RFC 8301).

    `is_tls_report`: keys for such reports alone are taken too (RFC 8460 §3). Raises CouldNotAsk when none holds and a
    key could not be looked up. Not inside a transaction.
    """
    found: list[str] = []
    unanswered: list[str] = []
    message = dkim.DKIM(raw, minkey=1024, tlsrpt=is_tls_report)
    fields = [value for name, value in message.headers if name.lower() == b"dkim-signature"]
    for number, field in enumerate(fields[:MOST]):
        if _SHORTENED.search(field) or _OLD_HASH.search(field):
            continue
        try:
            if message.verify(idx=number, dnsfunc=_asking(unanswered)):
                found.append(message.domain.decode("ascii").lower())
        # What strangers write makes the library stumble in many ways, and none of them proves anything.
        except Exception:  # noqa: BLE001, S112
            continue
    if unanswered and not found:
        raise CouldNotAsk(f"The key at {unanswered[0]} could not be looked up.")
    return found


def _asking(unanswered: list[str]) -> Callable[..., bytes | None]:
    def text_of(name: bytes, timeout: float = 0) -> bytes | None:
        host = name.decode("ascii", "replace").rstrip(".")
        answer = resolver.lookup(host, "TXT")
        if isinstance(answer, CouldNotLookUp):
            unanswered.append(host)
        return answer.records[0].encode() if isinstance(answer, Found) else None

    return text_of
