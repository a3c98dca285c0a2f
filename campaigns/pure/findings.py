"""What a preflight says: a stable id, how serious, a sentence, and the place to go to."""

import re
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

_QUOTED = re.compile(r"[“„«]\s*([^“”„«»]+?)\s*[”“»]")
_HOST = re.compile(r"(?:[\w-]+\.)+[^\W\d_][\w-]+")


class Level(StrEnum):
    MUST_FIX = "must"
    SHOULD_LOOK = "should"
    FINE = "fine"
    # A person has said why it does not matter here.
    IGNORED = "ignored"


class Place(StrEnum):
    AUDIENCE = "audience"
    SENDER = "sender"
    CONTENT = "content"
    VARIANTS = "variants"
    SETTINGS = "settings"
    DOMAIN = "domain"
    WHEN = "when"


@dataclass(frozen=True, slots=True)
class Finding:
    """`id` is stable (tests, links and waivers name it); `sentence` says what and what to do."""

    id: str
    level: Level
    place: Place
    sentence: str
    line: int | None = None

    @property
    def can_be_ignored(self) -> bool:
        """A warning is advice; that the team waits for approval is its own order, and a time is chosen anew."""
        return self.level is Level.SHOULD_LOOK and self.id not in ("review.asked", "when.quiet")

    @property
    def key(self) -> str:
        """Of this finding while it says the same, in whatever language, and wherever its line has moved.

        By what no translation changes: numbers, names of hosts, and what stands between quotation marks.
        """
        quoted, hosts = _QUOTED.findall(self.sentence), _HOST.findall(self.sentence)
        digits = re.sub(r"\D", "", _HOST.sub(" ", self.sentence))
        return f"{self.id}:{sha256(repr((quoted, hosts, digits)).encode()).hexdigest()[:10]}"


def must(id: str, place: Place, sentence: str, line: int | None = None) -> Finding:
    return Finding(id, Level.MUST_FIX, place, sentence, line)


def should(id: str, place: Place, sentence: str, line: int | None = None) -> Finding:
    return Finding(id, Level.SHOULD_LOOK, place, sentence, line)


def fine(id: str, place: Place, sentence: str) -> Finding:
    return Finding(id, Level.FINE, place, sentence)
