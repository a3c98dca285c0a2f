"""Return paths, mailto unsubscribe addresses and Message-IDs."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sending.pure import verp
from sending.pure.tokens import BadToken, Unsubscribe

KEYS = {3: b"k" * 32}
ids = st.integers(0, 2**40)


@given(ids, ids, st.booleans())
def test_a_return_path_names_person_and_list_in_any_case(subscriber, list_id, test):
    who = verp.ReturnPath(subscriber, list_id, test)
    local = verp.return_path(who, keys=KEYS, key_id=3)
    assert len(local) <= 64
    assert verp.read_return_path(local.upper() + "@BOUNCE.EXAMPLE.ORG", keys=KEYS) == who


def test_a_return_path_is_equal_over_mailings():
    who = verp.ReturnPath(7, 2)
    assert verp.return_path(who, keys=KEYS, key_id=3) == verp.return_path(who, keys=KEYS, key_id=3)


@given(ids, ids)
def test_a_message_id_is_equal_over_attempts_and_names_the_message(mailing, delivery):
    what = verp.MessageRef(mailing, delivery)
    value = verp.message_id(what, keys=KEYS, key_id=3, domain="example.org")
    assert value == verp.message_id(what, keys=KEYS, key_id=3, domain="example.org")
    assert verp.read_message_id(value, keys=KEYS) == what
    assert verp.find_message(f"X-Original-Message-ID:\n\t{value}", keys=KEYS) == what


@given(st.integers(0, 30), st.data())
def test_a_changed_character_fails(place, data):
    local = verp.return_path(verp.ReturnPath(1234567, 89), keys=KEYS, key_id=3)
    place = 2 + place % (len(local) - 2)
    changed = local[:place] + data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz234567")) + local[place + 1 :]
    if changed != local:
        with pytest.raises(BadToken):
            verp.read_return_path(changed, keys=KEYS)


@given(st.text())
def test_rubbish_raises_nothing_but_bad_token(text):
    for read in (verp.read_return_path, verp.read_unsubscribe_address, verp.read_message_id):
        with pytest.raises(BadToken):
            read(text, keys=KEYS)
    assert verp.find_message(text, keys=KEYS) is None


def test_the_three_kinds_do_not_pass_for_each_other():
    path = verp.return_path(verp.ReturnPath(1, 2), keys=KEYS, key_id=3)
    with pytest.raises(BadToken):
        verp.read_message_id("m-" + path[2:], keys=KEYS)


@given(st.lists(st.integers(0, 2**30), max_size=30))
def test_an_unsubscribe_address_fits_and_never_asks_for_less(lists):
    asked = Unsubscribe(5_000_000, 40_000, 900_000, tuple(lists))
    local = verp.unsubscribe_address(asked, keys=KEYS, key_id=3)
    assert len(local) <= 64
    assert verp.read_unsubscribe_address(local, keys=KEYS) in (asked, asked._replace(lists=()))


def test_a_token_in_a_forged_shape_is_passed_over_for_a_genuine_one():
    genuine = verp.return_path(verp.ReturnPath(5, 6), keys=KEYS, key_id=3)
    text = f"Return-Path: <b-{'a' * 30}@example.org>\nReturn-Path: <{genuine}@example.org>"
    assert verp.find_return_path(text, keys=KEYS) == verp.ReturnPath(5, 6)


@given(st.binary(max_size=60))
def test_addresses_are_spelt_as_rfc_4648_says(octets):
    assert verp._spelt(octets) == base64.b32encode(octets).rstrip(b"=").decode().lower()
