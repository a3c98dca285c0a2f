"""The people behind each number, page by page, and as a file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from audiences.models import Subscriber
from audiences.pure.csv_export import csv_lines
from campaigns.pure.plain_words import sentence
from campaigns.report import Answer
from reputation.catalogue import catalogue
from sending.array_literals import texts, uuids
from sending.models import Excluded, Mailing
from words import gettext, marked

PAGE = 50
EXPORTED_AT_ONCE = 2_000
# A search looks at so many of the addresses that fit.
MOST_FOUND = 500

# What a list can be about → the words above it.
TOPICS = {
    "everyone": marked("Everybody it goes to"),
    "accepted": marked("Accepted by the receiver"),
    "bounced": marked("Bounced"),
    "bounced_hard": marked("The mailbox does not exist"),
    "not_sent": marked("Not sent"),
    "unknown": marked("The answer was lost"),
    "waiting": marked("Still to go"),
    "retrying": marked("To be tried again"),
    "opened": marked("Opened by people"),
    "opened_by_machine": marked("Opened by programs only"),
    "clicked": marked("Clicked by people"),
    "clicked_by_machine": marked("Followed by programs only"),
    "unsubscribed": marked("Unsubscribed"),
    "complained": marked("Complained"),
    "bounced_later": marked("Bounced later"),
    "excluded": marked("Left out at launch"),
    "answered": marked("One kind of answer"),
    "deferred": marked("Told to wait"),
}
_OUTCOMES = {
    "accepted": ["accepted"],
    "bounced": ["bounced_hard", "bounced_soft", "bounced_policy"],
    "bounced_hard": ["bounced_hard"],
    "not_sent": ["skipped", "refused", "blocked"],
    "unknown": ["unknown"],
}
_EVENTS = {"opened", "clicked", "unsubscribed", "complained", "bounced_later"}
_BY_MACHINE = {"opened_by_machine", "clicked_by_machine"}
VISITS = {"opened", "clicked", *_BY_MACHINE}


@dataclass(frozen=True, slots=True)
class Named:
    """One person in a list behind a number. `words` are the receiver's own. `key` is the delivery, or of those left out
    the person.
    """

    key: int
    email: str
    sentence: str
    words: str
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which list. `topic` is one of TOPICS (KeyError for another one).

    `provider` is the lane, or the reason where the topic is `excluded`; empty is all. `link` narrows `clicked` down to
    one link, `search` narrows `everyone` down to addresses that begin so; `answers` are what `answered` is about.
    """

    topic: str
    provider: str = ""
    link: int | None = None
    search: str = ""
    answers: tuple[Answer, ...] = ()


def people_of(*, mailing: Mailing, asked: Asked, after: int = 0, size: int = PAGE) -> list[Named]:
    """The next `size` people behind a number, by key from `after` on (exclusive)."""
    topic = asked.topic
    params: dict[str, Any] = {"mailing": mailing.pk, "after": after, "size": size, "provider": asked.provider}
    if topic in _OUTCOMES:
        return _named(_with_outcome(_OUTCOMES[topic]), params)
    if topic in _EVENTS:
        kind = topic.removesuffix("_later")
        return _named(_WITH_EVENT, {**params, "kind": kind, "link": asked.link})
    if topic in _BY_MACHINE:
        return _named(_BY_MACHINE_ONLY, {**params, "kind": topic.removesuffix("_by_machine")})
    if topic == "deferred":
        return _named(_TOLD_TO_WAIT, params)
    if topic == "answered":
        return _answered(asked.answers, params)
    if topic == "everyone" and asked.search:
        return _found(asked.search, params)
    return _named(_WHOLE_LISTS[topic], params)


def people_csv(*, mailing: Mailing, asked: Asked) -> Iterator[str]:
    """The whole list as CSV lines; no spreadsheet runs what is in them."""
    yield from csv_lines([["email", "what", "answer", "at"]])
    after = 0
    while rows := people_of(mailing=mailing, asked=asked, after=after, size=EXPORTED_AT_ONCE):
        yield from csv_lines(_cells(rows))
        after = rows[-1].key


def _cells(rows: Sequence[Named]) -> Iterator[list[str]]:
    for row in rows:
        yield [row.email, row.sentence, row.words, row.at.isoformat() if row.at else ""]


def _answered(answers: Sequence[Answer], params: dict[str, Any]) -> list[Named]:
    if not answers:
        return []
    told = {
        "reasons": texts(answer.reason for answer in answers),
        "classes": texts(answer.reply_class for answer in answers),
        "providers": texts(answer.provider for answer in answers),
    }
    kinds = sorted({answer.kind for answer in answers})
    return _named(_with_outcome(kinds, _MEANT), {**params, **told})


def _found(search: str, params: dict[str, Any]) -> list[Named]:
    """By the index of addresses; who was erased cannot be found."""
    keys = Subscriber.objects.matching(search).order_by("email").values_list("address_key", flat=True)[:MOST_FOUND]
    return _named(_FOUND, {**params, "keys": uuids(keys)})


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
        return gettext(_OUTCOME_WORDS[kind])
    if kind == "excluded":
        return str(Excluded.Reason(reason or "").label)
    return sentence(kind=kind, who=who, reply_class=reply_class or "", reason=reason or "")


_OUTCOME_WORDS = {
    "opened": marked("Opened it."),
    "clicked": marked("Clicked a link."),
    "opened_by_machine": marked("A program opened it."),
    "clicked_by_machine": marked("A program followed a link."),
    "unsubscribed": marked("Unsubscribed with this mail."),
    "complained": marked("Marked it as spam."),
    "bounced": marked("The receiver took it, and sent it back later."),
    "waiting": marked("Waits for its turn."),
}

_WORDS = "nullif(concat_ws(' ', r.code, nullif(r.enhanced, ''), r.text), '')"
# The lane a number is counted under is that of the batch it left in. A kind stands in the text of the statement, where
# the planner sees that the index of those not accepted has it.
_OF_KIND = """
(SELECT o.* FROM sending_outcome o LEFT JOIN sending_batch b ON b.id = o.batch_id
 WHERE o.mailing_id = %(mailing)s AND o.delivery > %(after)s AND o.kind = '{kind}'
   AND (%(provider)s = '' OR coalesce(b.provider, o.provider) = %(provider)s)
   AND NOT EXISTS (SELECT 1 FROM sending_outcome n WHERE n.mailing_id = o.mailing_id AND n.delivery = o.delivery
                   AND n.attempt > o.attempt) {also}
 ORDER BY o.delivery LIMIT %(size)s)
"""
_MEANT = """
   AND (o.provider, coalesce(o.reason, ''),
        coalesce((SELECT a.reply_class FROM sending_reply a WHERE a.id = o.reply_id), ''))
       IN (SELECT * FROM unnest(%(providers)s::text[], %(reasons)s::text[], %(classes)s::text[]))
"""


def _with_outcome(kinds: Sequence[str], also: str = "") -> str:
    """The first of each kind, and of those the first."""
    return f"""
SELECT o.delivery, coalesce(d.to_address, s.email), o.kind, o.reason, r.reply_class, o.provider, {_WORDS}, o.at
FROM ({" UNION ALL ".join(_OF_KIND.format(kind=kind, also=also) for kind in kinds)}) o
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
  AND (%(provider)s = '' OR d.provider = %(provider)s) AND (%(link)s::int IS NULL OR e.link = %(link)s::int)
ORDER BY e.delivery, e.at LIMIT %(size)s
"""
_BY_MACHINE_ONLY = """
SELECT DISTINCT ON (e.delivery) e.delivery, s.email, e.kind || '_by_machine', NULL, NULL, d.provider, NULL, e.at
FROM sending_event e
JOIN sending_delivery d ON d.mailing_id = e.mailing_id AND d.id = e.delivery
LEFT JOIN audiences_subscriber s ON s.id = d.subscriber_id
WHERE e.mailing_id = %(mailing)s AND e.delivery > %(after)s AND e.kind = %(kind)s AND e.by_machine
  AND (%(provider)s = '' OR d.provider = %(provider)s)
  AND NOT EXISTS (SELECT 1 FROM sending_event p WHERE p.mailing_id = e.mailing_id AND p.kind = e.kind
                  AND p.delivery = e.delivery AND NOT p.by_machine)
ORDER BY e.delivery, e.at LIMIT %(size)s
"""
# Once or more, whatever came of it later; by the last time.
_TOLD_TO_WAIT = f"""
SELECT DISTINCT ON (o.delivery) o.delivery, coalesce(d.to_address, s.email), o.kind, o.reason, r.reply_class,
       o.provider, {_WORDS}, o.at
FROM sending_outcome o
JOIN sending_delivery d ON d.mailing_id = o.mailing_id AND d.id = o.delivery
LEFT JOIN sending_batch b ON b.id = o.batch_id
LEFT JOIN audiences_subscriber s ON s.id = d.subscriber_id
LEFT JOIN sending_reply r ON r.id = o.reply_id
WHERE o.mailing_id = %(mailing)s AND o.delivery > %(after)s AND o.kind = 'deferred'
  AND (%(provider)s = '' OR coalesce(b.provider, o.provider) = %(provider)s)
ORDER BY o.delivery, o.attempt DESC LIMIT %(size)s
"""
# A delivery's person and latest answer, whatever it is.
_WHO_AND_ANSWER = """
LEFT JOIN audiences_subscriber s ON s.id = d.subscriber_id
LEFT JOIN LATERAL (SELECT x.kind, x.reason, x.reply_id, x.batch_id, x.at FROM sending_outcome x
                   WHERE x.mailing_id = d.mailing_id AND x.delivery = d.id ORDER BY x.attempt DESC LIMIT 1) o ON true
LEFT JOIN sending_reply r ON r.id = o.reply_id
"""
_LATEST = f"""
SELECT d.id, coalesce(d.to_address, s.email), coalesce(o.kind, 'waiting'), o.reason, r.reply_class, d.provider,
       {_WORDS}, o.at
FROM sending_delivery d {_WHO_AND_ANSWER}
LEFT JOIN sending_requeue q ON q.mailing_id = d.mailing_id AND q.delivery = d.id
"""
_FOUND = f"""{_LATEST}
WHERE d.mailing_id = %(mailing)s AND d.id > %(after)s AND d.address_key = ANY(%(keys)s::uuid[])
ORDER BY d.id LIMIT %(size)s
"""
# Whoever has no final answer is in one of three places: ahead in a lane, in a live batch, or in the requeue. All are
# read by index from where the last page ended: nobody who was mailed is looked at. In a lane `id` rises with `seq`.
_NO_FINAL_ANSWER = """coalesce((SELECT x.kind FROM sending_outcome x WHERE x.mailing_id = %(mailing)s
                    AND x.delivery = {delivery} ORDER BY x.attempt DESC LIMIT 1), 'deferred') = 'deferred'"""
_TO_GO = f"""
WITH ahead AS (
    SELECT l.wave, l.provider, greatest(l.next_seq, last.seq + 1) AS lo
    FROM sending_mailinglane l
    LEFT JOIN sending_delivery last ON last.mailing_id = %(mailing)s AND last.id = %(after)s
                                   AND (last.wave, last.provider) = (l.wave, l.provider)
    WHERE l.mailing_id = %(mailing)s AND %(after)s < (
        SELECT e.id FROM sending_delivery e
        WHERE e.mailing_id = %(mailing)s AND e.wave = l.wave AND e.provider = l.provider ORDER BY e.seq DESC LIMIT 1)
), place AS (
    SELECT wave, provider, lo, 2147483647 AS hi FROM ahead
    UNION ALL
    SELECT wave, provider, lo, hi FROM sending_batch
    WHERE mailing_id = %(mailing)s AND state <> 'done' AND kind = 'fresh'
), to_go AS (
    SELECT d.id FROM place p CROSS JOIN LATERAL (
        SELECT f.id FROM sending_delivery f
        WHERE f.mailing_id = %(mailing)s AND f.wave = p.wave AND f.provider = p.provider
          AND f.seq BETWEEN p.lo AND p.hi AND f.id > %(after)s AND {_NO_FINAL_ANSWER.format(delivery="f.id")}
          AND NOT EXISTS (SELECT 1 FROM sending_requeue q WHERE q.mailing_id = %(mailing)s AND q.delivery = f.id)
        ORDER BY f.seq LIMIT %(size)s) d
    WHERE %(provider)s = '' OR p.provider = %(provider)s
    UNION
    (SELECT q.delivery FROM sending_requeue q
     WHERE q.mailing_id = %(mailing)s AND q.delivery > %(after)s
       AND (%(provider)s = '' OR q.provider_now = %(provider)s) AND {_NO_FINAL_ANSWER.format(delivery="q.delivery")}
     ORDER BY q.delivery LIMIT %(size)s)
    ORDER BY 1 LIMIT %(size)s
)
{_LATEST}
WHERE d.mailing_id = %(mailing)s AND d.id IN (SELECT id FROM to_go)
ORDER BY d.id
"""
_WHOLE_LISTS = {
    "everyone": f"""{_LATEST} LEFT JOIN sending_batch b ON b.id = o.batch_id
WHERE d.mailing_id = %(mailing)s AND d.id > %(after)s
  AND (%(provider)s = '' OR coalesce(q.provider_now, b.provider, d.provider) = %(provider)s)
ORDER BY d.id LIMIT %(size)s
""",
    "waiting": _TO_GO,
    # When each is tried next.
    "retrying": f"""
SELECT q.delivery, s.email, coalesce(o.kind, 'waiting'), o.reason, r.reply_class, q.provider_now, {_WORDS}, q.due_at
FROM sending_requeue q
JOIN sending_delivery d ON d.mailing_id = q.mailing_id AND d.id = q.delivery {_WHO_AND_ANSWER}
WHERE q.mailing_id = %(mailing)s AND q.delivery > %(after)s AND (%(provider)s = '' OR q.provider_now = %(provider)s)
ORDER BY q.delivery LIMIT %(size)s
""",
    "excluded": """
SELECT x.subscriber_id, s.email, 'excluded', x.reason, NULL, '', NULL, NULL::timestamptz
FROM sending_excluded x LEFT JOIN audiences_subscriber s ON s.id = x.subscriber_id
WHERE x.mailing_id = %(mailing)s AND x.subscriber_id > %(after)s AND (%(provider)s = '' OR x.reason = %(provider)s)
ORDER BY x.subscriber_id LIMIT %(size)s
""",
}
