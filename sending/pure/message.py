"""A message compiled once per mailing: literal bytes, already transfer-encoded, with slots for what differs.

`build_message` makes one, the standard library's `email` builds its skeleton and reads the result back. It travels as
JSON (`to_json`, `from_json`), versioned, so that a mailing frozen by an older release can still be sent.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP
from typing import Any, NamedTuple

from .headers import ascii_address, text_header
from .personalise import Dynamic, Literal, Piece, compile_template
from .quoted_printable import SOFT_BREAK, encode_literal

VERSION = 1
MARKETING, TRANSACTIONAL = "marketing", "transactional"


class Wire(NamedTuple):
    """Bytes of the body as they leave (ASCII)."""

    data: str


class TextSlot(NamedTuple):
    """Filled with plain text."""

    source: str


class HtmlSlot(NamedTuple):
    """Filled with HTML-escaped text."""

    source: str


BodyPiece = Wire | TextSlot | HtmlSlot
_CODES: dict[str, type[TextSlot] | type[HtmlSlot]] = {"t": TextSlot, "h": HtmlSlot}


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledMessage:
    """Everything equal for all recipients. `links` is where the tracked addresses lead. Sizes are decoded bytes."""

    from_name: str
    from_address: str
    reply_to: str
    list_id: str
    stream: str
    language: str
    subject: tuple[Piece, ...]
    content_type: str
    body: tuple[BodyPiece, ...]
    links: tuple[str, ...]
    track_clicks: bool
    track_opens: bool
    text_size: int
    html_size: int
    version: int = VERSION

    def to_json(self) -> dict[str, Any]:
        """Plain data for a JSON column."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        plain["subject"] = [p.text if isinstance(p, Literal) else ["d", p.source] for p in self.subject]
        plain["body"] = [_plain(piece) for piece in self.body]
        return {**plain, "links": list(self.links)}

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> "CompiledMessage":
        """Read what `to_json` wrote. Raises ValueError for another version or a damaged value."""
        if plain.get("version") != VERSION:
            raise ValueError(f"This message was compiled by another version ({plain.get('version')}).")
        try:
            subject = tuple(Literal(p) if isinstance(p, str) else Dynamic(p[1]) for p in plain["subject"])
            body = tuple(Wire(p) if isinstance(p, str) else _CODES[p[0]](p[1]) for p in plain["body"])
            return cls(**{**plain, "subject": subject, "body": body, "links": tuple(plain["links"])})
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError("This compiled message is damaged.") from error


def _plain(piece: BodyPiece) -> str | list[str]:
    if isinstance(piece, Wire):
        return piece.data
    return ["t" if isinstance(piece, TextSlot) else "h", piece.source]


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Who writes, and how the message is treated; equal for all recipients."""

    from_name: str
    from_address: str
    reply_to: str = ""
    list_id: str = ""  # `Display <label.domain>`, empty for none
    stream: str = MARKETING
    language: str = "en"
    track_clicks: bool = False
    track_opens: bool = False


def build_message(
    *, envelope: Envelope, subject: str, text: str, html: str, links: Sequence[str] = ()
) -> CompiledMessage:
    """Compile three Liquid sources (subject, plain text, a whole HTML page) into a message.

    Raises TemplateError for a source, HeaderError for an address or a header, ValueError if the result cannot be read
    back as multipart/alternative with exactly these two texts.
    """
    envelope = _checked(envelope)
    parts = {TextSlot: compile_template(text, escape=False), HtmlSlot: compile_template(html, escape=True)}
    boundary = "=_" + hashlib.sha256(f"{subject}\0{text}\0{html}".encode("utf-8", "replace")).hexdigest()[:30]
    before, between, after, content_type = _skeleton(boundary)
    body = [
        *(Wire(before), *_encoded(parts[TextSlot], TextSlot)),
        *(Wire(between), *_encoded(parts[HtmlSlot], HtmlSlot), Wire(after)),
    ]
    message = CompiledMessage(
        **asdict(envelope),
        subject=compile_template(subject, escape=False),
        content_type=content_type,
        body=tuple(_joined(body)),
        links=tuple(links),
        text_size=_size(parts[TextSlot]),
        html_size=_size(parts[HtmlSlot]),
    )
    _read_back(message, _literal(parts[TextSlot]), _literal(parts[HtmlSlot]))
    return message


def _checked(envelope: Envelope) -> Envelope:
    text_header("From", envelope.from_name)
    text_header("List-Id", envelope.list_id)
    return replace(
        envelope,
        from_address=ascii_address(envelope.from_address),
        reply_to=ascii_address(envelope.reply_to) if envelope.reply_to else "",
    )


def _skeleton(boundary: str) -> tuple[str, str, str, str]:
    """What stands before, between and after the two texts, and the Content-Type of the whole."""
    message = EmailMessage(policy=SMTP)
    message.set_content("the text part\n", cte="quoted-printable")
    message.add_alternative("the html part\n", subtype="html", cte="quoted-printable")
    for part in message.iter_parts():
        del part["MIME-Version"]
    message.set_boundary(boundary)
    body = message.as_bytes().partition(b"\r\n\r\n")[2].decode("ascii")
    before, _, rest = body.partition("the text part\r\n")
    between, _, after = rest.partition("the html part\r\n")
    return (
        before,
        "\r\n" + between.removeprefix("\r\n"),
        "\r\n" + after.removeprefix("\r\n"),
        str(message["Content-Type"]),
    )


def _encoded(pieces: Iterable[Piece], slot: type[TextSlot] | type[HtmlSlot]) -> Iterator[BodyPiece]:
    soft = Wire(SOFT_BREAK.decode("ascii"))
    at_line_start = True
    for piece in pieces:
        if isinstance(piece, Literal):
            yield Wire(encode_literal(piece.text).decode("ascii"))
            at_line_start = piece.text.endswith("\n")
            continue
        if not at_line_start:
            yield soft
        yield slot(piece.source)
        yield soft
        at_line_start = True


def _joined(pieces: Iterable[BodyPiece]) -> Iterator[BodyPiece]:
    wire = ""
    for piece in pieces:
        if isinstance(piece, Wire):
            wire += piece.data
            continue
        if wire:
            yield Wire(wire)
        wire = ""
        yield piece
    yield Wire(wire)


def _literal(pieces: Iterable[Piece]) -> str:
    return "".join(piece.text for piece in pieces if isinstance(piece, Literal))


def _size(pieces: Iterable[Piece]) -> int:
    return len(_literal(pieces).encode("utf-8", "replace"))


def _read_back(message: CompiledMessage, text: str, html: str) -> None:
    """Parse the message with empty slots as a receiver would; ValueError if it does not say what was meant."""
    body = "".join(piece.data for piece in message.body if isinstance(piece, Wire))
    raw = f"MIME-Version: 1.0\r\nContent-Type: {message.content_type}\r\n\r\n{body}".encode("ascii")
    parsed = BytesParser(policy=SMTP).parsebytes(raw)
    parts = list(parsed.iter_parts())
    types = [part.get_content_type() for part in parts]
    if parsed.defects or types != ["text/plain", "text/html"] or any(part.defects for part in parts):
        raise ValueError("The message cannot be read back as it was built.")
    for part, meant in zip(parts, (text, html), strict=True):
        if _lines(part.get_content()) != _lines(meant):
            raise ValueError("The message reads back with another text.")


def _lines(text: str) -> list[str]:
    cleaned = "".join(c for c in text if c in "\n\t\r" or not (c < " " or c == "\x7f"))
    encodable = cleaned.encode("utf-8", "replace").decode("utf-8")
    return encodable.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").split("\n")
