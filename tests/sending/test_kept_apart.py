"""A restored database gets back what was suppressed after its backup."""

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from audiences import consent, pause
from audiences.keys import key_of
from audiences.models import Subscriber, Subscription, Suppression
from audiences.suppress import suppress
from sending import boot_identity, kept_apart
from sending.kept_apart import Mark
from sending.models import BootIdentity
from tests.cast import newsletter, people

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    for path in kept_apart._paths():
        path.unlink()


ANN, BOB = "ann@gmail.com", "bob@gmail.com"


def lines() -> list[tuple[str, str]]:
    return [(entry["key"], entry["scope"]) for entry in kept_apart._entries()]


def gone(email: str, *, at: datetime, scope: str = "*", reason: str = "complained") -> None:
    suppress(now=at, address_key=key_of(email), scope=scope, reason=reason, source="test")


def is_restored() -> None:
    """The database of an hour ago comes back: without what was suppressed since."""
    Suppression.objects.all().delete()
    BootIdentity.objects.update(generation=1, seen_at=timezone.now() - timedelta(hours=1))


def test_what_was_suppressed_after_the_backup_is_carried_out_again_by_the_confirmation(now: datetime) -> None:
    readers = newsletter()
    people(1, on=readers)
    person = Subscriber.objects.get()
    boot_identity.check()
    consent.unsubscribe(now=timezone.now(), subscriber_id=person.pk, list_ids=[readers.pk], source="one-click")
    gone(BOB, at=timezone.now())
    gone("old@gmail.com", at=timezone.now() - timedelta(days=3))
    for _ in range(2):
        boot_identity.grow()
    is_restored()
    Subscription.objects.update(state="subscribed")

    assert boot_identity.confirm()

    left = set(Suppression.objects.values_list("address_key", "scope", "reason"))
    assert left == {(person.address_key, f"list:{readers.pk}", "unsubscribed"), (key_of(BOB), "*", "complained")}
    assert Subscription.objects.get().state == "unsubscribed"
    # From now on the rows of the new history are kept, also those that were just made.
    before = len(lines())
    boot_identity.grow()
    assert len(lines()) > before


@pytest.mark.parametrize("days", [3, -3])
def test_a_pause_comes_back_with_its_end_and_not_when_it_is_over(now: datetime, days: int) -> None:
    readers = newsletter()
    people(1, on=readers)
    person = Subscriber.objects.get()
    pause.pause(now=timezone.now() - pause.PAUSE + timedelta(days=days), subscriber_id=person.pk, source="test")
    until = pause.paused_until(person.pk)
    kept_apart.write_down(Mark())
    Suppression.objects.all().delete()
    kept_apart.carry_out(now=timezone.now(), since=None)
    assert pause.paused_until(person.pk) == (until if days > 0 else None)
    assert not Suppression.objects.filter(until=None).exists()


def test_another_host_carries_out_its_own_when_it_follows(now: datetime, settings) -> None:
    boot_identity.check()
    gone(ANN, at=timezone.now())
    boot_identity.grow()
    Suppression.objects.all().delete()
    BootIdentity.objects.update(pardoned=True)
    assert boot_identity.check() == ""
    assert Suppression.objects.get().address_key == key_of(ANN)


def test_each_is_written_once_however_late_its_transaction_ends() -> None:
    gone(ANN, at=timezone.now())
    mark = kept_apart.write_down(Mark())
    assert len(lines()) == 1
    late = connection.copy()
    try:
        with late.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute(
                "INSERT INTO audiences_suppression (address_key, scope, reason, source, evidence, created_at)"
                " VALUES (%s, '*', 'manual', '', '{}', now())",
                [key_of("late@gmail.com")],
            )
            gone(BOB, at=timezone.now())
            mark = kept_apart.write_down(mark)
            cursor.execute("COMMIT")
    finally:
        late.close()
    mark = kept_apart.write_down(mark)
    mark = kept_apart.write_down(mark)
    assert sorted(lines()) == sorted((str(key_of(email)), "*") for email in (ANN, BOB, "late@gmail.com"))


def test_a_database_that_is_not_ours_is_not_written_down() -> None:
    boot_identity.check()
    boot_identity.grow()
    BootIdentity.objects.update(generation=0)
    gone(ANN, at=timezone.now())
    boot_identity.grow()
    assert lines() == []


def test_files_of_long_ago_go_and_a_list_that_is_not_there_is_left_out(now: datetime) -> None:
    old = kept_apart._path(timezone.now() - timedelta(days=40))
    old.parent.mkdir(parents=True, exist_ok=True)
    old.write_text("")
    gone(ANN, at=timezone.now(), scope="list:987")
    kept_apart.write_down(Mark())
    assert not old.exists()
    Suppression.objects.all().delete()
    assert kept_apart.carry_out(now=now, since=None) == 0
