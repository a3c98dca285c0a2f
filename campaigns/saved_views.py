"""Looks at the list of campaigns that somebody keeps under a name of their own."""

from collections.abc import Sequence

from django.contrib.auth.models import User
from django.http import QueryDict

from campaigns.models import SavedView
from words import gettext as _

# What a look is made of, as the address of the list has it.
PARTS = ("status", "q", "owner", "list", "tag", "from", "to")
MOST = 20


class NotKept(Exception):
    """Says in a sentence why not."""


def query_of(given: QueryDict) -> str:
    """The part of an address that is a look; empty where nothing is asked for."""
    kept = QueryDict(mutable=True)
    for name in PARTS:
        if said := given.get(name):
            kept[name] = str(said)[:200]
    return kept.urlencode()


def keep(*, user: User, name: str, query: str) -> SavedView:
    """Under a name that was there already, the new look takes the place of the old. Raises NotKept."""
    name, query = " ".join(name.split())[:60], query_of(QueryDict(query))
    if not name:
        raise NotKept(_("Give the view a name."))
    if not query:
        raise NotKept(_("Choose something first: a view of everything is the list itself."))
    mine = SavedView.objects.filter(user=user)
    if mine.exclude(name=name).count() >= MOST:
        raise NotKept(_("Twenty views are kept already. Remove one first."))
    return SavedView.objects.update_or_create(user=user, name=name, defaults={"query": query})[0]


def forget(*, user: User, view_id: int) -> None:
    SavedView.objects.filter(user=user, pk=view_id).delete()


def views_of(user: User) -> Sequence[SavedView]:
    return list(SavedView.objects.filter(user=user))
