"""An A/B test: the test part gets its variants, the rest waits for the winner, and nobody gets two letters."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection

from sending import completion, guard, mailings, split_test
from sending.doors.web import version_of
from sending.models import Delivery, Event, Mailing, MailingChange, MailingLane, SplitTest
from sending.progress import progress_of
from sending.pure import guard as rules
from sending.pure.split import REST, By, Split, Why, variant_at
from sending.waiting import waiting
from tests.cast import newsletter, people, pressed
from tests.sending.engine import assert_books_balance, cut, kinds, letter, point, send, sign_with_a_key
from tests.sending.scripted_receiver import Receiver, Script, receiving

pytestmark = pytest.mark.usefixtures("engine")

HOURS = timedelta(hours=4)
BY_CLICKS = Split(share=20, by=By.CLICKS, wait=HOURS)


@pytest.fixture
def actor() -> User:
    return User.objects.create(username="mara")


def messages(n: int = 2) -> list[dict]:
    return [letter() | {"subject": [f"Variant {'ABCD'[number]}"]} for number in range(n)]


def split_to(n: int, now: datetime, *, split: Split = BY_CLICKS, variants: int = 2, **changes) -> Mailing:
    readers = newsletter()
    people(n, on=readers, domain=changes.pop("domain", "gmail.com"))
    point("gmail.com", "127.0.0.1")
    sign_with_a_key(now)
    return pressed(now, readers, messages=messages(variants), split=split, **changes)


def run(mailing: Mailing, now: datetime, settings, script: Script | None = None) -> Receiver:
    with receiving(script or Script()) as receiver:
        settings.SMTP_PORT = receiver.port
        assert send(cut(mailing, now=now), now=now, connections=2) == []
    Mailing.objects.filter(pk=mailing.pk, first_sent_at=None).update(first_sent_at=now)
    assert_books_balance(mailing)
    return receiver


def subjects(receiver: Receiver) -> Counter[str]:
    found = (line for message in receiver.messages.values() for line in message.decode().splitlines())
    return Counter(line[-1] for line in found if line.startswith("Subject: Variant "))


def clicks(mailing: Mailing, variant: int, n: int, *, by_machine: bool = False) -> None:
    rows = Delivery.objects.filter(mailing_id=mailing.pk, variant=variant).order_by("id")[:n]
    Event.objects.bulk_create(
        Event(mailing=mailing, delivery=row.id, kind="clicked", at=mailing.launched_at, by_machine=by_machine)
        for row in rows
    )


def state_of(mailing: Mailing) -> SplitTest:
    return SplitTest.objects.get(pk=mailing.pk)


def test_the_parts_are_even_at_random_and_the_same_again(now: datetime) -> None:
    readers = newsletter()
    people(403, on=readers)
    mailing = pressed(now, readers, messages=messages(3), split=BY_CLICKS)

    parts = Counter(Delivery.objects.filter(mailing_id=mailing.pk).values_list("variant", flat=True))
    assert parts == {0: 27, 1: 27, 2: 27, REST: 322}
    assert (state_of(mailing).people, state_of(mailing).rest) == (81, 322)
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT variant FROM sending_delivery WHERE mailing_id = %s
               ORDER BY md5(address_key::text || mailing_id)::uuid""",
            [mailing.pk],
        )
        by_chance = [variant for (variant,) in cursor.fetchall()]
    assert by_chance == [variant_at(rank, in_test=81, variants=3) for rank in range(1, 404)]
    for lane in MailingLane.objects.filter(mailing=mailing):
        rows = Delivery.objects.filter(mailing_id=mailing.pk, provider=lane.provider)
        assert set(rows.filter(seq__gt=lane.tested).values_list("variant", flat=True)) <= {REST}
        assert REST not in rows.filter(seq__lte=lane.tested).values_list("variant", flat=True)
        assert lane.release_seq == lane.tested and lane.tested + lane.for_winner == lane.total


def test_without_a_test_everybody_gets_the_one_message(now: datetime) -> None:
    readers = newsletter()
    people(30, on=readers, domain="gmail.com")
    mailing = pressed(now, readers, messages=messages(1))
    assert not SplitTest.objects.exists()
    assert set(Delivery.objects.filter(mailing_id=mailing.pk).values_list("variant", flat=True)) == {0}
    lane = MailingLane.objects.get(mailing=mailing)
    assert (lane.release_seq, lane.tested, lane.for_winner) == (30, 0, 0)


def test_everybody_gets_one_letter_and_the_rest_gets_the_winner(now: datetime, settings) -> None:
    mailing = split_to(100, now)
    first = run(mailing, now, settings)
    assert subjects(first) == {"A": 10, "B": 10}
    shown = progress_of(mailing).lanes[0]
    assert (shown.for_winner, shown.untried, shown.retrying, shown.waiting) == (80, 80, 0, 80)
    assert sum(amount.fresh for amount in waiting(now=now, mailings=[mailing.pk]).values()) == 80
    assert completion.complete_if_finished(now=now) == 0

    clicks(mailing, 0, 9, by_machine=True)
    clicks(mailing, 1, 4)
    clicks(mailing, 0, 1)
    assert split_test.watch(now=now) == 0  # the wait begins
    assert split_test.watch(now=now + HOURS - timedelta(seconds=1)) == 0
    assert split_test.watch(now=now + HOURS) == 1
    assert split_test.watch(now=now + HOURS) == 0
    mailing.refresh_from_db()
    assert (mailing.winner, state_of(mailing).why) == (1, Why.AHEAD)

    rest = run(mailing, now, settings)
    assert subjects(rest) == {"B": 80}
    assert not set(first.accepted) & set(rest.accepted)
    assert kinds(mailing) == {"accepted": 100}
    assert completion.complete_if_finished(now=now) == 1
    change = MailingChange.objects.get(mailing=mailing)
    assert change.reason == "Variant B: 40.0 % clicked (A 10.0 %); the difference may be chance."
    assert change.evidence["tallies"][1]["clicked"] == 4 and change.actor is None
    waited = Delivery.objects.filter(mailing_id=mailing.pk, variant=REST)[0]
    assert "Dear Ada" in (version_of(mailing_id=mailing.pk, delivery_id=waited.id, now=now) or "")


def test_a_tie_and_silence_take_the_first(now: datetime, settings) -> None:
    mailing = split_to(40, now, split=replace(BY_CLICKS, share=50))
    run(mailing, now, settings)
    split_test.watch(now=now)
    assert split_test.watch(now=now + HOURS) == 1
    assert (Mailing.objects.get(pk=mailing.pk).winner, state_of(mailing).why) == (0, Why.NOTHING)


def test_by_hand_it_waits_for_a_person_who_chooses_once(now: datetime, settings, actor: User) -> None:
    mailing = split_to(60, now, split=replace(BY_CLICKS, by=By.HAND), variants=3)
    run(mailing, now, settings)
    split_test.watch(now=now)
    assert split_test.watch(now=now + timedelta(days=30)) == 0
    assert not split_test.choose_by_hand(now=now, mailing_id=mailing.pk, variant=3, actor=actor)
    assert split_test.choose_by_hand(now=now, mailing_id=mailing.pk, variant=2, actor=actor)
    assert not split_test.choose_by_hand(now=now, mailing_id=mailing.pk, variant=0, actor=actor)
    assert subjects(run(mailing, now, settings)) == {"C": 48}
    change = MailingChange.objects.get(mailing=mailing)
    assert (change.kind, change.actor, change.reason) == ("chosen", actor, "Variant C, by hand.")


def test_nobody_is_chosen_while_it_is_paused_or_stopped_and_it_goes_on_afterwards(now: datetime, settings) -> None:
    mailing = split_to(50, now)
    run(mailing, now, settings)
    split_test.watch(now=now)
    mailings.stop(now=now, mailing_id=mailing.pk)
    assert split_test.watch(now=now + HOURS) == 0
    assert progress_of(mailing).sum.waiting == 40
    assert mailings.resume(now=now, mailing_id=mailing.pk)
    assert split_test.watch(now=now + HOURS) == 1
    assert subjects(run(mailing, now, settings)) == {"A": 40}


def test_the_wait_begins_when_the_test_is_out_or_after_a_day(now: datetime, settings) -> None:
    mailing = split_to(100, now)
    split_test.watch(now=now + timedelta(days=3))
    assert state_of(mailing).tested_at is None  # nothing has left
    MailingLane.objects.filter(mailing=mailing).update(next_seq=18)
    Mailing.objects.filter(pk=mailing.pk).update(first_sent_at=now)
    split_test.watch(now=now + timedelta(hours=23))
    assert state_of(mailing).tested_at is None
    split_test.watch(now=now + timedelta(hours=24))
    assert state_of(mailing).tested_at == now + timedelta(hours=24)


def test_a_first_part_lies_within_the_test_and_the_winner_does_not_free_it(
    now: datetime, settings, monkeypatch: pytest.MonkeyPatch, actor: User
) -> None:
    monkeypatch.setattr(rules, "CANARY_FROM", 20)
    monkeypatch.setattr(rules, "CANARY_SHARE", 0.2)
    mailing = split_to(200, now, split=replace(BY_CLICKS, share=40), first_part=True)
    lane = MailingLane.objects.get(mailing=mailing)
    assert (lane.canary + lane.held_back, lane.for_winner) == (80, 120)
    assert lane.release_seq == lane.canary < 80
    assert split_test.choose_by_hand(now=now, mailing_id=mailing.pk, variant=1, actor=actor)
    lane.refresh_from_db()
    assert (lane.release_seq, lane.held_back, lane.for_winner) == (lane.canary, 200 - lane.canary, 0)
    assert guard.let_rest_go(now=now, mailing_id=mailing.pk, lane="google", actor=actor, reason="News")
    assert subjects(run(mailing, now, settings)) == {"A": 40, "B": 160}


def test_when_everybody_is_in_the_test_nobody_waits(now: datetime, settings) -> None:
    mailing = split_to(40, now, split=replace(BY_CLICKS, share=100))
    assert subjects(run(mailing, now, settings)) == {"A": 20, "B": 20}
    split_test.watch(now=now)
    assert split_test.watch(now=now + HOURS) == 0
    assert completion.complete_if_finished(now=now) == 1


def test_whoever_is_put_off_in_the_test_gets_the_same_variant_later(now: datetime, settings) -> None:
    from tests.sending.engine import take_due

    mailing = split_to(20, now, split=replace(BY_CLICKS, share=50))
    run(mailing, now, settings, Script(rcpt="450 4.2.0 Greylisted, please try again in 5 minutes"))
    wanted = dict(Delivery.objects.filter(mailing_id=mailing.pk).values_list("subscriber_id", "variant"))
    later = now + timedelta(hours=1)
    with receiving(Script()) as receiver:
        settings.SMTP_PORT = receiver.port
        batch = take_due(mailing, now=later)
        assert batch is not None and send([batch], now=later) == []
    assert subjects(receiver) == {"A": 5, "B": 5}
    assert Counter(wanted.values()) == {0: 5, 1: 5, REST: 10}


def test_two_who_decide_at_once_are_one(now: datetime, settings, actor: User) -> None:
    """Killed before the commit nothing has happened; run again it happens once."""
    import threading

    mailing = split_to(30, now)
    run(mailing, now, settings)
    split_test.watch(now=now)
    chosen: list[bool] = []

    def decide(variant: int) -> None:
        try:
            chosen.append(
                split_test.choose_by_hand(now=now, mailing_id=mailing.pk, variant=variant, actor=actor)
                if variant
                else bool(split_test.watch(now=now + HOURS))
            )
        finally:
            connection.close()

    threads = [threading.Thread(target=decide, args=(number % 2,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(chosen) == 1
    assert MailingChange.objects.filter(mailing=mailing, kind="chosen").count() == 1
    lane = MailingLane.objects.get(mailing=mailing)
    assert (lane.release_seq, lane.for_winner) == (30, 0)


def test_a_decision_that_dies_before_its_commit_is_none(
    now: datetime, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailing = split_to(30, now)
    run(mailing, now, settings)
    split_test.watch(now=now)

    def die() -> None:
        raise SystemExit

    with monkeypatch.context() as broken:
        broken.setattr(split_test, "plan_soon", die)
        with pytest.raises(SystemExit):
            split_test.watch(now=now + HOURS)
    mailing.refresh_from_db()
    assert mailing.winner is None and MailingLane.objects.get(mailing=mailing).for_winner == 24
    assert split_test.watch(now=now + HOURS) == 1
    assert subjects(run(mailing, now, settings)) == {"A": 24}
