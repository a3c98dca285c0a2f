"""One person's message of a campaign, and everything that was sent to addresses that begin so."""

from collections import defaultdict
from dataclasses import dataclass
from uuid import UUID

from audiences.models import Subscriber
from campaigns.pure.message_words import After, Answer, Step, Try, answer, timeline
from reputation.catalogue import catalogue
from sending.doors.visits import target_of
from sending.message_story import Story
from sending.person_messages import Sent, messages_to

# So many people who fit, with so many of their latest messages each.
PEOPLE, EACH = 10, 3
LETTERS = 2


@dataclass(frozen=True, slots=True)
class Told:
    """A story in words."""

    story: Story
    answer: Answer
    steps: list[Step]


def told(story: Story) -> Told:
    who = catalogue().title(story.provider)
    tries = [
        Try(
            number=row.number,
            kind=row.kind,
            at=row.at,
            reason=row.reason,
            reply_class=row.reply_class,
            reply=row.reply,
            route=row.route,
        )
        for row in story.attempts
    ]
    later = [
        After(
            kind=row.kind,
            at=row.at,
            by_machine=row.by_machine,
            target=(target_of(story.mailing.pk, row.link) or "") if row.link is not None else "",
            n=row.n,
            reply=row.reply,
        )
        for row in story.later
    ]
    said = answer(who=who, tries=tries, later=later, mailing_state=story.mailing.state)
    return Told(story, said, timeline(who=who, chosen_at=story.mailing.launched_at, tries=tries, later=later))


@dataclass(frozen=True, slots=True)
class Found:
    person: Subscriber
    messages: list[Sent]


def find(typed: str) -> list[Found]:
    """People whose address begins so, each with the latest messages: three queries, whatever is typed."""
    if len(typed.strip()) < LETTERS:
        return []
    people = list(Subscriber.objects.matching(typed).order_by("email")[:PEOPLE])
    sent: dict[UUID, list[Sent]] = defaultdict(list)
    for message in messages_to(address_keys=[person.address_key for person in people], most=EACH) if people else []:
        sent[message.address_key].append(message)
    return [Found(person, sent[person.address_key]) for person in people]
