from collections.abc import Iterator
from contextlib import nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from django.db import connection
from kombu import Connection
from kombu.exceptions import OperationalError
from redis.client import Pipeline

from config import celery, embedded_broker
from reputation.models import SendingAddress
from sending import takeover, unclaimed, wake
from sending.models import Batch, Outcome, Requeue, Route, Worker
from sending.plan import plan
from sending.routes import save_direct, save_relay
from sending.unclaimed import NOBODY_CAME
from tests.cast import direct_route
from tests.sending.engine import assert_books_balance, cut, mailing_to, take_due, wait_for

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture(params=["memory", "redis"])
def broker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The application's own settings with each of the brokers."""
    if request.param == "memory":
        yield "memory://"
        return
    with TemporaryDirectory(prefix="lp", dir="/tmp") as folder:
        place = Path(folder)
        embedded_broker.start(data=place / "data", socket=place / "broker", log=place / "log")
        try:
            yield f"redis+socket://{place / 'broker'}"
        finally:
            embedded_broker.halt(data=place / "data")


def worker(host: str, *, seconds_ago: int = 0, kind: str = "transmit") -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO sending_worker (id, egress_host, kind, pid, started_at, seen_at) "
            "SELECT coalesce(max(id), 0) + 1, %s, %s, 1, clock_timestamp(), "
            "clock_timestamp() - make_interval(secs => %s) FROM sending_worker",
            [host, kind, seconds_ago],
        )


def test_a_wake_up_reaches_the_queue_of_a_host_that_this_process_does_not_serve(
    broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "egress.out2" not in celery.QUEUES
    with Connection(broker) as there:
        monkeypatch.setattr(celery.app, "producer_or_acquire", lambda _=None: nullcontext(_ or there.Producer()))
        # The broker in memory is this process's, and earlier tests may have left their wake-ups there.
        for queue in ("egress.out2", "egress.main"):
            there.SimpleQueue(queue).clear()
        wake._publish_all([(7, "egress.out2"), (8, "egress.main")])

        for number, queue in ((7, "egress.out2"), (8, "egress.main")):
            arrived = there.SimpleQueue(queue).get(timeout=5)
            assert (arrived.headers["task"], arrived.decode()[0]) == (wake.TRANSMIT_TASK, [number])
            arrived.ack()


def test_all_wake_ups_of_a_tick_are_one_trip_to_the_broker(broker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    trips = []
    execute = Pipeline.execute

    def counted(pipeline: Pipeline) -> object:
        trips.append(len(pipeline.command_stack))
        return execute(pipeline)

    monkeypatch.setattr(Pipeline, "execute", counted)
    with Connection(broker, transport_options=celery.broker_options(broker)) as there:
        monkeypatch.setattr(celery.app, "producer_or_acquire", lambda _=None: nullcontext(_ or there.Producer()))
        wake._publish_all([(n, "egress.main") for n in (1, 2, 3)])

        # What comes before is the queue, made when it is first used.
        assert trips[-1:] == ([3] if broker.startswith("redis") else [])
        arrived = [there.SimpleQueue("egress.main").get(timeout=5) for _ in range(3)]
        assert [message.decode()[0] for message in arrived] == [[1], [2], [3]]


def test_a_broker_that_is_away_costs_one_trip_and_all_are_counted_as_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    before = wake.n_lost
    gone = Connection("redis+socket:///nowhere/broker", transport_options={"max_retries": 0, "socket_timeout": 1})
    monkeypatch.setattr(celery.app, "producer_or_acquire", lambda _=None: nullcontext(_ or gone.Producer()))
    tried = []
    wake_up = celery.app.wake_up

    def once(producer: Any, name: str, args: list[int], queue: str) -> None:
        tried.append(args)
        wake_up(producer, name, args, queue)

    monkeypatch.setattr(celery.app, "wake_up", once)
    wake._publish_all([(n, "egress.main") for n in (1, 2, 3)])

    assert len(tried) == 1
    assert wake.n_lost == before + 3


def test_what_one_queue_does_not_take_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def wake_up(_producer: object, _name: str, args: list[int], _queue: str) -> None:
        tried.append(args[0])
        if args[0] == 1:
            raise LookupError("this queue is broken")
        if args[0] == 3:
            raise OperationalError("the broker is away")

    monkeypatch.setattr(celery.app, "wake_up", wake_up)
    wake._publish_all([(n, "egress.main") for n in (1, 2, 3, 4)])

    assert tried == [1, 2, 3]


def test_a_host_without_a_worker_is_given_nothing_and_one_that_has_one_is(now: datetime) -> None:
    mailing_to(40, now=now)
    SendingAddress.objects.update(egress_host="out2")
    Route.objects.update(egress_host="out2")
    worker("main")
    worker("out2", seconds_ago=60)

    assert plan(now=now) == 0

    worker("out2")
    assert plan(now=now) > 0


def test_before_any_worker_has_come_the_first_batches_lie_ready(now: datetime) -> None:
    mailing_to(40, now=now)

    assert plan(now=now) > 0


def test_a_sending_worker_enrols_before_its_first_batch(settings) -> None:
    settings.PROCESS_KIND, settings.EGRESS_HOST = "transmit", "out2"
    celery.say_that_we_can_send()

    wait_for(Worker.objects.filter(egress_host="out2", kind="transmit").exists)


def test_a_batch_that_nobody_claims_gives_its_people_back(now: datetime) -> None:
    mailing = mailing_to(20, now=now)
    [batch] = cut(mailing, now=now, size=20)
    late = batch.deadline + unclaimed.GIVEN_UP_AFTER

    assert unclaimed.give_back(now=late) == 0
    assert unclaimed.give_back(now=late + timedelta(seconds=1)) == 1
    assert unclaimed.give_back(now=late + timedelta(seconds=1)) == 0

    batch.refresh_from_db()
    mailing.refresh_from_db()
    assert (batch.state, batch.end_reason, batch.n_sent) == (Batch.State.DONE, NOBODY_CAME, 0)
    assert Requeue.objects.filter(mailing=mailing, batch=None, reason="handed_back", attempt=1).count() == 20
    assert not Outcome.objects.exists()
    assert mailing.first_sent_at is None
    assert_books_balance(mailing)


def test_a_retry_batch_that_nobody_claims_keeps_what_its_people_have_behind_them(now: datetime) -> None:
    mailing = mailing_to(5, now=now)
    cut(mailing, now=now, size=5)
    unclaimed.give_back(now=now + timedelta(hours=1))
    Requeue.objects.update(attempt=3, counted=2)
    retry = take_due(mailing, now=now + timedelta(hours=1))
    assert retry is not None

    assert unclaimed.give_back(now=now + timedelta(hours=3)) == 1

    assert set(Requeue.objects.values_list("attempt", "counted", "batch")) == {(3, 2, None)}
    assert Requeue.objects.count() == 5


def test_a_sweep_that_dies_after_its_claim_loses_nobody(now: datetime) -> None:
    mailing = mailing_to(5, now=now)
    [batch] = cut(mailing, now=now, size=5)
    assert unclaimed._claim(now + timedelta(hours=1)) is not None
    Batch.objects.filter(pk=batch.pk).update(lease_until=datetime(2000, 1, 1, tzinfo=now.tzinfo))

    takeover.take_over(now=now + timedelta(hours=1))

    assert Requeue.objects.filter(mailing=mailing, batch=None).count() == 5


def test_a_relay_made_in_the_pages_belongs_to_the_machine_that_is_here(settings) -> None:
    settings.EGRESS_HOST = "out7"
    direct = direct_route()

    relay = save_relay(route=Route(name="Office", host="relay.example", port=25), password="")
    own = save_direct(route=direct)

    assert (relay.egress_host, own.egress_host) == ("out7", "main")
