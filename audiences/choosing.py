"""Which people somebody looks at, or wants something done with: a search, a list, a state, a field. One for both."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from urllib.parse import urlencode

from django.db import DataError, OperationalError, connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from audiences.models import ANYWHERE, Subscriber, Subscription, Suppression
from audiences.querysets import SubscriberQuerySet
from words import marked
from words.typed import whole

# What the people page calls them, and how they are told.
STATES = {
    "subscribed": marked("Subscribed"),
    "unconfirmed": marked("Waiting for confirmation"),
    "unsubscribed": marked("Unsubscribed"),
    "bounced": marked("Bounced"),
    "complained": marked("Complained"),
    "suppressed": marked("Suppressed for any reason"),
}
_OF_LISTS = ("subscribed", "unconfirmed", "unsubscribed")
COUNT_WITHIN_MS = 2_000


@dataclass(frozen=True, slots=True)
class Chosen:
    """All that is said must hold. `list` 0 is any list."""

    q: str = ""
    list: int = 0
    state: str = ""
    field: str = ""
    value: str = ""

    @classmethod
    def of(cls, said: Mapping[str, object]) -> "Chosen":
        """As a query string or a kept job says it; nonsense is left out."""
        text = {name: str(said.get(name) or "").replace("\0", "").strip()[:200] for name in cls.__slots__}
        return cls(
            q=text["q"],
            list=whole(text["list"]),
            state=text["state"] if text["state"] in STATES else "",
            field=text["field"],
            value=text["value"] if text["field"] else "",
        )

    def as_dict(self) -> dict[str, object]:
        return {name: value for name, value in asdict(self).items() if value}

    def as_query(self) -> str:
        return urlencode(self.as_dict())

    @property
    def is_everybody(self) -> bool:
        return self == Chosen()

    def people(self) -> SubscriberQuerySet:
        found: SubscriberQuerySet = Subscriber.objects.all()
        if self.q:
            found = found.called(self.q)
        if self.state in _OF_LISTS or self.list:
            found = found.filter(Exists(self._subscriptions()))
        if self.state and self.state not in _OF_LISTS:
            found = found.filter(Exists(self._suppressions()))
        return found.filter(self._has_value()) if self.field else found

    def _subscriptions(self) -> QuerySet[Subscription]:
        rows = Subscription.objects.filter(subscriber=OuterRef("pk"))
        rows = rows.filter(list=self.list) if self.list else rows
        return rows.filter(state=self.state) if self.state in _OF_LISTS else rows

    def _suppressions(self) -> QuerySet[Suppression]:
        rows = Suppression.objects.filter(address_key=OuterRef("address_key"))
        return rows if self.state == "suppressed" else rows.filter(reason=self.state, scope=ANYWHERE)

    def _has_value(self) -> Q:
        """As text, as the number or yes or no that a field of that kind holds, and as one of several choices; empty:
        nothing there."""
        if not self.value:
            return ~Q(fields__has_key=self.field) | Q(fields__contains={self.field: ""})
        meant: list[object] = [self.value, [self.value]]
        if re.fullmatch(r"-?\d{1,15}", self.value, re.ASCII):
            meant.append(int(self.value))
        if self.value.lower() in ("yes", "no", "true", "false"):
            meant.append(self.value.lower() in ("yes", "true"))
        found = Q()
        for value in meant:
            found |= Q(fields__contains={self.field: value})
        return found


def count(chosen: Chosen, *, up_to: int | None = None) -> int | None:
    """How many they are; None where that takes longer than two seconds. With `up_to`, one more than that for all that
    are more: a page that only says so does not wait for the rest.
    """
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(COUNT_WITHIN_MS)])
            people = chosen.people()
            return people.count() if up_to is None else people.order_by()[: up_to + 1].count()
    except (OperationalError, DataError):
        return None
