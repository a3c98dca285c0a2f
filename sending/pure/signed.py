"""Small signed values: varints under a tag of keyed BLAKE2b (RFC 7693), bound to what they are for.

Layout: one octet `key id × 2 + test`, the numbers as varints, the tag. The label of the purpose is the first thing the
MAC reads, so that a value made for one purpose verifies for no other.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

MAX_KEY_ID = 127
MAX_NUMBER = 2**63 - 1
_MOST_OF_KEY = 64  # octets (RFC 7693 §2.1)
_MOST_NUMBERS = 64
_MOST_OCTETS = 600


class BadToken(ValueError):
    """The token is not one of ours, is damaged, or was made for another purpose."""


def seal(label: str, numbers: Sequence[int], *, test: bool, keys: Mapping[int, bytes], key_id: int, tag: int) -> bytes:
    """Return the octets that say `numbers`, with a tag of `tag` octets.

    ValueError for a number or key id out of range.
    """
    return sealer(label, test=test, keys=keys, key_id=key_id, tag=tag)(varints(numbers))


def sealer(label: str, *, test: bool, keys: Mapping[int, bytes], key_id: int, tag: int) -> Callable[[bytes], bytes]:
    """`seal` for many values with one key, said as varints. ValueError for a key id out of range."""
    if not 1 <= key_id <= MAX_KEY_ID:
        raise ValueError(f"A key id lies between 1 and {MAX_KEY_ID}, not {key_id}.")
    begun, first = _begun(keys[key_id], label, tag).copy, bytes((key_id << 1 | test,))

    def sealed(said: bytes) -> bytes:
        body = first + said
        state = begun()
        state.update(body)
        digest: bytes = state.digest()
        return body + digest

    return sealed


def varints(numbers: Iterable[int]) -> bytes:
    """The numbers, seven bits an octet, the low ones first. ValueError for one out of range."""
    octets = bytearray()
    for number in numbers:
        if not 0 <= number <= MAX_NUMBER:
            raise ValueError(f"{number} cannot stand in a token.")
        while number > 127:
            octets.append(number & 127 | 128)
            number >>= 7
        octets.append(number)
    return bytes(octets)


def unseal(label: str, octets: bytes, *, keys: Mapping[int, bytes], tag: int) -> tuple[list[int], bool]:
    """Return (numbers, test flag) of octets made by `seal`; raise BadToken for anything else, in constant time."""
    if not tag + 1 < len(octets) <= _MOST_OCTETS:
        raise BadToken("The link is incomplete.")
    body, given = octets[:-tag], octets[-tag:]
    key = keys.get(body[0] >> 1)
    # An unknown key takes as long as a wrong tag.
    state = _begun(key or b"\0" * 32, label, tag).copy()
    state.update(body)
    if not hmac.compare_digest(given, state.digest()) or key is None:
        raise BadToken("The link is damaged, or was made for something else.")
    return _numbers(body[1:]), bool(body[0] & 1)


def _numbers(octets: bytes) -> list[int]:
    numbers: list[int] = []
    number = shift = 0
    for octet in octets:
        number |= (octet & 127) << shift
        shift += 7
        if octet < 128:
            numbers.append(number)
            number = shift = 0
    if shift or len(numbers) > _MOST_NUMBERS:
        raise BadToken("The link is damaged.")
    return numbers


@lru_cache(maxsize=512)
def _begun(key: bytes, label: str, tag: int) -> Any:
    """The hash state after its key and the purpose's label."""
    if len(key) < 32:
        raise ValueError("A token key has at least 32 octets.")
    short = key if len(key) <= _MOST_OF_KEY else hashlib.blake2b(key).digest()
    return hashlib.blake2b(label.encode() + b"\0", key=short, digest_size=tag)
