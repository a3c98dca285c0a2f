"""Fill a compiled message for one recipient.

1. `prepare` once per mailing and process: parse the slots, encode the headers that are equal for all.
2. `compose` per recipient: look up the fields, fill the slots, add the recipient's headers. No rendering, no MIME.

Every copy either comes out whole or raises PersonalisationFailed; no value can begin a header line or break the body.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from .headers import HeaderError, date_value, header_name, mailbox, message_id, text_header, uri_list
from .liquid_filters import Markup
from .message import TRANSACTIONAL, CompiledMessage, HtmlSlot, TextSlot, Wire
from .personalise import Dynamic, Evaluator, Literal, PersonalisationFailed, Scope, evaluate, prepare as prepare_slots
from .quoted_printable import encode_value

Header = tuple[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientContext:
    """One person. `fields` become `contact.<name>`: plain data only (text, numbers, dates, lists of them)."""

    email: str
    fields: Mapping[str, object]
    name: str = ""  # display name in To; empty for the bare address


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemValues:
    """What the sending side gives each message. Empty strings leave the header or the link's purpose out."""

    message_id: str  # <left@right>
    date: datetime  # aware
    link_url: Callable[[int], str]  # the tracked address of links[n]; the target itself where nothing is tracked
    unsubscribe_url: str = ""
    preferences_url: str = ""
    web_version_url: str = ""
    open_url: str = ""
    unsubscribe_mailto: str = ""  # bare address
    mailing_ref: str = ""  # opaque, for X-Letterpace-Mailing
    feedback_id: str = ""
    extra_headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Composed:
    """A message ready to be signed. Header values may be folded; neither they nor the body hold a bare CR or LF."""

    headers: list[Header]
    body: bytes

    def as_bytes(self, signature: bytes = b"") -> bytes:
        """The whole message with CRLF, behind the signature's header line (not dot-stuffed)."""
        lines = [name.encode("ascii") + b": " + value + b"\r\n" for name, value in self.headers]
        return b"".join([signature, *lines, b"\r\n", self.body])


@dataclass(frozen=True, slots=True)
class PreparedMessage:
    """A compiled message with its slots parsed: made once, used by many threads."""

    compiled: CompiledMessage
    subject: tuple[str | None, ...]  # literals, None where an evaluator's text goes
    subject_slots: tuple[Evaluator, ...]
    body: tuple[bytes, ...]  # empty where a slot's bytes go
    text_slots: tuple[Evaluator, ...]
    text_places: tuple[int, ...]
    html_slots: tuple[Evaluator, ...]
    html_places: tuple[int, ...]
    first_headers: tuple[Header, ...]
    last_headers: tuple[Header, ...]


class _Links(dict[int, str]):
    """Addresses made when first asked for, once per recipient."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[int], str]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, number: int) -> str:
        address = self[number] = self._make(number)
        return address


def prepare(compiled: CompiledMessage) -> PreparedMessage:
    """Parse the slots of a compiled message; keep the result for the whole batch or longer."""
    language = compiled.language
    text = [(place, piece.source) for place, piece in enumerate(compiled.body) if isinstance(piece, TextSlot)]
    html = [(place, piece.source) for place, piece in enumerate(compiled.body) if isinstance(piece, HtmlSlot)]
    subject = [piece.source for piece in compiled.subject if isinstance(piece, Dynamic)]
    return PreparedMessage(
        compiled=compiled,
        subject=tuple(piece.text if isinstance(piece, Literal) else None for piece in compiled.subject),
        subject_slots=prepare_slots(subject, escape=False, language=language),
        body=tuple(piece.data.encode("ascii") if isinstance(piece, Wire) else b"" for piece in compiled.body),
        text_slots=prepare_slots([source for _, source in text], escape=False, language=language),
        text_places=tuple(place for place, _ in text),
        html_slots=prepare_slots([source for _, source in html], escape=True, language=language),
        html_places=tuple(place for place, _ in html),
        first_headers=(("From", mailbox("From", compiled.from_name, compiled.from_address)),),
        last_headers=tuple(_equal_headers(compiled)),
    )


def _equal_headers(compiled: CompiledMessage) -> list[Header]:
    headers: list[Header] = []
    if compiled.reply_to:
        headers.append(("Reply-To", mailbox("Reply-To", "", compiled.reply_to)))
    if compiled.list_id:
        headers.append(("List-Id", text_header("List-Id", compiled.list_id)))
    if compiled.stream == TRANSACTIONAL:
        headers.append(("Auto-Submitted", b"auto-generated"))  # RFC 3834 §5
    return [*headers, ("MIME-Version", b"1.0"), ("Content-Type", compiled.content_type.encode("ascii"))]


def compose(message: PreparedMessage, *, recipient: RecipientContext, system: SystemValues) -> Composed:
    """One recipient's copy. Raises PersonalisationFailed (NeedsSmtputf8 is its cause where the address needs that)."""
    scope = Scope(_data(recipient, system, track_opens=message.compiled.track_opens))
    try:
        return Composed(_headers(message, scope, recipient, system), _body(message, scope))
    except HeaderError as error:
        raise PersonalisationFailed(str(error)) from error


def _data(recipient: RecipientContext, system: SystemValues, *, track_opens: bool) -> dict[str, object]:
    today = system.date.date()
    return {
        "contact": {**recipient.fields, "email": recipient.email},
        "link": _Links(system.link_url),
        "unsubscribe_url": system.unsubscribe_url,
        "preferences_url": system.preferences_url,
        "web_version_url": system.web_version_url,
        "open_pixel": _pixel(system.open_url) if track_opens and system.open_url else "",
        "today": today,
        "now": system.date,
    }


def _pixel(url: str) -> Markup:
    source = url.replace("&", "&amp;").replace('"', "%22").replace("<", "%3C")
    return Markup(f'<img src="{source}" width="1" height="1" alt="" style="display:block;border:0">')


def _headers(
    message: PreparedMessage, scope: Scope, recipient: RecipientContext, system: SystemValues
) -> list[Header]:
    headers = [
        ("Date", date_value(system.date)),
        *message.first_headers,
        ("To", mailbox("To", recipient.name, recipient.email)),
        ("Subject", text_header("Subject", subject_of(message, scope))),
        ("Message-ID", message_id(system.message_id)),
    ]
    if system.unsubscribe_url and message.compiled.stream != TRANSACTIONAL:
        ways = [f"mailto:{system.unsubscribe_mailto}"] if system.unsubscribe_mailto else []
        headers.append(("List-Unsubscribe", uri_list(system.unsubscribe_url, *ways)))
        headers.append(("List-Unsubscribe-Post", b"List-Unsubscribe=One-Click"))  # RFC 8058
    if system.feedback_id:
        headers.append(("Feedback-ID", text_header("Feedback-ID", system.feedback_id)))
    if system.mailing_ref:
        headers.append(("X-Letterpace-Mailing", text_header("X-Letterpace-Mailing", system.mailing_ref)))
    for name, value in system.extra_headers:
        headers.append((header_name(name), text_header(name, value)))
    headers.extend(message.last_headers)
    return headers


def subject_of(message: PreparedMessage, scope: Scope) -> str:
    """The subject as text, before it is encoded."""
    values = iter(evaluate(message.subject_slots, scope))
    return "".join([next(values) if literal is None else literal for literal in message.subject])


def _body(message: PreparedMessage, scope: Scope) -> bytes:
    pieces = list(message.body)
    _fill(pieces, message.text_places, evaluate(message.text_slots, scope))
    _fill(pieces, message.html_places, evaluate(message.html_slots, scope))
    return b"".join(pieces)


def _fill(pieces: list[bytes], places: Sequence[int], values: Sequence[str]) -> None:
    for place, value in zip(places, values, strict=True):
        pieces[place] = encode_value(value)
