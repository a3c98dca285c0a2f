"""Words of receivers that no rule knows: kept in groups for a person to read, whose decision is a rule from then on.

A decision holds for exactly those words (code, enhanced status, text with the personal parts masked), said by that
provider or by anybody. It is asked only where no rule of `replies.toml` speaks, so it never overrules one, and every
process knows it within seconds.
"""

import hashlib
import logging
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from django.contrib.auth.models import User
from django.db import Error, connection, transaction
from django.db.models import F, QuerySet

from audiences import activity
from audiences.models import ANYWHERE, SoftFailure, Suppression
from audiences.suppress import take_reasons_away
from reputation.models import ReplyDecision, UnreadReply
from reputation.pure.reactions import REACTIONS, SUPPRESSING
from reputation.pure.replies import NormalisedReply, Verdict, mask
from sending import answers, hub
from sending.models import Delivery, Event, Outcome, Reply

log = logging.getLogger(__name__)

UNCLASSIFIED = "unclassified"
# What a person may decide: every class but the one that says that nobody has.
CLASSES = tuple(name for name in REACTIONS if name != UNCLASSIFIED)
READ_AGAIN_SECONDS = 5.0
# Where the recipient had been named: elsewhere no words can be about a mailbox.
_ABOUT_SOMEBODY = frozenset({"rcpt", "data", "dot", "report"})
_SOFT = frozenset({"soft", "soon_gone", "gone_by_dns", "retry_counted"})


@dataclass(frozen=True, slots=True)
class Words:
    """What a group is of."""

    provider: str
    code: int | None
    enhanced: str
    text: str

    @property
    def digest(self) -> uuid.UUID:
        key = f"{self.provider}\0{self.code}\0{self.enhanced}\0{self.text}"
        return uuid.UUID(bytes=hashlib.sha256(key.encode("utf-8", "replace")).digest()[:16])


def template_of(text: str) -> str:
    """A reply's text as it is stored and compared: personal parts masked, of limited length, without NUL."""
    return mask(text)[:600].replace("\x00", "")


# Asked by whoever hears a reply


def decided(found: Verdict, said: NormalisedReply, *, provider: str, phase: str) -> Verdict:
    """The verdict with what a person has decided of these words. While the database is away, by what was known."""
    if found.class_ != UNCLASSIFIED:
        return found
    words = Words(provider, said.code, said.enhanced[:16], template_of(said.text))
    decisions = _known()
    decision = decisions.get(words) or decisions.get(replace(words, provider=""))
    if decision is None or (decision[0] in SUPPRESSING and phase not in _ABOUT_SOMEBODY):
        return found
    class_name, rule = decision
    return replace(found, class_=class_name, scope=REACTIONS[class_name].scope, rule_id=rule)


_memory: dict[Words, tuple[str, str]] = {}
_read_at: float | None = None


def _known() -> Mapping[Words, tuple[str, str]]:
    global _memory, _read_at
    if _read_at is not None and time.monotonic() - _read_at < READ_AGAIN_SECONDS:
        return _memory
    _read_at = time.monotonic()
    found = hub.errand(_read)
    if found is not None:
        _memory = found
    return _memory


def _read() -> dict[Words, tuple[str, str]] | None:
    try:
        return {_key(row): (row.class_name, rule_of(row)) for row in active()}
    except Error as error:
        log.warning("Decisions about replies could not be read: %s", type(error).__name__)
        return None
    finally:
        if not connection.in_atomic_block:
            connection.close()


def active() -> QuerySet[ReplyDecision]:
    return ReplyDecision.objects.filter(revoked_at=None).select_related("reply").order_by("pk")


def rule_of(decision: ReplyDecision) -> str:
    """What stands as the rule in evidence: `decision 12`."""
    return f"decision {decision.pk}"


def _key(decision: ReplyDecision) -> Words:
    reply = decision.reply
    return Words("" if decision.everywhere else reply.provider, reply.code, reply.enhanced, reply.text)


def forget() -> None:
    """Read the decisions anew at the next question."""
    global _read_at
    _read_at = None


# The groups


def meet(*, now: datetime, words: Words, sample: str, phase: str) -> None:
    """Make the group of words nobody has classified, where there is none yet."""
    UnreadReply.objects.get_or_create(
        digest=words.digest,
        defaults={
            "provider": words.provider,
            "code": words.code,
            "enhanced": words.enhanced,
            "text": words.text,
            "sample": sample.replace("\x00", "")[:600],
            "phase": phase,
            "first_seen_at": now,
            "last_seen_at": now,
        },
    )


def count(*, now: datetime, reply_ids: Iterable[int]) -> None:
    """Count replies (ids of the dictionary, once for each message) in their groups. In the caller's transaction."""
    times = Counter(reply_ids)
    if not times:
        return
    rows = Reply.objects.filter(pk__in=times, reply_class=UNCLASSIFIED)
    by_group: Counter[uuid.UUID] = Counter()
    for row in rows:
        by_group[Words(row.provider, row.code, row.enhanced, row.text).digest] += times[row.pk]
    for digest, n in sorted(by_group.items(), key=lambda item: item[0].bytes):
        UnreadReply.objects.filter(digest=digest).update(n=F("n") + n, last_seen_at=now)


# A person decides


def decide(
    *, now: datetime, reply: UnreadReply, class_name: str, everywhere: bool, actor: User | None, reason: str
) -> ReplyDecision | None:
    """Make it a rule, and apply it to what was said so before. None when somebody else has decided meanwhile.

    Of past replies only the person's side changes: what is not about the mailbox is taken off their record; a mailbox
    that is gone is suppressed as decided. Nothing is sent again by itself. Raises ValueError for a class that is none.
    """
    if class_name not in CLASSES:
        raise ValueError(f"{class_name!r} is no class of replies.")
    with transaction.atomic():
        UnreadReply.objects.select_for_update(no_key=True).get(pk=reply.pk)
        if ReplyDecision.objects.filter(reply=reply, revoked_at=None).exists():
            return None
        decision = ReplyDecision.objects.create(
            reply=reply,
            class_name=class_name,
            everywhere=everywhere,
            reason=reason[:300],
            decided_at=now,
            decided_by=actor,
        )
        _apply_to_the_past(now, decision)
    forget()
    log.warning("%s: %r of %s now means %s", rule_of(decision), reply.text[:80], reply.provider, class_name)
    return decision


def revoke(*, now: datetime, decision: ReplyDecision, actor: User | None, reason: str) -> bool:
    """Take a decision back: its words are unclassified again, and whom it alone suppressed is free. False: it was."""
    with transaction.atomic():
        changed = ReplyDecision.objects.filter(pk=decision.pk, revoked_at=None).update(
            revoked_at=now, revoked_by=actor, revoked_reason=reason[:300]
        )
        if not changed:
            return False
        rule = rule_of(decision)
        suppressed = Suppression.objects.filter(scope=ANYWHERE, evidence__rule=rule).values_list(
            "address_key", flat=True
        )
        for key in sorted(suppressed, key=lambda one: one.bytes):
            take_reasons_away(address_key=key, scopes=[ANYWHERE], reasons=[Suppression.Reason.BOUNCED])
        replies = list(Reply.objects.filter(rule=rule).values_list("pk", flat=True))
        Reply.objects.filter(pk__in=replies).update(reply_class=UNCLASSIFIED, reply_scope="unknown", rule="")
        _count_anew(replies)
    forget()
    return True


def said_before(reply: UnreadReply, *, everywhere: bool = False) -> list[tuple[uuid.UUID, int]]:
    """(address key, mailing) of everybody whose message was refused in these words, as long as it is kept."""
    return _people(list(_replies(reply, everywhere=everywhere).values_list("pk", flat=True)))


def _replies(reply: UnreadReply, *, everywhere: bool) -> QuerySet[Reply]:
    same = Reply.objects.filter(code=reply.code, enhanced=reply.enhanced, text=reply.text, reply_class=UNCLASSIFIED)
    return same if everywhere else same.filter(provider=reply.provider)


def _apply_to_the_past(now: datetime, decision: ReplyDecision) -> None:
    replies = list(_replies(decision.reply, everywhere=decision.everywhere).values_list("pk", flat=True))
    people = _people(replies)
    class_name, rule = decision.class_name, rule_of(decision)
    effect = REACTIONS[class_name].recipient
    for key, mailing in sorted(people, key=lambda one: (one[0].bytes, one[1])):
        failure = SoftFailure.objects.filter(address_key=key, mailing_ref=mailing, kind=UNCLASSIFIED)
        if effect == "gone":
            evidence = {"reply": f"{decision.reply.code} {decision.reply.text}", "rule": rule, "mailing": mailing}
            activity.hard_bounce(now=now, address_key=key, source=f"mailing {mailing}", evidence=evidence)
        elif effect in _SOFT:
            failure.update(kind=class_name)
        else:
            failure.delete()
    Reply.objects.filter(pk__in=replies).update(
        reply_class=class_name, reply_scope=REACTIONS[class_name].scope, rule=rule
    )
    _count_anew(replies)


def _count_anew(replies: list[int]) -> None:
    """The counters of answers go by class: make them anew for every mailing that got one of these."""
    got = Outcome.objects.filter(reply_id__in=replies).values_list("mailing_id", flat=True).distinct()
    with connection.cursor() as cursor:
        for mailing in sorted(set(got)):
            answers.recount(cursor, mailing)


def _people(replies: list[int]) -> list[tuple[uuid.UUID, int]]:
    if not replies:
        return []
    by_outcome = Outcome.objects.filter(reply_id__in=replies).exclude(kind="deferred")
    by_report = Event.objects.filter(reply_id__in=replies, kind=Event.Kind.BOUNCED)
    places = {*by_outcome.values_list("mailing_id", "delivery"), *by_report.values_list("mailing_id", "delivery")}
    found = []
    for mailing in sorted({mailing for mailing, _ in places}):
        ids = [delivery for where, delivery in places if where == mailing]
        keys = Delivery.objects.filter(mailing_id=mailing, id__in=ids, to_address=None)
        found += [(key, mailing) for key in keys.values_list("address_key", flat=True)]
    return found
