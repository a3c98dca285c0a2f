"""The variants of a campaign's letter, each as if it were the letter of a campaign of its own."""

from copy import copy
from typing import NamedTuple

from campaigns.models import Campaign, Revision
from campaigns.pure.variants import AbTest, from_json
from sending.pure.split import name_of


class Written(NamedTuple):
    """One variant. `campaign` and `content` are copies to read and compile; they are never saved."""

    name: str
    campaign: Campaign
    content: Revision


def ab_test_of(content: Revision) -> AbTest | None:
    return from_json(content.ab_test)


def variants_of(campaign: Campaign, content: Revision) -> list[Written]:
    """A, which is the letter itself, and the others."""
    test = ab_test_of(content)
    others = [variant_of(campaign, content, number) for number in range(1, test.variants)] if test else []
    return [Written(name_of(0), campaign, content), *others]


def variant_of(campaign: Campaign, content: Revision, number: int) -> Written:
    """The variant with this number; A for one that there is not (any more)."""
    test = ab_test_of(content)
    if test is None or not 0 < number < test.variants:
        return Written(name_of(0), campaign, content)
    said = test.others[number - 1]
    ours, words = copy(campaign), copy(content)
    ours.from_name = said.from_name or campaign.from_name
    words.subject, words.preheader = said.subject or content.subject, said.preheader or content.preheader
    words.letter = said.letter or content.letter
    return Written(name_of(number), ours, words)
