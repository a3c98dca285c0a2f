"""The parts of a draft, each with the mark that preflight gives it."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from campaigns.pure.findings import Finding, Level, Place

# A part of the page → the places of findings that speak of it.
PARTS: dict[str, frozenset[Place]] = {
    "audience": frozenset({Place.AUDIENCE}),
    "sender": frozenset({Place.SENDER, Place.DOMAIN, Place.SETTINGS}),
    "content": frozenset({Place.CONTENT, Place.VARIANTS}),
    "when": frozenset({Place.WHEN}),
}


@dataclass(frozen=True, slots=True)
class Mark:
    """`tone` ok, wait or bad; `findings` are those to fix or look at, the worst first."""

    tone: str
    icon: str
    word: str
    findings: list[Finding]


def marks_of(findings: Sequence[Finding]) -> dict[str, Mark]:
    return {part: _mark([row for row in findings if row.place in places]) for part, places in PARTS.items()}


def _mark(findings: Sequence[Finding]) -> Mark:
    told = [row for row in findings if row.level in (Level.MUST_FIX, Level.SHOULD_LOOK)]
    if any(row.level is Level.MUST_FIX for row in told):
        return Mark("bad", "alert-circle", _("Must be fixed"), told)
    if told:
        return Mark("wait", "alert-triangle", _("Have a look"), told)
    return Mark("ok", "circle-check", _("Ready"), [])
