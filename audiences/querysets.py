"""Questions about people, lists and subscriptions, named for the page that asks them."""

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.fields.json import KT
from django.db.models.functions import Lower

from audiences.seeing import addresses_hidden

if TYPE_CHECKING:
    # Named in strings only, which the linter does not see: the models import this module.
    from audiences.models import ConsentEvent, MailingList, Subscriber, Subscription  # noqa: F401
    from audiences.pure.consent_history import Standing


class SubscriberQuerySet(QuerySet["Subscriber"]):
    def matching(self, beginning: str) -> "SubscriberQuerySet":
        """Those whose address begins like this; served by the prefix index on five million people.

        Who may not read addresses has to know the whole one: by beginnings it could be read letter by letter.
        """
        start = beginning.strip().lower()
        return self.filter(email=start) if addresses_hidden() else self.filter(email__startswith=start)

    def called(self, beginning: str) -> "SubscriberQuerySet":
        """Those whose address, or without an @ or dot also a name, begins like this; each served by a prefix index."""
        start = beginning.strip().lower()
        if "@" in start or "." in start:
            return self.matching(start)
        named = self.annotate(_first=Lower(KT("fields__first_name")), _last=Lower(KT("fields__last_name")))
        by_name = Q(_first__startswith=start) | Q(_last__startswith=start)
        return named.filter(by_name if addresses_hidden() else Q(email__startswith=start) | by_name)

    def for_people_page(self, *, by_address: bool) -> "SubscriberQuerySet":
        """A page of people with `suppressed_for`: why nobody may write to them at all, or None."""
        from audiences.models import ANYWHERE, Suppression

        everywhere = Suppression.objects.filter(address_key=OuterRef("address_key"), scope=ANYWHERE)
        annotated = self.annotate(suppressed_for=Subquery(everywhere.values("reason")[:1]))
        return annotated.prefetch_related("subscriptions__list").order_by("email" if by_address else "-pk")


class SubscriptionQuerySet(QuerySet["Subscription"]):
    def awaiting_confirmation(self) -> "SubscriptionQuerySet":
        """Whose confirmation mail is due, longest waiting first.

        Somebody suppressed everywhere for more than leaving gets none: a complaint or a dead mailbox is no place for
        another letter. Whoever left and asks anew gets one, so it must not be gated on their own unsubscription.
        """
        from audiences.models import ANYWHERE, Subscription, Suppression
        from audiences.suppress import LIFTED_BY_CONSENT

        everywhere = Suppression.objects.filter(address_key=OuterRef("subscriber__address_key"), scope=ANYWHERE)
        for_good = everywhere.filter(~Q(reason__in=LIFTED_BY_CONSENT) | Q(evidence__has_key="also"))
        waiting = self.filter(state=Subscription.State.UNCONFIRMED, confirmation_queued_at=None, list__archived_at=None)
        return waiting.exclude(Exists(for_good)).order_by("since", "pk")


class MailingListQuerySet(QuerySet["MailingList"]):
    def in_use(self) -> "MailingListQuerySet":
        return self.filter(archived_at=None)

    def with_sizes(self, since: datetime | None = None) -> "MailingListQuerySet":
        """Each list with `n_subscribed`, `n_unconfirmed`, `n_unsubscribed`; `n_joined` and `n_left` since then."""
        counts: dict[str, Any] = {
            f"n_{state}": Count("subscriptions", filter=Q(subscriptions__state=state))
            for state in ("subscribed", "unconfirmed", "unsubscribed")
        }
        if since is not None:
            lately = Q(subscriptions__since__gte=since)
            joined, left = Q(subscriptions__state="subscribed"), Q(subscriptions__state="unsubscribed")
            counts |= {"n_joined": Count("subscriptions", filter=lately & joined)}
            counts |= {"n_left": Count("subscriptions", filter=lately & left)}
        return self.annotate(**counts)


def consent_history(address_key: UUID) -> QuerySet["ConsentEvent"]:
    """What a person agreed to and took back, oldest first, with the evidence where it still exists."""
    from audiences.models import ConsentEvent

    events = ConsentEvent.objects.filter(subject_key=address_key)
    return events.select_related("list", "evidence").order_by("at", "pk")


def state_by_events(address_key: UUID) -> dict[int, "Standing"]:
    """Where the person stands with each list as the events tell it: what the Subscription rows must equal."""
    # Named in strings only, which the linter does not see: the models import this module.
    from audiences.models import ConsentEvent, MailingList, Subscriber, Subscription  # noqa: F401
    from audiences.pure import consent_history as history

    events = ConsentEvent.objects.filter(subject_key=address_key).order_by("at", "pk")
    rows = events.values_list("kind", "list_id", "at")
    return history.state_by_events(history.Fact(kind=kind, list_id=list_id, at=at) for kind, list_id, at in rows)
