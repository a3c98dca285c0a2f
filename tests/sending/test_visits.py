"""Clicks and opens: kept and counted, many at once; what waits in memory, and what becomes of it."""

import random
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Event as Signal

import pytest
from django.db import DataError, OperationalError, connection, transaction

from audiences.models import Subscriber
from sending import visit_book
from sending.doors.waiting_visits import WaitingVisits
from sending.models import Delivery, Event, LinkCount, Mailing, MailingCount
from sending.visit_book import Visit
from tests.cast import deliveries, newsletter, people, pressed
from tests.sending.engine import mailing_to

MINUTE = timedelta(minutes=1)


@pytest.fixture
def mailing(db: None, now: datetime) -> Mailing:
    people(8, on=newsletter())
    return pressed(now, newsletter())


def visit(row: Delivery, kind: str, at: datetime, link: int | None = None, *, by_machine: bool = False) -> Visit:
    return Visit(row.mailing_id, row.id, kind, at, link, by_machine)


def counted(mailing: Mailing) -> dict[str, int]:
    found: Counter[str] = Counter()
    for kind, n in MailingCount.objects.filter(mailing=mailing).values_list("kind", "n"):
        found[kind] += n
    return +found


def links(mailing: Mailing) -> dict[int, int]:
    return dict(LinkCount.objects.filter(mailing=mailing).values_list("link", "n"))


def by_the_rows(mailing: Mailing) -> tuple[dict[str, int], dict[int, int]]:
    """What the counters must say."""
    events = list(Event.objects.filter(mailing=mailing))
    by_person = {(e.kind, e.delivery) for e in events if not e.by_machine}
    by_machine = {(e.kind, e.delivery) for e in events if e.by_machine} - by_person
    figures = Counter(kind for kind, _ in by_person)
    figures.update(f"{kind}_by_machine" for kind, _ in by_machine)
    clicks = {(e.link, e.delivery) for e in events if e.kind == "clicked" and not e.by_machine}
    return dict(figures), dict(Counter(link for link, _ in clicks if link is not None))


def test_every_visit_is_kept_and_each_person_counts_once(now: datetime, mailing: Mailing) -> None:
    one, two = deliveries(mailing)[:2]
    n = visit_book.write(
        [
            visit(one, "clicked", now + MINUTE, 1),
            visit(one, "clicked", now, 0),
            visit(one, "clicked", now, 0),
            visit(one, "opened", now),
            visit(two, "clicked", now, 0),
        ]
    )

    assert (n, Event.objects.count()) == (3, 5)
    assert counted(mailing) == {"clicked": 2, "opened": 1}
    assert links(mailing) == {0: 2, 1: 1}
    assert Subscriber.objects.get(pk=one.subscriber_id).last_engaged_at == now


def test_who_comes_back_later_is_kept_but_not_counted_again(now: datetime, mailing: Mailing) -> None:
    one = deliveries(mailing)[0]
    for link in (0, 0, 1, 1):
        visit_book.write([visit(one, "clicked", now, link)])

    assert Event.objects.count() == 4
    assert counted(mailing) == {"clicked": 1}
    assert links(mailing) == {0: 1, 1: 1}


def test_a_copy_that_only_programs_opened_is_counted_apart_until_a_person_comes(
    now: datetime, mailing: Mailing
) -> None:
    one = deliveries(mailing)[0]
    for _ in range(2):
        visit_book.write([visit(one, "opened", now, by_machine=True)])
    assert counted(mailing) == {"opened_by_machine": 1}
    assert Subscriber.objects.get(pk=one.subscriber_id).last_engaged_at is None

    visit_book.write([visit(one, "opened", now)])
    visit_book.write([visit(one, "opened", now, by_machine=True)])

    assert counted(mailing) == {"opened": 1}


@pytest.mark.parametrize("seed", range(6))
def test_however_visits_are_bundled_the_counters_say_what_the_rows_say(
    now: datetime, mailing: Mailing, seed: int
) -> None:
    chance = random.Random(seed)
    rows = deliveries(mailing)
    for _ in range(6):
        bundle = []
        for _ in range(chance.randrange(1, 12)):
            kind = chance.choice(["opened", "clicked"])
            link = chance.randrange(3) if kind == "clicked" else None
            bundle.append(visit(chance.choice(rows), kind, now, link, by_machine=chance.random() < 0.5))
        visit_book.write(bundle)

        assert (counted(mailing), links(mailing)) == by_the_rows(mailing)


def test_test_mail_and_what_is_no_longer_kept_leave_nothing(now: datetime, mailing: Mailing) -> None:
    one = deliveries(mailing)[0]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE sending_delivery SET to_address = 'colleague@harbour.example' WHERE mailing_id = %s AND id = %s",
            [one.mailing_id, one.id],
        )
    assert visit_book.write([visit(one, "clicked", now, 0), Visit(987654, 3, "opened", now)]) == 0
    assert not Event.objects.exists()
    assert not MailingCount.objects.filter(kind="clicked").exists()


@pytest.mark.usefixtures("engine")
def test_two_processes_that_write_at_the_same_moment_count_once(now: datetime) -> None:
    mailing = mailing_to(1, now=now)
    [row] = deliveries(mailing)

    def second() -> None:
        try:
            visit_book.write([visit(row, "clicked", now, 0), visit(row, "opened", now, by_machine=True)])
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            visit_book.write([visit(row, "clicked", now, 0), visit(row, "opened", now)])
            other = pool.submit(second)
            wait_until_somebody_waits_for_a_lock()
            assert not other.done()
        other.result(timeout=30)

    assert Event.objects.count() == 4
    assert counted(mailing) == {"clicked": 1, "opened": 1}
    assert links(mailing) == {0: 1}


def wait_until_somebody_waits_for_a_lock() -> None:
    with connection.cursor() as cursor:
        for _ in range(200):
            cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
            if cursor.fetchone() != (0,):
                return
            Signal().wait(0.05)
    raise AssertionError("Nobody waits.")


# -- What waits in memory ----------------------------------------------------------------------------------------------


class Book:
    """Takes visits down, or says what is wrong."""

    def __init__(self) -> None:
        self.written: list[int] = []
        self.bundles: list[int] = []
        self.error: Exception | None = None
        self.poison: int | None = None

    def write(self, visits) -> None:
        if self.error:
            raise self.error
        if self.poison in [visit.delivery for visit in visits]:
            raise DataError
        self.bundles.append(len(visits))
        self.written += [visit.delivery for visit in visits]


def some(n: int, now: datetime) -> list[Visit]:
    return [Visit(1, number, "opened", now) for number in range(n)]


def test_visits_are_written_in_their_order_in_bundles(now: datetime) -> None:
    book = Book()
    waiting = WaitingVisits(book.write, at_once=4)
    for each in some(10, now):
        waiting.add(each)

    assert book.written == []
    assert waiting.flush() == 10
    assert (book.written, book.bundles, len(waiting)) == (list(range(10)), [4, 4, 2], 0)


def test_while_the_database_is_away_they_wait_in_their_order(now: datetime) -> None:
    book = Book()
    waiting = WaitingVisits(book.write, at_once=4)
    for each in some(6, now):
        waiting.add(each)
    book.error = OperationalError("gone")
    with pytest.raises(OperationalError):
        waiting.flush()
    waiting.add(Visit(1, 6, "opened", now))
    book.error = None

    waiting.flush()

    assert book.written == list(range(7))


def test_more_than_fit_push_the_oldest_out_and_the_log_says_how_many(now: datetime, caplog) -> None:
    book = Book()
    waiting = WaitingVisits(book.write, most=5, at_once=4)
    for each in some(8, now):
        waiting.add(each)
    waiting.flush()

    assert book.written == [3, 4, 5, 6, 7]
    assert [record.message.split()[0] for record in caplog.records] == ["1", "1", "1"]


def test_one_that_cannot_be_written_does_not_hold_up_the_others(now: datetime, caplog) -> None:
    book = Book()
    book.poison = 3
    waiting = WaitingVisits(book.write)
    for each in some(8, now):
        waiting.add(each)
    waiting.flush()

    assert book.written == [0, 1, 2, 4, 5, 6, 7]
    assert "dropped" in caplog.text


_A_PROCESS = """
import django
django.setup()
from sending.doors.waiting_visits import WaitingVisits
waiting = WaitingVisits(lambda visits: print(*visits))
for number in range(3):
    waiting.add(number)
"""


def test_a_process_that_ends_writes_what_waits() -> None:
    ended = subprocess.run([sys.executable, "-c", _A_PROCESS], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.split() == ["0", "1", "2"]
