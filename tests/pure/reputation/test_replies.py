"""What receivers' answers mean."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reputation.pure.reactions import REACTIONS, SUPPRESSING
from reputation.pure.replies import (
    MAX_TEXT,
    PHASES,
    RuleError,
    classify,
    load_rules,
    mask,
    normalise_reply,
    packaged_rules,
    retry_hint,
    strangers,
)

RULES = packaged_rules()
PROVIDERS = sorted({provider for rule in RULES.rules for provider in rule.providers} | {""})
ONE_RULE = """
[sources]
here = "made up"
[[rule]]
id = "one"
providers = ["any"]
class = "unknown"
scope = "rcpt"
re = 'no such user'
source = "here"
matches = ["550 no such user"]
other = ["550 full"]
"""


@pytest.mark.parametrize("rule", RULES.rules, ids=lambda rule: rule.id)
def test_every_rule_catches_its_samples_in_its_providers_reply(rule):
    for provider in rule.providers - {"any"} or {""}:
        for sample in rule.matches:
            verdict = classify(sample, provider=provider, phase="rcpt")
            assert (verdict.rule_id, verdict.class_) == (rule.id, rule.class_)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("re = 'no such user'", "re = '('"), "not a regular expression"),
        (('class = "unknown"', 'class = "nonsense"'), "no class 'nonsense'"),
        (('scope = "rcpt"', 'scope = "moon"'), "no scope 'moon'"),
        (('scope = "rcpt"', 'scope = "ip"'), "its scope must be 'rcpt'"),
        (('source = "here"', 'source = "there"'), "not listed under"),
        (('matches = ["550 no such user"]', 'matches = ["550 gone"]'), "does not match its own sample"),
        (('other = ["550 full"]', 'other = ["550 no such user"]'), "matches a reply that it must not"),
        (('matches = ["550 no such user"]', "matches = []"), "has no 'matches'"),
        (('other = ["550 full"]', "other = []"), "has no 'other'"),
        (('other = ["550 full"]', 'other = "550 full"'), "other must be a list of texts"),
        (('source = "here"', 'source = "here"\nclas = "unknown"'), "clas is no field of a rule"),
    ],
)
def test_a_faulty_rule_is_named_with_its_fault(change, says):
    with pytest.raises(RuleError, match="'one'") as caught:
        load_rules(ONE_RULE.replace(*change))
    assert says in str(caught.value)


def test_a_rule_that_an_earlier_one_shadows_is_refused():
    second = ONE_RULE[ONE_RULE.index("[[rule]]") :].replace('"one"', '"two"')
    with pytest.raises(RuleError, match=r"'two' can never catch .* 'one' comes first"):
        load_rules(ONE_RULE + second)


def test_a_part_that_is_none_is_refused():
    with pytest.raises(RuleError, match="statuses: the file has no such part"):
        load_rules('[statuses]\n"5.1.1" = "unknown"\n' + ONE_RULE)


def test_a_provider_that_the_catalogue_does_not_have_is_named():
    rules = load_rules('trusted = ["gogle"]\n' + ONE_RULE.replace('["any"]', '["gogle"]'))
    assert strangers(rules, {"google"}) == [
        "Rule 'one' names 'gogle', which is no provider of the catalogue.",
        "The list of trusted providers names 'gogle', which is no provider of the catalogue.",
    ]


def test_an_id_used_twice_is_refused():
    with pytest.raises(RuleError, match="'one' stands twice"):
        load_rules(ONE_RULE + ONE_RULE[ONE_RULE.index("[[rule]]") :])


def test_only_what_is_about_the_recipient_may_suppress():
    assert {REACTIONS[class_].scope for class_ in SUPPRESSING} == {"rcpt"}
    assert {rule.scope for rule in RULES.rules if rule.class_ in SUPPRESSING} == {"rcpt"}
    suppressing = {
        name for name, reaction in REACTIONS.items() if reaction.recipient in ("gone", "soon_gone", "gone_by_dns")
    }
    assert suppressing == SUPPRESSING


def test_a_temporary_status_may_not_suppress():
    with pytest.raises(RuleError, match=r"4\.1\.1"):
        load_rules('[status]\n"4.1.1" = "unknown"\n' + ONE_RULE)


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (b"550-5.7.26 This mail\r\n550-5.7.26 is not\r\n550 5.7.26 signed\r\n", "550 5.7.26 This mail is not signed"),
        (b"450 4.2.0 later\n", "450 4.2.0 later"),
        ("550-5.7.25 [192.0.2.1] no 550-5.7.25 PTR 550 5.7.25 here", "550 5.7.25 [192.0.2.1] no PTR here"),
        (b"550 \x00caf\xe9\x00", "550 café"),
        (b"999 what", "999 what"),
        (b"", ""),
    ],
)
def test_a_reply_becomes_one_line(raw, line):
    assert normalise_reply(raw).line == line


@given(st.binary(max_size=300) | st.text(max_size=300), st.sampled_from(PROVIDERS), st.sampled_from(sorted(PHASES)))
def test_every_text_gets_a_class(raw, provider, phase):
    assert classify(raw, provider=provider, phase=phase).class_ in REACTIONS


@given(st.sampled_from(RULES.rules), st.sampled_from(PROVIDERS), st.sampled_from(sorted(PHASES)), st.integers(0, 99))
def test_no_temporary_answer_ever_suppresses(rule, provider, phase, rest):
    for sample in rule.matches:
        text = normalise_reply(sample).text
        for status in ("", "4.1.1 ", "5.1.1 "):
            reply = f"{400 + rest} {status}{text}"
            assert classify(reply, provider=provider, phase=phase).class_ not in SUPPRESSING


@pytest.mark.parametrize(
    ("reply", "provider", "phase", "class_"),
    [
        ("450 4.1.1 <a@example.org>: User unknown", "other", "rcpt", "rcpt_temp"),
        ("550 5.1.1 <a@example.org>: User unknown", "other", "rcpt", "unknown"),
        ("550 5.1.1 <a@example.org>: User unknown", "other", "dot", "unclassified"),
        ("550 5.1.1 NoSuchUser - gsmtp", "google", "dot", "unknown"),
        ("550 5.1.1 <us@example.org>: User unknown", "other", "mail", "config"),
        ("550 sender address does not exist", "other", "rcpt", "config"),
        ("550 Unknown user a@docomo.ne.jp", "docomo", "dot", "rcpt_policy"),
        ("550 5.1.1 User unknown", "other", "local", "temp"),
        ("554 5.7.1 blocked using zen.spamhaus.org", "other", "connect", "blocklist"),
        ("550 5.7.1 something of our own", "other", "rcpt", "reputation"),
        ("599 ?", "other", "rcpt", "unclassified"),
        ("421 ?", "other", "rcpt", "temp"),
    ],
)
def test_the_guards_hold(reply, provider, phase, class_):
    assert classify(reply, provider=provider, phase=phase).class_ == class_


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Greylisted, try again in 300 seconds", 300),
        ("come back in 00:05:00", 300),
        ("Please retry after 2 hours", 7200),
        ("try again in 900 hours", 86_400),
        ("Mailbox full", None),
    ],
)
def test_the_time_a_receiver_names_is_read(text, seconds):
    assert retry_hint(text) == seconds


def test_texts_that_differ_in_what_is_personal_are_masked_alike():
    one = mask(
        "550 5.1.1 <jane@example.org>: unknown, host 192.0.2.1, see https://example.org/?id=1 y3si675602plr.1 - gsmtp"
    )
    two = mask(
        "550 5.1.1 <joe.doe@example.com>: unknown, host 198.51.100.77, "
        "see https://example.org/?id=2 k9si1155795plk.134 - gsmtp"
    )
    assert one == two
    assert one.startswith("550 5.1.1 <address>: unknown")


HOSTILE = [
    "550 " + "a" * 65_536,
    "550 " + "user " * 13_000,
    "550-5.7.1 " * 6_500,
    "550 " + "sender address " * 4_300,
    "421 4.7.28 " * 6_000,
    "550 " + "<a@" * 21_000,
    "550 " + "1.2.3." * 11_000,
    "\n" * 65_536,
    " " * 65_536,
    "550 " + "DMARC SPF " * 6_500,
    "550 " + "aaaa:" * 13_000,
    "550 " + "try again in " * 5_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_replies_of_64_kilobytes_cost_no_time(text):
    started = time.process_time()
    verdict = classify(text, provider="google", phase="rcpt")
    mask(text)
    assert time.process_time() - started < 0.05
    assert verdict.class_ in REACTIONS
    assert len(normalise_reply(text).text) <= MAX_TEXT


def test_random_mixtures_of_what_the_rules_look_for_cost_no_time():
    source = random.Random(7)
    words = [word for rule in RULES.rules for sample in rule.matches for word in sample.split()]
    for _ in range(15):
        text = "550 " + " ".join(source.choices(words, k=9_000))[:65_536]
        started = time.process_time()
        classify(text, provider=source.choice(PROVIDERS), phase="rcpt")
        assert time.process_time() - started < 0.05
