"""Suppression scopes in words."""

from collections.abc import Iterable

from audiences.models import ANYWHERE, MailingList, Suppression, list_scope, stream_scope
from audiences.suppress import LIFTED_BY_HAND

_STREAMS = {stream_scope("marketing"): "All marketing mail", stream_scope("transactional"): "All transactional mail"}


def choices() -> list[tuple[str, str]]:
    """Scopes a person may choose from, widest first."""
    lists = MailingList.objects.in_use()
    return [(ANYWHERE, "Everything"), *_STREAMS.items(), *((list_scope(row.pk), f"List “{row.name}”") for row in lists)]


def words_for(rows: Iterable[Suppression]) -> list[tuple[Suppression, str, str]]:
    """Each row with its scope in words, and why it can't be lifted by hand (empty when it can)."""
    names = {list_scope(pk): f"List “{name}”" for pk, name in MailingList.objects.values_list("pk", "name")}
    known = {ANYWHERE: "Everything", **_STREAMS, **names}
    return [(row, known.get(row.scope, row.scope), why_not_liftable(row)) for row in rows]


def why_not_liftable(row: Suppression) -> str:
    """The sentence for people, or nothing when an admin may lift it."""
    if row.reason in LIFTED_BY_HAND:
        return ""
    if row.reason == Suppression.Reason.COMPLAINED:
        return "This person complained. A complaint is never lifted."
    if row.reason == Suppression.Reason.PAUSED:
        return f"This person asked for a pause. It ends by itself on {row.until:%-d %B %Y}."
    if row.reason == Suppression.Reason.ERASED:
        return "This person asked to be forgotten. Only they can come back, by subscribing anew."
    return "This person left. Only they can come back, by subscribing and confirming again."
