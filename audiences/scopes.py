"""Suppression scopes in words."""

from collections.abc import Iterable

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from audiences.models import ANYWHERE, MailingList, Suppression, list_scope, stream_scope
from audiences.suppress import LIFTED_BY_HAND, SAMPLE


def choices() -> list[tuple[str, str]]:
    """Scopes a person may choose from, widest first."""
    lists = MailingList.objects.in_use()
    return [*_wide().items(), *((list_scope(row.pk), _list(row.name)) for row in lists)]


def words_for(rows: Iterable[Suppression]) -> list[tuple[Suppression, str, str]]:
    """Each row with its scope in words, and why it can't be lifted by hand (empty when it can)."""
    known = _wide() | {list_scope(pk): _list(name) for pk, name in MailingList.objects.values_list("pk", "name")}
    return [(row, known.get(row.scope, row.scope), why_not_liftable(row)) for row in rows]


def why_not_liftable(row: Suppression) -> str:
    """The sentence for people, or nothing when an admin may lift it."""
    if row.source == SAMPLE:
        return _("This is sample data, which is never mailed.")
    if row.reason in LIFTED_BY_HAND:
        return ""
    if row.reason == Suppression.Reason.COMPLAINED:
        return _("This person complained. A complaint is never lifted.")
    if row.reason == Suppression.Reason.PAUSED:
        return _("This person asked for a pause. It ends by itself on %(day)s.") % {
            "day": date_format(row.until, pgettext("date format", "j F Y"), use_l10n=False) if row.until else ""
        }
    if row.reason == Suppression.Reason.ERASED:
        return _("This person asked to be forgotten. Only they can come back, by subscribing anew.")
    return _("This person left. Only they can come back, by subscribing and confirming again.")


def _wide() -> dict[str, str]:
    return {
        ANYWHERE: _("Everything"),
        stream_scope("marketing"): _("All marketing mail"),
        stream_scope("transactional"): _("All transactional mail"),
    }


def _list(name: str) -> str:
    return _("List “%(name)s”") % {"name": name}
