"""Parts of the tables are made ahead and dropped when old, and nobody who sends has to wait for it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import psycopg
import pytest
from django.db import OperationalError, connection

from sending import here, partitions
from sending.models import Delivery, Event, Mailing, Outcome
from tests.cast import newsletter, people, pressed

pytestmark = pytest.mark.usefixtures("engine", "tables_as_they_were")

FIRST = 40_000
LONG_AGO, LATELY = timedelta(days=800), timedelta(days=5)


@pytest.fixture
def tables_as_they_were(engine: None) -> Iterator[None]:
    """The mailings of these tests have numbers of their own."""
    yield
    next_mailing(FIRST)
    for start in (0, 500):
        partitions.ensure(start)


def next_mailing(pk: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval('sending_mailing_id_seq', %s, false)", [pk])


def parts() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relid::regclass::text FROM pg_partition_tree('sending_delivery') WHERE isleaf")
        return {name for (name,) in cursor.fetchall()}


def remove(*starts: int) -> None:
    with connection.cursor() as cursor:
        for start in starts:
            cursor.execute(f"DROP TABLE IF EXISTS sending_delivery_p{start}, sending_outcome_p{start}")


@contextmanager
def somebody(*statements: str) -> Iterator[psycopg.Connection]:
    """Another session, in a transaction in which it has done this already."""
    with here.connect() as other, other.transaction():
        other.execute("SET LOCAL lock_timeout = '500ms'")
        for statement in statements:
            other.execute(statement)
        yield other


def sent_mailing(now: datetime, *, pk: int, since: timedelta, state: str = "done") -> Mailing:
    next_mailing(pk)
    readers = newsletter(f"readers of {pk}")
    people(3, on=readers, prefix=f"p{pk}-")
    mailing = pressed(now - since, readers, key=f"campaign:{pk}")
    assert mailing.pk == pk
    Mailing.objects.filter(pk=pk).update(state=state, state_since=now - since)
    return mailing


def test_three_whole_blocks_lie_ready_behind_the_one_in_use() -> None:
    next_mailing(FIRST + 499)
    remove(*range(FIRST, FIRST + 2500, 500))

    assert partitions.make_ahead() == 4
    assert {f"sending_delivery_p{FIRST + 500 * n}" for n in range(4)} <= parts()
    assert partitions.make_ahead() == 0


def test_while_a_part_is_made_others_read_and_write() -> None:
    insert = """INSERT INTO sending_outcome (mailing_id, delivery, attempt, kind, provider, at)
                VALUES (7, %s, 1, 'accepted', 'google', now())"""
    next_mailing(FIRST)
    remove(FIRST, FIRST + 500, FIRST + 1000, FIRST + 1500)
    with somebody(insert % 1, "SELECT 1 FROM sending_delivery WHERE mailing_id = 7"):
        assert partitions.make_ahead() == 4  # they do not keep it from being made

    remove(FIRST)
    with somebody(f"CREATE TABLE sending_outcome_p{FIRST} (LIKE sending_outcome INCLUDING ALL)",
                  f"ALTER TABLE sending_outcome ATTACH PARTITION sending_outcome_p{FIRST} "
                  f"FOR VALUES FROM ({FIRST}) TO ({FIRST + 500})"), somebody() as writer:  # fmt: skip
        writer.execute(insert % 2)  # and while it is being made they do not wait
    assert Outcome.objects.filter(mailing_id=7).count() == 2


def test_who_stands_in_the_way_is_left_alone_and_the_log_says_what_is_missing(now: datetime, caplog) -> None:
    next_mailing(FIRST)
    remove(FIRST, FIRST + 500)
    with caplog.at_level(logging.ERROR), somebody("LOCK TABLE sending_delivery IN SHARE UPDATE EXCLUSIVE MODE"):
        partitions.keep(now=now)
    assert "for the next mailings is missing" in caplog.text

    caplog.clear()
    partitions.keep(now=now)
    assert not caplog.text
    assert not partitions.next_is_missing()


def test_a_launch_makes_no_part_when_there_is_one(now: datetime) -> None:
    next_mailing(FIRST)
    partitions.make_ahead()
    before = parts()

    sent_mailing(now, pk=FIRST, since=timedelta())

    assert parts() == before


def test_a_launch_makes_the_missing_part_itself(now: datetime, caplog) -> None:
    next_mailing(FIRST)
    remove(FIRST)

    mailing = sent_mailing(now, pk=FIRST, since=timedelta())

    assert Delivery.objects.filter(mailing_id=mailing.pk).count() == 3
    assert "its launch has made it" in caplog.text


def test_a_block_that_was_done_long_ago_is_dropped(now: datetime, settings) -> None:
    settings.KEEP_DELIVERIES_DAYS = 365
    sent_mailing(now, pk=FIRST, since=LONG_AGO)
    kept = sent_mailing(now, pk=FIRST + 500, since=LONG_AGO)  # the block in use

    partitions.keep(now=now)

    assert set(Delivery.objects.values_list("mailing_id", flat=True)) == {kept.pk}
    assert not {f"sending_delivery_p{FIRST}", "sending_delivery_p0"} & parts()
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s), to_regclass(%s)",
                       [f"sending_delivery_p{FIRST}", f"sending_outcome_p{FIRST}"])  # fmt: skip
        assert cursor.fetchone() == (None, None)


def test_without_the_setting_nothing_is_dropped(now: datetime) -> None:
    old = sent_mailing(now, pk=FIRST, since=LONG_AGO)
    next_mailing(FIRST + 700)

    partitions.keep(now=now)

    assert Delivery.objects.filter(mailing_id=old.pk).count() == 3


@pytest.mark.parametrize("state", ["running", "paused", "held", "stopped"])
def test_a_block_with_an_unfinished_mailing_stays(now: datetime, state: str) -> None:
    sent_mailing(now, pk=FIRST, since=LONG_AGO)
    sent_mailing(now, pk=FIRST + 1, since=LONG_AGO, state=state)
    next_mailing(FIRST + 700)

    assert FIRST not in partitions.drop_old(now=now, cutoff=now)
    assert Delivery.objects.filter(mailing_id=FIRST).count() == 3


def test_a_block_stays_that_was_done_lately_or_of_which_something_was_heard(now: datetime) -> None:
    sent_mailing(now, pk=FIRST, since=LATELY)
    heard = sent_mailing(now, pk=FIRST + 500, since=LONG_AGO)
    Event.objects.create(mailing=heard, delivery=1, kind="complained", at=now - LATELY)
    next_mailing(FIRST + 1200)

    assert not {FIRST, FIRST + 500} & set(partitions.drop_old(now=now, cutoff=now - timedelta(days=365)))
    assert Delivery.objects.count() == 6


def test_a_drop_that_was_cut_off_is_finished_the_next_time(now: datetime) -> None:
    sent_mailing(now, pk=FIRST, since=LONG_AGO)
    next_mailing(FIRST + 700)
    partitions.drop_old(now=now, cutoff=now - LONG_AGO - LATELY)  # the empty blocks before it
    with somebody("SELECT 1 FROM sending_outcome LIMIT 1"), connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = '300ms'")
        with pytest.raises(OperationalError):
            partitions.drop_old(now=now, cutoff=now)
        cursor.execute("SET statement_timeout = 0")

    assert FIRST in partitions.drop_old(now=now, cutoff=now)
    assert not Delivery.objects.filter(mailing_id=FIRST).exists()
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [f"sending_delivery_p{FIRST}"])
        assert cursor.fetchone() == (None,)
