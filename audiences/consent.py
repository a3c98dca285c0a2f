"""Subscribing, confirming, leaving, and taking that back. Each verb is one transaction and may be repeated.

| verb | asked by | state before → after | suppressions |
|---|---|---|---|
| subscribe, single opt-in | anyone with a basis | none → subscribed | none touched; suppressed people stay out |
| subscribe, double opt-in, or somebody who left | the person | none, unsubscribed → unconfirmed | none touched |
| confirm | the person | unconfirmed, unsubscribed → subscribed | lifts *unsubscribed* and *erased*, see below |
| unsubscribe | the person, or an admin for them | any → unsubscribed | adds *unsubscribed* |
| take_back | the person, within minutes | unsubscribed → what it was | lifts what that unsubscription added |

Confirming lifts an unsubscription from everywhere because it is newer than that: mail of this list could not arrive
otherwise. It does not bring other lists back: leaving everywhere (or a stream) leaves every list by itself as well, and
those stay left. Complaints, dead mailboxes and what an admin suppressed by hand stay in force whoever confirms.

Each verb first locks the person's Subscriber row, as imports do. Two at once for one person go one after the other, and
the fold of the consent events always equals the Subscription rows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Func, TextField, Value

from audiences.keys import key_of
from audiences.models import (
    ANYWHERE,
    ConsentEvent,
    ConsentEvidence,
    MailingList,
    Subscriber,
    Subscription,
    Suppression,
    list_scope,
    stream_scope,
)
from audiences.pure.addresses import bare_address, normalise
from audiences.pure.evidence import Evidence, evidence_from
from audiences.querysets import state_by_events
from audiences.suppress import LIFTED_BY_CONSENT, outlives_consent, take_reasons_away

Kind = ConsentEvent.Kind
State = Subscription.State

# The only stream people leave: password mails and the like are not ours to refuse for them.
MARKETING = "marketing"
# Against subscription bombing: one confirmation mail per person and list in this time.
ASK_AGAIN_AFTER = timedelta(hours=24)
UNDO_WITHIN = timedelta(minutes=10)


class Subscribed(StrEnum):
    """What became of a request. A public page answers the same to all of them: it must not tell who is known here."""

    SUBSCRIBED = "subscribed"
    TO_CONFIRM = "to_confirm"
    ALREADY = "already"
    KEPT_OUT = "kept_out"

    @property
    def changed(self) -> bool:
        return self in (Subscribed.SUBSCRIBED, Subscribed.TO_CONFIRM)


class Confirmed(StrEnum):
    CONFIRMED = "confirmed"
    ALREADY = "already"
    LEFT_SINCE = "left_since"
    SUPPRESSED = "suppressed"
    UNKNOWN = "unknown"


@dataclass(slots=True)
class UnsubscribeResult:
    """What this call changed: nothing at all when it was a repetition."""

    known: bool = True
    left_lists: list[int] = field(default_factory=list)
    scopes: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return bool(self.left_lists or self.scopes)


def subscribe(
    *,
    now: datetime,
    email: str,
    list_id: int,
    fields: Mapping[str, Any] | None = None,
    source: str,
    evidence: Mapping[str, object] | None = None,
    basis: str = "",
    by_person: bool = True,
) -> Subscribed:
    """Put a person on a list, or ask them to confirm. Raises BadAddress, MailingList.DoesNotExist.

    `by_person` says that the person asks (a form), not somebody for them (an admin, a program). A person who left and
    asks again must confirm, whatever the list's opt-in; nobody else can bring them back. A form fills empty fields
    only: a stranger who types an address must not rename its owner.
    """
    address = normalise(bare_address(email))
    mailing_list = MailingList.objects.get(pk=list_id)
    with transaction.atomic():
        if _is_kept_out(key_of(address), list_id, by_person):
            return Subscribed.KEPT_OUT
        person = _person(now, address, fields or {}, overwrite=not by_person)
        request = _Request(now, person, mailing_list, source, evidence_from(evidence), basis)
        row = Subscription.objects.filter(subscriber=person, list=list_id).first()
        left = _has_left(person, list_id, row)
        if left and not by_person:
            return Subscribed.KEPT_OUT
        if row is not None and row.state == State.SUBSCRIBED and not left:
            return Subscribed.ALREADY
        if left or mailing_list.opt_in == MailingList.OptIn.DOUBLE:
            return _ask_to_confirm(request, row)
        _put(request, State.SUBSCRIBED)
        _record(request, Kind.SUBSCRIBED)
        return Subscribed.SUBSCRIBED


@dataclass(frozen=True, slots=True)
class _Request:
    """What every event of one call has in common."""

    now: datetime
    person: Subscriber
    mailing_list: MailingList | None
    source: str
    proof: Evidence
    basis: str = ""


def _is_kept_out(address_key: UUID, list_id: int, by_person: bool) -> bool:
    """Suppressed for something that the person's consent does not lift (or for anything at all, when others ask)."""
    held = Suppression.objects.filter(address_key=address_key, scope__in=_scopes_of(list_id))
    return any(outlives_consent(row) or not by_person for row in held)


def _scopes_of(list_id: int) -> list[str]:
    return [ANYWHERE, stream_scope(MARKETING), list_scope(list_id)]


def _has_left(person: Subscriber, list_id: int, row: Subscription | None) -> bool:
    if row is not None and row.state == State.UNSUBSCRIBED:
        return True
    return Suppression.objects.filter(address_key=person.address_key, scope__in=_scopes_of(list_id)).exists()


def _person(now: datetime, address: str, fields: Mapping[str, Any], *, overwrite: bool) -> Subscriber:
    """The person with this address, made if need be, locked until the transaction ends."""
    fields = {key: value.replace("\0", "\ufffd") if isinstance(value, str) else value for key, value in fields.items()}
    fresh = Subscriber(
        email=address, address_key=key_of(address), domain=address.rpartition("@")[2], fields=fields, created_at=now
    )
    Subscriber.objects.bulk_create([fresh], ignore_conflicts=True)
    person = Subscriber.objects.select_for_update(no_key=True).get(address_key=fresh.address_key)
    known = {key: value for key, value in person.fields.items() if value not in ("", None)}
    merged = {**person.fields, **fields} if overwrite else {**person.fields, **fields, **known}
    if merged != person.fields:
        person.fields, person.updated_at = merged, now
        person.save(update_fields=["fields", "updated_at"])
    return person


def _ask_to_confirm(request: _Request, row: Subscription | None) -> Subscribed:
    """Leave a row for the floor above, which sends the confirmation mail; not again within a day."""
    if row is not None and row.state == State.UNCONFIRMED and request.now - row.since < ASK_AGAIN_AFTER:
        return Subscribed.TO_CONFIRM
    _put(request, State.UNCONFIRMED)
    _record(request, Kind.REQUESTED)
    return Subscribed.TO_CONFIRM


def _put(request: _Request, state: str, **kept: object) -> None:
    """The row as the event that goes with it says, `since` included. A sale or question of before is none of it."""
    Subscription.objects.update_or_create(
        subscriber=request.person,
        list=request.mailing_list,
        defaults={
            "state": state,
            "since": request.now,
            "source": request.source[:80],
            "confirmation_queued_at": None,
            "ground_on": None,
            **kept,
        },
    )


def _record(request: _Request, kind: str, *, basis: str | None = None) -> None:
    event = ConsentEvent.objects.create(
        subject_key=request.person.address_key,
        kind=kind,
        list=request.mailing_list,
        basis=(request.basis if basis is None else basis)[:200],
        wording_version=request.mailing_list.wording_version if request.mailing_list else None,
        at=request.now,
    )
    if not request.proof.is_empty:
        proof = request.proof
        ConsentEvidence.objects.create(event=event, ip=proof.ip, user_agent=proof.user_agent, text=proof.text)


def confirm(
    *,
    now: datetime,
    subscriber_id: int,
    list_id: int,
    source: str = "confirmation",
    evidence: Mapping[str, object] | None = None,
    asked_at: datetime | None = None,
) -> Confirmed:
    """Subscribe somebody who proved that the mailbox is theirs; confirming twice is a success twice.

    `asked_at` is when the link was made. If the person left since then, an old link does not bring them back.
    """
    with transaction.atomic():
        person = _locked(subscriber_id, durably=True)
        row = Subscription.objects.filter(subscriber=subscriber_id, list=list_id).select_related("list").first()
        if person is None or row is None:
            return Confirmed.UNKNOWN
        if any(outlives_consent(held) for held in _everywhere(person)):
            return Confirmed.SUPPRESSED
        if row.state == State.UNSUBSCRIBED and asked_at is not None and row.since >= asked_at:
            return Confirmed.LEFT_SINCE
        take_reasons_away(address_key=person.address_key, scopes=_scopes_of(list_id), reasons=LIFTED_BY_CONSENT)
        if row.state == State.SUBSCRIBED:
            return Confirmed.ALREADY
        request = _Request(now, person, row.list, source, evidence_from(evidence), basis=source)
        _put(request, State.SUBSCRIBED)
        _record(request, Kind.CONFIRMED)
        return Confirmed.CONFIRMED


def _locked(subscriber_id: int, *, durably: bool = False) -> Subscriber | None:
    """`durably`: a power cut must not forget what the person was told is done, whatever the server's default."""
    rows = Subscriber.objects.select_for_update(no_key=True).filter(pk=subscriber_id)
    if durably:
        rows = rows.annotate(_set=_DURABLE)
    return rows.first()


_DURABLE = Func(Value("synchronous_commit"), Value("on"), Value(True), function="set_config", output_field=TextField())


def _everywhere(person: Subscriber) -> Iterable[Suppression]:
    return Suppression.objects.filter(address_key=person.address_key, scope=ANYWHERE)


def unsubscribe(
    *,
    now: datetime,
    subscriber_id: int,
    list_ids: Iterable[int] = (),
    stream_too: bool = False,
    everywhere: bool = False,
    source: str,
    evidence: Mapping[str, object] | None = None,
) -> UnsubscribeResult:
    """Leave lists, the marketing stream, or everything; durable once this returns and the caller's transaction ends.

    Of `list_ids` those that the person is on (or was: each with a Subscription row) are left; when on none of them, all
    are suppressed, so that the answer "unsubscribed" is true in any case. Leaving the stream or everything leaves every
    list of the person too. For a person who is gone `known` is False: erasure has suppressed the address.
    """
    proof = evidence_from(evidence)
    with connection.cursor() as cursor:
        cursor.execute(
            _UNSUBSCRIBE,
            [
                subscriber_id,
                list(list_ids),
                stream_too,
                everywhere,
                source,
                now,
                proof.ip,
                proof.user_agent,
                proof.text,
            ],
        )
        rows = cursor.fetchall()
    return UnsubscribeResult(
        known=rows[:1] != [(None, None, False, False)],
        left_lists=[list_id for _, list_id, _, gone in rows if gone],
        scopes=[scope for scope, _, suppressed, _ in rows if suppressed],
    )


# A public door answers when this is committed: all of it in one round trip, in a transaction of its own where there is
# none. What it does is said in audiences/migrations/0005.
_UNSUBSCRIBE = """
SELECT scope, list, suppressed, gone
FROM audiences_unsubscribe(%s, %s::bigint[], %s, %s, %s, %s, %s, %s, %s)
"""


def take_back(
    *,
    now: datetime,
    subscriber_id: int,
    list_ids: Iterable[int] = (),
    within: timedelta = UNDO_WITHIN,
    evidence: Mapping[str, object] | None = None,
) -> bool:
    """Undo the unsubscription of the last minutes: what it took comes back as it was. False when there is none (left).

    `list_ids` limits it to these lists and to what was left together with one of them; empty means all of it.
    """
    with transaction.atomic():
        person = _locked(subscriber_id)
        if person is None:
            return False
        undone = _last_leaving(person.address_key, since=now - within, list_ids=set(list_ids))
        request = _Request(now, person, None, "undo", evidence_from(evidence), basis="undo")
        for event in undone:
            scope = event.basis if event.list is None else list_scope(event.list.pk)
            take_reasons_away(address_key=person.address_key, scopes=[scope], reasons=[Suppression.Reason.UNSUBSCRIBED])
            _record(replace(request, mailing_list=event.list), Kind.RESUBSCRIBED, basis=scope)
        _bring_back(request, [event.list for event in undone if event.list is not None])
        return bool(undone)


def _last_leaving(address_key: UUID, *, since: datetime, list_ids: set[int]) -> list[ConsentEvent]:
    """Each list's (and scope's) newest event, where that is an unsubscription since then and concerns `list_ids`."""
    newest: dict[int | str, ConsentEvent] = {}
    for event in ConsentEvent.objects.filter(subject_key=address_key).select_related("list").order_by("at", "pk"):
        if event.list_id is not None or event.kind in (Kind.UNSUBSCRIBED, Kind.RESUBSCRIBED):
            newest[event.list_id or event.basis] = event
    left = [event for event in newest.values() if event.kind == Kind.UNSUBSCRIBED and event.at >= since]
    # What was left in one go has one instant.
    instants = {event.at for event in left if not list_ids or event.list_id in list_ids}
    return [event for event in left if event.at in instants]


def _bring_back(request: _Request, lists: list[MailingList]) -> None:
    standings = state_by_events(request.person.address_key) if lists else {}
    for mailing_list in lists:
        standing = standings.get(mailing_list.pk)
        if standing is not None:
            theirs = Subscription.objects.filter(subscriber=request.person, list=mailing_list)
            ground_on = theirs.values_list("ground_on", flat=True).first()
            _put(replace(request, mailing_list=mailing_list), standing.state, ground_on=ground_on)
