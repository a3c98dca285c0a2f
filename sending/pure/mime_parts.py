"""A message from outside, cut to size and taken apart without trust: no depth, number or charset can hurt."""

import binascii
import email
import re
from collections.abc import Iterator
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message

MAX_OCTETS = 512 * 1024
MAX_HEADER_OCTETS = 64 * 1024
MAX_PARTS = 200
MAX_DEPTH = 12
MAX_BLANK_LINES = 2_000
MAX_FIELDS = 1_000
MAX_CONTENT_TYPE = 2_000
MAX_TEXT = 64 * 1024

_BLANK_LINE = re.compile(rb"\r?\n\r?\n|\r\r")
_DELIMITER = re.compile(rb"^--", re.MULTILINE)
_CONTENT_TYPE = re.compile(rb"^content-(?:type|disposition):[^\n]*(?:\n[ \t][^\n]*)*", re.IGNORECASE | re.MULTILINE)
_CONTAINER = re.compile(rb"^content-type:\s*(?:multipart|message)/", re.IGNORECASE | re.MULTILINE)


def parse(raw: bytes) -> Message:
    """Return the message in `raw` by the lenient stdlib parser, given no more than it can handle quickly.

    The head of a message says all we need: what is over MAX_OCTETS, MAX_PARTS or MAX_DEPTH is not looked at.
    """
    return email.message_from_bytes(_flattened(_CONTENT_TYPE.sub(_shortened, _limited(raw))))


def _limited(raw: bytes) -> bytes:
    raw = raw[:MAX_OCTETS]
    end = _BLANK_LINE.search(raw)
    head = raw[: end.start()] if end else raw
    if len(head) > MAX_HEADER_OCTETS:
        kept = head[:MAX_HEADER_OCTETS]
        raw = kept[: kept.rfind(b"\n") + 1] + (raw[end.start() :] if end else b"")
    for number, delimiter in enumerate(_DELIMITER.finditer(raw)):
        if number >= MAX_PARTS:
            raw = raw[: delimiter.start()]
            break
    for number, blank in enumerate(_BLANK_LINE.finditer(raw)):
        if number >= MAX_BLANK_LINES:  # each may part two groups of a report
            return raw[: blank.start()]
    return raw


def _shortened(found: re.Match[bytes]) -> bytes:
    """The stdlib takes parameters apart in quadratic time."""
    return found[0] if len(found[0]) <= MAX_CONTENT_TYPE else found[0][:MAX_CONTENT_TYPE].replace(b"\r", b"").rstrip()


def _flattened(raw: bytes) -> bytes:
    """Every container within a container costs the parser a level of recursion: those beyond the limit become text."""
    containers = [found.start() for found in _CONTAINER.finditer(raw)]
    if len(containers) <= MAX_DEPTH:
        return raw
    cut = containers[MAX_DEPTH]
    return raw[:cut] + _CONTAINER.sub(b"X-Nested-Type: ", raw[cut:])


def parts(message: Message) -> Iterator[Message]:
    """The leaves and reports of a message, outermost first, without going into the message that it returns."""
    stack = [(message, 0)]
    while stack:
        part, depth = stack.pop()
        yield part
        payload = payload_of(part)
        if part.is_multipart() and isinstance(payload, list) and depth < MAX_DEPTH:
            if part.get_content_maintype() == "message":
                continue
            stack.extend([(child, depth + 1) for child in reversed(payload) if isinstance(child, Message)])


def payload_of(part: Message) -> object:
    """What stands in a part: a list of parts, or text; "" where the charset makes the stdlib stumble."""
    try:
        return part.get_payload()
    except (ValueError, LookupError):
        return ""


def octets_of(part: Message) -> object:
    try:
        return part.get_payload(decode=True)
    except (ValueError, LookupError):
        return b""


def header(message: Message, name: str) -> str:
    """The first header of that name on one line, never None, odd octets replaced."""
    try:
        return " ".join(str(message.get(name, "")).split())[:2000]
    except (ValueError, LookupError, UnicodeError):
        return ""


def words_of(message: Message, name: str) -> str:
    """The first header of that name as people read it: encoded words (RFC 2047) decoded where they can be."""
    value = header(message, name)
    if "=?" not in value:
        return value
    try:
        pieces = decode_header(value)
    except (HeaderParseError, ValueError, LookupError):
        return value
    read = [piece if isinstance(piece, str) else decoded(piece, charset or "utf-8") for piece, charset in pieces]
    return " ".join("".join(read).split())[:2000]


def text_of(part: Message) -> str:
    """The text of a part, transfer encoding undone; a charset that is unknown or wrong costs some letters at most."""
    payload = payload_of(part)
    if isinstance(payload, list):
        return "\n".join(text_of(child) for child in payload[:MAX_PARTS] if isinstance(child, Message))[:MAX_TEXT]
    octets = octets_of(part)
    if not isinstance(octets, bytes):
        return str(octets or "")[:MAX_TEXT]
    return decoded(octets[: MAX_TEXT * 2], part.get_content_charset("utf-8"))[:MAX_TEXT]


def decoded(octets: bytes, charset: str) -> str:
    try:
        return octets.decode(charset if charset.isascii() else "utf-8", "replace")
    except (LookupError, ValueError):
        return octets.decode("utf-8", "replace")


def fields_of(part: Message) -> list[Message]:
    """The groups of fields of a report (message/delivery-status, message/feedback-report), however it was encoded."""
    payload = payload_of(part)
    if isinstance(payload, list) and payload and header(part, "content-transfer-encoding").lower() != "base64":
        groups = [group for group in payload[:MAX_PARTS] if isinstance(group, Message) and group.keys()]
        return [single for group in groups for single in _singles(group)]
    text = text_of(part)
    return [
        email.message_from_string(group.strip() + "\n\n")
        for group in re.split(r"\r?\n[ \t]*\r?\n", text)
        if group.strip()
    ]


_ONCE = {"final-recipient", "original-recipient", "action", "status"}


def _singles(group: Message) -> list[Message]:
    """Groups of fields that a sloppy server has run together, told apart by the field that comes again."""
    singles = [Message()]
    seen: set[str] = set()
    for name, value in group.items()[:MAX_FIELDS]:
        if name.lower() in _ONCE and name.lower() in seen:
            singles.append(Message())
            seen.clear()
        seen.add(name.lower())
        singles[-1][name] = value
    return singles


def quoted_headers(part: Message) -> str:
    """The header of the message returned within a part: message/rfc822, text/rfc822-headers, however it was encoded."""
    payload = payload_of(part)
    if part.get_content_maintype() == "message" and isinstance(payload, list) and payload:
        inner = payload[0]
        if isinstance(inner, Message) and inner.keys():
            return "\n".join(f"{name}: {_plain(value)}" for name, value in inner.items())[:MAX_TEXT]
        if isinstance(inner, Message) and header(part, "content-transfer-encoding").lower() == "base64":
            # RFC 2046 §5.2.1 forbids it, and some feedback loops do it.
            return decoded(_unbase64(str(payload_of(inner))), "utf-8").replace("\r\n", "\n").split("\n\n")[0][:MAX_TEXT]
    octets = octets_of(part)
    text = octets.decode("utf-8", "replace") if isinstance(octets, bytes) else text_of(part)
    return text.lstrip().split("\n\n")[0].split("\r\n\r\n")[0][:MAX_TEXT]


def _unbase64(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text[: MAX_TEXT * 2].encode("ascii", "ignore"))
    except binascii.Error:
        return b""


def _plain(value: object) -> str:
    try:
        return str(value)
    except (ValueError, LookupError, UnicodeError):
        return ""
