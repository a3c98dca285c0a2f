"""The tokens in recipients' links: opaque, short, bound to one purpose each.

A token is base64url without padding, with a tag of 128 bits. It names rows by number and needs none of them to be
verified; unsubscribe, preferences and privacy tokens never expire. `test` marks test mail: its links change nothing.
"""

import binascii
import re
from binascii import b2a_base64
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, overload

from sending.pure.signed import BadToken, sealer, unseal, varints

__all__ = ["PURPOSES", "BadToken", "Confirm", "Link", "Mailed", "Open", "Preferences", "Privacy", "Share"]
__all__ += ["Unsubscribe", "Web", "make", "maker", "read"]

TAG = 16  # octets
STREAMS = ("marketing", "transactional")
_SHAPE = re.compile(r"[A-Za-z0-9_-]{20,800}")
_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")


class Unsubscribe(NamedTuple):
    """Leave `lists`, or the whole `stream` where none is named (chosen by segment only)."""

    subscriber: int
    mailing: int
    delivery: int
    lists: tuple[int, ...] = ()
    stream: str = "marketing"
    test: bool = False


class Preferences(NamedTuple):
    subscriber: int
    test: bool = False


class Privacy(NamedTuple):
    subscriber: int
    test: bool = False


class Confirm(NamedTuple):
    """Confirm a subscription asked for at `issued_at` (Unix seconds). The caller judges its age by its own `now`."""

    subscriber: int
    list: int
    issued_at: int
    test: bool = False


class Web(NamedTuple):
    mailing: int
    delivery: int
    test: bool = False


class Link(NamedTuple):
    """Any link of a letter: which one stands behind the token, unsigned. Whoever has the letter has them all."""

    mailing: int
    delivery: int
    test: bool = False


class Open(NamedTuple):
    mailing: int
    delivery: int
    test: bool = False


class Mailed(NamedTuple):
    """Do what was asked for in the row `asked` (AskedMail): whoever reads it got the mail."""

    asked: int
    test: bool = False


class Share(NamedTuple):
    """Read a letter as nobody in particular."""

    mailing: int
    test: bool = False


Payload = Unsubscribe | Preferences | Privacy | Confirm | Web | Link | Open | Mailed | Share
PURPOSES: dict[str, type[Payload]] = {
    "unsubscribe": Unsubscribe,
    "preferences": Preferences,
    "privacy": Privacy,
    "confirm": Confirm,
    "web": Web,
    "link": Link,
    "open": Open,
    "mailed": Mailed,
    "share": Share,
}


def make(purpose: str, payload: Payload, *, keys: Mapping[int, bytes], key_id: int) -> str:
    """Return the token of `payload` for one purpose, signed with `keys[key_id]`: 32 characters for a link.

    TypeError when the payload is not that purpose's; ValueError for negative numbers or an unknown stream.
    """
    if type(payload) is not PURPOSES[purpose]:
        raise TypeError(f"A token for {purpose!r} is made of {PURPOSES[purpose].__name__}.")
    return maker(purpose, test=payload.test, keys=keys, key_id=key_id)(varints(numbers_of(payload)))


def maker(purpose: str, *, test: bool, keys: Mapping[int, bytes], key_id: int) -> Callable[[bytes], str]:
    """`make` for many payloads of one purpose: takes their numbers (`numbers_of`) as varints."""
    sealed = sealer(purpose, test=test, keys=keys, key_id=key_id, tag=TAG)

    def token(said: bytes) -> str:
        return b2a_base64(sealed(said), newline=False).translate(_TO_URL).rstrip(b"=").decode()

    return token


@overload
def read(token: str, purpose: Literal["unsubscribe"], *, keys: Mapping[int, bytes]) -> Unsubscribe: ...
@overload
def read(token: str, purpose: Literal["preferences"], *, keys: Mapping[int, bytes]) -> Preferences: ...
@overload
def read(token: str, purpose: Literal["privacy"], *, keys: Mapping[int, bytes]) -> Privacy: ...
@overload
def read(token: str, purpose: Literal["confirm"], *, keys: Mapping[int, bytes]) -> Confirm: ...
@overload
def read(token: str, purpose: Literal["web"], *, keys: Mapping[int, bytes]) -> Web: ...
@overload
def read(token: str, purpose: Literal["link"], *, keys: Mapping[int, bytes]) -> Link: ...
@overload
def read(token: str, purpose: Literal["open"], *, keys: Mapping[int, bytes]) -> Open: ...
@overload
def read(token: str, purpose: Literal["mailed"], *, keys: Mapping[int, bytes]) -> Mailed: ...
@overload
def read(token: str, purpose: Literal["share"], *, keys: Mapping[int, bytes]) -> Share: ...
@overload
def read(token: str, purpose: str, *, keys: Mapping[int, bytes]) -> Payload: ...


def read(token: str, purpose: str, *, keys: Mapping[int, bytes]) -> Payload:
    """Return what the token says, when it was made for `purpose` with one of `keys`; raise BadToken for all else."""
    numbers, test = unseal(purpose, _octets(token), keys=keys, tag=TAG)
    return payload_of(purpose, numbers, test=test)


def numbers_of(payload: Payload) -> list[int]:
    """The payload as numbers; the lists of Unsubscribe stand last, after the stream."""
    if isinstance(payload, Unsubscribe):
        return [*payload[:3], STREAMS.index(payload.stream), *payload.lists]
    return list(payload[:-1])


def payload_of(purpose: str, numbers: list[int], *, test: bool) -> Payload:
    """The payload of the purpose said by numbers; BadToken when they are too few, too many or say no stream."""
    kind = PURPOSES[purpose]
    if kind is Unsubscribe:
        return unsubscribe_of(numbers, test=test)
    if len(numbers) != len(kind._fields) - 1:
        raise BadToken("The link is incomplete.")
    return kind(*numbers, test=test)  # type: ignore[arg-type,misc]


def unsubscribe_of(numbers: list[int], *, test: bool) -> Unsubscribe:
    """What an unsubscribe token or address asks for; BadToken when the numbers say nothing of the kind."""
    if len(numbers) < 4 or numbers[3] >= len(STREAMS):
        raise BadToken("The link is incomplete.")
    return Unsubscribe(numbers[0], numbers[1], numbers[2], tuple(numbers[4:]), STREAMS[numbers[3]], test)


def _octets(token: str) -> bytes:
    if not _SHAPE.fullmatch(token):
        raise BadToken("The link is incomplete.")
    text = token.encode().translate(_FROM_URL)
    try:
        octets = binascii.a2b_base64(text + b"=" * (-len(text) % 4))
    except binascii.Error:
        raise BadToken("The link is incomplete.") from None
    # The last character may carry spare bits: one value, one spelling.
    if binascii.b2a_base64(octets, newline=False).rstrip(b"=") != text:
        raise BadToken("The link is damaged.")
    return octets
