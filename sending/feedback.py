"""What becomes known of a message after it has left: late bounces, complaints, deliveries, visits.

Reports by mail and providers' webhooks end here, in one vocabulary. Each fact counts once, however often it is told.
Every verb changes rows only and joins the caller's transaction, so that what was read is marked as read with it.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection

from audiences import activity
from audiences.models import Subscriber
from reputation import backoff, ledger
from reputation.pure.reactions import REACTIONS
from reputation.pure.replies import Verdict, normalise_reply
from reputation.workspace import zone
from sending import decisions, hearing, settle, storms, visit_book
from sending.facts import LATE_FOR, Fact, count_once
from sending.models import Batch, Delivery, Event, Mailing, Outcome, OutcomeKind, Route
from sending.pure.dialogue import SmtpReply
from sending.settle import Settled
from sending.storms import Gone
from sending.visit_book import Visit

# A report is believed for so long after the message was accepted: old tokens are what backscatter is made of.
BELIEVED_FOR = LATE_FOR
# An outcome may still be on its way from the worker when a quick receiver reports.
SETTLED_WITHIN = timedelta(minutes=10)

# The list is part of the return path: two letters of one day usually differ in it.
_LAST_TO = """
SELECT o.mailing_id, o.delivery
FROM sending_delivery d JOIN sending_outcome o ON o.mailing_id = d.mailing_id AND o.delivery = d.id
WHERE d.address_key = %(key)s AND d.via_list IS NOT DISTINCT FROM %(list)s AND d.to_address IS NULL
  AND o.kind IN ('accepted', 'unknown') AND o.at <= %(at)s AND o.at >= %(since)s
ORDER BY o.at DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Sent:
    """One delivery and what its last attempt came to; `route_kind` is the way it left by."""

    mailing: Mailing
    delivery: Delivery
    outcome: Outcome | None
    route_kind: str = ""

    @property
    def provider(self) -> str:
        return self.outcome.provider if self.outcome else self.delivery.provider

    def doubt(self, at: datetime) -> str:
        """Why a report of `at` is not believed: not_settled (ask again soon), not_sent or too_old; empty when it is."""
        if self.outcome is None:
            return "not_settled"
        if self.outcome.kind not in (OutcomeKind.ACCEPTED, OutcomeKind.UNKNOWN):
            return "not_sent"
        return "too_old" if at - self.outcome.at > BELIEVED_FOR else ""


@dataclass(frozen=True, slots=True)
class Understood:
    """What a report's words mean; `reply_id` is their place in the dictionary of replies."""

    verdict: Verdict
    reply_id: int | None
    line: str
    about_mailbox: bool


def find_sent(*, mailing_id: int, delivery_id: int) -> Sent | None:
    """The delivery with its newest outcome, as long as it is kept. None for test mail: it means nothing."""
    delivery = Delivery.objects.filter(mailing_id=mailing_id, id=delivery_id, to_address=None).first()
    mailing = Mailing.objects.filter(pk=mailing_id, is_test=False).first()
    if delivery is None or mailing is None:
        return None
    outcome = Outcome.objects.filter(mailing_id=mailing_id, delivery=delivery_id).order_by("-attempt").first()
    route = Route.objects.filter(pk=outcome.route_id).first() if outcome and outcome.route_id else None
    return Sent(mailing, delivery, outcome, route.kind if route else "")


def find_last_sent(*, subscriber_id: int, list_id: int, at: datetime) -> Sent | None:
    """The newest message this person was sent through this list (0: by segment only) before `at`."""
    person = Subscriber.objects.filter(pk=subscriber_id).first()
    if person is None:
        return None
    with connection.cursor() as cursor:
        since = at - BELIEVED_FOR
        cursor.execute(_LAST_TO, {"key": person.address_key, "list": list_id or None, "at": at, "since": since})
        found = cursor.fetchone()
    return find_sent(mailing_id=found[0], delivery_id=found[1]) if found else None


def address_of(sent: Sent) -> str:
    """The person's address today; empty when there is nobody any more."""
    return Subscriber.objects.filter(pk=sent.delivery.subscriber_id).values_list("email", flat=True).first() or ""


def understand(*, sent: Sent, line: str, phase: str, recipient: str | None, at: datetime) -> Understood:
    """Classify a report's reply line and keep its text. Call it outside a transaction: the text is kept by itself.

    A report that names a recipient of another domain is about where this mailbox forwards to, not about the mailbox.
    """
    said = normalise_reply(line)
    code = said.code or (450 if said.enhanced.startswith("4") else 550)
    reply = SmtpReply(code, " ".join(part for part in (said.enhanced, said.text) if part))
    heard = hearing.hear(reply, provider=sent.provider, phase=phase)
    reply_id = hearing.remember(heard, provider=sent.provider, now=at)
    elsewhere = recipient and recipient.rpartition("@")[2].lower() != sent.delivery.domain
    return Understood(heard.verdict, reply_id, said.line[:500], not elsewhere)


def bounced(*, at: datetime, sent: Sent, understood: Understood, source: str) -> bool:
    """A message that was taken did not arrive. False when that was known. Call inside a transaction."""
    if not note(sent=sent, kind=Event.Kind.BOUNCED, at=at, reply_id=understood.reply_id):
        return False
    arrived_somewhere(sent=sent)
    _tell_of_the_mailbox(at, sent, understood, source)
    if understood.verdict.class_ == decisions.UNCLASSIFIED and understood.reply_id is not None:
        decisions.count(now=at, reply_ids=[understood.reply_id])
    verdict, budgets = understood.verdict, budgets_of(sent)
    unknown = int(verdict.class_ == "unknown")
    ledger.record_later(now=at, zone=zone(), budget_ids=budgets, bounced=1, unknown_users=unknown)
    # A report from behind our own connection speaks of our name only where somebody else made the connection.
    if sent.route_kind in (Route.Kind.RELAY, Route.Kind.ESP):
        backoff.hear(
            now=at,
            budget_ids=budgets,
            verdict=verdict,
            reply_text=understood.line,
            provider=sent.provider,
            time_factor=settings.TIME_FACTOR,
        )
    return True


def _tell_of_the_mailbox(at: datetime, sent: Sent, understood: Understood, source: str) -> None:
    """Only an answer about the mailbox counts against the person; one about us or the letter never does."""
    verdict = understood.verdict
    effect = REACTIONS[verdict.class_].recipient if verdict.class_ in REACTIONS else "soft"
    evidence = {
        "reply": understood.line,
        "rule": verdict.rule_id,
        "class": verdict.class_,
        "mailing": sent.mailing.pk,
        "reported": at.isoformat(),
    }
    key = sent.delivery.address_key
    if effect == "gone" and understood.about_mailbox:
        gone = Gone(key, sent.delivery.domain, sent.mailing.pk, source, evidence)
        storms.take(now=at, provider=sent.provider, gone=[gone], late=True)
    elif effect in ("soft", "soon_gone", "gone", "gone_by_dns"):
        kind = verdict.class_ if understood.about_mailbox else "misroute"
        activity.soft_failure(now=at, address_key=key, mailing_ref=sent.mailing.pk, kind=kind, evidence=evidence)


def complained(*, at: datetime, sent: Sent, source: str) -> bool:
    """The person called it spam: never again, whatever the list. False when that was known."""
    evidence = {"mailing": sent.mailing.pk, "reported": at.isoformat()}
    activity.complaint(now=at, address_key=sent.delivery.address_key, source=source, evidence=evidence)
    if not note(sent=sent, kind=Event.Kind.COMPLAINED, at=at):
        return False
    arrived_somewhere(sent=sent)
    ledger.record_later(now=at, zone=zone(), budget_ids=budgets_of(sent), complained=1)
    return True


def auto_replied(*, at: datetime, sent: Sent) -> bool:
    """A machine answered for the person: neither a bounce nor a reply."""
    arrived_somewhere(sent=sent)
    return note(sent=sent, kind=Event.Kind.AUTO_REPLIED, at=at)


def delivered(*, at: datetime, sent: Sent) -> None:
    """It reached the mailbox: what failed softly before does not count any more."""
    arrived_somewhere(sent=sent)
    activity.delivered(now=at, address_keys=[sent.delivery.address_key])


def visited(*, at: datetime, sent: Sent, kind: str, link: int | None, by_machine: bool, same: uuid.UUID | None) -> bool:
    """An open or a click told by somebody else; the first by a person counts. `same`: the key of this very telling."""
    arrived_somewhere(sent=sent)
    return bool(visit_book.write([Visit(sent.mailing.pk, sent.delivery.id, kind, at, link, by_machine, same)]))


def arrived_somewhere(*, sent: Sent) -> None:
    """Whatever comes back proves that the message was taken: an outcome that nobody knew is known now."""
    outcome = sent.outcome
    if outcome is None or outcome.kind != OutcomeKind.UNKNOWN:
        return
    known = Settled(
        mailing=outcome.mailing_id,
        delivery=outcome.delivery,
        attempt=outcome.attempt,
        kind=OutcomeKind.ACCEPTED,
        reason="report",
        provider=outcome.provider,
        route=outcome.route_id,
        batch=outcome.batch_id,
        at=outcome.at,
    )
    with connection.cursor() as cursor:
        settle.resolve(cursor, [known])


def note(*, sent: Sent, kind: str, at: datetime, reply_id: int | None = None) -> bool:
    """Record a fact once per delivery, and count it for the mailing. False when it was known."""
    return count_once(Fact(sent.mailing.pk, sent.delivery.id, kind, at, reply_id=reply_id))


def budgets_of(sent: Sent) -> list[int]:
    """What the message was spent from, as long as its batch is kept."""
    batch_id = sent.outcome.batch_id if sent.outcome else None
    found = Batch.objects.filter(pk=batch_id).values_list("budget_ids", flat=True).first() if batch_id else None
    return list(found or [])
