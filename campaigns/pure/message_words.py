"""Did Jane get it? The answer in a word and a sentence, and what happened step by step."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from campaigns.pure.plain_words import consequence, sentence
from words import gettext as _
from words import marked, number

ACCEPTED, DEFERRED = "accepted", "deferred"
# What a person did with a letter is proof that it arrived.
PROOF = {
    "clicked": marked("A link in it was followed"),
    "opened": marked("It was opened"),
    "unsubscribed": marked("They left with it"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One attempt, as the engine knows it."""

    number: int
    kind: str
    at: datetime
    reason: str = ""
    reply_class: str = ""
    reply: str = ""
    route: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class After:
    """Something that became known later. `target`: where a followed link led."""

    kind: str
    at: datetime
    by_machine: bool = False
    target: str = ""
    n: int = 1
    reply: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """`word` and `icon` go together; `tone` is ok, wait or bad."""

    tone: str
    icon: str
    word: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the timeline. `detail` in small; `raw` the receiver's own words."""

    at: datetime
    tone: str
    icon: str
    words: str
    detail: str = ""
    raw: str = ""


def answer(*, who: str, tries: Sequence[Try], later: Sequence[After], mailing_state: str) -> Answer:
    """Yes, no, perhaps or not yet, and why. `who` is the receiver's name for people."""
    last = tries[-1] if tries else None
    if any(row.kind == "bounced" for row in later):
        return Answer("bad", "circle-x", _("No"), _("%(who)s took it first, and sent it back later.") % {"who": who})
    proof = next((row for row in later if row.kind in PROOF and not row.by_machine), None)
    if proof is not None:
        return Answer("ok", "circle-check", _("Yes"), f"{_(PROOF[proof.kind])}.")
    if any(row.kind == "complained" for row in later):
        return Answer("ok", "circle-check", _("Yes"), _("They marked it as spam."))
    if last is None or last.kind == DEFERRED:
        return _not_yet(who, last, mailing_state)
    if last.kind == ACCEPTED:
        return Answer(
            "ok",
            "circle-check",
            _("Yes"),
            _("%(who)s took it. Whether it lies in the inbox, nobody can see.") % {"who": who},
        )
    said = sentence(kind=last.kind, who=who, reply_class=last.reply_class, reason=last.reason)
    if last.kind == "unknown":
        return Answer("wait", "help", _("Perhaps"), said)
    return Answer("bad", "circle-x", _("No"), said)


def _not_yet(who: str, last: Try | None, mailing_state: str) -> Answer:
    if mailing_state == "stopped":
        return Answer("bad", "player-stop", _("No"), _("The campaign was stopped before it was their turn."))
    if mailing_state in ("paused", "held"):
        return Answer("wait", "player-pause", _("Not yet"), _("The campaign is paused."))
    if last is None:
        return Answer("wait", "clock", _("Not yet"), _("It waits for its turn."))
    said = sentence(kind=DEFERRED, who=who, reply_class=last.reply_class, reason=last.reason)
    return Answer("wait", "clock", _("Not yet"), said)


def timeline(*, who: str, chosen_at: datetime, tries: Sequence[Try], later: Sequence[After]) -> list[Step]:
    """In the order it happened."""
    steps = [Step(chosen_at, "", "users", _("Chosen as a recipient"))]
    steps += [_step_of_try(who, row) for row in tries]
    steps += _steps_after(later)
    return sorted(steps, key=_at)


def _at(step: Step) -> datetime:
    return step.at


_LOOKS = {
    ACCEPTED: ("ok", "circle-check"),
    DEFERRED: ("wait", "refresh"),
    "unknown": ("wait", "help"),
    "skipped": ("", "user-off"),
    "refused": ("bad", "user-off"),
    "blocked": ("bad", "hand-stop"),
}


def _step_of_try(who: str, row: Try) -> Step:
    tone, icon = _LOOKS.get(row.kind, ("bad", "circle-x"))
    said = sentence(kind=row.kind, who=who, reply_class=row.reply_class, reason=row.reason)
    parts = [_("Attempt %(n)s") % {"n": row.number}, row.route, consequence(kind=row.kind, reply_class=row.reply_class)]
    return Step(row.at, tone, icon, said, " · ".join(part for part in parts if part), row.reply)


_AFTER = {
    "opened": ("ok", "eye-check", marked("Opened"), marked("A program opened it")),
    "clicked": ("ok", "link", marked("Followed a link"), marked("A program followed a link")),
    "unsubscribed": ("", "user-off", marked("Unsubscribed with this mail"), marked("Unsubscribed with this mail")),
    "complained": ("bad", "alert-triangle", marked("Marked it as spam"), marked("Marked it as spam")),
    "bounced": ("bad", "circle-x", marked("Sent back by the receiver"), marked("Sent back by the receiver")),
    "auto_replied": ("", "mail-forward", marked("Answered automatically"), marked("Answered automatically")),
}


def _steps_after(later: Sequence[After]) -> Iterator[Step]:
    for row in later:
        tone, icon, by_person, by_program = _AFTER.get(row.kind, ("", "dots", row.kind, row.kind))
        words = _(by_program if row.by_machine else by_person)
        if row.n > 1 and row.kind in ("opened", "clicked"):
            words = _("%(what)s, %(n)s times") % {"what": words, "n": number(row.n)}
        yield Step(row.at, "" if row.by_machine else tone, icon, words, row.target, row.reply)
