"""Header values as they stand on the wire: nobody's value can begin a second line.

RFC 5322 §2.2 (folding, 998 octets), RFC 2047 (encoded words), RFC 5890 (domains), RFC 6532/6531 (what we do not send).
"""

import base64
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from email.utils import format_datetime
from functools import lru_cache

import idna

MAX_HEADER = 998  # octets
_WIDTH = 76  # RFC 2047 §2: a line with an encoded word
_FORBIDDEN = re.compile("[\x00-\x08\x0a-\x1f\x7f\x80-\x9f\u2028\u2029]")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*\Z")
_LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}\Z")
_DOMAIN = re.compile(r"(?=.{1,253}\Z)(?!-)[a-z0-9-]{1,63}(?:\.(?!-)[a-z0-9-]{1,63})*\Z")
_MESSAGE_ID = re.compile(r"<[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.\-]+>\Z")
_URI = re.compile(r"(?:https?|mailto):[!-;=?-~]+\Z")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,60}\Z")
_CHUNK = 45  # octets of text in one encoded word: 60 characters of base64


class HeaderError(ValueError):
    """A value that cannot stand in a header; the message is a plain sentence."""


class NeedsSmtputf8(HeaderError):
    """The part before the @ is not ASCII: only a route with SMTPUTF8 (RFC 6531) could carry it."""


def text_header(name: str, text: str) -> bytes:
    """The value of an unstructured header such as Subject, folded and encoded. Raises HeaderError."""
    if text.isascii() and len(text) < 60 and text.isprintable() and "  " not in text and "=?" not in text:
        return text.strip().encode("ascii")  # most values
    text = _one_line(name, text)
    if text.isascii() and "=?" not in text:
        if len(name) + 2 + len(text) <= _WIDTH:
            return text.encode("ascii")
        folded = _folded(text, first=_WIDTH - len(name) - 2)
        if folded:
            return folded
    return b"\r\n ".join(_encoded_words(text, first=_WIDTH - len(name) - 2))


def _one_line(name: str, text: str) -> str:
    if _FORBIDDEN.search(text):
        raise HeaderError(f"{name} contains a line break or a control character.")
    if len(text.encode("utf-8", "replace")) > MAX_HEADER:
        raise HeaderError(f"{name} is longer than {MAX_HEADER} bytes.")
    return " ".join(text.split()) if "\t" in text or "  " in text else text.strip()


def _folded(text: str, *, first: int) -> bytes:
    """ASCII text folded at its blanks; nothing where a word is longer than a line."""
    lines, line, room = [], "", first
    for word in text.split(" "):
        if len(word) > room - (len(line) + 1 if line else 0):
            lines.append(line)
            line, room = "", _WIDTH - 1
            if len(word) > room or not lines[0]:
                return b""
        line = f"{line} {word}" if line else word
    return "\r\n ".join([*lines, line]).encode("ascii")


def _encoded_words(text: str, *, first: int) -> Iterator[bytes]:
    """RFC 2047 words in base64, cut between characters, the first one short enough for its line."""
    room, chunk = max(3, min(_CHUNK, (first - 12) // 4 * 3)), b""
    for character in text:
        octets = character.encode("utf-8", "replace")
        if len(chunk) + len(octets) > room:
            yield _encoded_word(chunk)
            room, chunk = _CHUNK, b""
        chunk += octets
    yield _encoded_word(chunk)


def _encoded_word(octets: bytes) -> bytes:
    return b"=?utf-8?B?" + base64.b64encode(octets) + b"?="


def mailbox(name: str, display: str, address: str) -> bytes:
    """`Display <address>` for From, To and Reply-To; the address goes through `ascii_address`. Raises HeaderError."""
    bare = ascii_address(address).encode("ascii")
    if not display:
        return bare
    display = _one_line(name, display)
    phrase = _phrase(name, display)
    separator = b" " if len(name) + 5 + len(phrase.rpartition(b"\n")[2]) + len(bare) <= _WIDTH else b"\r\n "
    return phrase + separator + b"<" + bare + b">"


def _phrase(name: str, display: str) -> bytes:
    if not display.isascii() or "=?" in display or len(display) > _WIDTH - len(name) - 4:
        return b"\r\n ".join(_encoded_words(display, first=_WIDTH - len(name) - 2))
    if _ATOMS.match(display):
        return display.encode("ascii")
    escaped = display.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'.encode("ascii")


@lru_cache(maxsize=4096)
def _ascii_domain(domain: str) -> str:
    try:
        encoded = domain.lower() if domain.isascii() else idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise HeaderError(f"“{domain[:100]}” is not a domain.") from error
    if not _DOMAIN.match(encoded):
        raise HeaderError(f"“{domain[:100]}” is not a domain.")
    return encoded


def ascii_address(address: str) -> str:
    """The address with an A-label domain (RFC 5891). Raises HeaderError, NeedsSmtputf8 for a non-ASCII local part."""
    local, at, domain = address.rpartition("@")
    if not at or not local or not domain:
        raise HeaderError(f"“{address[:100]}” is not an e-mail address.")
    if not local.isascii():
        raise NeedsSmtputf8("The part before the @ has letters that our route cannot carry.")
    if not _LOCAL_PART.match(local) or local[0] == "." or local[-1] == "." or ".." in local:
        raise HeaderError(f"“{address[:100]}” is not an e-mail address.")
    return f"{local}@{_ascii_domain(domain)}"


def message_id(value: str) -> bytes:
    """A Message-ID `<left@right>` (RFC 5322 §3.6.4). Raises HeaderError."""
    if not _MESSAGE_ID.match(value) or len(value) > 250:
        raise HeaderError("The Message-ID is not of the form <left@right>.")
    return value.encode("ascii")


def uri_list(*uris: str) -> bytes:
    """`<uri>, <uri>`, one a line, as RFC 2369 lists them. Raises HeaderError."""
    for uri in uris:
        if not _URI.match(uri) or len(uri) > 900:
            raise HeaderError("A web address in a header contains a character that is not allowed there.")
    return b",\r\n ".join(f"<{uri}>".encode("ascii") for uri in uris)


def header_name(name: str) -> str:
    """The name of an additional header. Raises HeaderError."""
    if not _NAME.match(name):
        raise HeaderError(f"“{name[:60]}” cannot be a header's name.")
    return name


def date_value(moment: datetime) -> bytes:
    """An RFC 5322 date of an aware moment, to the second."""
    if moment.tzinfo is None:
        raise HeaderError("The Date needs a time zone.")
    return _date_value(moment.replace(microsecond=0), moment.utcoffset())


@lru_cache(maxsize=256)
def _date_value(moment: datetime, _offset: timedelta | None) -> bytes:
    # Equal moments of two zones are equal keys; the offset tells them apart.
    return format_datetime(moment).encode("ascii")
