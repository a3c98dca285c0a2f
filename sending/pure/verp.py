"""Addresses and Message-IDs that come back to us: who the person was, and which message.

All are lower-case base32 and read in any case, because mail systems change it. The Return-Path names person and list
and no mailing: greylisting knows a sender by its envelope address, which must not change with each mailing (RFC 6647).
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from sending.pure.signed import BadToken, sealer, unseal, varints
from sending.pure.tokens import Unsubscribe, numbers_of, unsubscribe_of

__all__ = ["BadToken", "MessageRef", "ReturnPath", "find_message", "find_return_path", "message_id"]
__all__ += ["read_message_id", "read_return_path", "read_unsubscribe_address", "return_path", "unsubscribe_address"]

TAG = 12  # octets: 96 bits
MAX_LOCAL_PART = 64  # octets (RFC 5321 §4.5.3.1.1)
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]  # by ten bits
_SHAPE = re.compile(r"[a-z2-7]{16,62}")
_LOOSE = re.compile(r"(?<![a-z0-9])([bm])-([a-z2-7]{20,62})(?=@)", re.IGNORECASE)


class ReturnPath(NamedTuple):
    """Whom a message went to, through which list (0: chosen by segment only)."""

    subscriber: int
    list: int
    test: bool = False


class MessageRef(NamedTuple):
    mailing: int
    delivery: int
    test: bool = False


def return_path(who: ReturnPath, *, keys: Mapping[int, bytes], key_id: int) -> str:
    """Return the local part of the envelope sender: `b-…`, at most 64 octets, equal over all mailings."""
    return "b-" + _write("return path", [who.subscriber, who.list], test=who.test, keys=keys, key_id=key_id)


def read_return_path(address: str, *, keys: Mapping[int, bytes]) -> ReturnPath:
    """Return the person and list of an envelope sender (local part or whole address); BadToken for all else."""
    (subscriber, list_id), test = _read("return path", "b-", address, 2, keys=keys)
    return ReturnPath(subscriber, list_id, test)


def unsubscribe_address(what: Unsubscribe, *, keys: Mapping[int, bytes], key_id: int) -> str:
    """Return the local part for the mailto form of List-Unsubscribe (RFC 2369 §3.2): `u-…`, at most 64 octets.

    Lists that do not fit (about seven) are left out, all of them: then the whole stream is left, never too little.
    """
    made = _write("unsubscribe by mail", numbers_of(what), test=what.test, keys=keys, key_id=key_id)
    if len(made) > MAX_LOCAL_PART - 2:
        made = _write("unsubscribe by mail", numbers_of(what)[:4], test=what.test, keys=keys, key_id=key_id)
    return "u-" + made


def read_unsubscribe_address(address: str, *, keys: Mapping[int, bytes]) -> Unsubscribe:
    """Return what a `u-…` address asks for; BadToken for all else."""
    numbers, test = _read("unsubscribe by mail", "u-", address, None, keys=keys)
    return unsubscribe_of(numbers, test=test)


def message_id(what: MessageRef, *, keys: Mapping[int, bytes], key_id: int, domain: str) -> str:
    """Return the Message-ID, `<m-…@domain>`: equal over all attempts as long as the mailing keeps its key id."""
    token = _write("message", [what.mailing, what.delivery], test=what.test, keys=keys, key_id=key_id)
    return f"<m-{token}@{domain}>"


def read_message_id(value: str, *, keys: Mapping[int, bytes]) -> MessageRef:
    """Return mailing and delivery of one of our Message-IDs, with or without angle brackets; BadToken for all else."""
    (mailing, delivery), test = _read("message", "m-", value.strip().lstrip("<"), 2, keys=keys)
    return MessageRef(mailing, delivery, test)


def find_return_path(text: str, *, keys: Mapping[int, bytes]) -> ReturnPath | None:
    """The first genuine return path anywhere in a text, such as a report's quoted headers; None when there is none."""
    for match in _LOOSE.finditer(text):
        try:
            return read_return_path(match.group(), keys=keys)
        except BadToken:
            continue
    return None


def find_message(text: str, *, keys: Mapping[int, bytes]) -> MessageRef | None:
    """The first genuine Message-ID of ours anywhere in a text; None when there is none."""
    for match in _LOOSE.finditer(text):
        try:
            return read_message_id(match.group(), keys=keys)
        except BadToken:
            continue
    return None


def _write(label: str, numbers: list[int], *, test: bool, keys: Mapping[int, bytes], key_id: int) -> str:
    return _spelt(_sealer(label, test, keys[key_id], key_id)(varints(numbers)))


def _spelt(octets: bytes) -> str:
    """Lower-case base32 without padding. Every message needs three: base64.b32encode takes three times as long."""
    bits = 8 * len(octets)
    spare = -bits % 10
    number = int.from_bytes(octets, "big") << spare
    pairs = [_PAIRS[number >> at & 1023] for at in range(bits + spare - 10, -1, -10)]
    return "".join(pairs)[: -(-bits // 5)]


@lru_cache(maxsize=64)
def _sealer(label: str, test: bool, key: bytes, key_id: int) -> Callable[[bytes], bytes]:
    return sealer(label, test=test, keys={key_id: key}, key_id=key_id, tag=TAG)


def _read(
    label: str, prefix: str, address: str, count: int | None, *, keys: Mapping[int, bytes]
) -> tuple[list[int], bool]:
    local = address[:400].partition("@")[0].lower()
    token = local.removeprefix(prefix)
    if token == local or not _SHAPE.fullmatch(token):
        raise BadToken("The address is none of ours.")
    numbers, test = unseal(label, _octets(token), keys=keys, tag=TAG)
    if count is not None and len(numbers) != count:
        raise BadToken("The address is incomplete.")
    return numbers, test


def _octets(token: str) -> bytes:
    spelt = token.upper().encode()
    try:
        octets = base64.b32decode(spelt + b"=" * (-len(spelt) % 8))
    except binascii.Error:
        raise BadToken("The address is incomplete.") from None
    if base64.b32encode(octets).rstrip(b"=") != spelt:  # spare bits: one value, one spelling
        raise BadToken("The address is damaged.")
    return octets
