"""Quoted-printable (RFC 2045 §6.7) for a body cut into literals and slots.

Around every slot stands a soft line break, so that literals are encoded once and a value can be encoded alone. What
comes out is ASCII with CRLF, lines of at most 76 characters, none that begins with a dot (SMTP would double it), no
blanks at the end of a line and never two in a row: already canonical for DKIM's `relaxed` (RFC 6376 §3.4.4).
"""

import binascii
import re
from collections.abc import Sequence

SOFT_BREAK = b"=\r\n"
_WIDTH = 75  # and one for the `=` of a soft break
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BLANKS = re.compile(rb"(?<=[ \t])[ \t]|\t")
_LONE_DOT = re.compile(rb"^\.", re.MULTILINE)


def encode_literal(text: str) -> bytes:
    """Encode text whose first and last characters stand at a line's edge or next to a SOFT_BREAK."""
    return _encode(text)


def encode_value(text: str) -> bytes:
    """Encode what fills a slot."""
    return encode_values([text])[0]


def encode_values(texts: Sequence[str]) -> list[bytes]:
    """Encode what fills the slots of one copy. Where all are ASCII without specials, they are judged in one go."""
    joined = "|".join(texts)
    if _is_plain(joined) and "|." not in joined:
        values = joined.encode("ascii").split(b"|")
        if len(values) == len(texts):
            return [value if len(value) <= _WIDTH else _cut(value) for value in values]
    return [_cut(text.encode("ascii")) if _is_plain(text) else _encode(text) for text in texts]


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and "=" not in text and "  " not in text and text[:1] != "."


def _cut(plain: bytes) -> bytes:
    if len(plain) <= _WIDTH:
        return plain
    cut = SOFT_BREAK.join([plain[at : at + _WIDTH] for at in range(0, len(plain), _WIDTH)])
    return cut if b"\n." not in cut else _encode_line(plain)


def _encode(text: str) -> bytes:
    unix = text.replace("\r\n", "\n").replace("\r", "\n")
    # Controls are not text; NUL makes some servers refuse the message.
    octets = _CONTROLS.sub("", unix).encode("utf-8", "replace")
    return b"\r\n".join([_encode_line(line) for line in octets.split(b"\n")])


def _encode_line(line: bytes) -> bytes:
    """One line: cut into pieces that end in `=`, except the last."""
    safe = binascii.b2a_qp(line, istext=True, quotetabs=False).replace(b"=\n", b"")
    safe = _BLANKS.sub(lambda match: b"=20" if match.group() == b" " else b"=09", safe)
    if safe[:1] == b".":
        safe = b"=2E" + safe[1:]
    if len(safe) <= _WIDTH:
        return safe
    pieces = []
    while len(safe) > _WIDTH:
        at = _WIDTH
        while b"=" in safe[at - 2 : at]:  # not through the middle of =XX
            at -= 1
        pieces.append(safe[:at])
        safe = safe[at:]
        if safe[:1] == b".":
            safe = b"=2E" + safe[1:]
    return SOFT_BREAK.join([*pieces, safe])
