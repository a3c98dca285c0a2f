"""Blocklists: what is asked, what an answer means, and when a list is not to be believed (RFC 5782)."""

import pytest

from reputation import blocklists as ours
from reputation.pure.blocklists import (
    Blocklist,
    BlocklistError,
    Verdict,
    is_worth_asking,
    load,
    read,
    unusable,
)

PASS, FAIL, UNKNOWN = Verdict("pass"), Verdict("fail"), Verdict("unknown", "it refuses")


def the(key: str) -> Blocklist:
    return ours.known()[key]


@pytest.mark.parametrize(
    ("key", "subject", "question"),
    [
        ("zen", "192.0.2.99", "99.2.0.192.zen.spamhaus.org"),
        ("zen", "2001:db8::1", "1" + ".0" * 23 + ".8.b.d.0.1.0.0.2.zen.spamhaus.org"),
        ("zen", "::ffff:7f00:2", "2.0.0.0.0.0.f.7.f.f.f.f" + ".0" * 20 + ".zen.spamhaus.org"),
        ("dbl", "News.Example.com", "news.example.com.dbl.spamhaus.org"),
    ],
)
def test_an_address_is_asked_about_backwards_and_a_name_as_it_is(key: str, subject: str, question: str) -> None:
    assert the(key).question(subject) == question


@pytest.mark.parametrize(
    ("key", "answers", "result", "words"),
    [
        ("zen", [], "pass", ""),
        ("zen", ["127.0.0.2"], "fail", "SBL"),
        ("zen", ["127.0.0.2", "127.0.0.4"], "fail", "XBL"),
        ("zen", ["127.0.0.10"], "fail", "straight from this range"),
        ("zen", ["127.255.255.252"], "unknown", "written wrong"),
        ("zen", ["127.255.255.254"], "unknown", "public resolvers"),
        ("zen", ["127.255.255.255"], "unknown", "too often"),
        ("zen", ["127.255.255.17"], "unknown", "code for errors"),
        ("zen", ["127.0.0.2", "127.255.255.254"], "unknown", "public resolvers"),
        ("zen", ["127.0.0.1"], "unknown", "refuses"),
        ("zen", ["127.0.0.77"], "unknown", "cannot read"),
        ("zen", ["93.184.216.34"], "unknown", "rewrites DNS"),
        ("zen", ["nonsense"], "unknown", "no answer of a blocklist"),
        ("dbl", ["127.0.1.2"], "fail", "seen in spam"),
        ("dbl", ["127.0.1.255"], "unknown", "names only"),
        ("uribl", ["127.0.0.1"], "unknown", "refuses"),
        ("uribl", ["127.0.0.2"], "fail", "black"),
        ("uribl", ["127.0.0.6"], "fail", "grey"),
        ("surbl", ["127.0.0.80"], "fail", "malware; seen in spam"),
    ],
)
def test_only_what_the_table_calls_a_listing_is_one(key: str, answers: list[str], result: str, words: str) -> None:
    verdict = read(answers, the(key))
    assert (verdict.result, words in verdict.words) == (result, True)


def test_a_range_that_should_not_send_is_milder_than_spam() -> None:
    zen = the("zen")
    weights = [read(answers, zen).weight for answers in (["127.0.0.2"], ["127.0.0.10"], ["127.0.0.10", "127.0.0.2"])]
    assert weights == ["must", "should", "must"]


@pytest.mark.parametrize(
    ("listed", "clean", "words"),
    [
        (FAIL, PASS, ""),
        (None, PASS, "could not be looked up"),
        (FAIL, None, "could not be looked up"),
        (UNKNOWN, PASS, "it refuses"),
        (PASS, PASS, "does not list its own test entry"),
        (FAIL, FAIL, "everything"),
        (FAIL, UNKNOWN, "everything"),
    ],
)
def test_a_list_is_believed_only_after_its_test_entries(
    listed: Verdict | None, clean: Verdict | None, words: str
) -> None:
    why = unusable(listed, clean)
    assert words in why
    assert bool(why) == bool(words)


@pytest.mark.parametrize(
    "address", ["127.0.0.2", "10.1.2.3", "192.168.1.1", "172.20.0.1", "100.64.1.1", "::1", "fd00::1"]
)
def test_nobody_is_asked_about_addresses_of_private_networks(address: str) -> None:
    assert not is_worth_asking(address)


@pytest.mark.parametrize("subject", ["192.0.2.10", "2001:db8::1", "news.example"])
def test_what_the_world_sees_is_asked_about(subject: str) -> None:
    assert is_worth_asking(subject)


ROW = '[[list]]\nkey = "a"\nzone = "a.example"\nname = "A"\nkinds = ["ip4"]\nweight = "must"\nmore = "https://a.example"\n'
CODES = 'codes = {"127.0.0.2" = "spam"}\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("key = ", "no TOML"),
        (ROW, "codes or bits"),
        (ROW.replace("must", "may") + CODES, "weights are"),
        (ROW.replace("ip4", "ip5") + CODES, "kinds are"),
        (ROW.replace('zone = "a.example"\n', "") + CODES, "zone is missing"),
        ('dead = ["a.example"]\n' + ROW + CODES, "dead lists"),
        (ROW + CODES + ROW + CODES, "same key"),
        (ROW.replace('"a"', '"a_very_long_key_of_a_list"') + CODES, "at most"),
    ],
)
def test_a_wrong_row_is_named(text: str, words: str) -> None:
    with pytest.raises(BlocklistError, match=words):
        load(text)


def test_the_table_that_is_shipped_is_right_and_asks_no_dead_list() -> None:
    assert {"zen", "dbl", "barracuda", "spamcop"} <= set(ours.known())
    assert not [row.zone for row in ours.known().values() if "sorbs" in row.zone]
