"""What an A/B test of this audience could show, before it is sent."""

from dataclasses import dataclass
from datetime import datetime
from statistics import median

from campaigns.audience import choice_of
from campaigns.counting import counted
from campaigns.models import Campaign
from campaigns.pure.comparison import FEWEST
from campaigns.pure.variants import NOISE_BELOW, USUAL
from sending.models import Mailing, OutcomeKind
from sending.progress import totals
from sending.pure.split import By, detectable, in_test

# One's own last so many campaigns say what is usual.
LAST = 10


@dataclass(frozen=True, slots=True)
class Power:
    """`usual`: the rate to expect, of one's own campaigns or else of the field; `shown`: the smallest better rate that
    would be told from chance, four times out of five; None: none would. Rates are from 0 to 1."""

    people: int
    in_test: int
    variants: int
    by: By
    usual: float
    is_own: bool
    shown: float | None

    @property
    def rest(self) -> int:
        return self.people - self.in_test

    @property
    def each(self) -> int:
        return self.in_test // self.variants

    @property
    def is_noise(self) -> bool:
        return self.in_test < NOISE_BELOW

    @property
    def usual_percent(self) -> float:
        return 100 * self.usual

    @property
    def shown_percent(self) -> float | None:
        return None if self.shown is None else 100 * self.shown


def power_of(*, now: datetime, campaign: Campaign, share: int, by: By, variants: int) -> Power | None:
    """None without an audience. People are counted as while lists are chosen: estimated where that takes long."""
    count = counted(choice_of(campaign), now=now)
    if count is None or not count.crowd.recipients:
        return None
    people = count.crowd.recipients
    n = in_test(people, share=share, variants=variants)
    # Who chooses by hand looks at clicks first.
    by = By.OPENS if by is By.OPENS else By.CLICKS
    own = _usual(by)
    usual = own if own else USUAL[by]
    shown = detectable(n // variants, usual, tests=variants - 1)
    return Power(people, n, variants, by, usual, own is not None, shown)


def _usual(by: By) -> float | None:
    """The median of one's own last campaigns; None of too few, or where nobody did anything."""
    over = [Mailing.State.DONE, Mailing.State.STOPPED]
    ids = Campaign.objects.filter(mailing__state__in=over).order_by("-mailing__launched_at")
    counts = totals(pk for pk in ids.values_list("mailing_id", flat=True)[:LAST] if pk)
    rates = [n.get(by.value, 0) / n[OutcomeKind.ACCEPTED] for n in counts.values() if n.get(OutcomeKind.ACCEPTED)]
    return (median(rates) or None) if len(rates) >= FEWEST else None
