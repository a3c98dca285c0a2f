"""Personal fields from text: what a number, a date, a yes looks like in files of several countries."""

import re
from datetime import date

from words import gettext as _

TEXT_MAX = 2_000

_YES = frozenset("yes y true t 1 x ja j oui o si sí sim s tak wahr vrai verdadero да".split())
_NO = frozenset("no n false f 0 nein non não nao nie nee falsch faux falso нет".split())
_NUMBER = re.compile(r"[+-]?\d{1,15}(?:[.,]\d{1,10})?")
_ISO_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ].*)?")
_DOTTED_DATE = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")
_SLASHED_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")

FieldValue = str | int | float | bool


class BadValue(ValueError):
    """The text is no value of the field's kind; the sentence says what was expected."""


def value_of(kind: str, text: str) -> FieldValue:
    """The text as the field's kind (`text`, `number`, `date` → ISO 8601 text, `yes_no`). Raises BadValue."""
    match kind:
        case "number":
            return _number(text)
        case "date":
            return _date(text).isoformat()
        case "yes_no":
            return _yes_no(text)
    if len(text) > TEXT_MAX:
        raise BadValue(_("The text is longer than %(TEXT_MAX)s characters.") % {"TEXT_MAX": TEXT_MAX})
    return text


def _number(text: str) -> int | float:
    if not _NUMBER.fullmatch(text):
        raise BadValue(_("“%(text)s” is not a number (such as 12 or 12.5).") % {"text": _short(text)})
    plain = text.replace(",", ".")
    return float(plain) if "." in plain else int(plain)


def _date(text: str) -> date:
    try:
        if found := _ISO_DATE.fullmatch(text):
            return date(int(found[1]), int(found[2]), int(found[3]))
        if found := _DOTTED_DATE.fullmatch(text):
            return date(int(found[3]), int(found[2]), int(found[1]))
        if found := _SLASHED_DATE.fullmatch(text):
            return _slashed(int(found[1]), int(found[2]), int(found[3]))
    except ValueError as error:
        raise BadValue(_("“%(text)s” is not a date that exists, or could be two.") % {"text": _short(text)}) from error
    raise BadValue(_("“%(text)s” is not a date (such as 2026-03-10).") % {"text": _short(text)})


def _slashed(first: int, second: int, year: int) -> date:
    """British or American? Only a number over 12 tells; 03/04 is never guessed."""
    if first > 12 or first == second:
        return date(year, second, first)
    if second > 12:
        return date(year, first, second)
    raise ValueError("day or month?")


def _yes_no(text: str) -> bool:
    folded = text.casefold()
    if folded in _YES:
        return True
    if folded in _NO:
        return False
    raise BadValue(_("“%(text)s” is neither yes nor no.") % {"text": _short(text)})


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"
