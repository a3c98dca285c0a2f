"""The keys that live in files of their own: made once, mode 0600, never printed, never in the database."""

import os
import re
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

KEY_BYTES = 32
# What each file protects; versioned ones may be joined by tokens-2, seal-2 …: the newest makes, all of them read.
FILES = {
    "django": "sessions and sign-in",
    "pepper": "the keyed hashes of addresses; it never rotates, and without it suppressions are lost",
    "tokens-1": "links to recipients' pages",
    "seal-1": "secrets at rest",
}


def make_missing(folder: Path) -> list[str]:
    """Make the keys that are not there yet; returns the names of the new ones. Never replaces one."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return [name for name in FILES if _make(folder / name)]


def load(folder: Path, name: str) -> bytes:
    """One key. Raises ImproperlyConfigured with a sentence when it is missing or damaged."""
    path = folder / name
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        raise ImproperlyConfigured(
            f"The key file {path} ({FILES.get(name, 'an older key')}) is missing. Restore it from your backup; "
            "on a new installation make it with: manage.py make_keys"
        ) from None
    except PermissionError:
        raise ImproperlyConfigured(
            f"The key file {path} can't be read by this user. Start Letterpace as the user who owns it."
        ) from None
    if len(key) != KEY_BYTES:
        raise ImproperlyConfigured(
            f"The key file {path} is damaged: {len(key)} bytes instead of {KEY_BYTES}. Restore it from your backup."
        )
    return key


def load_versions(folder: Path, name: str) -> dict[int, bytes]:
    """All versions of a key, newest first: {2: …, 1: …}. Version 1 must be there."""
    versions = {1: load(folder, f"{name}-1")}
    for path in folder.glob(f"{name}-*"):
        if found := re.fullmatch(rf"{name}-(\d+)", path.name):
            versions[int(found[1])] = load(folder, path.name)
    return dict(sorted(versions.items(), reverse=True))


def _make(path: Path) -> bool:
    if path.exists():
        return False
    # Written beside and linked into place: two first starts at once agree on one key, a kill leaves no half of one.
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, secrets.token_bytes(KEY_BYTES))
        os.fsync(descriptor)
        os.link(fresh, path)
    except FileExistsError:
        return False
    finally:
        os.close(descriptor)
        fresh.unlink()
    return True
