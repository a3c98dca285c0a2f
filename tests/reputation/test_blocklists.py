"""Asking blocklists about addresses, names and the hosts in letters, through a name server of our own."""

from datetime import datetime, timedelta

import pytest
from pytest_django import Settings

from reputation import blocklists, domains, findings, resolver
from reputation.checks import data_files
from reputation.models import Budget, BudgetChange, Finding, LinkHost, SendingAddress, SendingDomain
from tests.reputation.conftest import Zones

pytestmark = pytest.mark.django_db
IP, HOST = "192.0.2.10", "www.shop.example"
ZEN = "10.2.0.192.zen.spamhaus.org"


@pytest.fixture(autouse=True)
def _lists(zones: Zones, settings: Settings) -> None:
    settings.DNSBL_LISTS = ["zen", "dbl", "spamcop"]
    settings.PUBLIC_URL = "https://mail.shop.example"


@pytest.fixture
def address(zones: Zones) -> SendingAddress:
    """An address of ours, with lists that work and know nothing bad of it."""
    zones.add("2.0.0.127.zen.spamhaus.org 60 IN A 127.0.0.2\n2.0.0.127.bl.spamcop.net 60 IN A 127.0.0.2")
    zones.add("dbltest.com.dbl.spamhaus.org 60 IN A 127.0.1.2")
    return SendingAddress.objects.create(ip=IP, ehlo_name="out1.shop.example")


def look(now: datetime, about: findings.Owner) -> dict[str, str]:
    blocklists.check(now=now, about=about)
    return dict(about.findings.values_list("check_name", "result"))


def test_an_address_that_is_on_no_list_passes(now: datetime, address: SendingAddress) -> None:
    assert look(now, address) == {"list_zen": "pass", "list_spamcop": "pass"}


def test_a_listing_says_on_which_list_for_what_and_where_to_go(
    now: datetime, address: SendingAddress, zones: Zones
) -> None:
    zones.add(f"{ZEN} 60 IN A 127.0.0.3")
    assert look(now, address) == {"list_zen": "fail", "list_spamcop": "pass"}
    finding = address.findings.get(check_name="list_zen")
    assert "CSS" in finding.found
    assert "https://check.spamhaus.org/" in finding.detail
    assert (finding.weight, finding.confirmed) == ("must", False)


def test_a_list_that_times_out_is_no_listing_and_no_acquittal(
    now: datetime, address: SendingAddress, zones: Zones, monkeypatch: pytest.MonkeyPatch
) -> None:
    zones.silent.add(ZEN)
    monkeypatch.setattr(resolver, "TIMEOUT_SECONDS", 0.3)
    resolver.forget()
    assert look(now, address) == {"list_zen": "unknown", "list_spamcop": "pass"}


@pytest.mark.parametrize(
    "code", ["127.255.255.252", "127.255.255.254", "127.255.255.255", "127.0.0.1", "93.184.216.34"]
)
def test_a_refusal_is_never_read_as_a_listing(now: datetime, address: SendingAddress, zones: Zones, code: str) -> None:
    zones.put(f"2.0.0.127.zen.spamhaus.org 60 IN A {code}\n{ZEN} 60 IN A {code}")
    assert look(now, address)["list_zen"] == "unknown"


@pytest.mark.parametrize(
    ("zone", "words"),
    [
        ("", "does not list its own test entry"),
        ("2.0.0.127.zen.spamhaus.org 60 IN A 127.0.0.2\n1.0.0.127.zen.spamhaus.org 60 IN A 127.0.0.2", "everything"),
    ],
)
def test_a_list_that_fails_its_own_test_is_not_believed(
    now: datetime, address: SendingAddress, zones: Zones, zone: str, words: str
) -> None:
    zones.drop("2.0.0.127.zen.spamhaus.org", "A")
    zones.add(f"{zone}\n{ZEN} 60 IN A 127.0.0.2")
    assert look(now, address)["list_zen"] == "unknown"
    assert words in address.findings.get(check_name="list_zen").detail


def test_an_ipv6_address_is_asked_about_by_nibbles_after_the_test_entry_for_ipv6(now: datetime, zones: Zones) -> None:
    six = SendingAddress.objects.create(ip="2001:db8::1", ehlo_name="out1.shop.example")
    entry = "1" + ".0" * 23 + ".8.b.d.0.1.0.0.2.zen.spamhaus.org 60 IN A 127.0.0.2"
    zones.add(entry)
    assert look(now, six) == {"list_zen": "unknown"}
    zones.add("2.0.0.0.0.0.f.7.f.f.f.f" + ".0" * 20 + ".zen.spamhaus.org 60 IN A 127.0.0.2")
    assert look(now, six) == {"list_zen": "fail"}


@pytest.mark.parametrize(
    "listed", ["shop.example", "news.shop.example", "bounce.news.shop.example", "mail.shop.example"]
)
def test_a_domain_is_listed_when_one_of_its_names_is(
    now: datetime, address: SendingAddress, zones: Zones, listed: str
) -> None:
    domain = SendingDomain.objects.create(name="news.shop.example", return_path_host="bounce.news.shop.example")
    assert look(now, domain) == {"list_dbl": "pass"}
    zones.add(f"{listed}.dbl.spamhaus.org 60 IN A 127.0.1.2")
    assert look(now, domain) == {"list_dbl": "fail"}
    assert listed in domain.findings.get().detail


def test_a_domain_on_a_list_keeps_its_own_state(now: datetime, address: SendingAddress, zones: Zones) -> None:
    domain = SendingDomain.objects.create(
        name="news.shop.example", return_path_host="bounce.news.shop.example", state="verified"
    )
    zones.add("shop.example.dbl.spamhaus.org 60 IN A 127.0.1.2")
    look(now, domain)
    look(now + timedelta(minutes=11), domain)
    domain.refresh_from_db()
    assert (domain.state, domain.findings.get().confirmed) == ("verified", True)


def test_a_public_resolver_is_not_asked_at_all(now: datetime, address: SendingAddress, settings: Settings) -> None:
    settings.DNSBL_SERVERS = [("9.9.9.9", 53)]
    resolver.forget()
    assert look(now, address) == {"list_zen": "unknown", "list_spamcop": "unknown"}
    assert "9.9.9.9" in address.findings.get(check_name="list_zen").detail


def test_with_a_key_the_list_is_asked_at_its_own_zone_and_the_key_is_shown_nowhere(
    now: datetime, address: SendingAddress, zones: Zones, settings: Settings
) -> None:
    settings.SPAMHAUS_KEY = "s3cret"
    zones.add(
        "2.0.0.127.s3cret.zen.dq.spamhaus.net 60 IN A 127.0.0.2\n"
        "10.2.0.192.s3cret.zen.dq.spamhaus.net 60 IN A 127.0.0.4"
    )
    assert look(now, address)["list_zen"] == "fail"
    assert not [row for row in address.findings.values() if "s3cret" in str(row)]


def test_the_lists_have_a_resolver_of_their_own(
    now: datetime, address: SendingAddress, zones: Zones, settings: Settings
) -> None:
    settings.DNSBL_SERVERS = settings.DNS_SERVERS
    settings.DNS_SERVERS = [("192.0.2.1", 53)]
    resolver.forget()
    assert look(now, address) == {"list_zen": "pass", "list_spamcop": "pass"}


def test_nobody_is_asked_about_an_address_of_a_private_network(now: datetime, zones: Zones) -> None:
    inside = SendingAddress.objects.create(ip="127.0.1.9", ehlo_name="out1.shop.example")
    blocklists.check_all(now=now)
    assert look(now, inside) == {}
    assert not zones.asked


def test_a_list_that_is_not_wanted_any_more_is_forgotten(
    now: datetime, address: SendingAddress, settings: Settings
) -> None:
    look(now, address)
    settings.DNSBL_LISTS = ["zen"]
    assert look(now, address) == {"list_zen": "pass"}


def test_the_hosts_of_letters_are_asked_about_for_as_long_as_they_are_wanted(
    now: datetime, address: SendingAddress, zones: Zones
) -> None:
    blocklists.watch(hosts=["WWW.shop.example", HOST], until=now + timedelta(hours=1))
    zones.add("shop.example.dbl.spamhaus.org 60 IN A 127.0.1.4")
    blocklists.check_all(now=now)
    assert Finding.objects.get(host__name=HOST).result == "fail"
    blocklists.watch(hosts=[HOST], until=now + timedelta(hours=3))
    findings.prune(now=now + timedelta(hours=2))
    assert LinkHost.objects.count() == 1
    findings.prune(now=now + timedelta(hours=4))
    assert not Finding.objects.filter(host__isnull=False).exists()


def test_the_round_asks_hourly_and_sooner_while_a_listing_is_not_sure(
    now: datetime, address: SendingAddress, zones: Zones
) -> None:
    def asks(minutes: int) -> bool:
        zones.asked.clear()
        blocklists.check_all(now=now + timedelta(minutes=minutes))
        return bool(zones.asked)

    assert [asks(0), asks(59), asks(91)] == [True, False, True]
    zones.add(f"{ZEN} 60 IN A 127.0.0.2")
    assert [asks(182), asks(185), asks(192)] == [True, False, True]
    assert address.findings.get(check_name="list_zen").confirmed


def test_a_receiver_that_names_a_blocklist_has_us_ask_at_once_and_once(
    now: datetime, address: SendingAddress, zones: Zones
) -> None:
    def asks(minutes: int) -> bool:
        zones.asked.clear()
        blocklists.check_all(now=now + timedelta(minutes=minutes))
        return bool(zones.asked)

    def told(minutes: int, class_name: str) -> None:
        budget, _ = Budget.objects.get_or_create(kind=Budget.Kind.IP, scope=address.ip, provider="yahoo")
        at = now + timedelta(minutes=minutes)
        BudgetChange.objects.create(budget=budget, at=at, what="held", evidence={"class": class_name})

    assert asks(0)
    told(5, "reputation")
    assert not asks(6)
    told(7, "blocklist")
    assert [asks(8), asks(9)] == [True, False]


def test_the_checks_of_records_and_of_lists_leave_each_other_alone(now: datetime, address: SendingAddress) -> None:
    look(now, address)
    domains.check_address(now=now, address_id=address.pk)
    look(now, address)
    assert set(address.findings.values_list("check_name", flat=True)) == {
        "ptr", "forward", "ehlo", "list_zen", "list_spamcop",
    }  # fmt: skip


def test_every_change_of_a_result_is_kept(now: datetime, address: SendingAddress, zones: Zones) -> None:
    results = []
    for minutes, code in ((0, ""), (60, "127.0.0.2"), (120, "127.0.0.2"), (180, "127.255.255.254"), (240, "")):
        zones.drop(ZEN, "A")
        zones.add(f"{ZEN} 60 IN A {code}" if code else "")
        results.append(look(now + timedelta(minutes=minutes), address)["list_zen"])
    assert results == ["pass", "fail", "fail", "unknown", "pass"]
    changes = address.finding_changes.filter(check_name="list_zen").order_by("id")
    assert list(changes.values_list("before", "after")) == [
        ("", "pass"), ("pass", "fail"), ("fail", "unknown"), ("unknown", "pass"),
    ]  # fmt: skip
    findings.prune(now=now + timedelta(days=730, minutes=30))
    assert changes.count() == 3


def test_a_list_of_the_settings_that_does_not_exist_stops_the_start(settings: Settings) -> None:
    settings.DNSBL_LISTS = ["zen", "sorbs"]
    assert [error.id for error in data_files()] == ["reputation.E004"]
    settings.DNSBL_LISTS = ["none"]
    assert data_files() == []
    assert blocklists.asked() == []
