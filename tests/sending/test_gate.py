import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import pytest
from django.db import connection, transaction

from audiences.models import Suppression
from reputation.models import Workspace
from sending import here, settle, takeover
from sending.gate import Gate
from sending.gate_questions import Counters, Intent, Question
from sending.models import Batch, Delivery, Mailing, MailingCount, MailingLane, Outcome, Requeue, Worker
from sending.settle import Settled
from tests.cast import key_for
from tests.sending.engine import cut, mailing_to

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture
def mailing(now: datetime) -> Mailing:
    return mailing_to(20, now=now)


@pytest.fixture
def gate(mailing: Mailing) -> Iterator[Gate]:
    yield here.gate()
    here.close()


@pytest.fixture
def batch(mailing: Mailing, gate: Gate, now: datetime) -> Batch:
    """A running batch of twenty, owned by this process."""
    [batch] = cut(mailing, now=now, size=20)
    Batch.objects.filter(pk=batch.pk).update(state="running", epoch=1, owner=gate.worker.id)
    lease(batch, "60 seconds")
    batch.refresh_from_db()
    return batch


def lease(batch: Batch, interval: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE sending_batch SET lease_until = clock_timestamp() + %s::interval WHERE id = %s",
            [interval, batch.pk],
        )


def intent(batch: Batch, n: int = 0, **changes) -> Intent:
    row = Delivery.objects.filter(mailing_id=batch.mailing_id).order_by("seq")[n]
    values = {"delivery": row.id, "attempt": 1, "key_then": row.address_key, "key_now": row.address_key}
    return Intent(**{**values, "via_scope": f"list:{row.via_list}", **changes})


def outcome(batch: Batch, delivery: int, now: datetime, kind: str = "accepted", **changes) -> Settled:
    values = {"mailing": batch.mailing_id, "delivery": delivery, "attempt": 1, "kind": kind, "provider": "google"}
    return Settled(**{**values, "at": now, "batch": batch.pk, **changes})


def question(batch: Batch, wanted: Intent | None, token: int = 1, **changes) -> Question:
    return Question(
        batch=batch.pk, epoch=changes.pop("epoch", 1), token=token, intent=wanted,
        counters=changes.pop("counters", Counters()), **changes,
    )  # fmt: skip


def ask(gate: Gate, *args, **changes):
    return gate.ask(question(*args, **changes)).wait(5)


def hand_in(gate: Gate, batch: Batch, settled: list[Settled]):
    return gate.testify(batch=batch.pk, epoch=1, settled=settled, counters=Counters()).wait(5)


def test_a_grant_is_durable_on_the_batch_with_the_outcome_before_it(gate: Gate, batch: Batch, now: datetime) -> None:
    first, second = intent(batch, 0), intent(batch, 1)
    done = outcome(batch, first.delivery, now)

    answer = ask(gate, batch, second, token=2, settled=[done], counters=Counters(cursor=1, sent=1, accepted=1))

    assert answer.is_granted and answer.mailing_state == "running"
    batch.refresh_from_db()
    assert (batch.intent, batch.intent_token, batch.n_accepted, batch.cursor) == (second.delivery, 2, 1, 1)
    assert Outcome.objects.get().kind == "accepted"


@pytest.mark.parametrize("scope", ["*", "stream:marketing", "list"])
def test_a_suppressed_person_is_refused_in_every_scope_of_the_mailing(
    gate: Gate, batch: Batch, now: datetime, scope: str
) -> None:
    wanted = intent(batch)
    scope = wanted.via_scope if scope == "list" else scope
    Suppression.objects.create(address_key=wanted.key_then, scope=scope, reason="unsubscribed", created_at=now)

    assert ask(gate, batch, wanted).verdict == "suppressed"
    batch.refresh_from_db()
    assert batch.intent is None


def test_a_suppression_of_another_list_or_stream_is_none_here(gate: Gate, batch: Batch, now: datetime) -> None:
    wanted = intent(batch)
    for scope in ("stream:transactional", "list:999999"):
        Suppression.objects.create(address_key=wanted.key_then, scope=scope, reason="unsubscribed", created_at=now)

    assert ask(gate, batch, wanted).is_granted


@pytest.mark.parametrize(
    ("reason", "also", "verdict"),
    [
        ("unsubscribed", {}, "granted"),
        ("erased", {}, "granted"),
        ("unsubscribed", {"bounced": {}}, "suppressed"),
        ("complained", {}, "suppressed"),
        ("bounced", {}, "suppressed"),
        ("manual", {}, "suppressed"),
    ],
)
def test_a_confirmation_reaches_who_left_everything_but_not_who_complained_since(
    gate: Gate, batch: Batch, now: datetime, reason: str, also: dict[str, object], verdict: str
) -> None:
    Mailing.objects.update(stream="transactional", scopes=["stream:transactional"])
    wanted = intent(batch, via_scope="")
    Suppression.objects.create(
        address_key=wanted.key_then, scope="*", reason=reason, created_at=now, evidence={"also": also} if also else {}
    )

    assert ask(gate, batch, wanted).verdict == verdict


def test_both_the_address_at_launch_and_the_address_now_are_asked_for(gate: Gate, batch: Batch, now: datetime) -> None:
    moved = intent(batch, key_now=key_for("new@gmail.com"))
    Suppression.objects.create(address_key=moved.key_now, scope="*", reason="bounced", created_at=now)

    assert ask(gate, batch, moved).verdict == "suppressed"
    assert ask(gate, batch, intent(batch, 1), token=2).is_granted


@pytest.mark.parametrize("state", ["paused", "held", "stopped", "done"])
def test_a_mailing_that_does_not_run_is_refused_and_says_why(gate: Gate, batch: Batch, state: str) -> None:
    Mailing.objects.update(state=state)

    answer = ask(gate, batch, intent(batch))

    assert answer.verdict == f"mailing_{state}" and not answer.is_refusal_of_one


def test_a_paused_lane_and_a_stopped_workspace_are_refused(gate: Gate, batch: Batch, now: datetime) -> None:
    MailingLane.objects.update(state="paused")
    assert ask(gate, batch, intent(batch)).verdict == "lane_paused"

    Workspace.objects.update(sending_stopped_at=now)
    assert ask(gate, batch, intent(batch), token=2).verdict == "sending_stopped"


def test_a_stale_epoch_is_refused_but_its_evidence_is_kept(gate: Gate, batch: Batch, now: datetime) -> None:
    first = intent(batch, 0)
    ask(gate, batch, first)
    Batch.objects.update(epoch=2)

    answer = ask(gate, batch, intent(batch, 1), settled=[outcome(batch, first.delivery, now)])

    assert answer.verdict == "stale"
    assert Outcome.objects.get().delivery == first.delivery
    batch.refresh_from_db()
    assert batch.intent == first.delivery


def test_what_a_stale_asker_says_of_deliveries_that_went_back_is_not_recorded(
    gate: Gate, batch: Batch, now: datetime
) -> None:
    """They are tried again under the same attempt, whose outcome would then find its place taken."""
    ask(gate, batch, intent(batch, 0))
    Batch.objects.update(epoch=2)

    hand_in(gate, batch, [outcome(batch, intent(batch, 1).delivery, now, "bounced_hard")])

    assert not Outcome.objects.exists()


def test_the_same_token_asked_again_is_granted_again(gate: Gate, batch: Batch, now: datetime) -> None:
    done = [outcome(batch, intent(batch, 0).delivery, now)]
    wanted = intent(batch, 1)

    answers = [ask(gate, batch, wanted, token=5, settled=done) for _ in range(3)]

    assert all(answer.is_granted for answer in answers)
    assert Outcome.objects.count() == 1


def test_a_question_carried_out_late_changes_nothing(gate: Gate, batch: Batch) -> None:
    """It was believed lost with its connection; meanwhile the slot has moved on."""
    ask(gate, batch, intent(batch, 3), token=7, counters=Counters(sent=3))

    assert ask(gate, batch, intent(batch, 2), token=6, counters=Counters(sent=2)).verdict == "stale"
    batch.refresh_from_db()
    assert (batch.intent, batch.n_sent) == (intent(batch, 3).delivery, 3)


def test_a_refusal_clears_the_intent(gate: Gate, batch: Batch) -> None:
    ask(gate, batch, intent(batch, 0))
    ask(gate, batch, None, token=2)

    batch.refresh_from_db()
    assert batch.intent is None


def test_late_evidence_resolves_unknown_and_moves_the_counters(gate: Gate, batch: Batch, now: datetime) -> None:
    delivery = intent(batch).delivery
    with connection.cursor() as cursor:
        settle.record(cursor, [outcome(batch, delivery, now, "unknown")])
    Batch.objects.update(state="done", epoch=2)
    MailingCount.objects.create(mailing_id=batch.mailing_id, provider="google", kind="unknown", n=1)

    hand_in(gate, batch, [outcome(batch, delivery, now, "accepted", remote_id="Q7")])

    row = Outcome.objects.get()
    assert (row.kind, row.remote_id) == ("accepted", "Q7")
    assert dict(MailingCount.objects.values_list("kind", "n")) == {"unknown": 0, "accepted": 1}


def test_evidence_never_overwrites_what_is_certain(gate: Gate, batch: Batch, now: datetime) -> None:
    delivery = intent(batch).delivery
    hand_in(gate, batch, [outcome(batch, delivery, now, "accepted")])
    hand_in(gate, batch, [outcome(batch, delivery, now, "bounced_hard")])

    assert Outcome.objects.get().kind == "accepted"


def test_a_late_deferral_goes_back_into_the_queue(gate: Gate, batch: Batch, now: datetime) -> None:
    delivery = intent(batch).delivery
    with connection.cursor() as cursor:
        settle.record(cursor, [outcome(batch, delivery, now, "unknown")])

    hand_in(gate, batch, [outcome(batch, delivery, now, "deferred")])

    assert Outcome.objects.get().kind == "deferred"
    assert Requeue.objects.get().attempt == 2


def test_poison_in_a_receivers_text_stops_nobody(gate: Gate, batch: Batch, now: datetime) -> None:
    other = Batch.objects.create(**{**values_of(batch), "id": None})
    wanted = intent(batch, 2)
    poisoned = outcome(batch, intent(batch, 0).delivery, now, remote_id="Q\x001")
    sound = outcome(other, intent(batch, 1).delivery, now, remote_id="Q2")

    # Both are under way before the gate thread can take either.
    with gate._changed:
        tickets = [
            gate.ask(question(batch, None, settled=[poisoned])),
            gate.ask(question(other, wanted, settled=[sound])),
        ]
    answers = [ticket.wait(5) for ticket in tickets]

    assert [answer.verdict for answer in answers][1] == "granted"
    assert dict(Outcome.objects.order_by("delivery").values_list("delivery", "remote_id")) == {
        poisoned.delivery: None,
        sound.delivery: "Q2",
    }


def test_a_question_that_can_never_be_carried_out_is_answered_failed(gate: Gate, batch: Batch, now: datetime) -> None:
    impossible = replace(outcome(batch, 1, now), attempt=2**40)  # no column holds it

    assert hand_in(gate, batch, [impossible]).verdict == "failed"
    assert ask(gate, batch, intent(batch)).is_granted


def test_a_locked_row_is_asked_again_until_it_is_free(gate: Gate, batch: Batch) -> None:
    with transaction.atomic():
        Batch.objects.select_for_update(no_key=True).get(pk=batch.pk)
        ticket = gate.ask(question(batch, intent(batch)))
        time.sleep(0.3)
        assert not ticket.is_answered
        Batch.objects.filter(pk=batch.pk).update(epoch=2)

    assert ticket.wait(5).verdict == "stale"


def test_an_edited_gap_and_a_yield_come_back_with_the_next_grant(gate: Gate, batch: Batch) -> None:
    Batch.objects.filter(pk=batch.pk).update(gap=7.5, yield_requested=True)

    answer = ask(gate, batch, intent(batch))

    assert (answer.gap, answer.yield_requested) == (7.5, True)


def test_without_the_database_nothing_is_granted_and_nothing_is_lost(
    gate: Gate, batch: Batch, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(gate, batch, None)
    real = here.connect

    def away():
        import psycopg

        raise psycopg.OperationalError("away")

    gate._connect = away
    _kill_session_of(gate)
    done = outcome(batch, intent(batch, 0).delivery, now)

    answer = gate.ask(question(batch, intent(batch, 1), token=2, settled=[done])).wait(0.7)
    assert answer.verdict == "silent" and not Outcome.objects.exists()

    gate._connect = real
    wait_for(Outcome.objects.exists)
    batch.refresh_from_db()
    assert batch.intent is None  # it was withdrawn when nobody waited for it any more
    assert ask(gate, batch, intent(batch, 1), token=3).is_granted


def test_the_worker_holds_its_lock_again_after_its_session_was_killed(gate: Gate, batch: Batch) -> None:
    ask(gate, batch, None)
    for token in range(2, 5):
        _kill_session_of(gate)
        assert ask(gate, batch, intent(batch), token=token).is_granted
    assert takeover.take_over(now=batch.due_at) == 0
    assert Worker.objects.get().id == gate.worker.id


def test_gates_and_takeovers_of_many_slots_never_deadlock(gate: Gate, mailing: Mailing, now: datetime) -> None:
    batches = cut_small(mailing, gate, now)
    before = _deadlocks()
    stop = time.monotonic() + 3
    verdicts: list[str] = []

    def slot(batch: Batch) -> None:
        token = 0
        while time.monotonic() < stop:
            token += 1
            verdicts.append(gate.ask(question(batch, wanted[batch.pk], token)).wait(5).verdict)

    wanted = {batch.pk: intent(batch, place) for place, batch in enumerate(batches)}
    threads = [threading.Thread(target=slot, args=(batch,)) for batch in batches]
    for thread in threads:
        thread.start()
    while time.monotonic() < stop:
        for batch in batches:
            with transaction.atomic():
                Batch.objects.select_for_update(no_key=True).get(pk=batch.pk)
                Batch.objects.filter(pk=batch.pk).update(gap=0.5)
    for thread in threads:
        thread.join()

    assert set(verdicts) == {"granted"} and len(verdicts) > 100
    assert _deadlocks() == before


def values_of(batch: Batch) -> dict:
    return {field.attname: getattr(batch, field.attname) for field in Batch._meta.concrete_fields}


def cut_small(mailing: Mailing, gate: Gate, now: datetime) -> list[Batch]:
    batches = cut(mailing, now=now, size=2)
    Batch.objects.update(state="running", epoch=1, owner=gate.worker.id)
    for batch in batches:
        lease(batch, "60 seconds")
    return batches


def wait_for(condition, seconds: float = 5.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


def _kill_session_of(gate: Gate) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 "
            "AND (classid::bigint << 32) | objid::bigint = %s",
            [gate.worker.id],
        )


def _deadlocks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])
