from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from reputation import budgets, plans, warmup
from reputation.models import Budget, DayTally, SendingAddress, WarmupPlan
from reputation.pure.curve import curve
from reputation.workspace import today, zone
from tests.visitors import admin, colleague

pytestmark = pytest.mark.django_db
IP = "127.0.1.1"


@pytest.fixture
def plan():
    SendingAddress.objects.create(ip=IP, ehlo_name="out1.harbour.example")
    return plans.make(name="Winter", preset="standard")


def warming(plan):
    [budget] = budgets.budgets_for(now=timezone.now(), kind_scopes=[("ip", IP)], provider="google")
    admin().post(reverse("warmup-start", args=[plan.pk]), {"scope": f"ip|{IP}", "day": "3"})
    budget.refresh_from_db()
    return budget


def test_a_plan_is_made_from_a_preset_and_shown_as_curve_and_table():
    client = admin()
    client.post(reverse("warmup-new"), {"name": "Winter", "preset": "standard"})
    plan = WarmupPlan.objects.get()
    page = client.get(reverse("warmup-plan", args=[plan.pk])).content.decode()
    assert "<polyline" in page
    assert page.count('<th scope="row" class="num">') == 30


def test_two_plans_of_one_name_are_refused(plan):
    answer = admin().post(reverse("warmup-new"), {"name": "Winter", "preset": "standard"})
    assert answer.status_code == 422
    assert "already" in answer.content.decode()


def test_single_days_of_one_provider_are_changed(plan):
    before = list(plan.days["google"])
    form = {f"day_{day}": cap for day, cap in enumerate(before, 1)} | {"day_2": "200"}
    admin().post(reverse("warmup-series", args=[plan.pk, "google"]), form)
    plan.refresh_from_db()
    assert plan.days["google"] == [before[0], 200, *before[2:]]


def test_a_cap_of_zero_is_refused(plan):
    form = {f"day_{day}": cap for day, cap in enumerate(plan.days["google"], 1)} | {"day_2": "0"}
    answer = admin().post(reverse("warmup-series", args=[plan.pk, "google"]), form)
    assert answer.status_code == 422


@pytest.mark.usefixtures("steady")
def test_an_address_begins_on_the_day_asked_for_and_shows_its_cap_of_today(plan):
    budget = warming(plan)
    assert (budget.warmup, budget.warmup_day) == (plan, 3)
    page = colleague().get(reverse("warmup")).content.decode()
    assert f"of {plan.days['google'][2]}</small>" in page


def test_nobody_begins_behind_the_end_of_a_plan(plan):
    answer = admin().post(reverse("warmup-start", args=[plan.pk]), {"scope": "ip|127.0.1.1", "day": "365"})
    assert answer.status_code == 422 and "The plan ends on day" in answer.content.decode()


def test_weekends_are_skipped_and_an_older_version_is_put_back(plan):
    client = admin()
    client.post(reverse("warmup-weekends", args=[plan.pk]), {"skip": "1"})
    plan.refresh_from_db()
    assert plan.skips_weekends
    page = client.get(reverse("warmup-plan", args=[plan.pk])).content.decode()
    assert "Skips weekends" in page
    client.post(reverse("warmup-put-back", args=[plan.pk, 1]))
    plan.refresh_from_db()
    assert (plan.skips_weekends, plan.version) == (False, 3)


def test_the_page_of_a_provider_shows_what_its_days_brought(plan):
    budget = warming(plan)
    yesterday = today(timezone.now(), zone()) - timedelta(days=1)
    DayTally.objects.create(budget=budget, day=yesterday, sent=330, accepted=320, bounced=10)
    Budget.objects.filter(pk=budget.pk).update(warmup_on=yesterday)
    warmup.advance(now=timezone.now(), zone=zone())
    page = colleague().get(reverse("warmup-budget", args=[budget.pk])).content.decode()
    assert "3.0% bounced; below 2 % is needed to go on." in page
    assert "Hold for so many days" not in page
    assert "Stayed" in colleague().get(reverse("warmup")).content.decode()


def test_the_page_of_a_provider_that_is_through_still_has_its_days(plan):
    budget = warming(plan)
    warmup.stop(now=timezone.now(), kind="ip", scope=IP, actor=None, reason="Known")
    client = admin()
    assert "does not warm up any more" in client.get(reverse("warmup-budget", args=[budget.pk])).content.decode()
    assert (
        client.post(reverse("warmup-budget", args=[budget.pk]), {"days": "1", "reason": "x", "on": "1"}).status_code
        == 404
    )


def test_nothing_warms_up_that_is_not_ours(plan):
    answer = admin().post(reverse("warmup-start", args=[plan.pk]), {"scope": "ip|192.0.2.9", "day": "1"})
    assert answer.status_code == 422
    assert not Budget.objects.filter(warmup=plan).exists()


@pytest.mark.parametrize(("button", "day"), [("back", 2), ("on", 4), ("hold", 3)])
def test_one_provider_is_held_or_moved_with_a_reason(plan, button, day):
    budget = warming(plan)
    url = reverse("warmup-budget", args=[budget.pk])
    assert admin().post(url, {"days": "1", button: "1"}).status_code == 422
    admin().post(url, {"days": "1", "reason": "Complaints", button: "1"})
    budget.refresh_from_db()
    assert budget.warmup_day == day
    assert budget.changes.filter(reason="Complaints").count() == 1
    if button == "hold":
        assert (budget.warmup_on - today(timezone.now(), zone())).days == 1


def test_a_warmup_is_ended_with_a_reason(plan):
    warming(plan)
    admin().post(reverse("warmup-stop", args=["ip", IP]), {"reason": "Known sender"})
    assert not Budget.objects.filter(warmup__isnull=False).exists()


def test_a_colleague_looks_and_changes_nothing(plan):
    budget = warming(plan)
    client = colleague()
    assert client.get(reverse("warmup-plan", args=[plan.pk])).status_code == 200
    for path in (
        reverse("warmup-new"),
        reverse("warmup-series", args=[plan.pk, "google"]),
        reverse("warmup-start", args=[plan.pk]),
        reverse("warmup-stop", args=["ip", IP]),
        reverse("warmup-budget", args=[budget.pk]),
    ):
        assert client.post(path, {"reason": "x", "days": "1", "on": "1"}).status_code == 403


def test_a_curve_ends_at_the_edges_of_its_box():
    drawn = curve({"a": [0, 40], "b": [20]})
    assert [line.points for line in drawn.lines] == ["84.0,216.0 712.0,8.0", "84.0,112.0"]
    assert [mark.label for mark in drawn.levels] == [0, 10, 20, 30, 40]
    assert curve({}).lines == []


def test_steady_growth_is_a_straight_line_where_each_level_is_ten_times_the_one_below():
    drawn = curve({"a": [10, 100, 1000], "b": [50]}, by_tens=True)
    assert [mark.label for mark in drawn.levels] == [10, 100, 1000]
    assert drawn.lines[0].points == "84.0,216.0 398.0,112.0 712.0,8.0"
    assert [mark.label for mark in curve({"a": [1]}, by_tens=True).levels] == [1, 10]
    assert [mark.label for mark in curve({}, by_tens=True).levels] == [1, 10]
