"""Who is meant: only our own signed tokens say so, never an address that stands in a report."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sending import feedback
from sending.feedback import Sent
from sending.pure import tokens, verp
from sending.pure.reports import Report

_FOLD = re.compile(r"\r?\n[ \t]+")
_UNSUBSCRIBE_LINK = re.compile(r"/u/([A-Za-z0-9_-]{20,800})(?![A-Za-z0-9_-])")
_UNSUBSCRIBE_ADDRESS = re.compile(r"(?<![a-z0-9])(u-[a-z2-7]{16,62})(?=@)", re.IGNORECASE)
_ANSWERED = re.compile(r"^(?:in-reply-to|references):(.*)$", re.IGNORECASE | re.MULTILINE)
_HEAD = 64 * 1024
_MOST_CANDIDATES = 50


@dataclass(frozen=True, slots=True)
class Named:
    """The genuine tokens of one message: which letter, whose return path, whose wish to leave."""

    message: verp.MessageRef | None = None
    path: verp.ReturnPath | None = None
    leave: tokens.Unsubscribe | None = None

    @property
    def is_anybody(self) -> bool:
        return bool(self.message or self.path or self.leave)

    @property
    def is_test(self) -> bool:
        return any(token is not None and token.test for token in (self.message, self.path, self.leave))

    @property
    def agrees(self) -> bool:
        """A return path of one person around a letter to another is no evidence about either."""
        people = {token.subscriber for token in (self.path, self.leave) if token is not None}
        return len(people) <= 1


def named(*, report: Report, raw: bytes, rcpt_to: str, keys: Mapping[int, bytes]) -> Named:
    """The tokens in the envelope, the quoted letter, and the headers that say what is answered; all verified."""
    quoted = _FOLD.sub(" ", report.quoted)
    answered = "\n".join(_ANSWERED.findall(_FOLD.sub(" ", _head(raw))))
    told = f"{report.original_message_id}\n{quoted}"
    return Named(
        message=verp.find_message(told, keys=keys) or verp.find_message(answered, keys=keys),
        path=_path(rcpt_to, keys) or verp.find_return_path(f"{report.original_return_path}\n{quoted}", keys=keys),
        leave=_leave(rcpt_to, keys) or _leave_quoted(quoted, keys),
    )


def find(*, who: Named, at: datetime) -> Sent | None:
    """The delivery the tokens name; by the return path alone, the newest message before. None: none that is kept."""
    sent = None
    if who.message is not None:
        sent = feedback.find_sent(mailing_id=who.message.mailing, delivery_id=who.message.delivery)
    elif who.leave is not None:
        sent = feedback.find_sent(mailing_id=who.leave.mailing, delivery_id=who.leave.delivery)
    elif who.path is not None:
        sent = feedback.find_last_sent(subscriber_id=who.path.subscriber, list_id=who.path.list, at=at)
    return sent if sent is not None and _fits(sent, who) else None


def _fits(sent: Sent, who: Named) -> bool:
    return all(token.subscriber == sent.delivery.subscriber_id for token in (who.path, who.leave) if token is not None)


def _head(raw: bytes) -> str:
    return re.split(rb"\r?\n\r?\n", raw[:_HEAD], maxsplit=1)[0].decode("utf-8", "replace")


def _path(address: str, keys: Mapping[int, bytes]) -> verp.ReturnPath | None:
    try:
        return verp.read_return_path(address, keys=keys)
    except verp.BadToken:
        return None


def _leave(address: str, keys: Mapping[int, bytes]) -> tokens.Unsubscribe | None:
    try:
        return verp.read_unsubscribe_address(address, keys=keys)
    except verp.BadToken:
        return None


def _leave_quoted(quoted: str, keys: Mapping[int, bytes]) -> tokens.Unsubscribe | None:
    """From List-Unsubscribe of the quoted letter: all that is left where a feedback loop takes out the recipient."""
    for token in _UNSUBSCRIBE_LINK.findall(quoted)[:_MOST_CANDIDATES]:
        try:
            return tokens.read(token, "unsubscribe", keys=keys)
        except tokens.BadToken:
            continue
    found = (_leave(address, keys) for address in _UNSUBSCRIBE_ADDRESS.findall(quoted)[:_MOST_CANDIDATES])
    return next((leave for leave in found if leave is not None), None)
