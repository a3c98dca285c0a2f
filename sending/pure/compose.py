"""Fill a compiled message for one recipient.

1. `prepare` once per mailing and process: parse the slots, encode the headers that are equal for all.
2. `compose` per recipient: look up the fields, fill the slots, add the recipient's headers. No rendering, no MIME.

Every copy either comes out whole or raises PersonalisationFailed; no value can begin a header line or break the body.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import count
from operator import itemgetter

from .dialogue import is_stuffed
from .dkim import canonical_body
from .headers import HeaderError, date_value, header_name, mailbox, message_id, text_header, uri_list
from .liquid_engine import SPECIAL, written
from .message import TRANSACTIONAL, BodyPiece, CompiledMessage, HtmlSlot, TextSlot, Wire
from .personalise import Dynamic, Evaluator, Literal, PersonalisationFailed, Scope, evaluate, prepare_direct
from .personalise import prepare as prepare_slots
from .quoted_printable import encode_value, encode_values

Header = tuple[str, bytes]

# Where a tracked letter is only shown (preview, web version): a transparent point that asks nobody.
_NO_PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="


@dataclass(slots=True, kw_only=True)
class RecipientContext:
    """One person. `fields` become `contact.<name>`: plain data only (text, numbers, dates, lists of them)."""

    email: str
    fields: Mapping[str, object]
    name: str = ""  # display name in To; empty for the bare address


@dataclass(slots=True, kw_only=True)
class SystemValues:
    """What the sending side gives each message. Empty strings leave the header or the link's purpose out."""

    message_id: str  # <left@right>
    date: datetime  # aware
    links: Sequence[str]  # the tracked address of each link; the target itself where nothing is tracked
    unsubscribe_url: str = ""
    preferences_url: str = ""
    web_version_url: str = ""
    open_url: str = ""
    unsubscribe_mailto: str = ""  # bare address
    mailing_ref: str = ""  # opaque, for X-Letterpace-Mailing
    feedback_id: str = ""
    extra_headers: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Composed:
    """A message ready to be signed. Header values may be folded; neither they nor the body hold a bare CR or LF."""

    headers: list[Header]
    body: bytes
    is_relaxed: bool = False  # for DKIM: the body is canonical as it is
    is_stuffed: bool = False  # for SMTP: no line begins with a dot; of the headers none ever does

    def head(self, signature: bytes = b"") -> bytes:
        """The header lines behind that of the signature, and the empty line."""
        lines = [_before_value(name) + value for name, value in self.headers]
        return signature + b"\r\n".join([*lines, b"", b""])

    def as_bytes(self, signature: bytes = b"") -> bytes:
        """The whole message with CRLF (not dot-stuffed)."""
        return self.head(signature) + self.body


@dataclass(frozen=True, slots=True)
class PreparedMessage:
    """A compiled message with its slots parsed: made once, used by many threads.

    A copy's body is picked together, by `order`, from the literals, then the direct values as text, then the same as
    HTML, then what the blocks of the text and of the HTML part wrote.
    """

    compiled: CompiledMessage
    subject: tuple[str | None, ...]  # literals, None where an evaluator's text goes
    subject_slots: tuple[Evaluator, ...]
    literals: tuple[bytes, ...]
    direct: tuple[Evaluator, ...]
    text_blocks: tuple[Evaluator, ...]
    html_blocks: tuple[Evaluator, ...]
    order: Callable[[Sequence[bytes]], tuple[bytes, ...]]
    first_headers: tuple[Header, ...]
    last_headers: tuple[Header, ...]
    is_relaxed: bool
    is_stuffed: bool


@lru_cache(maxsize=256)
def _before_value(name: str) -> bytes:
    return name.encode("ascii") + b": "


def prepare(compiled: CompiledMessage) -> PreparedMessage:
    """Parse the slots of a compiled message; keep the result for the whole batch or longer."""
    language = compiled.language
    literals = tuple(piece.data.encode("ascii") for piece in compiled.body if isinstance(piece, Wire))
    sources = {piece.source: None for piece in compiled.body if not isinstance(piece, Wire)}
    found = ((source, prepare_direct(source, language=language)) for source in sources)
    direct = {source: evaluator for source, evaluator in found if evaluator}
    blocks = {
        kind: [p.source for p in compiled.body if isinstance(p, kind) and p.source not in direct]
        for kind in (TextSlot, HtmlSlot)
    }
    subject = [piece.source for piece in compiled.subject if isinstance(piece, Dynamic)]
    # What fills the slots is canonical, and has no dot at a line's begin, by its encoding; so are the soft line breaks
    # around it.
    whole = b"{}".join(literals)
    is_relaxed = isinstance(compiled.body[-1], Wire) and canonical_body(whole) == whole
    return PreparedMessage(
        compiled=compiled,
        subject=tuple(piece.text if isinstance(piece, Literal) else None for piece in compiled.subject),
        subject_slots=tuple(
            prepare_direct(source, language=language) or slow
            for source, slow in zip(subject, prepare_slots(subject, escape=False, language=language), strict=True)
        ),
        literals=literals,
        direct=tuple(direct.values()),
        text_blocks=prepare_slots(blocks[TextSlot], escape=False, language=language),
        html_blocks=prepare_slots(blocks[HtmlSlot], escape=True, language=language),
        order=itemgetter(*_order(compiled.body, list(direct), len(literals), len(blocks[TextSlot]))),
        first_headers=(("From", mailbox("From", compiled.from_name, compiled.from_address)),),
        last_headers=tuple(_equal_headers(compiled)),
        is_relaxed=is_relaxed,
        is_stuffed=is_relaxed and is_stuffed(whole) and not any(literal[:1] == b"." for literal in literals),
    )


def _order(body: Sequence[BodyPiece], direct: list[str], literals: int, text_blocks: int) -> list[int]:
    """Where each piece of the body stands in what `_body` collects; see PreparedMessage."""
    first_block = literals + 2 * len(direct)
    next_literal, next_text, next_html = count(), count(first_block), count(first_block + text_blocks)
    places = {source: literals + number for number, source in enumerate(direct)}
    order = []
    for piece in body:
        if isinstance(piece, Wire):
            order.append(next(next_literal))
        elif piece.source in places:
            order.append(places[piece.source] + (len(direct) if isinstance(piece, HtmlSlot) else 0))
        else:
            order.append(next(next_text if isinstance(piece, TextSlot) else next_html))
    return order


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
    scope = Scope(_data(recipient, system))
    try:
        headers, body = _headers(message, scope, recipient, system), _body(message, scope)
        return Composed(headers, body, message.is_relaxed, message.is_stuffed)
    except HeaderError as error:
        raise PersonalisationFailed(str(error)) from error


def _data(recipient: RecipientContext, system: SystemValues) -> dict[str, object]:
    return {
        "contact": {**recipient.fields, "email": recipient.email},
        "link": system.links,
        "unsubscribe_url": system.unsubscribe_url,
        "preferences_url": system.preferences_url,
        "web_version_url": system.web_version_url,
        # The same token: who may read the letter may hand it on.
        "forward_url": "/f/".join(system.web_version_url.rsplit("/w/", 1)),
        "open_url": system.open_url or _NO_PIXEL,
        "today": system.date.date(),
        "now": system.date,
    }


def _headers(message: PreparedMessage, scope: Scope, recipient: RecipientContext, system: SystemValues) -> list[Header]:
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
    values = evaluate(message.direct, scope)
    text = encode_values(values)
    # Most values hold nothing to escape: then the text part's bytes serve for HTML too.
    html = text if not SPECIAL.search("".join(values)) else encode_values([written(v, escape=True) for v in values])
    blocks = [*evaluate(message.text_blocks, scope), *evaluate(message.html_blocks, scope)]
    filled = [*text, *html, *map(encode_value, blocks)]
    return b"".join(message.order([*message.literals, *filled]))
