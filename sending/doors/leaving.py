"""What an unsubscribe token may do: leave, take it back, choose. The write goes straight to PostgreSQL."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, connection

from audiences import consent
from audiences.models import MailingList, Subscriber
from sending.facts import Fact, count_once
from sending.models import Event
from sending.pure.tokens import Unsubscribe

UNDO_WITHIN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Who asked, as far as the request says: kept apart from the event, and erased with the person."""

    ip: str | None
    user_agent: str

    def as_dict(self) -> dict[str, str]:
        return {"ip": self.ip or "", "user_agent": self.user_agent[:400]}


def leave(*, now: datetime, asked: Unsubscribe, everything: bool, source: str, evidence: Evidence) -> None:
    """Leave the lists of the token (or the stream; or everything), durably, before anybody is told so. Idempotent."""

    def carry_out() -> None:
        consent.unsubscribe(
            now=now,
            subscriber_id=asked.subscriber,
            list_ids=asked.lists,
            # «Everything» is all marketing: a confirmation the person asks for later must still reach them.
            stream_too=everything or not asked.lists,
            source=source,
            evidence=evidence.as_dict(),
        )
        _tell(now, asked)

    _without_asking_first(carry_out)


def _without_asking_first(verb: Callable[[], None]) -> None:
    """Whether a kept connection still lives shows when it is used; to ask first is one more wait for the database.

    One that was lost meanwhile is made anew, once. The verb may be repeated.
    """
    kept = connection.connection is not None and not connection.in_atomic_block
    connection.health_check_done = True  # type: ignore[attr-defined]
    try:
        verb()
    except (InterfaceError, OperationalError):
        if not kept or connection.is_usable():
            raise
        connection.close()
        verb()


def take_back(*, now: datetime, asked: Unsubscribe, evidence: Evidence) -> bool:
    """Undo within ten minutes; False when it is too late for that."""
    return consent.take_back(
        now=now,
        subscriber_id=asked.subscriber,
        list_ids=list(asked.lists),
        within=UNDO_WITHIN,
        evidence=evidence.as_dict(),
    )


def _tell(now: datetime, asked: Unsubscribe) -> None:
    """Count it for the mailing it came from, as long as that is kept; once. Not part of what must be durable first."""
    count_once(Fact(asked.mailing, asked.delivery, Event.Kind.UNSUBSCRIBED, now))


def lists_of(asked: Unsubscribe) -> list[MailingList]:
    """What would be left, by the names that recipients know."""
    return list(MailingList.objects.filter(pk__in=asked.lists).order_by("public_name"))


def masked_address(subscriber_id: int) -> str:
    """`j•••@ex•••.org`: enough for the person, too little for anyone else. Empty when there is nobody any more."""
    person = Subscriber.objects.filter(pk=subscriber_id).first()
    if person is None:
        return ""
    local, _, domain = person.email.partition("@")
    name, _, ending = domain.rpartition(".")
    return f"{local[:1]}•••@{name[:1]}•••.{ending}"
