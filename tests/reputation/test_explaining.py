"""`manage.py provider`: which provider, by what evidence, with which limits and why."""

import json
from datetime import datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from reputation import budgets, plans, recipients, resolver, warmup
from reputation.explaining import evidence_of
from reputation.models import Budget, RecipientDomain
from reputation.workspace import zone
from tests.reputation.conftest import Zones

pytestmark = pytest.mark.django_db


def told(*addresses: str) -> list[dict]:
    out = StringIO()
    call_command("provider", *addresses, "--json", stdout=out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def words(address: str) -> str:
    out = StringIO()
    call_command("provider", address, stdout=out)
    return out.getvalue()


def test_the_mx_answer_is_the_evidence_with_its_time(now: datetime, zones: Zones) -> None:
    zones.add("shop.example. 300 IN MX 1 aspmx.l.google.com.\nshop.example. 300 IN MX 5 alt1.aspmx.l.google.com.")
    [found] = told("jane@shop.example")
    assert (found["provider"], found["name"], found["evidence"]["by"]) == ("google", "Gmail", "mx")
    assert found["evidence"]["words"] == "All 2 MX hosts lie below google.com."
    assert found["evidence"]["looked_up"] < found["evidence"]["looked_up_again"]
    assert found["catalogue"]["mark"] == "O" and "KumoMTA" in found["catalogue"]["source"]


@pytest.mark.parametrize(
    ("hosts", "provider", "says"),
    [
        (["mx1.hoster.co.uk", "mx2.hoster.co.uk"], "other:hoster.co.uk", "all MX hosts belong to hoster.co.uk"),
        (["aspmx.l.google.com", "mail.shop.example"], "other:shop.example", "of a known provider, but not all"),
    ],
)
def test_without_a_row_the_hosts_owner_or_the_domain_itself_stands_in(
    now: datetime, zones: Zones, hosts: list[str], provider: str, says: str
) -> None:
    zones.add("\n".join(f"shop.example. 300 IN MX 1 {host}." for host in hosts))
    [found] = told("jane@shop.example")
    assert (found["provider"], found["evidence"]["by"]) == (provider, "registrable domain")
    assert says in found["evidence"]["words"]


def test_before_dns_has_answered_the_list_of_domains_is_a_guess_and_says_so(now: datetime) -> None:
    key, evidence = evidence_of(RecipientDomain(domain="gmx.de"))
    assert (key, evidence.by) == ("gmx", "domain list")
    assert "forecasts only" in evidence.sentence
    assert evidence_of(RecipientDomain(domain="shop.example"))[1].by == "nothing"


def test_limits_are_told_step_by_step_with_who_set_them(now: datetime, zones: Zones) -> None:
    zones.add("shop.example. 300 IN MX 1 aspmx.l.google.com.")
    plan = plans.make(name="First weeks", preset=next(iter(plans.presets())))
    [budget] = budgets.budgets_for(now=now, kind_scopes=[(Budget.Kind.IP, "192.0.2.9")], provider="google")
    warmup.start(now=now, zone=zone(), kind="ip", scope="192.0.2.9", plan=plan)
    budgets.edit(now=now, budget=budget, actor=None, reason="They asked for it", connections=3)
    [found] = told("jane@shop.example")
    [spending] = found["spending"]
    assert (spending["scope"], spending["exists"]) == ("192.0.2.9", True)
    connections = spending["limits"]["connections"]
    assert [(step["step"], step["value"], step["applies"]) for step in connections] == [
        ("catalogue", 1, False),
        ("set by hand", 3, True),
    ]
    assert spending["limits"]["per_day"][-1]["step"] == "warm-up"
    assert "why connections: 1 (catalogue: catalogue, Gmail, cold) → 3 (set by hand: set by hand)" in words(
        "x@shop.example"
    )


def test_who_was_never_met_gets_the_catalogues_limits_new_and_warm(now: datetime, zones: Zones) -> None:
    zones.add("shop.example. 300 IN MX 1 shop-example.mail.protection.outlook.com.")
    [found] = told("shop.example")
    assert [spending["exists"] for spending in found["spending"]] == [False] * 4
    new, warm, site_new, site_warm = found["spending"]
    assert (new["limits"]["per_day"][-1]["value"], warm["limits"]["connections"][-1]["value"]) == (100, 5)
    assert (site_new["limits"]["per_hour"][-1]["value"], site_warm["limits"]["per_hour"][-1]["value"]) == (5, 200)
    assert "what the catalogue gives" in words("shop.example")


def test_a_domain_that_moves_is_the_other_providers_after_the_next_answer(now: datetime, zones: Zones) -> None:
    zones.add("comcast.example. 300 IN MX 1 mx1a1.comcast.net.")
    recipients.learn(now=now, domains=["comcast.example"])
    recipients.refresh(now=now)
    zones.put("comcast.example. 300 IN MX 1 mta5.am0.yahoodns.net.")
    assert RecipientDomain.objects.get().provider == "comcast"
    resolver.forget()  # its memory goes by the machine's clock
    recipients.refresh(now=now + timedelta(minutes=6))
    assert RecipientDomain.objects.get().provider == "yahoo"
