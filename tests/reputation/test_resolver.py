"""Answers of DNS are values: found, not there, or could not be looked up."""

import pytest
from django.db import transaction
from pytest_django import Settings

from reputation import resolver
from reputation.resolver import CouldNotLookUp, Found, NotFound
from tests.reputation.conftest import Zones


def test_it_finds_records_in_plain_notation(zones: Zones) -> None:
    zones.add("Example.org. 300 IN MX 10 MX1.Example.org.")
    answer = resolver.lookup("example.org.", "MX")
    assert answer == Found(records=("10 mx1.example.org",), ttl=300, name="example.org")


def test_strings_of_a_txt_record_are_joined_without_a_space(zones: Zones) -> None:
    zones.add('example.org. 300 IN TXT "v=spf1 ip4:192.0" ".2.1 -all"')
    answer = resolver.lookup("example.org", "TXT")
    assert isinstance(answer, Found) and answer.records == ("v=spf1 ip4:192.0.2.1 -all",)


def test_a_missing_name_differs_from_a_missing_record(zones: Zones) -> None:
    zones.add("example.org. 300 IN A 192.0.2.1")
    assert resolver.lookup("nowhere.org", "MX") == NotFound(exists=False)
    assert resolver.lookup("example.org", "MX") == NotFound(exists=True)


def test_a_failing_server_proves_nothing(zones: Zones) -> None:
    zones.fails.add("example.org")
    answer = resolver.lookup("example.org", "MX")
    assert isinstance(answer, CouldNotLookUp) and "SERVFAIL" in answer.reason


@pytest.mark.usefixtures("_impatient")
def test_silence_proves_nothing(zones: Zones) -> None:
    zones.silent.add("example.org")
    answer = resolver.lookup("example.org", "MX")
    assert isinstance(answer, CouldNotLookUp) and "in time" in answer.reason


def test_a_dead_name_server_proves_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DNS_SERVERS = [("127.0.0.1", 9)]
    monkeypatch.setattr(resolver, "TIMEOUT_SECONDS", 0.1)
    resolver.forget()
    assert isinstance(resolver.lookup("example.org", "A"), CouldNotLookUp)
    resolver.forget()


def test_aliases_are_followed_even_when_the_server_leaves_that_to_us(zones: Zones) -> None:
    zones.add("a.example.org. 300 IN CNAME b.example.org.\nb.example.org. 300 IN A 192.0.2.7")
    answer = resolver.lookup("a.example.org", "A")
    assert isinstance(answer, Found) and answer.records == ("192.0.2.7",) and answer.name == "b.example.org"


def test_aliases_in_a_circle_end(zones: Zones) -> None:
    zones.add("a.example.org. 300 IN CNAME b.example.org.\nb.example.org. 300 IN CNAME a.example.org.")
    answer = resolver.lookup("a.example.org", "A")
    assert isinstance(answer, CouldNotLookUp) and "circle" in answer.reason


@pytest.mark.parametrize("name", ["", ".", "a..b", "x" * 64 + ".org", "ö.example", "-", " "])
def test_strange_names_raise_nothing(zones: Zones, name: str) -> None:
    assert isinstance(resolver.lookup(name, "A"), NotFound | CouldNotLookUp)


def test_an_answer_is_remembered_unless_a_fresh_one_is_wanted(zones: Zones) -> None:
    zones.add("example.org. 300 IN A 192.0.2.1")
    for _ in range(3):
        resolver.lookup("example.org", "A")
    assert zones.asked["example.org", "A"] == 1
    resolver.lookup("example.org", "A", fresh=True)
    assert zones.asked["example.org", "A"] == 2


def test_addresses_are_those_of_both_families(zones: Zones) -> None:
    zones.add("mx.example.org. 300 IN A 192.0.2.1\nmx.example.org. 300 IN AAAA 2001:db8::1")
    assert resolver.addresses("mx.example.org") == ["192.0.2.1", "2001:db8::1"]
    assert resolver.addresses("[192.0.2.9]") == ["192.0.2.9"]


def test_a_host_without_addresses_differs_from_one_nobody_knows_about(zones: Zones) -> None:
    zones.add("bare.example.org. 300 IN TXT x")
    zones.fails.add("down.example.org")
    assert resolver.addresses("bare.example.org") == []
    assert isinstance(resolver.addresses("down.example.org"), CouldNotLookUp)


def test_the_reverse_of_an_address(zones: Zones) -> None:
    zones.add("1.2.0.192.in-addr.arpa. 300 IN PTR mx.Example.org.")
    answer = resolver.reverse("192.0.2.1")
    assert isinstance(answer, Found) and answer.records == ("mx.example.org",)


@pytest.mark.django_db(transaction=True)
def test_dns_is_not_asked_inside_a_transaction(zones: Zones) -> None:
    with transaction.atomic(), pytest.raises(RuntimeError, match="transaction"):
        resolver.lookup("example.org", "A")
