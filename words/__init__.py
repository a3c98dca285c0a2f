"""What code says to people, in the language of whoever asks.

No Django here, so that pure code may speak too: `config.voice` hands in one that translates when a process starts.
Without it, and in the processes that send, all is English. What is stored is said in English (`config.voice.english`),
or stored as a code with its values.
"""

from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo


class Voice(Protocol):
    """Says a message of the catalogues. Messages with `%(name)s` in them are filled in by the caller."""

    def gettext(self, message: str) -> str: ...
    def ngettext(self, one: str, many: str, n: int) -> str: ...
    def number(self, n: float, decimals: int = 0) -> str: ...
    def moment(self, local: datetime, *, day: bool = True, time: bool = True, year: bool = False) -> str: ...


class English:
    """The messages as they stand in the code."""

    def gettext(self, message: str) -> str:
        return message

    def ngettext(self, one: str, many: str, n: int) -> str:
        return one if n == 1 else many

    def number(self, n: float, decimals: int = 0) -> str:
        return f"{n:,.{decimals}f}"

    def moment(self, local: datetime, *, day: bool = True, time: bool = True, year: bool = False) -> str:
        date = f"{local:%a} {local.day} {local:%b}" + (f" {local.year}" if year else "")
        return f"{date}, {local:%H:%M}" if day and time else date if day else f"{local:%H:%M}"


_voice: Voice = English()


def speak_with(voice: Voice) -> None:
    """For this process, from now on."""
    global _voice
    _voice = voice


def gettext(message: str) -> str:
    return _voice.gettext(message)


def ngettext(one: str, many: str, n: int) -> str:
    """`one` for a single thing, else `many`; languages with more forms know them."""
    return _voice.ngettext(one, many, n)


def number(n: float, decimals: int = 0) -> str:
    """`8,532`, `4.5`."""
    return _voice.number(n, decimals)


def moment(local: datetime, *, day: bool = True, time: bool = True, year: bool = False) -> str:
    """`Tue 24 Nov, 09:00`, or one half of it. `local`: in the zone it is told in."""
    return _voice.moment(local, day=day, time=time, year=year)


def in_full(at: datetime, zone: ZoneInfo) -> str:
    """`Tue 24 Nov 2026, 09:00 (Europe/Warsaw)`: absolute, and never without the zone it is told in."""
    return f"{moment(at.astimezone(zone), year=True)} ({zone.key})"


def marked(message: str) -> str:
    """A message that is said later: `gettext(…)` where it is used translates it."""
    return message
