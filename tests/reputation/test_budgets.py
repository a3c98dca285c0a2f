"""Budgets: limits and where they come from, edits with reasons, advice for the planner, commands, start-up checks."""

from datetime import datetime
from io import StringIO
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command
from pytest_django import DjangoAssertNumQueries

from reputation import budgets, catalogue, checks, ledger, plans, workspace
from reputation.advice import Lane, advice
from reputation.ledger import Entry
from reputation.models import Budget, BudgetChange, SendingDomain
from tests.reputation.conftest import Zones

pytestmark = pytest.mark.django_db


def _budget(now: datetime, kind: str = "ip", provider: str = "google") -> Budget:
    return budgets.budgets_for(now=now, kind_scopes=[(kind, "x.example")], provider=provider)[0]


def test_a_budget_is_made_once(now: datetime) -> None:
    scopes = [("ip", "192.0.2.1"), ("dkim_domain", "news.example")]
    first = budgets.budgets_for(now=now, kind_scopes=scopes, provider="google")
    assert [budget.kind for budget in first] == ["ip", "dkim_domain"]
    assert budgets.budgets_for(now=now, kind_scopes=scopes, provider="google") == first


@pytest.mark.parametrize(
    ("kind", "provider", "expected"),
    [
        ("ip", "google", {"per_minute": 300, "connections": 5, "per_connection": 50, "batch_size": 50}),
        ("dkim_domain", "google", {"per_minute": 300, "connections": None, "batch_size": None}),
        ("account", "google", {"per_minute": 300, "connections": 4, "per_connection": 100, "batch_size": None}),
        ("recipient_domain", "m365", {"per_minute": None, "per_hour": 200, "connections": None}),
        ("ip", "other:foo.org", {"connections": 2, "per_connection": 20}),
        ("ip", "unknown", {"connections": 2}),
        ("ip", "*", {"per_minute": None, "connections": None}),
    ],
)
def test_limits_fall_back_to_the_catalogue(
    now: datetime, berlin: ZoneInfo, kind: str, provider: str, expected: dict[str, object]
) -> None:
    limits = budgets.limits_of(_budget(now, kind, provider), now=now, zone=berlin)
    assert {name: getattr(limits, name) for name in expected} == expected


def test_an_edit_is_written_down_and_can_be_taken_back(now: datetime, berlin: ZoneInfo) -> None:
    budget = _budget(now)
    budgets.edit(now=now, budget=budget, actor=None, reason="Ramp", per_minute=100, connections=3)
    limits = budgets.limits_of(budget, now=now, zone=berlin)
    assert (limits.per_minute, limits.connections, limits.sources["connections"]) == (100, 3, "set by hand")
    change = BudgetChange.objects.get()
    assert change.what == "per minute as in the catalogue → 100; connections as in the catalogue → 3"
    budgets.edit(now=now, budget=budget, actor=None, reason="Same", per_minute=100)
    assert BudgetChange.objects.count() == 1
    budgets.edit(now=now, budget=budget, actor=None, reason="Back", per_minute=None)
    assert budgets.limits_of(budget, now=now, zone=berlin).per_minute == 300


@pytest.mark.parametrize(
    "limits", [{"per_minute": 0}, {"connections": -1}, {"connections": 501}, {"per_day": 1.5}, {"batch_pause": -1}]
)
def test_impossible_limits_are_refused_in_words(now: datetime, limits: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        budgets.edit(now=now, budget=_budget(now), actor=None, reason="", **limits)
    with pytest.raises(TypeError):
        budgets.edit(now=now, budget=_budget(now), actor=None, reason="", state=1)


def test_every_limit_is_explained(now: datetime, berlin: ZoneInfo) -> None:
    budget = _budget(now)
    budgets.edit(now=now, budget=budget, actor=None, reason="", per_day=5000)
    lines = budgets.explain(budget, now=now, zone=berlin)
    assert "5,000 a day: set by hand." in lines
    assert "300 a minute: catalogue, Gmail, warm." in lines
    assert lines[-1] == "Open."
    assert budgets.explain(_budget(now, provider="*"), now=now, zone=berlin) == ["No limits.", "Open."]
    budgets.hold(now=now, budget=budget, actor=None, reason="Moving house")
    assert budgets.explain(budget, now=now, zone=berlin)[-1] == "Closed until released: Moving house"


def test_one_read_for_all_lanes(
    now: datetime, berlin: ZoneInfo, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    scopes = (("ip", "192.0.2.1"), ("dkim_domain", "news.example"))
    lanes = [Lane(scopes, provider) for provider in catalogue.catalogue().providers]
    first = advice(now=now, zone=berlin, lanes=lanes)
    google = first[lanes[0]]
    assert [(item.budget.kind, item.budget.provider) for item in google] == [
        ("ip", "google"), ("ip", "*"), ("dkim_domain", "google"), ("dkim_domain", "*"),
    ]  # fmt: skip
    ledger.record(entries=[Entry([item.budget.pk for item in google], now, sent=7)], zone=berlin)
    with django_assert_num_queries(2):
        again = advice(now=now, zone=berlin, lanes=lanes)
    assert {item.usage.last_minute for item in again[lanes[0]]} == {7}
    assert advice(now=now, zone=berlin, lanes=[]) == {}


def test_there_is_one_workspace() -> None:
    assert workspace.workspace() == workspace.workspace()
    assert workspace.zone().key == "UTC"


def test_wrong_data_files_stop_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks.data_files() == []
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('[other]\nname = "Other"\nmark = "P"\nsource = "s"\nwarm = { per_day = -1 }\n')
    monkeypatch.setattr(catalogue, "FILE", wrong)
    monkeypatch.setattr(plans, "FILE", wrong)
    catalogue.catalogue.cache_clear()
    plans.presets.cache_clear()
    try:
        found = checks.data_files()
    finally:
        catalogue.catalogue.cache_clear()
        plans.presets.cache_clear()
    assert {error.id for error in found} == {"reputation.E001", "reputation.E002"}
    assert "[other] warm per_day" in found[0].msg


def test_the_provider_command_says_who_and_why(now: datetime, zones: Zones) -> None:
    zones.add("shop.example. 300 IN MX 1 aspmx.l.google.com.")
    _budget(now)
    out = StringIO()
    call_command("provider", "jane@Shop.example", stdout=out)
    assert "Gmail (google), Takes mail" in out.getvalue()
    assert "MX: aspmx.l.google.com" in out.getvalue()
    assert "300 a minute: catalogue, Gmail, warm." in out.getvalue()
    with pytest.raises(CommandError, match="not an address"):
        call_command("provider", "jane@-..", stdout=out)


def test_the_check_command_says_what_is_missing(zones: Zones) -> None:
    SendingDomain.objects.create(name="news.example", return_path_host="bounce.news.example")
    out = StringIO()
    call_command("check_domain", "news.example", stdout=out)
    assert "FAIL dmarc" in out.getvalue()
    assert "May not send." in out.getvalue()
    with pytest.raises(CommandError, match=r"There are: news\.example"):
        call_command("check_domain", "other.example", stdout=out)
