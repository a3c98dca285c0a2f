"""Small signed values: varints under an HMAC-SHA256 tag, bound to what they are for.

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
_BLOCK = 64  # octets, of SHA-256 (RFC 2104 §2)
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
    inner, outer = _states(keys[key_id], label)
    copy_inner, copy_outer, first = inner.copy, outer.copy, bytes((key_id << 1 | test,))

    def sealed(said: bytes) -> bytes:
        # HMAC written out: two copies of prepared hash states cost half of what hmac.copy() does.
        body = first + said
        inside, outside = copy_inner(), copy_outer()
        inside.update(body)
        outside.update(inside.digest())
        digest: bytes = outside.digest()
        return body + digest[:tag]

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
    right = _mac(key or b"\0" * 32, label, body)[:tag]
    if not hmac.compare_digest(given, right) or key is None:
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


def _mac(key: bytes, label: str, body: bytes) -> bytes:
    inner, outer = (state.copy() for state in _states(key, label))
    inner.update(body)
    outer.update(inner.digest())
    digest: bytes = outer.digest()
    return digest


@lru_cache(maxsize=512)
def _states(key: bytes, label: str) -> tuple[Any, Any]:
    """The hash states of HMAC-SHA256 (RFC 2104) after its key and the purpose's label."""
    if len(key) < 32:
        raise ValueError("A token key has at least 32 octets.")
    padded = (key if len(key) <= _BLOCK else hashlib.sha256(key).digest()).ljust(_BLOCK, b"\0")
    inner = hashlib.sha256(bytes(octet ^ 0x36 for octet in padded))
    inner.update(label.encode() + b"\0")
    return inner, hashlib.sha256(bytes(octet ^ 0x5C for octet in padded))
