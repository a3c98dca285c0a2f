"""What preflight says of an A/B test: whether it can be decided, and whether its result would mean anything."""

from collections.abc import Iterator
from itertools import combinations

from campaigns.models import Campaign, Revision
from campaigns.pure.findings import Finding, Place, fine, must, should
from campaigns.pure.variants import NOISE_BELOW, AbTest
from campaigns.variants import Written, ab_test_of, variants_of
from reputation.workspace import workspace
from sending.pure.split import By, in_test
from words import gettext as _
from words import number


def of_ab_test(campaign: Campaign, content: Revision, recipients: int) -> Iterator[Finding]:
    """`recipients`: how many people would get the campaign."""
    test = ab_test_of(content)
    if test is None:
        return
    yield from _of_equals(campaign, content)
    yield from _of_counting(campaign, test)
    n = in_test(recipients, share=test.split.share, variants=test.variants)
    words = {"n": number(n), "variants": test.variants, "enough": number(NOISE_BELOW)}
    if n < NOISE_BELOW:
        sentence = _(
            "Only %(n)s people are in the A/B test. Below %(enough)s its result is mostly chance; test with more, or "
            "send one variant."
        )
        yield should("abtest.noise", Place.VARIANTS, sentence % words)
    else:
        yield fine("abtest.size", Place.VARIANTS, _("%(variants)s variants are tested with %(n)s people.") % words)


def _of_equals(campaign: Campaign, content: Revision) -> Iterator[Finding]:
    for one, other in combinations(variants_of(campaign, content), 2):
        if _said(one) == _said(other):
            sentence = _("Variants “%(one)s” and “%(other)s” are the same. Change one, or take it out of the test.")
            yield must("abtest.same", Place.VARIANTS, sentence % {"one": one.name, "other": other.name})


def _said(one: Written) -> list[str]:
    words = (one.content.subject, one.content.preheader, one.content.letter, one.campaign.from_name)
    return [said.strip() for said in words]


def _of_counting(campaign: Campaign, test: AbTest) -> Iterator[Finding]:
    """Everybody in the test: then nothing is decided."""
    if test.split.share == 100:
        return
    owner = workspace()
    if test.split.by is By.CLICKS and not (campaign.track_clicks and owner.track_clicks):
        sentence = _("The winner is chosen by clicks, which are not counted here. Count them, or choose by hand.")
        yield must("abtest.clicks", Place.VARIANTS, sentence)
    if test.split.by is By.OPENS and not (campaign.track_opens and owner.track_opens):
        sentence = _("The winner is chosen by opens, which are not counted here. Count them, or choose by hand.")
        yield must("abtest.opens", Place.VARIANTS, sentence)
