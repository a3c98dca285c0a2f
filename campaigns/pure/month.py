"""A month as a calendar shows it: whole weeks, from Monday on."""

import re
from calendar import Calendar
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_SAID = re.compile(r"(\d{4})-(0[1-9]|1[0-2])\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Month:
    first: date

    @classmethod
    def said(cls, said: str, today: date) -> "Month":
        """`2026-11`; nonsense is the month of today."""
        found = _SAID.match(said)
        year = int(found[1]) if found else 0
        return cls(date(year, int(found[2]), 1) if found and 2000 <= year < 2100 else today.replace(day=1))

    def __str__(self) -> str:
        return f"{self.first:%Y-%m}"

    @property
    def before(self) -> "Month":
        return Month((self.first - timedelta(days=1)).replace(day=1))

    @property
    def after(self) -> "Month":
        return Month((self.first + timedelta(days=31)).replace(day=1))

    @property
    def weeks(self) -> list[list[date]]:
        """Days of its neighbours fill the first and the last."""
        return Calendar().monthdatescalendar(self.first.year, self.first.month)

    def between(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """The first instant of its first week, and the first after its last, by the clocks of a zone."""
        weeks = self.weeks
        ends = (weeks[0][0], weeks[-1][-1] + timedelta(days=1))
        first, last = (datetime.combine(day, time(), zone) for day in ends)
        return first, last


def between_days(begin: str, end: str) -> tuple[date | None, date | None]:
    """Two days as a form says them (`2026-11-28`), the earlier one first; nonsense is no day."""
    first, last = _day(begin), _day(end)
    return (last, first) if first and last and last < first else (first, last)


def _day(said: str) -> date | None:
    """In years that every calendar, and every zone's offset, has room for."""
    try:
        day = date.fromisoformat(said.strip())
    except ValueError:
        return None
    return day if 2000 <= day.year < 2100 else None
