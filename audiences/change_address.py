"""Give a person another address. What was suppressed for the old one holds for both."""

from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from audiences.keys import key_of
from audiences.models import ConsentEvent, Subscriber, Subscription, Suppression
from audiences.pure.addresses import normalise
from audiences.suppress import reasons_of, suppress

# The event that brings a list to this state, for the history under the new key.
_EVENT_FOR = {
    Subscription.State.UNCONFIRMED: ConsentEvent.Kind.REQUESTED,
    Subscription.State.SUBSCRIBED: ConsentEvent.Kind.CONFIRMED,
    Subscription.State.UNSUBSCRIBED: ConsentEvent.Kind.UNSUBSCRIBED,
}
BASIS = "carried over from the earlier address"


class AddressTaken(ValueError):
    """Another person has this address already."""


def change_address(*, now: datetime, subscriber_id: int, email: str) -> bool:
    """True when the address changed. Raises BadAddress, AddressTaken, Subscriber.DoesNotExist.

    The old address keeps its suppressions, and the new one gets copies: leaving under one name counts under the other.
    Whether the new mailbox is the person's is for the caller to make sure of.
    """
    address = normalise(email)
    new_key = key_of(address)
    with transaction.atomic():
        person = Subscriber.objects.select_for_update().get(pk=subscriber_id)
        old_key = person.address_key
        if new_key == old_key:
            return False
        _move(person, address, new_key, now)
        _copy_suppressions(now, old_key, new_key)
        _carry_history_over(now, person)
        return True


def _move(person: Subscriber, address: str, key: UUID, now: datetime) -> None:
    person.email, person.address_key, person.domain = address, key, address.rpartition("@")[2]
    person.updated_at = now
    try:
        with transaction.atomic():
            person.save(update_fields=["email", "address_key", "domain", "updated_at"])
    except IntegrityError as error:
        raise AddressTaken(f"Somebody else has the address {address} already.") from error


def _copy_suppressions(now: datetime, old_key: UUID, new_key: UUID) -> None:
    for row in Suppression.objects.filter(address_key=old_key).order_by("pk"):
        for reason, proof in reasons_of(row).items():
            source = str(proof.get("source", ""))
            suppress(now=now, address_key=new_key, scope=row.scope, reason=reason, source=source, evidence=proof)


def _carry_history_over(now: datetime, person: Subscriber) -> None:
    """Events are told by key, so the new key needs a history that folds to the rows the person has."""
    if ConsentEvent.objects.filter(subject_key=person.address_key).exists():
        # Somebody had this address before: their history comes first.
        person.subscriptions.update(since=now)
    for row in person.subscriptions.select_related("list").order_by("since", "pk"):
        if row.state == Subscription.State.UNSUBSCRIBED:
            # Only somebody who was on a list can have left it.
            _event(person, ConsentEvent.Kind.CONFIRMED, row)
        _event(person, _EVENT_FOR[Subscription.State(row.state)], row)


def _event(person: Subscriber, kind: str, row: Subscription) -> None:
    ConsentEvent.objects.create(
        subject_key=person.address_key,
        kind=kind,
        list=row.list,
        basis=BASIS,
        wording_version=row.list.wording_version,
        at=row.since,
    )
