"""Tokens of recipients' links."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sending.pure import tokens
from sending.pure.tokens import BadToken

KEYS = {1: b"one" * 11, 2: b"two" * 11}
ids = st.integers(0, 2**63 - 1)
PAYLOADS = {
    "unsubscribe": st.builds(
        tokens.Unsubscribe,
        ids,
        ids,
        ids,
        st.lists(ids, max_size=8).map(tuple),
        st.sampled_from(tokens.STREAMS),
        st.booleans(),
    ),
    "preferences": st.builds(tokens.Preferences, ids, st.booleans()),
    "privacy": st.builds(tokens.Privacy, ids, st.booleans()),
    "confirm": st.builds(tokens.Confirm, ids, ids, ids, st.booleans()),
    "web": st.builds(tokens.Web, ids, ids, st.booleans()),
    "mailed": st.builds(tokens.Mailed, ids, st.booleans()),
    "share": st.builds(tokens.Share, ids, st.booleans()),
    "link": st.builds(tokens.Link, ids, ids, st.booleans()),
    "open": st.builds(tokens.Open, ids, ids, st.booleans()),
}
made = st.sampled_from(sorted(PAYLOADS)).flatmap(lambda purpose: st.tuples(st.just(purpose), PAYLOADS[purpose]))


def test_every_purpose_has_a_case_here():
    assert PAYLOADS.keys() == tokens.PURPOSES.keys()


@given(made, st.sampled_from([1, 2]))
def test_what_was_made_is_read_back(case, key_id):
    purpose, payload = case
    assert tokens.read(tokens.make(purpose, payload, keys=KEYS, key_id=key_id), purpose, keys=KEYS) == payload


@given(made)
def test_a_token_serves_one_purpose_only(case):
    purpose, payload = case
    token = tokens.make(purpose, payload, keys=KEYS, key_id=1)
    for other in tokens.PURPOSES.keys() - {purpose}:
        with pytest.raises(BadToken):
            tokens.read(token, other, keys=KEYS)


@given(made, st.data())
def test_one_changed_character_is_enough_to_fail(case, data):
    purpose, payload = case
    token = tokens.make(purpose, payload, keys=KEYS, key_id=1)
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"))
    changed = token[:place] + letter + token[place + 1 :]
    if changed != token:
        with pytest.raises(BadToken):
            tokens.read(changed, purpose, keys=KEYS)


@given(st.text() | st.from_regex(r"[A-Za-z0-9_-]{20,120}", fullmatch=True), st.sampled_from(sorted(PAYLOADS)))
def test_rubbish_raises_nothing_but_bad_token(text, purpose):
    with pytest.raises(BadToken):
        tokens.read(text, purpose, keys=KEYS)


def test_a_token_of_a_key_that_is_gone_is_refused():
    token = tokens.make("web", tokens.Web(1, 2), keys=KEYS, key_id=2)
    with pytest.raises(BadToken):
        tokens.read(token, "web", keys={1: KEYS[1]})


def test_old_keys_go_on_verifying_after_a_rotation():
    token = tokens.make("privacy", tokens.Privacy(9), keys={1: KEYS[1]}, key_id=1)
    assert tokens.read(token, "privacy", keys=KEYS) == tokens.Privacy(9)


def test_a_common_token_has_at_most_sixty_characters():
    large = tokens.Unsubscribe(50_000_000, 200_000, 5_000_000, (101, 2002, 30003))
    assert len(tokens.make("unsubscribe", large, keys=KEYS, key_id=1)) <= 60
    assert len(tokens.make("link", tokens.Link(200_000, 5_000_000), keys=KEYS, key_id=1)) <= 40


def test_a_payload_of_another_purpose_is_refused():
    with pytest.raises(TypeError, match="'link'"):
        tokens.make("link", tokens.Web(1, 2), keys=KEYS, key_id=1)


def test_a_short_key_is_refused():
    with pytest.raises(ValueError, match="32 octets"):
        tokens.make("web", tokens.Web(1, 2), keys={1: b"short"}, key_id=1)
