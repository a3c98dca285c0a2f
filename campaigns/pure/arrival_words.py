"""When the rest will have it, in a sentence: most by one time, the slowest lanes by another."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from campaigns.pure.lane_words import clock
from words import gettext as _
from words import number

# Lanes that end within this of each other are told as one time.
ABOUT = timedelta(minutes=45)


@dataclass(frozen=True, slots=True)
class Arrival:
    """One lane's people who are still to go, and about when the last of them has it; None: no end in sight."""

    who: str
    people: int
    at: datetime | None


def ending(arrivals: Sequence[Arrival], *, now: datetime, zone: ZoneInfo) -> tuple[str, str]:
    """A first sentence about most of them and a second one about the slowest; both may be empty."""
    left = sorted((_Ending(one.at, one) for one in arrivals if one.people > 0 and one.at is not None), key=_at)
    stuck = [one for one in arrivals if one.people > 0 and one.at is None]
    late = _slowest(left)
    early = left[: len(left) - len(late)]
    first = second = ""
    if early:
        by = {"by": clock(early[-1].at, now=now, zone=zone)}
        whole = not (late or stuck)
        first = (
            _("The rest should follow by %(by)s.") if whole else _("Most of the rest should follow by %(by)s.")
        ) % by
    if late:
        second = _("The last %(n)s, at %(lanes)s, should follow by %(by)s.") % {
            **_told([one.lane for one in late]),
            "by": clock(late[-1].at, now=now, zone=zone),
        }
    if stuck:
        second += " " + _("No end is in sight for %(n)s at %(lanes)s.") % _told(stuck)
    return first, second.strip()


class _Ending(NamedTuple):
    at: datetime
    lane: Arrival


def _at(one: _Ending) -> datetime:
    return one.at


def _slowest(left: Sequence[_Ending]) -> Sequence[_Ending]:
    """Those that end about when the last one does, where they are the smaller part; else nobody is told apart."""
    late = [one for one in left if left[-1].at - one.at <= ABOUT]
    smaller = 2 * _people([one.lane for one in late]) <= _people([one.lane for one in left])
    return late if smaller and len(late) < len(left) else []


def _told(lanes: Sequence[Arrival]) -> dict[str, str]:
    return {"n": number(_people(lanes)), "lanes": _names(lanes)}


def _people(lanes: Sequence[Arrival]) -> int:
    return sum(one.people for one in lanes)


def _names(lanes: Sequence[Arrival]) -> str:
    names = [one.who for one in lanes]
    if len(names) > 3:
        return _("%(name)s and %(n)s more providers") % {"name": names[0], "n": len(names) - 1}
    return (
        names[0] if len(names) == 1 else _("%(some)s and %(last)s") % {"some": ", ".join(names[:-1]), "last": names[-1]}
    )
