"""SMTP as text: replies read, envelopes and bodies written. Nothing here touches a socket."""

import re
from dataclasses import dataclass
from functools import lru_cache

# RFC 5321, section 4.5.3.1.5, says 512 octets; real servers send more, but an endless line is an attack.
LONGEST_LINE = 4096
MOST_LINES = 100

_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
_FORBIDDEN_IN_PATH = re.compile(r"[\x00-\x20\x7f<>]")


class Garbled(Exception):
    """What came is no SMTP reply."""


class BadPath(ValueError):
    """An address that can't stand in MAIL FROM or RCPT TO without changing the command's meaning."""


@dataclass(frozen=True, slots=True)
class SmtpReply:
    """A whole reply. `text` has one line for each of the receiver's, without the codes, decoded leniently."""

    code: int
    text: str

    @property
    def is_positive(self) -> bool:
        """Done as asked. A 3xx is none: it asks for more, which only DATA expects."""
        return 200 <= self.code < 300

    @property
    def is_transient(self) -> bool:
        return 400 <= self.code < 500

    @property
    def is_permanent(self) -> bool:
        return self.code >= 500

    def __str__(self) -> str:
        return f"{self.code} {self.text}"


class ReplyReader:
    """Takes a receiver's lines one by one; `take` returns the reply with its last line.

    RFC 5321, section 4.2.1: all lines carry the same code, the last one a space (or nothing) after it.
    """

    def __init__(self) -> None:
        self._code: bytes | None = None
        self._texts: list[bytes] = []

    def take(self, line: bytes) -> SmtpReply | None:
        """One line without its end. Raises Garbled."""
        if self._code is None and line[3:4] != b"-":
            return _single(line)
        match = _LINE.fullmatch(line)
        if match is None or self._code not in (None, match[1]) or len(self._texts) >= MOST_LINES:
            raise Garbled(repr(line[:80]))
        self._code = match[1]
        self._texts.append(match[3] or b"")
        return None if match[2] == b"-" else _reply(self._code, self._texts)


@lru_cache(maxsize=256)
def _single(line: bytes) -> SmtpReply:
    """A reply of one line: most are, and most are the same again and again."""
    match = _LINE.fullmatch(line)
    if match is None:
        raise Garbled(repr(line[:80]))
    return _reply(match[1], [match[3] or b""])


def _reply(code: bytes, texts: list[bytes]) -> SmtpReply:
    return SmtpReply(int(code), b"\n".join(texts).decode("utf-8", "replace").replace("\x00", "\ufffd"))


def envelope_command(verb: str, path: str, parameters: str = "") -> bytes:
    """`MAIL FROM:<…>` or `RCPT TO:<…>`, with its line end. Raises BadPath for anything that could end the path early.

    ASCII only: an internationalised domain is in its A-label form here (RFC 5891), and SMTPUTF8 is not used.
    """
    if _FORBIDDEN_IN_PATH.search(path) or not path.isascii():
        raise BadPath(f"The address {path!r} can't be used in an SMTP command.")
    return f"{verb}:<{path}>{' ' + parameters if parameters else ''}\r\n".encode("ascii")


def stuffed(content: bytes) -> bytes:
    """Content in CRLF form with leading dots doubled (RFC 5321, section 4.5.2), ending in a line end, without the dot.

    Raises ValueError for a bare CR or LF: servers that take one for a line end can be made to see an early final dot.
    """
    bare = b"".join(content.split(b"\r\n"))
    if b"\n" in bare or b"\r" in bare:
        raise ValueError("A message has a bare CR or LF; it must be in CRLF form.")
    doubled = content.replace(b"\n.", b"\n..")
    if doubled.startswith(b"."):
        doubled = b"." + doubled
    return doubled if doubled.endswith(b"\r\n") or not doubled else doubled + b"\r\n"


def is_stuffed(content: bytes) -> bool:
    """Is it its own `stuffed` form, wherever at the start of a line it stands?"""
    return (
        b"\n." not in content
        and content[:1] != b"."
        and content.count(b"\r\n") == content.count(b"\n") == content.count(b"\r")
    )


FINAL_DOT = b".\r\n"
