"""Opens and clicks that are counted without names: the same totals, and no row that says who."""

import random
from collections import Counter
from datetime import datetime, timedelta

import pytest

from audiences.models import Subscriber
from sending import split_test, visit_book
from sending.first_visits import over_time
from sending.models import Event, LinkCount, Mailing, MailingCount, SplitTest
from sending.unnamed_visits import COUNTED_FOR, throw_salts_away
from sending.visit_book import Visit
from tests.cast import deliveries, newsletter, people, pressed
from tests.sending.test_split_test import split_to

MINUTE = timedelta(minutes=1)


@pytest.fixture
def mailing(db: None, now: datetime) -> Mailing:
    people(8, on=newsletter())
    return pressed(now, newsletter(), totals_only=True)


def counters(mailing: Mailing) -> tuple[dict[tuple[str, str], int], dict[int, int]]:
    found: Counter[tuple[str, str]] = Counter()
    for provider, kind, n in MailingCount.objects.filter(mailing=mailing).values_list("provider", "kind", "n"):
        found[provider, kind] += n
    return dict(+found), dict(LinkCount.objects.filter(mailing=mailing).values_list("link", "n"))


@pytest.mark.parametrize("seed", range(6))
def test_without_names_every_total_is_what_it_is_with_names(now: datetime, mailing: Mailing, seed: int) -> None:
    named = pressed(now, newsletter(), "campaign:2")
    rng = random.Random(seed)
    pairs = list(zip(deliveries(mailing), deliveries(named), strict=True))
    for _ in range(12):
        visits = [
            (rng.choice(pairs), rng.choice(["opened", "clicked"]), rng.choice([0, 1]), rng.random() < 0.4)
            for _ in range(rng.randint(1, 6))
        ]
        for which in (0, 1):
            visit_book.write(
                [
                    Visit(
                        pair[which].mailing_id, pair[which].id, kind, now, link if kind == "clicked" else None, machine
                    )
                    for pair, kind, link, machine in visits
                ]
            )
    assert counters(mailing) == counters(named)
    for kind in ("opened", "clicked"):
        drawn = [
            over_time(mailing_id=which.pk, kind=kind, begin=now - timedelta(hours=1), length=timedelta(hours=2), n=3)
            for which in (mailing, named)
        ]
        assert drawn[0] == drawn[1]


def test_no_row_says_who_or_when_exactly_and_nobody_becomes_engaged(now: datetime, mailing: Mailing) -> None:
    one, two = deliveries(mailing)[:2]
    at = now.replace(minute=41, second=7)
    visits = [Visit(mailing.pk, row.id, "clicked", at, 0) for row in (one, two)]
    assert visit_book.write(visits) == 2
    assert visit_book.write(visits) == 0

    ids = {row.id for row in deliveries(mailing)}
    for event in Event.objects.filter(mailing=mailing):
        assert event.delivery not in ids and event.delivery <= 0
        assert event.at.minute == event.at.second == 0
    assert not Subscriber.objects.exclude(last_engaged_at=None).exists()


def test_fingerprints_say_nothing_without_the_salt(now: datetime, mailing: Mailing) -> None:
    """The same visits of another mailing have other fingerprints: they depend on what is thrown away."""
    other = pressed(now, newsletter(), "campaign:2", totals_only=True)
    prints = []
    for which in (mailing, other):
        Mailing.objects.filter(pk=which.pk).update(visit_salt=b"a" * 32 if which is mailing else b"b" * 32)
        visit_book.write([Visit(which.pk, row.id, "opened", now) for row in deliveries(which)])
        prints.append(set(Event.objects.filter(mailing=which).values_list("dedupe", flat=True)))
    assert len(prints[0]) == len(prints[1]) == 8
    assert not prints[0] & prints[1]


def test_the_salt_goes_when_nothing_is_counted_any_more_and_later_visits_leave_nothing(
    now: datetime, mailing: Mailing
) -> None:
    [one, *_] = deliveries(mailing)
    assert throw_salts_away(now=now + COUNTED_FOR - MINUTE) == 0
    assert throw_salts_away(now=now + COUNTED_FOR) == 1
    assert throw_salts_away(now=now + COUNTED_FOR) == 0
    mailing.refresh_from_db()
    assert bytes(mailing.visit_salt or b"?") == b"?" and mailing.totals_only
    assert visit_book.write([Visit(mailing.pk, one.id, "clicked", now + COUNTED_FOR, 0)]) == 0
    assert not Event.objects.exists()


@pytest.mark.django_db
def test_a_test_of_variants_is_tallied_without_names(now: datetime) -> None:
    mailing = split_to(100, now, totals_only=True)
    tested = [row for row in deliveries(mailing) if row.variant == 1][:4]
    visit_book.write([Visit(mailing.pk, row.id, "clicked", now, 0) for row in tested])
    visit_book.write([Visit(mailing.pk, row.id, "opened", now) for row in tested[:3]])
    found = split_test.tallies_of(SplitTest.objects.get(pk=mailing.pk))
    assert [(tally.opened, tally.clicked) for tally in found] == [(0, 0), (3, 4)]
