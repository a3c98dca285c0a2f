from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from reputation import budgets, ledger
from reputation.models import Budget, BudgetChange, SendingAddress
from reputation.workspace import zone
from tests.visitors import admin, colleague

pytestmark = pytest.mark.django_db
IP = "127.0.1.1"


@pytest.fixture
def budget():
    SendingAddress.objects.create(ip=IP, ehlo_name="out1.harbour.example")
    [made] = budgets.budgets_for(now=timezone.now(), kind_scopes=[("ip", IP)], provider="google")
    return made


def url(name, budget):
    return reverse(name, args=[budget.pk])


def test_an_address_that_never_sent_is_listed_and_gets_limits_beforehand():
    SendingAddress.objects.create(ip=IP, ehlo_name="out1.harbour.example")
    client = admin()
    assert IP in client.get(reverse("limits")).content.decode()
    client.post(reverse("limits-of", args=["ip", IP]), {"provider": "google"})
    assert Budget.objects.get().provider == "google"


def test_the_page_says_what_was_spent_of_what_and_where_the_limit_is_from(budget):
    now = timezone.now()
    ledger.record(entries=[ledger.Entry(budget_ids=[budget.pk], minute=now, sent=7, deferred=2)], zone=zone())
    page = colleague().get(url("limit", budget)).content.decode()
    assert "300 a minute: catalogue, Gmail, warm." in page
    assert "<dd>7<small> of 300</small></dd>" in page


def test_a_limit_is_edited_live_with_a_reason_and_written_down(budget):
    client = admin()
    client.post(url("limit", budget), {"per_hour": "400", "reason": "Gmail asked for less"})
    page = client.get(url("limit", budget)).content.decode()
    assert "400 an hour: set by hand." in page
    change = BudgetChange.objects.get()
    assert (str(change.actor), change.reason) == ("admin", "Gmail asked for less")


@pytest.mark.parametrize(
    "form", [{"per_hour": "0", "reason": "x"}, {"per_hour": "5"}, {"connections": "9999", "reason": "x"}]
)
def test_an_impossible_limit_or_no_reason_is_refused(budget, form):
    answer = admin().post(url("limit", budget), form)
    assert answer.status_code == 422
    assert not BudgetChange.objects.exists()


def test_it_is_held_for_a_time_and_released(budget):
    client = admin()
    client.post(url("limit-hold", budget), {"hours": "4", "reason": "Wrong price"})
    budget.refresh_from_db()
    assert budget.state == Budget.State.HELD
    assert timedelta(hours=3.9) < budget.state_until - timezone.now() < timedelta(hours=4.1)
    page = client.get(url("limit", budget)).content.decode()
    assert "Wrong price" in page
    assert "Tried again" in page
    client.post(url("limit-release", budget), {"reason": "Corrected"})
    budget.refresh_from_db()
    assert budget.state == Budget.State.OPEN


def test_holding_without_a_reason_is_refused(budget):
    assert admin().post(url("limit-hold", budget), {"hours": ""}).status_code == 422
    budget.refresh_from_db()
    assert budget.state == Budget.State.OPEN


def test_a_colleague_reads_and_changes_nothing(budget):
    client = colleague()
    assert client.get(url("limit", budget)).status_code == 200
    for name in ("limit", "limit-hold", "limit-release"):
        assert client.post(url(name, budget), {"per_hour": "1", "reason": "x"}).status_code == 403
    assert client.post(reverse("limits-of", args=["ip", IP]), {"provider": "yahoo"}).status_code == 403
    assert not BudgetChange.objects.exists()


def test_a_scope_that_is_not_ours_is_not_there(budget):
    assert colleague().get(reverse("limits-of", args=["ip", "192.0.2.9"])).status_code == 404


def test_an_address_at_sixty_providers_costs_few_queries(budget, django_assert_max_num_queries):
    Budget.objects.bulk_create(Budget(kind="ip", scope=IP, provider=f"other:d{n}.example") for n in range(60))
    client = colleague()
    with django_assert_max_num_queries(11):
        client.get(reverse("limits-of", args=["ip", IP]))
