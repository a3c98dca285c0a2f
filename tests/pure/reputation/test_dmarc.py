"""DMARC records: found by walking up the tree, read, and aligned."""

import pytest

from reputation.catalogue import registrable
from reputation.pure.dmarc import Policy, Wrong, aligned, find, organisation, walk


def _find(domain: str, records: dict[str, list[str]]) -> Policy | None:
    return find(domain, lambda name: records.get(name, []))


def test_the_walk_asks_the_name_and_then_upwards() -> None:
    assert walk("a.b.example.com") == ["a.b.example.com", "b.example.com", "example.com", "com"]


def test_a_deep_name_costs_eight_questions_at_most() -> None:
    names = walk("a.b.c.d.e.f.g.h.i.j.example.com")
    assert len(names) == 8
    assert names[1] == "g.h.i.j.example.com"[0:] or names[1].count(".") == 6


def test_the_nearest_record_governs() -> None:
    records = {
        "_dmarc.news.example.com": ["v=DMARC1; p=quarantine; rua=mailto:d@example.com"],
        "_dmarc.example.com": ["v=DMARC1; p=reject"],
    }
    policy = _find("news.example.com", records)
    assert policy is not None
    assert (policy.name, policy.policy, policy.warnings) == ("news.example.com", "quarantine", ())


def test_a_record_above_speaks_with_its_policy_for_names_below() -> None:
    policy = _find("news.example.com", {"_dmarc.example.com": ["v=DMARC1; p=reject; sp=none"]})
    assert policy is not None
    assert policy.policy == "none"
    assert policy.warnings == ()


def test_no_record_anywhere() -> None:
    assert _find("news.example.com", {"_dmarc.example.com": ["v=spf1 -all"]}) is None


@pytest.mark.parametrize(
    ("records", "words"),
    [
        (["v=DMARC1; p=none", "v=DMARC1; p=reject"], "2 DMARC records"),
        (["v=DMARC1; p=monitor"], "p=none"),
    ],
)
def test_unusable_records_say_what_to_change(records: list[str], words: str) -> None:
    with pytest.raises(Wrong, match=words):
        _find("example.com", {"_dmarc.example.com": records})


def test_alignment() -> None:
    relaxed = {"relaxed": True, "organisation": registrable}
    assert aligned("news.shop.co.uk", "bounce.shop.co.uk", **relaxed)  # type: ignore[arg-type]
    assert not aligned("news.shop.co.uk", "bounce.other.co.uk", **relaxed)  # type: ignore[arg-type]
    assert not aligned("news.shop.co.uk", "shop.co.uk", relaxed=False, organisation=registrable)


REJECT, NONE, SUFFIX = "v=DMARC1; p=reject", "v=DMARC1; p=none", "v=DMARC1; p=reject; psd=y"


@pytest.mark.parametrize(
    ("domain", "records", "governs", "owner"),
    [
        # Without a record of its own: that of the organisation, which is the one with the fewest labels.
        ("a.b.example.com", {"b.example.com": REJECT, "example.com": NONE}, "example.com", "example.com"),
        ("a.example.com", {"example.com": NONE}, "example.com", "example.com"),
        # psd=n says "the organisation begins here".
        ("a.b.example.com", {"b.example.com": f"{NONE}; psd=n", "example.com": NONE}, "b.example.com", "b.example.com"),
        # psd=y says that a public suffix is here: the organisation is one label below, and the suffix's policy is
        # what there is when it has none.
        ("a.b.bank.example", {"b.bank.example": NONE, "bank.example": SUFFIX}, "b.bank.example", "b.bank.example"),
        ("a.b.bank.example", {"bank.example": SUFFIX}, "bank.example", "b.bank.example"),
        ("example.com", {}, None, "example.com"),
    ],
)
def test_the_organisation_is_found_by_walking_up_the_tree(
    domain: str, records: dict[str, str], governs: str | None, owner: str
) -> None:
    def txt(name: str) -> list[str]:
        found = records.get(name.removeprefix("_dmarc."))
        return [found] if found else []

    policy = find(domain, txt)
    assert (policy and policy.name, organisation(domain, txt)) == (governs, owner)


def test_several_records_above_count_as_none() -> None:
    records = {"_dmarc.b.example.com": [NONE, REJECT], "_dmarc.example.com": [REJECT]}
    policy = _find("a.b.example.com", records)
    assert policy is not None
    assert policy.name == "example.com"


def test_a_record_of_its_own_is_enough_whatever_is_above_cannot_be_looked_up() -> None:
    def txt(name: str) -> list[str]:
        if name != "_dmarc.news.example.com":
            raise TimeoutError
        return [NONE]

    assert find("news.example.com", txt) is not None


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ("v=DMARC1; rua=mailto:a@b.example", "take it for p=none"),
        ("v=DMARC1; p=reject; t=y", "testing"),
        ("v=DMARC1; p=reject; pct=20", "pct="),
    ],
)
def test_what_receivers_will_make_of_a_record_is_said(record: str, words: str) -> None:
    policy = _find("example.com", {"_dmarc.example.com": [record]})
    assert policy is not None
    assert words in policy.warnings[0]
