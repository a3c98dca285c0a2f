"""Signing keys: made here, sealed at rest, published as a TXT record, changed without a gap.

The first key of a domain signs as soon as its record is seen. The next one waits until its record was there for 48
hours, so that no receiver remembers that it was not, or until a person says now. The key before it stays published for
a week: letters on their way are still checked with it. A private key is never printed, shown or exported.
"""

import base64
import itertools
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.db import transaction

from reputation import sealed
from reputation.models import DkimKey, SendingDomain

SEEN_FOR = timedelta(hours=48)
PUBLISHED_FOR = timedelta(days=7)
KEY_BITS = 2048  # RFC 8301 wants 1024 at least; the big receivers advise 2048
CACHE_SECONDS = 60.0
TXT_STRING_BYTES = 255  # RFC 1035, section 3.3.14

_cached: "dict[int, tuple[float, SigningKey | None]]" = {}


@dataclass(frozen=True, slots=True)
class SigningKey:
    """What signs for a domain. The private key is left out of every print-out."""

    domain: str
    selector: str
    private_key: rsa.RSAPrivateKey = field(repr=False)


def signing_key(domain_id: int) -> SigningKey | None:
    """The active key of a sending domain, remembered for 60 seconds by this process; None when there is none.

    Raises sealed.SealBroken when the key file does not fit.
    """
    remembered = _cached.get(domain_id)
    if remembered and time.monotonic() - remembered[0] < CACHE_SECONDS:
        return remembered[1]
    key = _load(domain_id)
    _cached[domain_id] = (time.monotonic(), key)
    return key


def make(*, now: datetime, domain: SendingDomain) -> DkimKey:
    """A new pending key with a selector of its own. It signs nothing before `activate`."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    return DkimKey.objects.create(
        domain=domain,
        selector=_free_selector(now, domain),
        private_key_sealed=sealed.seal(_pem(private), about=_about(domain.name)),
        public_key=_public(private),
    )


def adopt(*, domain: SendingDomain, selector: str, private_key_pem: str) -> DkimKey:
    """Take over an RSA key that is published already. Raises ValueError with a sentence when it can't sign."""
    private = _parsed(private_key_pem)
    return DkimKey.objects.create(
        domain=domain,
        selector=selector,
        private_key_sealed=sealed.seal(_pem(private), about=_about(domain.name)),
        public_key=_public(private),
    )


def note_seen(*, now: datetime, key: DkimKey, seen: bool, at_once: bool) -> bool:
    """A pending key's record was looked for; lets the key sign when it may. True if it signs from now on.

    `at_once`: a person said so, or no other key signs. What could not be looked up is no look: don't call it then.
    """
    pending = DkimKey.objects.filter(pk=key.pk, state=DkimKey.State.PENDING)
    if not seen:
        pending.update(seen_since=None)
        return False
    since = key.seen_since or now
    if at_once or now - since >= SEEN_FOR:
        return activate(key=key, now=now)
    pending.update(seen_since=since)
    return False


def bits(public_key: str) -> int:
    """The strength of a key from its record's p=; 0 when it can't be read."""
    try:
        key = serialization.load_der_public_key(base64.b64decode(public_key))
    except (ValueError, UnsupportedAlgorithm):
        return 0
    return key.key_size if isinstance(key, rsa.RSAPublicKey) else 0


def activate(*, key: DkimKey, now: datetime | None = None) -> bool:
    """Let a pending key sign, retire the one before it; for when its record was seen. False if it is not pending."""
    with transaction.atomic():
        SendingDomain.objects.select_for_update(no_key=True).get(pk=key.domain_id)
        if not DkimKey.objects.filter(pk=key.pk, state=DkimKey.State.PENDING).exists():
            return False
        before = DkimKey.objects.filter(domain_id=key.domain_id, state=DkimKey.State.ACTIVE)
        before.update(state=DkimKey.State.RETIRED, retired_at=now)
        DkimKey.objects.filter(pk=key.pk).update(state=DkimKey.State.ACTIVE)
    forget(key.domain_id)
    return True


def rotate(*, now: datetime, domain: SendingDomain) -> DkimKey:
    """The pending key that will take over: the one there is, or a new one. Publish it, then `activate` it."""
    return domain.keys.filter(state=DkimKey.State.PENDING).first() or make(now=now, domain=domain)


def record_name(key: DkimKey, domain: SendingDomain) -> str:
    """Where the key's TXT record belongs (RFC 6376, section 3.6.2.1)."""
    return f"{key.selector}._domainkey.{domain.name}"


def record_value(key: DkimKey) -> str:
    """The TXT record to publish, as one text (RFC 6376, section 3.6.1)."""
    return f"v=DKIM1; k=rsa; p={key.public_key}"


def zone_file_value(text: str) -> str:
    """A TXT value as zone files and some panels want it: quoted strings of at most 255 bytes."""
    parts = [text[start : start + TXT_STRING_BYTES] for start in range(0, len(text), TXT_STRING_BYTES)]
    return " ".join(f'"{part}"' for part in parts)


def rekey_all() -> int:
    """Put every private key under the newest seal key; returns how many changed. Safe to repeat."""
    changed = 0
    for key in DkimKey.objects.select_related("domain").iterator():
        fresh = sealed.rekey(key.private_key_sealed, about=_about(key.domain.name))
        if fresh != bytes(key.private_key_sealed):
            old = key.private_key_sealed
            changed += DkimKey.objects.filter(pk=key.pk, private_key_sealed=old).update(private_key_sealed=fresh)
    return changed


def forget(domain_id: int | None = None) -> None:
    """Drop remembered keys of one domain, or of all."""
    if domain_id is None:
        _cached.clear()
    else:
        _cached.pop(domain_id, None)


def _load(domain_id: int) -> SigningKey | None:
    key = DkimKey.objects.select_related("domain").filter(domain_id=domain_id, state=DkimKey.State.ACTIVE).first()
    if key is None:
        return None
    pem = sealed.unseal(key.private_key_sealed, about=_about(key.domain.name))
    return SigningKey(domain=key.domain.name, selector=key.selector, private_key=_parsed(pem))


def _free_selector(now: datetime, domain: SendingDomain) -> str:
    """`lp202611`, then `lp202611-2` …: a selector tells the month, and none is used twice."""
    stem = f"lp{now:%Y%m}"
    taken = set(domain.keys.values_list("selector", flat=True))
    names = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
    return next(name for name in names if name not in taken)


def _about(domain: str) -> str:
    return f"dkim:{domain}"


def _pem(private: rsa.RSAPrivateKey) -> str:
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _public(private: rsa.RSAPrivateKey) -> str:
    der = private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


def _parsed(pem: str) -> rsa.RSAPrivateKey:
    try:
        private = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        raise ValueError("This is not a private key in PEM form without a password.") from None
    if not isinstance(private, rsa.RSAPrivateKey) or private.key_size < 1024:
        raise ValueError("DKIM needs an RSA key of 1024 bits or more; 2048 are advised.")
    return private
