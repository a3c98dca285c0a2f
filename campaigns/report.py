"""How a campaign went: counters by provider, what people did, links, who was left out, what went wrong."""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

from django.db import connection

from audiences.models import MailingList
from campaigns.pure.plain_words import consequence, sentence
from reputation.catalogue import catalogue
from sending.doors.visits import links_of
from sending.models import Event, Excluded, LinkCount, Mailing
from sending.progress import LaneProgress, Progress, progress_of


@dataclass(frozen=True, slots=True)
class LinkRow:
    """`people`: who clicked it at least once, machines not counted. `number` is its place in the letter."""

    url: str
    people: int
    number: int


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


def lists_at_launch(mailing: Mailing) -> list[str]:
    """The names of the lists it went to, as they are called today."""
    found = MailingList.objects.filter(pk__in=mailing.included_lists).order_by("name")
    return list(found.values_list("name", flat=True))


def _links(mailing: Mailing) -> list[LinkRow]:
    people = dict(LinkCount.objects.filter(mailing=mailing).values_list("link", "n"))
    rows = [LinkRow(url, people.get(number, 0), number) for number, url in enumerate(links_of(mailing.pk))]
    return sorted(rows, key=lambda row: -row.people)


class Answer(NamedTuple):
    """One counter: the latest answers of this kind, told by one provider."""

    kind: str
    reason: str
    reply_class: str
    provider: str


@dataclass(frozen=True, slots=True)
class Meaning:
    """What went wrong for so many people, in a sentence, what follows for them, and one of the receivers' own texts.

    `key` stands in addresses of pages; `answers` are the counters that mean this.
    """

    key: str
    kind: str
    sentence: str
    follows: str
    people: int
    example: str
    answers: tuple[Answer, ...]


def meanings_of(mailing: Mailing) -> list[Meaning]:
    """Everything but "accepted", grouped by what it means. What live batches hear is in it when they end."""
    with connection.cursor() as cursor:
        cursor.execute(_MEANINGS, [mailing.pk])
        rows = cursor.fetchall()
    names = catalogue()
    found: dict[tuple[str, str], Meaning] = {}
    for kind, reason, reply_class, provider, people, example in rows:
        # What is about a mailbox means the same everywhere; what is about us is told by one receiver.
        who = "" if kind.startswith("bounced") else names.title(provider)
        said = sentence(kind=kind, who=who, reply_class=reply_class or "", reason=reason or "")
        answer = Answer(kind, reason, reply_class, provider)
        known = found.get((kind, said))
        found[kind, said] = Meaning(
            key=f"{kind}-{sha256(said.encode()).hexdigest()[:10]}",
            kind=kind,
            sentence=said,
            follows=consequence(kind=kind, reply_class=reply_class or ""),
            people=people + (known.people if known else 0),
            example=known.example if known and known.example else example or "",
            answers=((*known.answers, answer) if known else (answer,)),
        )
    return sorted(found.values(), key=lambda row: -row.people)


_MEANINGS = """
SELECT a.kind, a.reason, a.reply_class, a.provider, a.n, concat_ws(' ', r.code, nullif(r.enhanced, ''), r.text)
FROM sending_answercount a LEFT JOIN sending_reply r ON r.id = a.reply_id
WHERE a.mailing_id = %s AND a.n > 0 ORDER BY a.n DESC LIMIT 200
"""
