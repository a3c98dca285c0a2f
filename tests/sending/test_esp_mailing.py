"""End to end: a claimed batch, the gate before each call, the API, the outcome; and the provider's events after it."""

import threading
from collections import Counter
from datetime import datetime

import pytest

from audiences.models import Suppression
from audiences.suppress import suppress
from reputation.models import Budget
from sending.esp import settings as esp_settings
from sending.models import Batch, Delivery, Mailing, Outcome, Route
from tests.sending.engine import assert_books_balance, cut, kinds, mailing_to, send, send_the_rest
from tests.sending.fake_api import Call, answering, exchanges, filled

pytestmark = pytest.mark.usefixtures("engine")


def through(api_url: str) -> Route:
    route = Route.objects.create(name="Postmark", kind="esp")
    esp_settings.set_settings(route, {"backend": "postmark", "server_token": "t", "api_url": api_url})
    return route


class Postmark:
    """Takes letters like the real one, with an id of its own for each; `odd` answers for some recipients."""

    def __init__(self, **odd: dict | None) -> None:
        self.taken: Counter[str] = Counter()
        self._odd, self._lock = odd, threading.Lock()

    def __call__(self, call: Call) -> dict | None:
        to = call.fields["To"]
        name = to.partition("@")[0]
        if name in self._odd:
            return self._odd[name]
        with self._lock:
            self.taken[to] += 1
        said: dict = filled(exchanges("postmark")["send"]["accepted"], recipient=to)
        said["body"]["MessageID"] = f"id-of-{name}"
        return said


def recorded(name: str) -> dict:
    found: dict = filled(exchanges("postmark")["send"][name], recipient="x@gmail.com")
    return found


def mail_through(route: Route, n: int, now: datetime, **fields) -> tuple[Mailing, list[Batch]]:
    mailing = mailing_to(n, now=now)
    return mailing, cut(mailing, now=now, size=20, route=route, **fields)


def test_a_mailing_leaves_by_the_api_exactly_once(now: datetime) -> None:
    api = Postmark()
    with answering(api) as server:
        mailing, batches = mail_through(through(server.url), 60, now)
        assert send(batches, now=now) == []
    assert kinds(mailing) == {"accepted": 60}
    assert len(api.taken) == 60 and set(api.taken.values()) == {1}
    assert set(Outcome.objects.values_list("remote_id", flat=True)) == {f"id-of-reader{n}" for n in range(60)}
    assert_books_balance(mailing)


def test_a_call_without_an_answer_leaves_one_person_unknown_who_is_not_sent_to_again(now: datetime) -> None:
    api = Postmark(reader3=recorded("broken"), reader7=None)
    with answering(api) as server:
        mailing, batches = mail_through(through(server.url), 10, now)
        assert send(batches, now=now, connections=1) == []
        send_the_rest(mailing, now=now)
    assert kinds(mailing)["unknown"] == 2
    assert Outcome.objects.filter(kind="unknown").count() == 2
    assert set(api.taken.values()) == {1}
    assert_books_balance(mailing)


def test_somebody_suppressed_before_the_gate_is_not_called_for(now: datetime) -> None:
    api = Postmark()
    with answering(api) as server:
        mailing, batches = mail_through(through(server.url), 10, now)
        left = Delivery.objects.filter(mailing_id=mailing.pk).order_by("id")[4]
        suppress(now=now, address_key=left.address_key, scope="*", reason="unsubscribed", source="test")
        assert send(batches, now=now) == []
    assert kinds(mailing) == {"accepted": 9, "skipped": 1}
    assert sum(api.taken.values()) == 9


def test_an_account_that_is_asked_to_slow_down_stops_its_batch_and_its_budget(now: datetime) -> None:
    budget = Budget.objects.create(kind="account", scope="route:1", provider="google")
    domain = Budget.objects.create(kind="dkim_domain", scope="news.harbour.example", provider="google")
    with answering(recorded("slow down")) as server:
        mailing, batches = mail_through(through(server.url), 5, now, budget_ids=[budget.pk, domain.pk])
        assert send(batches, now=now) == []
    assert len(server.calls) == 1
    assert Counter(kinds(mailing)) == {"deferred": 1}
    budget.refresh_from_db()
    domain.refresh_from_db()
    assert (budget.state, domain.state) == ("slowed", "open")


def test_a_refused_key_holds_the_account_and_loses_nobody(now: datetime) -> None:
    budget = Budget.objects.create(kind="account", scope="route:1", provider="google")
    with answering(recorded("wrong key")) as server:
        mailing, batches = mail_through(through(server.url), 5, now, budget_ids=[budget.pk])
        assert send(batches, now=now) == []
    assert len(server.calls) == 1
    assert set(kinds(mailing)) == {"deferred"}
    budget.refresh_from_db()
    assert budget.state == "held" and "set up" in budget.state_reason
    assert not Suppression.objects.exists()
    assert_books_balance(mailing)
