"""Recipient domains: who takes their mail, by MX, and what a failing DNS may and may not change."""

from datetime import datetime, timedelta

import pytest

from reputation import recipients
from reputation.models import RecipientDomain
from tests.reputation.conftest import Zones

pytestmark = pytest.mark.django_db


def _row(domain: str) -> RecipientDomain:
    return RecipientDomain.objects.get(domain=domain)


def _round(now: datetime, *domains: str) -> None:
    recipients.learn(now=now, domains=domains)
    recipients.refresh(now=now)


def test_a_new_domain_is_unknown_until_dns_has_answered(now: datetime) -> None:
    assert recipients.learn(now=now, domains=["example.org", "example.org"]) == 1
    assert recipients.learn(now=now, domains=["example.org", "example.net"]) == 1
    row = _row("example.org")
    assert (row.state, row.provider, row.mx) == ("unknown", "unknown", [])


def test_learning_a_domain_again_changes_nothing(now: datetime, zones: Zones) -> None:
    zones.add("example.org. 3600 IN MX 10 aspmx.l.google.com.")
    _round(now, "example.org")
    recipients.learn(now=now + timedelta(hours=1), domains=["example.org"])
    assert _row("example.org").provider == "google"


def test_a_company_domain_hosted_by_google_is_google(now: datetime, zones: Zones) -> None:
    zones.add("shop.example. 3600 IN MX 5 alt1.aspmx.l.google.com.\nshop.example. 3600 IN MX 1 aspmx.l.google.com.")
    _round(now, "shop.example")
    row = _row("shop.example")
    assert (row.state, row.provider) == ("ok", "google")
    assert row.mx == ["aspmx.l.google.com", "alt1.aspmx.l.google.com"]
    assert row.expires_at == now + timedelta(hours=1)


def test_answers_are_kept_a_day_at_most_and_five_minutes_at_least(now: datetime, zones: Zones) -> None:
    zones.add("long.example. 999999 IN MX 1 a.long.example.\nshort.example. 0 IN MX 1 a.short.example.")
    _round(now, "long.example", "short.example")
    assert _row("long.example").expires_at == now + timedelta(hours=24)
    assert _row("short.example").expires_at == now + timedelta(minutes=5)


def test_a_domain_without_mx_but_with_an_address_takes_mail_there(now: datetime, zones: Zones) -> None:
    zones.add("small.example. 300 IN A 192.0.2.1")
    _round(now, "small.example")
    assert (_row("small.example").mx, _row("small.example").provider) == (["small.example"], "other:small.example")


@pytest.mark.parametrize(
    ("zone", "state"),
    [
        ("gone.example2. 300 IN A 192.0.2.1", "not_found"),
        ("gone.example. 300 IN MX 0 .", "no_mail"),
        ("gone.example. 300 IN TXT nothing-else", "no_mail"),
    ],
)
def test_a_bad_domain_is_recorded_and_confirmed_only_a_day_later(
    now: datetime, zones: Zones, zone: str, state: str
) -> None:
    zones.add(zone)
    _round(now, "gone.example")
    row = _row("gone.example")
    assert (row.state, row.bad_since, recipients.confirmed_bad(row)) == (state, now, False)
    from reputation import resolver

    later = now + timedelta(hours=24)
    resolver.forget()
    recipients.refresh(now=later)
    row = _row("gone.example")
    assert (row.bad_since, row.checked_at) == (now, later)
    assert recipients.confirmed_bad(row)


def test_a_domain_that_comes_back_is_good_again(now: datetime, zones: Zones) -> None:
    _round(now, "back.example")
    zones.add("back.example. 300 IN MX 1 mx.back.example.")
    from reputation import resolver

    resolver.forget()
    recipients.refresh(now=now + timedelta(hours=5))
    row = _row("back.example")
    assert (row.state, row.bad_since, row.last_error) == ("ok", None, "")


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("trouble", ["fails", "silent"])
def test_a_failed_look_up_keeps_what_was_known_and_backs_off(now: datetime, zones: Zones, trouble: str) -> None:
    zones.add("example.org. 300 IN MX 10 mx.example.org.")
    _round(now, "example.org")
    getattr(zones, trouble).add("example.org")
    from reputation import resolver

    resolver.forget()
    at, waits = now + timedelta(hours=1), []
    for _ in range(3):
        assert recipients.refresh(now=at) == 1
        row = _row("example.org")
        assert row.expires_at is not None
        assert (row.state, row.provider, row.mx, row.bad_since) == ("ok", "other:example.org", ["mx.example.org"], None)
        assert row.last_error
        waits.append(row.expires_at - at)
        at = row.expires_at
    assert waits == [timedelta(minutes=1), timedelta(minutes=2), timedelta(minutes=4)]


def test_a_domain_dns_fails_for_stays_unknown(now: datetime, zones: Zones) -> None:
    zones.fails.add("example.org")
    _round(now, "example.org")
    row = _row("example.org")
    assert (row.state, row.provider, row.n_failures) == ("unknown", "unknown", 1)


def test_an_alias_in_a_circle_is_not_a_bad_domain(now: datetime, zones: Zones) -> None:
    zones.add("a.example. 300 IN CNAME b.example.\nb.example. 300 IN CNAME a.example.")
    _round(now, "a.example")
    assert (_row("a.example").state, _row("a.example").bad_since) == ("unknown", None)


def test_a_provider_that_moves_is_noticed_when_its_record_expires(now: datetime, zones: Zones) -> None:
    zones.add("comcast.net. 300 IN MX 5 mx1a1.comcast.net.")
    _round(now, "comcast.net")
    assert _row("comcast.net").provider == "comcast"
    zones.put("comcast.net. 300 IN MX 5 mta5.am0.yahoodns.net.")
    from reputation import resolver

    resolver.forget()
    recipients.refresh(now=now + timedelta(minutes=6))
    assert _row("comcast.net").provider == "yahoo"


def test_lookup_asks_once_and_then_reads_the_row(now: datetime, zones: Zones) -> None:
    zones.add("example.org. 3600 IN MX 10 mx.example.org.")
    assert recipients.lookup(now=now, domain="example.org").mx == ["mx.example.org"]
    zones.asked.clear()
    assert recipients.lookup(now=now + timedelta(minutes=30), domain="example.org").state == "ok"
    assert not zones.asked


@pytest.mark.django_db(transaction=True)
def test_two_refreshers_share_the_work(now: datetime, zones: Zones) -> None:
    zones.add("\n".join(f"d{n}.example. 300 IN MX 1 mx.d{n}.example." for n in range(30)))
    recipients.learn(now=now, domains=[f"d{n}.example" for n in range(30)])
    first = recipients._claim(now, 20)
    assert recipients.refresh(now=now, limit=20) == 10
    assert len(first) == 20
    # The first refresher died: its rows are due again when the lease ends.
    assert recipients.refresh(now=now + recipients.LEASE) == 20
    assert RecipientDomain.objects.filter(state="ok").count() == 30


def test_shares_by_provider_guess_only_what_dns_was_not_asked_for(now: datetime, zones: Zones) -> None:
    zones.add("shop.example. 300 IN MX 1 aspmx.l.google.com.")
    _round(now, "shop.example")
    shares = recipients.provider_shares({"shop.example": 3, "gmail.com": 4, "hotmail.com": 2, "nobody.example": 1})
    assert shares == {"google": 7, "microsoft": 2, "unknown": 1}
