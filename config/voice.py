"""The voice of the site: Django's translations for what pure code says (`words`)."""

from contextlib import AbstractContextManager
from datetime import datetime
from functools import lru_cache

from django.utils import translation
from django.utils.formats import date_format, number_format


class Translated:
    """A `words.Voice` in the language that is active at the moment."""

    def gettext(self, message: str) -> str:
        return translation.gettext(message)

    def ngettext(self, one: str, many: str, n: int) -> str:
        return translation.ngettext(one, many, n)

    def number(self, n: float, decimals: int = 0) -> str:
        return _number(translation.get_language(), n, decimals)

    def moment(self, local: datetime, *, day: bool = True, time: bool = True, year: bool = False) -> str:
        if year:
            return date_format(local, translation.pgettext("date format", "D j M Y, H:i"), use_l10n=False)
        if day and time:
            return date_format(local, translation.pgettext("date format", "D j M, H:i"), use_l10n=False)
        return date_format(local, translation.pgettext("date format", "D j M") if day else "H:i", use_l10n=False)


# Pages write the same numbers over and over, and to ask a language for its signs takes longer than to write one.
@lru_cache(maxsize=4096, typed=True)
def _number(_language: str | None, n: float, decimals: int) -> str:
    return number_format(n, decimals, use_l10n=True, force_grouping=True)


def english() -> AbstractContextManager[None]:
    """Around what makes sentences that are stored: they are read by others than whoever causes them."""
    return translation.override("en")
