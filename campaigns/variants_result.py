"""How the A/B test of a campaign goes, or went: each variant's figures, what they prove, and what happens next."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.conf import settings

from campaigns.content import current
from campaigns.models import Campaign
from campaigns.pure.lane_words import clock
from campaigns.pure.variants import NOISE_BELOW
from campaigns.variants import Written, variants_of
from sending.models import Mailing, SplitTest
from sending.pure.split import By, Tally, Why, choose, gap, name_of
from sending.split_test import tallies_of
from words import gettext as _
from words import ngettext, number


@dataclass(frozen=True, slots=True)
class Row:
    """One variant. `compared`: with the best of them, in words; empty for the best itself."""

    number: int
    written: Written
    tally: Tally
    percent: float
    compared: str
    is_best: bool
    is_winner: bool

    @property
    def name(self) -> str:
        return name_of(self.number)


@dataclass(frozen=True, slots=True)
class Result:
    """`told`: what goes on, in sentences. `may_choose`: people wait, and no winner is chosen yet."""

    test: SplitTest
    rows: list[Row]
    told: str
    may_choose: bool

    @property
    def is_noise(self) -> bool:
        return self.test.people < NOISE_BELOW

    @property
    def by(self) -> By:
        return _looked_at(self.test)


def result_of(*, now: datetime, zone: ZoneInfo, campaign: Campaign, mailing: Mailing) -> Result | None:
    """None where there is no test. Reads the rows of those in it, so pages ask for it after they are there."""
    test = SplitTest.objects.select_related("decided_by").filter(pk=mailing.pk).first()
    if test is None:
        return None
    tallies, by = tallies_of(test), _looked_at(test)
    best, _why = choose(tallies, by)
    written = variants_of(campaign, current(campaign))
    rows = [
        Row(
            number=n,
            written=written[n] if n < len(written) else Written(name_of(n), campaign, current(campaign)),
            tally=tally,
            percent=100 * tally.rate(by),
            compared="" if n == best else _compared(tallies[best], tally, by, len(tallies) - 1),
            is_best=n == best and tally.n(by) > 0,
            is_winner=n == mailing.winner,
        )
        for n, tally in enumerate(tallies)
    ]
    open_ = mailing.winner is None and test.rest > 0 and mailing.state != Mailing.State.DONE
    return Result(test, rows, " ".join(_told(now, zone, mailing, test)), open_)


def _looked_at(test: SplitTest) -> By:
    """Who chooses by hand looks at clicks."""
    return By.OPENS if test.by == By.OPENS else By.CLICKS


def _compared(best: Tally, tally: Tally, by: By, tests: int) -> str:
    """`1.2 points less (0.4 to 2.0)`, or that nobody can tell."""
    if not best.accepted or not tally.accepted:
        return _("nothing to compare yet")
    found = gap(best, tally, by, tests=tests)
    if not found.is_clear:
        return _("not distinguishable")
    words = {"value": f"{100 * found.value:.1f}", "low": f"{100 * found.low:.1f}", "high": f"{100 * found.high:.1f}"}
    return _("%(value)s points less (%(low)s to %(high)s)") % words


def _told(now: datetime, zone: ZoneInfo, mailing: Mailing, test: SplitTest) -> list[str]:
    said = {"n": test.variants, "people": number(test.people)}
    first = _("%(n)s variants are tested with %(people)s people.") % said
    if not test.rest:
        return [_("Everybody gets one of %(n)s variants, by chance.") % said]
    if test.decided_at is not None and mailing.winner is not None:
        return [_won(now, zone, mailing, test)]
    if mailing.state == Mailing.State.STOPPED:
        return [first, _("It was stopped, so no winner goes out.")]
    if test.by == By.HAND:
        return [first, _waiting(test.rest)]
    if test.tested_at is None:
        hours = test.wait.total_seconds() / 3600
        after = ngettext(
            "The winner goes out %(hours)s hour after the test has been sent.",
            "The winner goes out %(hours)s hours after the test has been sent.",
            round(hours),
        )
        return [first, after % {"hours": f"{hours:g}"}]
    due = clock(test.tested_at + test.wait / settings.TIME_FACTOR, now=now, zone=zone)
    if mailing.state != Mailing.State.RUNNING:
        return [first, _("The winner goes out at %(due)s, or when somebody goes on.") % {"due": due}]
    return [first, _("The winner goes out at %(due)s.") % {"due": due}]


def _waiting(rest: int) -> str:
    said = ngettext(
        "The other %(n)s person waits for your choice.", "The other %(n)s people wait for your choice.", rest
    )
    return said % {"n": number(rest)}


def _won(now: datetime, zone: ZoneInfo, mailing: Mailing, test: SplitTest) -> str:
    at = clock(test.decided_at, now=now, zone=zone) if test.decided_at else ""
    said = _("Variant %(name)s was chosen at %(at)s for the other %(n)s people.")
    words = {"name": name_of(mailing.winner or 0), "at": at, "n": number(test.rest)}
    return f"{said % words} {_reason(test)}"


def _reason(test: SplitTest) -> str:
    if test.why == Why.HAND:
        who = test.decided_by.get_full_name() or test.decided_by.get_username() if test.decided_by else _("Somebody")
        return _("%(who)s chose it by hand.") % {"who": who}
    return {
        Why.CLEAR: _("It was ahead by more than chance explains."),
        Why.AHEAD: _("It was ahead, though by no more than chance may explain."),
        Why.TIE: _("It was level with another; then the first of them is taken."),
        Why.NOTHING: _("Nobody had done anything; then the first is taken."),
    }[Why(test.why)]
