"""Act on a message that was read: what it says, about whom, and what follows. All in the caller's transaction."""

from dataclasses import dataclass, replace
from datetime import datetime

from reputation.workspace import workspace
from sending import feedback
from sending.doors import leaving
from sending.feedback import Sent, Understood
from sending.inbound import breaker
from sending.inbound.identifying import Named
from sending.models import Inbound
from sending.pure import tokens
from sending.pure.reports import RecipientReport, Report

NOBODY = leaving.Evidence(ip=None, user_agent="")
_DOUBTS = {
    "not_settled": "It is about a message that was never sent.",
    "not_sent": "It is about a message that was never accepted.",
    "too_old": "It is about a message of more than 90 days ago.",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """One message taken apart, before anything is changed. `understood` for bounces only."""

    report: Report
    who: Named
    sent: Sent | None = None
    understood: Understood | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What the row says afterwards. `again`: it is looked at once more, soon."""

    kind: str
    note: str = ""
    state: str = Inbound.State.DONE
    again: bool = False


def act(*, now: datetime, row: Inbound, reading: Reading) -> Result:
    """Change what the message gives evidence for. What is recorded bears the time at which it came."""
    report, who = reading.report, reading.who
    if report.kind in ("none", "delayed"):
        return _nothing(reading)
    if report.kind == "human":
        return _human(report)
    if not who.is_anybody or not who.agrees:
        return _unverified(report)
    if who.is_test:
        return Result("test", "It is about a test message: nothing changes.")
    if report.kind == "unsubscribe":
        return _leave(row.received_at, reading)
    return _about_a_letter(now, row, reading)


def _human(report: Report) -> Result:
    if not workspace().reply_forward_to:
        return Result("human", "No address is set that replies are forwarded to.")
    return Result("human", report.reason, Inbound.State.NEW)


def _nothing(reading: Reading) -> Result:
    """A delay is no bounce. It shows that somebody has the message, all the same."""
    if reading.sent is not None and not reading.who.is_test and reading.report.kind == "delayed":
        feedback.arrived_somewhere(sent=reading.sent)
    return Result(reading.report.kind, reading.report.reason)


def _unverified(report: Report) -> Result:
    if report.kind == "auto_reply":
        return Result("auto_reply", "An automatic answer to nobody knows which message.")
    return Result("unverified", f"It carries no token of ours that fits, so nothing changes. {report.reason}"[:400])


def _leave(at: datetime, reading: Reading) -> Result:
    asked = reading.who.leave or _leave_token(reading)
    if asked is None:
        return Result("unverified", "It does not say which mail the person wants to leave.")
    leaving.leave(now=at, asked=asked, everything=False, source="mail", evidence=NOBODY)
    return Result("unsubscribe", reading.report.reason)


def _leave_token(reading: Reading) -> tokens.Unsubscribe | None:
    """By the letter, else by the return path alone: its list, or the stream."""
    path = reading.who.path
    if reading.sent is not None:
        return as_by_click(reading.sent)
    return tokens.Unsubscribe(path.subscriber, 0, 0, (path.list,) if path.list else ()) if path else None


def as_by_click(sent: Sent) -> tokens.Unsubscribe:
    """What one click in this letter asks for."""
    mailing, delivery = sent.mailing, sent.delivery
    lists = tuple(mailing.included_lists) if delivery.via_list is not None else ()
    return tokens.Unsubscribe(delivery.subscriber_id, mailing.pk, delivery.id, lists, mailing.stream)


def _about_a_letter(now: datetime, row: Inbound, reading: Reading) -> Result:
    sent, report = reading.sent, reading.report
    if sent is None:
        return Result("unverified", "Its tokens do not lead to one message that is kept.")
    doubt = sent.doubt(row.received_at)
    if doubt in ("not_settled", "not_sent") and now - row.received_at < feedback.SETTLED_WITHIN:
        return Result(report.kind, "The outcome of this message is not known yet.", Inbound.State.NEW, again=True)
    if doubt:
        return Result("not_sent" if doubt == "not_settled" else doubt, _DOUBTS[doubt])
    if row.kind != "released" and report.kind in ("bounce", "complaint") and breaker.is_flood(row=row, sent=sent):
        why = f"Held: more than {breaker.most_a_minute(sent.mailing.total)} reports a minute about one campaign."
        return Result(breaker.HELD, why, Inbound.State.NEW)
    return _tell(row, reading, sent)


def _tell(row: Inbound, reading: Reading, sent: Sent) -> Result:
    at, report = row.received_at, reading.report
    source = f"{report.kind} report, mailing {sent.mailing.pk}"
    if report.kind == "complaint":
        news = feedback.complained(at=at, sent=sent, source=source)
    elif report.kind == "auto_reply":
        news = feedback.auto_replied(at=at, sent=sent)
    elif reading.understood is None:
        raise ValueError("A bounce was not understood before it is acted on.")
    else:
        news = feedback.bounced(at=at, sent=sent, understood=reading.understood, source=source)
    return Result(report.kind, report.reason if news else f"Told before. {report.reason}")


def said_of(report: Report, address: str) -> RecipientReport:
    """What a bounce says of the one recipient our message had; the first one where none is named like it."""
    failed = [said for said in report.recipients if said.action == "failed"]
    return next((said for said in failed if said.recipient == address), (failed or [RecipientReport(None)])[0])


def with_sent(reading: Reading, sent: Sent | None, understood: Understood | None) -> Reading:
    return replace(reading, sent=sent, understood=understood)
