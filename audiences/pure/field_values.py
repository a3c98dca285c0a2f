"""Personal fields from text: what a number, a date, a yes looks like in files of several countries."""

import re
from collections.abc import Sequence
from datetime import date
from functools import cache
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from words import gettext as _

TEXT_MAX = 2_000

_YES = frozenset("yes y true t 1 x ja j oui o si sí sim s tak wahr vrai verdadero да".split())
_NO = frozenset("no n false f 0 nein non não nao nie nee falsch faux falso нет".split())
_NUMBER = re.compile(r"[+-]?\d{1,15}(?:[.,]\d{1,10})?")
_ISO_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ].*)?")
_DOTTED_DATE = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")
_SLASHED_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")

_BETWEEN = re.compile(r"[,;|\n]")
# More choices than these are not named in a sentence.
_NAMED = 8

FieldValue = str | int | float | bool | list[str]


class BadValue(ValueError):
    """The text is no value of the field's kind; the sentence says what was expected."""


def value_of(kind: str, text: str, options: Sequence[str] = ()) -> FieldValue:
    """The text as the field's kind (`text`, `number`, `date` → ISO 8601 text, `yes_no`, `choice` and `multi_choice` of
    `options`, `url`, `time_zone` → IANA name). Raises BadValue."""
    match kind:
        case "number":
            return _number(text)
        case "date":
            return _date(text).isoformat()
        case "yes_no":
            return _yes_no(text)
        case "choice":
            return _choice(text, options)
        case "multi_choice":
            return _choices(text, options)
        case "url":
            return _url(text)
        case "time_zone":
            return _time_zone(text)
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


def _choice(text: str, options: Sequence[str]) -> str:
    wanted = text.casefold()
    found = next((option for option in options if option.casefold() == wanted), None)
    if found is None:
        named = ", ".join(options[:_NAMED]) + (" …" if len(options) > _NAMED else "")
        raise BadValue(_("“%(text)s” is none of: %(options)s.") % {"text": _short(text), "options": named})
    return found


def _choices(text: str, options: Sequence[str]) -> list[str]:
    """Split by comma, semicolon, bar or line; in the order of the options, each once."""
    chosen = {_choice(part.strip(), options) for part in _BETWEEN.split(text) if part.strip()}
    return [option for option in options if option in chosen]


def can_be_chosen(option: str) -> bool:
    """No choice holds a sign that stands between two of them."""
    return bool(option) and not _BETWEEN.search(option)


def _url(text: str) -> str:
    """An address of the web, which a letter can link to."""
    full = f"https://{text}" if text.casefold().startswith("www.") else text
    try:
        parts = urlsplit(full)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        host = ""
    is_plain = full.isprintable() and not re.search(r"[\s<>\"]", full) and len(full) <= TEXT_MAX
    if not is_plain or "." not in host.strip(".") or parts.scheme not in ("http", "https") or "@" in parts.netloc:
        raise BadValue(_("“%(text)s” is no web address (such as https://example.org/page).") % {"text": _short(text)})
    return full


@cache
def _zones() -> dict[str, str]:
    return {name.casefold(): name for name in available_timezones() if not name.startswith("SystemV/")}


def _time_zone(text: str) -> str:
    found = _zones().get("_".join(text.split()).casefold())
    if found is None:
        raise BadValue(
            _("“%(text)s” is not a time zone we know. Use a name such as Europe/Warsaw.") % {"text": _short(text)}
        )
    return found


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"
