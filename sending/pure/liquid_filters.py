"""The filters a letter may use. Values stay plain text until they are written; escaping happens there, once.

Those of python-liquid are taken where they are pure and bounded. Others are our own: `date` there reads the clock and
lets a format of `%999999999d` allocate gigabytes; `append` there has no bound.
"""

import datetime
import re
import urllib.parse
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.dates import get_day_names, get_month_names
from babel.numbers import format_currency
from liquid.builtin.filters import math, misc, string
from liquid.exceptions import FilterArgumentError
from liquid.filter import num_arg
from liquid.undefined import Undefined

MAX_TEXT = 20_000  # characters any filter may make
Filter = Callable[..., Any]

_HTML_TAG = re.compile(r"<[^<>]*>")
_DIRECTIVE = re.compile(r"%-?[A-Za-z%]")
_WEB_ADDRESS = re.compile(r"(?:https?://[^\s\"'<>\\`]+|mailto:[^\s\"'<>\\`]+|tel:[+0-9().\-]+)\Z", re.IGNORECASE)


class Broken(str):
    """Text whose line breaks are to become `<br>` when it is written into HTML."""

    __slots__ = ()


def text_of(value: object) -> str:
    """A value as text, as Liquid writes it, but several with commas between; anything but plain data is refused with
    TypeError."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, Undefined):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float, Decimal, datetime.date, datetime.time)):
        return str(value)
    if isinstance(value, (list, tuple)):
        return ", ".join(text_of(item) for item in value)
    raise TypeError(f"a {type(value).__name__} cannot be written into a letter")


def filters_for(language: str) -> dict[str, Filter]:
    """The filters authors may use, for one language (BCP 47; unknown ones behave as English)."""
    locale = locale_of(language)
    return {
        **_STANDARD,
        "date": lambda value, pattern="%Y-%m-%d": format_date(value, text_of(pattern), locale),
        "money": lambda value, currency="USD": format_currency(_decimal(value), text_of(currency), locale=locale),
    }


def internal_filters() -> dict[str, Filter]:
    """Filters only the compiler adds, for values that stand inside a web address."""
    return {"__url_part": url_part, "__url_whole": url_whole}


def locale_of(language: str) -> Locale:
    """The nearest known locale of a language tag."""
    for tag in (language.replace("-", "_"), language[:2]):
        try:
            return Locale.parse(tag)
        except (ValueError, UnknownLocaleError):
            continue
    return Locale("en")


def format_date(value: object, pattern: str, locale: Locale) -> str:
    """A date by strftime directives, names in the letter's language. Text that is no ISO date stays as it is."""
    if value is None or isinstance(value, Undefined):
        return ""
    moment = _moment(value)
    if moment is None:
        return text_of(value)
    return _DIRECTIVE.sub(lambda match: _directive(match.group(), moment, locale), pattern[:200])


def _moment(value: object) -> datetime.datetime | None:
    if isinstance(value, datetime.datetime):
        return value
    if isinstance(value, datetime.date):
        return datetime.datetime.combine(value, datetime.time())
    if isinstance(value, int) and not isinstance(value, bool):
        return datetime.datetime.fromtimestamp(value, datetime.UTC)
    try:
        return datetime.datetime.fromisoformat(str(value).strip())
    except ValueError:
        return None


def _directive(code: str, moment: datetime.datetime, locale: Locale) -> str:
    letter = code[-1]
    if letter in "aA":
        return str(get_day_names("wide" if letter == "A" else "abbreviated", locale=locale)[moment.weekday()])
    if letter in "bBh":
        return str(get_month_names("wide" if letter == "B" else "abbreviated", locale=locale)[moment.month])
    if letter == "e":
        return f"{moment.day:2d}"
    if letter not in "YymdHIMSpjUWuwFTRDZz%":
        raise FilterArgumentError(f"date does not know `{code}`", token=None)
    written = moment.strftime(f"%{letter}")
    return (written.lstrip("0") or "0") if code[1] == "-" and letter != "%" else written


def _decimal(value: object) -> Decimal:
    return Decimal(str(num_arg(value)))


def pluralize(value: object, one: object, many: object) -> str:
    """`one` for exactly 1, else `many`: `{{ n }} {{ n | pluralize: "seat", "seats" }}`."""
    return text_of(one if num_arg(value, default=0) == 1 else many)


def url_part(value: object) -> str:
    """Percent-encode a value that stands inside a web address (RFC 3986 §2.3); spaces become %20."""
    return urllib.parse.quote(text_of(value), safe="")


def url_whole(value: object) -> str:
    """A value that begins a web address. Other schemes than http, https, mailto and tel are refused with ValueError."""
    address = text_of(value).strip()
    if not _WEB_ADDRESS.match(address):
        raise ValueError("a personal field used as a link does not hold a web address")
    return address


def _append(value: object, addition: object) -> str:
    return _bounded(text_of(value), text_of(addition))


def _prepend(value: object, addition: object) -> str:
    return _bounded(text_of(addition), text_of(value))


def _bounded(first: str, second: str) -> str:
    if len(first) + len(second) > MAX_TEXT:
        raise FilterArgumentError(f"the text grows over {MAX_TEXT} characters", token=None)
    return first + second


def _first(value: object) -> object:
    return value[0] if isinstance(value, (list, tuple)) and value else None


def _last(value: object) -> object:
    return value[-1] if isinstance(value, (list, tuple)) and value else None


_STANDARD: dict[str, Filter] = {
    "default": misc.default,
    "upcase": string.upcase,
    "downcase": string.downcase,
    "capitalize": string.capitalize,
    "escape": text_of,  # everything is escaped when it is written
    "truncate": string.truncate,
    "truncatewords": string.truncatewords,
    "strip": string.strip,
    "squish": string.squish,
    "newline_to_br": lambda value: Broken(text_of(value)),
    "url_encode": lambda value: urllib.parse.quote_plus(text_of(value)),
    "round": math.round_,
    "ceil": math.ceil,
    "floor": math.floor,
    "plus": math.plus,
    "minus": math.minus,
    "times": math.times,
    "divided_by": math.divided_by,
    "append": _append,
    "prepend": _prepend,
    "first": _first,
    "last": _last,
    "size": misc.size,
    "strip_html": lambda value: _HTML_TAG.sub("", text_of(value)),
    "pluralize": pluralize,
}
FILTER_NAMES = frozenset(_STANDARD) | {"date", "money"}
