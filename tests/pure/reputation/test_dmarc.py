"""DMARC records: found by walking up the tree, read, and aligned."""

import pytest

from reputation.catalogue import registrable
from reputation.pure.dmarc import Policy, Wrong, aligned, find, walk


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
    assert "no reports" in policy.warnings[0]


def test_no_record_anywhere() -> None:
    assert _find("news.example.com", {"_dmarc.example.com": ["v=spf1 -all"]}) is None


@pytest.mark.parametrize(
    ("records", "words"),
    [
        (["v=DMARC1; p=none", "v=DMARC1; p=reject"], "2 DMARC records"),
        (["v=DMARC1; rua=mailto:a@b.example"], "p=none"),
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
