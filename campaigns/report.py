"""How a campaign went: counters by provider, what people did, links, who was left out; the names behind each number."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from audiences.pure.csv_export import csv_lines
from campaigns.pure.plain_words import sentence
from reputation.catalogue import catalogue
from sending.doors.visits import links_of
from sending.models import Event, Excluded, LinkCount, Mailing
from sending.progress import LaneProgress, Progress, progress_of

PAGE = 50
EXPORTED_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class LinkRow:
    """`people`: who clicked it at least once, machines not counted."""

    url: str
    people: int


@dataclass(frozen=True, slots=True)
class Report:
    """`machine_opens` and `machine_clicks`: people whose copy only programs opened or followed."""

    progress: Progress
    links: list[LinkRow]
    excluded: list[tuple[str, str, int]] = field(default_factory=list)

    @property
    def sum(self) -> LaneProgress:
        return self.progress.sum

    @property
    def machine_opens(self) -> int:
        return self.sum.n(f"{Event.Kind.OPENED}_by_machine")

    @property
    def machine_clicks(self) -> int:
        return self.sum.n(f"{Event.Kind.CLICKED}_by_machine")

    @property
    def n_excluded(self) -> int:
        return sum(n for _, _, n in self.excluded)


def report_of(mailing: Mailing) -> Report:
    """From counters alone, whatever the size of the mailing and however many people did something."""
    return Report(progress_of(mailing), _links(mailing), excluded_of(mailing))


def excluded_of(mailing: Mailing) -> list[tuple[str, str, int]]:
    """(reason, its words, people), the most frequent first; the sum is `mailing.n_excluded`."""
    rows = sorted(mailing.excluded_by.items(), key=lambda row: -row[1])
    return [(reason, str(Excluded.Reason(reason).label), n) for reason, n in rows]


def _links(mailing: Mailing) -> list[LinkRow]:
    people = dict(LinkCount.objects.filter(mailing=mailing).values_list("link", "n"))
    rows = [LinkRow(url, people.get(number, 0)) for number, url in enumerate(links_of(mailing.pk))]
    return sorted(rows, key=lambda row: -row.people)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What went wrong for so many people, in a sentence, with one of the receivers' own texts."""

    kind: str
    sentence: str
    people: int
    example: str


def meanings_of(mailing: Mailing) -> list[Meaning]:
    """Everything but "accepted", grouped by what it means. What live batches hear is in it when they end."""
    with connection.cursor() as cursor:
        cursor.execute(_MEANINGS, [mailing.pk])
        rows = cursor.fetchall()
    names = catalogue()
    found: dict[tuple[str, str], Meaning] = {}
    for kind, reason, reply_class, provider, people, example in rows:
        said = sentence(kind=kind, who=names.title(provider), reply_class=reply_class or "", reason=reason or "")
        known = found.get((kind, said))
        found[kind, said] = Meaning(kind, said, people + (known.people if known else 0), example or "")
    return sorted(found.values(), key=lambda row: -row.people)


_MEANINGS = """
SELECT a.kind, a.reason, a.reply_class, a.provider, a.n, concat_ws(' ', r.code, nullif(r.enhanced, ''), r.text)
FROM sending_answercount a LEFT JOIN sending_reply r ON r.id = a.reply_id
WHERE a.mailing_id = %s AND a.n > 0 ORDER BY a.n DESC LIMIT 200
"""


@dataclass(frozen=True, slots=True)
class Named:
    """One person in a list behind a number. `words` are the receiver's own."""

    key: int
    email: str
    sentence: str
    words: str
    at: datetime | None


# What a list can be about → the words above it.
TOPICS = {
    "accepted": "Accepted by the receiver",
    "bounced": "Bounced",
    "not_sent": "Not sent",
    "unknown": "The answer was lost",
    "waiting": "Still to go",
    "opened": "Opened by people",
    "clicked": "Clicked by people",
    "unsubscribed": "Unsubscribed",
    "complained": "Complained",
    "bounced_later": "Bounced later",
    "excluded": "Left out at launch",
}
_OUTCOMES = {
    "accepted": ["accepted"],
    "bounced": ["bounced_hard", "bounced_soft", "bounced_policy"],
    "not_sent": ["skipped", "refused", "blocked"],
    "unknown": ["unknown"],
}
_EVENTS = {"opened", "clicked", "unsubscribed", "complained", "bounced_later"}


def people_of(*, mailing: Mailing, topic: str, provider: str = "", after: int = 0, size: int = PAGE) -> list[Named]:
    """The next `size` people behind a number, by delivery from `after` on (exclusive). KeyError for an unknown topic.

    `provider` is the lane, or the reason where the topic is `excluded`; empty is all.
    """
    params: dict[str, Any] = {"mailing": mailing.pk, "after": after, "size": size, "provider": provider}
    if topic in _OUTCOMES:
        return _named(_with_outcome(_OUTCOMES[topic]), params)
    if topic in _EVENTS:
        kind = topic.removesuffix("_later")
        return _named(_WITH_EVENT, {**params, "kind": kind})
    return _named({"waiting": _STILL_WAITING, "excluded": _LEFT_OUT}[topic], params)


def people_csv(*, mailing: Mailing, topic: str, provider: str = "") -> Iterator[str]:
    """The whole list as CSV lines; no spreadsheet runs what is in them."""
    yield from csv_lines([["email", "what", "answer", "at"]])
    after = 0
    while rows := people_of(mailing=mailing, topic=topic, provider=provider, after=after, size=EXPORTED_AT_ONCE):
        yield from csv_lines(_cells(rows))
        after = rows[-1].key


def _cells(rows: Sequence[Named]) -> Iterator[list[str]]:
    for row in rows:
        yield [row.email, row.sentence, row.words, row.at.isoformat() if row.at else ""]


def _named(sql: str, params: dict[str, Any]) -> list[Named]:
    names = catalogue()
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return [
            Named(key, email or "(erased)", _said(kind, reason, reply_class, names.title(provider)), words or "", at)
            for key, email, kind, reason, reply_class, provider, words, at in cursor.fetchall()
        ]


def _said(kind: str, reason: str | None, reply_class: str | None, who: str) -> str:
    if kind in _OUTCOME_WORDS:
        return _OUTCOME_WORDS[kind]
    if kind == "excluded":
        return str(Excluded.Reason(reason or "").label)
    return sentence(kind=kind, who=who, reply_class=reply_class or "", reason=reason or "")


_OUTCOME_WORDS = {
    "opened": "Opened it.",
    "clicked": "Clicked a link.",
    "unsubscribed": "Unsubscribed with this mail.",
    "complained": "Marked it as spam.",
    "bounced": "The receiver took it, and sent it back later.",
    "waiting": "Waits for its turn.",
}

_WORDS = "nullif(concat_ws(' ', r.code, nullif(r.enhanced, ''), r.text), '')"
# The lane a number is counted under is that of the batch it left in. A kind stands in the text of the statement, where
# the planner sees that the index of those not accepted has it.
_OF_KIND = """
(SELECT o.* FROM sending_outcome o LEFT JOIN sending_batch b ON b.id = o.batch_id
 WHERE o.mailing_id = %(mailing)s AND o.delivery > %(after)s AND o.kind = '{kind}'
   AND (%(provider)s = '' OR coalesce(b.provider, o.provider) = %(provider)s)
   AND NOT EXISTS (SELECT 1 FROM sending_outcome n WHERE n.mailing_id = o.mailing_id AND n.delivery = o.delivery
                   AND n.attempt > o.attempt)
 ORDER BY o.delivery LIMIT %(size)s)
"""


def _with_outcome(kinds: Sequence[str]) -> str:
    """The first of each kind, and of those the first."""
    return f"""
SELECT o.delivery, coalesce(d.to_address, s.email), o.kind, o.reason, r.reply_class, o.provider, {_WORDS}, o.at
FROM ({" UNION ALL ".join(_OF_KIND.format(kind=kind) for kind in kinds)}) o
JOIN sending_delivery d ON d.mailing_id = o.mailing_id AND d.id = o.delivery
LEFT JOIN audiences_subscriber s ON s.id = d.subscriber_id
LEFT JOIN sending_reply r ON r.id = o.reply_id
ORDER BY o.delivery LIMIT %(size)s
"""


# The first of its kind by a person is the one that counts.
_WITH_EVENT = f"""
SELECT DISTINCT ON (e.delivery) e.delivery, s.email, e.kind, NULL, r.reply_class, d.provider, {_WORDS}, e.at
FROM sending_event e
JOIN sending_delivery d ON d.mailing_id = e.mailing_id AND d.id = e.delivery
LEFT JOIN audiences_subscriber s ON s.id = d.subscriber_id
LEFT JOIN sending_reply r ON r.id = e.reply_id
WHERE e.mailing_id = %(mailing)s AND e.delivery > %(after)s AND e.kind = %(kind)s AND NOT e.by_machine
  AND (%(provider)s = '' OR d.provider = %(provider)s)
ORDER BY e.delivery, e.at LIMIT %(size)s
"""
_STILL_WAITING = f"""
SELECT d.id, s.email, coalesce(o.kind, 'waiting'), o.reason, r.reply_class, d.provider, {_WORDS}, o.at
FROM sending_delivery d
LEFT JOIN audiences_subscriber s ON s.id = d.subscriber_id
LEFT JOIN LATERAL (SELECT x.kind, x.reason, x.reply_id, x.at FROM sending_outcome x
                   WHERE x.mailing_id = d.mailing_id AND x.delivery = d.id ORDER BY x.attempt DESC LIMIT 1) o ON true
LEFT JOIN sending_requeue q ON q.mailing_id = d.mailing_id AND q.delivery = d.id
LEFT JOIN sending_reply r ON r.id = o.reply_id
WHERE d.mailing_id = %(mailing)s AND d.id > %(after)s AND coalesce(o.kind, 'deferred') = 'deferred'
  AND (%(provider)s = '' OR coalesce(q.provider_now, d.provider) = %(provider)s)
ORDER BY d.id LIMIT %(size)s
"""
_LEFT_OUT = """
SELECT x.subscriber_id, s.email, 'excluded', x.reason, NULL, '', NULL, NULL::timestamptz
FROM sending_excluded x LEFT JOIN audiences_subscriber s ON s.id = x.subscriber_id
WHERE x.mailing_id = %(mailing)s AND x.subscriber_id > %(after)s AND (%(provider)s = '' OR x.reason = %(provider)s)
ORDER BY x.subscriber_id LIMIT %(size)s
"""
