"""Secrets at rest: AES-256-GCM under keys that are kept outside the database.

A sealed text is: one byte of format, one byte of key version, 12 bytes of nonce, then ciphertext and tag. What it is
about is authenticated with it, so that a sealed secret moved to another row does not open.
"""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

FORMAT = 1
NONCE_BYTES = 12
HEADER_BYTES = 2


class SealBroken(Exception):
    """The secret can't be opened. The message says why and what to do, and never holds the secret."""


def seal(text: str, *, about: str) -> bytes:
    """Seal a text with the newest key. `about` says what it belongs to ("dkim:example.com"); needed to open it."""
    version = max(settings.SEAL_KEYS)
    nonce = secrets.token_bytes(NONCE_BYTES)
    header = bytes([FORMAT, version])
    return header + nonce + _cipher(version).encrypt(nonce, text.encode(), header + about.encode())


def unseal(blob: bytes | memoryview, *, about: str) -> str:
    """The text that was sealed about the same thing. Raises SealBroken."""
    sealed = bytes(blob)
    if len(sealed) <= HEADER_BYTES + NONCE_BYTES or sealed[0] != FORMAT:
        raise SealBroken("This is not a sealed secret. Enter the secret again.")
    header, nonce, ciphertext = sealed[:2], sealed[2:14], sealed[14:]
    try:
        return _cipher(header[1]).decrypt(nonce, ciphertext, header + about.encode()).decode()
    except InvalidTag:
        raise SealBroken(
            f"The secret about {about} does not open with seal key {header[1]}: the key file or the row was changed. "
            "Restore the key file from your backup, or enter the secret again."
        ) from None


def version_of(blob: bytes | memoryview) -> int:
    """Which key version sealed it."""
    return bytes(blob)[1]


def rekey(blob: bytes | memoryview, *, about: str) -> bytes:
    """The same secret under the newest key; the very same bytes when it is under that already."""
    if version_of(blob) == max(settings.SEAL_KEYS):
        return bytes(blob)
    return seal(unseal(blob, about=about), about=about)


def _cipher(version: int) -> AESGCM:
    try:
        return AESGCM(settings.SEAL_KEYS[version])
    except KeyError:
        raise SealBroken(
            f"The key file seal-{version} is missing. Restore it from your backup, or enter the secret again."
        ) from None
