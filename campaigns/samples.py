"""People a letter can be looked at through: a few real recipients."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from random import random, sample

from audiences.keys import key_of
from audiences.models import Subscriber
from audiences.pure.addresses import BadAddress
from campaigns.audience import Choice, choice_of, few_of
from campaigns.models import Campaign
from words import gettext as _

SHOWN = 8
LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class Cast:
    """A few recipients, and those among more of them who put a letter to the test, each with a word for why."""

    people: Sequence[Subscriber]
    roles: Sequence[tuple[str, Subscriber]]


def cast_of(campaign: Campaign) -> Cast:
    """The same ones each time."""
    people = list(Subscriber.objects.filter(pk__in=few_of(choice_of(campaign), LOOKED_AT)).order_by("address_key"))
    names = {person: str(person.fields.get("first_name") or "").strip() for person in people}
    named = [person for person in people if names[person]]
    roles = [
        (_("No first name"), next((person for person in people if not names[person]), None)),
        (_("Longest name"), max(named, key=lambda person: len(names[person]), default=None)),
        (_("Right to left"), next((person for person in named if _is_right_to_left(names[person])), None)),
    ]
    return Cast(people[:SHOWN], [(word, person) for word, person in roles if person is not None])


def _is_right_to_left(name: str) -> bool:
    return unicodedata.bidirectional(name[0]) in ("R", "AL")


def sample_people(campaign: Campaign) -> Sequence[Subscriber]:
    """The same few each time."""
    return list(Subscriber.objects.filter(pk__in=few_of(choice_of(campaign), SHOWN)).order_by("email"))


def some_people(choice: Choice, n: int, *, now: datetime) -> Sequence[Subscriber]:
    """Others each time: any `n` of four times as many."""
    ids = few_of(choice, 4 * n, shift=random(), now=now)
    return list(Subscriber.objects.filter(pk__in=sample(ids, min(n, len(ids)))).order_by("email"))


def person_by_address(address: str) -> Subscriber | None:
    """Whoever has this address; None when nobody has, or it is none."""
    try:
        return Subscriber.objects.filter(address_key=key_of(address)).first()
    except BadAddress:
        return None
