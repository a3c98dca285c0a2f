import csv
import io
from datetime import datetime, timedelta

import pytest
from django.db import connection

from audiences.models import Subscriber, Subscription
from campaigns.launch import launch
from campaigns.models import Campaign
from campaigns.people_lists import TOPICS, Asked, Named, people_csv, people_of
from campaigns.report import meanings_of, report_of
from sending import answers, visit_book
from sending.models import Delivery, Mailing, MailingCount, MailingLane, Outcome, Reply, Requeue
from sending.visit_book import Visit
from tests.campaigns.world import ready_campaign
from tests.sending.engine import batch_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def mailing(now: datetime) -> Mailing:
    """20 people, 3 left out; of the 17: accepted, bounced, one unknown, one skipped, the rest waiting."""
    campaign = ready_campaign(now, readers=20)
    first = Subscription.objects.order_by("pk").values_list("pk", flat=True)[:3]
    Subscription.objects.filter(pk__in=list(first)).update(state="unsubscribed")
    Campaign.objects.filter(pk=campaign.pk).update(state="scheduled", scheduled_for=now, undo_until=now)
    made = launch(now=now, campaign_id=campaign.pk)
    assert made is not None
    reply = Reply.objects.create(
        digest="00000000-0000-4000-8000-000000000001",
        provider="google",
        code=550,
        enhanced="5.1.1",
        text="No such user",
        reply_class="unknown",
        first_seen_at=now,
    )
    kinds = ["bounced_hard", "bounced_hard", "unknown", "skipped", *["accepted"] * 6]
    rows = list(Delivery.objects.filter(mailing_id=made.pk).order_by("id"))
    for row, kind in zip(rows, kinds, strict=False):
        settle(now, row, kind, reply if kind == "bounced_hard" else None)
    with connection.cursor() as cursor:
        answers.recount(cursor, made.pk)
    return made


def settle(now: datetime, row: Delivery, kind: str, reply: Reply | None = None, attempt: int = 1) -> None:
    reasons = {"unknown": "answer_lost", "skipped": "suppressed"}
    Outcome.objects.create(
        mailing_id=row.mailing_id,
        delivery=row.id,
        attempt=attempt,
        kind=kind,
        reason=reasons.get(kind),
        reply_id=reply.pk if reply else None,
        provider=row.provider,
        at=now,
    )
    count(row, kind)


def count(row: Delivery, kind: str) -> None:
    found, _ = MailingCount.objects.get_or_create(mailing_id=row.mailing_id, provider=row.provider, kind=kind)
    MailingCount.objects.filter(pk=found.pk).update(n=found.n + 1)


def accepted(mailing: Mailing) -> list[Delivery]:
    ids = Outcome.objects.filter(mailing_id=mailing.pk, kind="accepted").values_list("delivery", flat=True)
    return list(Delivery.objects.filter(mailing_id=mailing.pk, id__in=list(ids)).order_by("id"))


def test_the_numbers_add_up_by_provider_and_in_sum(mailing: Mailing) -> None:
    report = report_of(mailing)
    for lane in [*report.progress.lanes, report.sum]:
        assert lane.total == lane.accepted + lane.bounced + lane.not_sent + lane.unknown + lane.waiting
    assert (report.sum.total, report.sum.accepted, report.sum.bounced, report.sum.unknown) == (17, 6, 2, 1)
    assert sum(lane.total for lane in report.progress.lanes) == 17
    assert report.n_excluded == mailing.n_excluded == 3


@pytest.mark.parametrize(
    ("topic", "people"),
    [("accepted", 6), ("bounced", 2), ("unknown", 1), ("not_sent", 1), ("waiting", 7), ("excluded", 3)],
)
def test_a_list_is_as_long_as_its_number(mailing: Mailing, topic: str, people: int) -> None:
    assert len(people_of(mailing=mailing, asked=Asked(topic=topic))) == people


def test_a_list_by_provider_is_as_long_as_the_providers_number(mailing: Mailing) -> None:
    for lane in report_of(mailing).progress.lanes:
        for topic, number in (("accepted", lane.accepted), ("bounced", lane.bounced), ("waiting", lane.waiting)):
            assert len(people_of(mailing=mailing, asked=Asked(topic=topic, provider=lane.provider))) == number


def test_lists_are_paged_by_key_without_a_gap(mailing: Mailing) -> None:
    whole = people_of(mailing=mailing, asked=Asked(topic="waiting"))
    paged, after = [], 0
    while rows := people_of(mailing=mailing, asked=Asked(topic="waiting"), after=after, size=2):
        paged += rows
        after = rows[-1].key
    assert [row.email for row in paged] == [row.email for row in whole]


def test_who_is_still_to_go_is_found_in_lanes_batches_and_requeue(mailing: Mailing, now: datetime) -> None:
    """By index, page by page; compared with everybody who has no final answer."""
    rows = list(Delivery.objects.filter(mailing_id=mailing.pk).order_by("id"))
    waiting = rows[10:]
    for number, row in enumerate(waiting):
        lane = MailingLane.objects.get(mailing=mailing, provider=row.provider)
        lane.next_seq = max(lane.next_seq, row.seq + 1)
        if number < 2:
            batch_of(mailing, lane, row.seq, row.seq, now=now)
        elif number < 5:
            settle(now, row, "deferred")
            Requeue.objects.create(
                mailing=mailing, delivery=row.id, wave=0, provider_now="yahoo" if number == 2 else row.provider,
                due_at=now, attempt=2, counted=1, first_tried_at=now, reason="deferred",
            )  # fmt: skip
        else:
            lane.next_seq = row.seq
            lane.save(update_fields=["next_seq"])
            break
        lane.save(update_fields=["next_seq"])

    assert [row.key for row in paged(mailing)] == [row.id for row in waiting]
    places = {row.id: row.provider for row in waiting} | {waiting[2].id: "yahoo"}
    for provider in {*places.values()}:
        there = [key for key, place in places.items() if place == provider]
        assert [row.key for row in paged(mailing, provider)] == there


def paged(mailing: Mailing, provider: str = "") -> list[Named]:
    found: list[Named] = []
    asked = Asked(topic="waiting", provider=provider)
    while rows := people_of(mailing=mailing, asked=asked, after=found[-1].key if found else 0, size=2):
        found += rows
    return found


def test_the_unknown_are_listed_by_name(mailing: Mailing) -> None:
    (row,) = people_of(mailing=mailing, asked=Asked(topic="unknown"))
    assert "@" in row.email
    assert "may have arrived" in row.sentence


def visit(now: datetime, row: Delivery, kind: str, link: int | None = None, *, by_machine: bool = False) -> None:
    visit_book.write([Visit(row.mailing_id, row.id, kind, now, link, by_machine)])


def test_people_and_machines_are_told_apart(now: datetime, mailing: Mailing) -> None:
    one, two, three, four = accepted(mailing)[:4]
    visit(now, one, "clicked", 0)
    visit(now, one, "clicked", 0)
    visit(now, one, "clicked", 0, by_machine=True)
    visit(now, two, "clicked", 0, by_machine=True)
    visit(now, two, "clicked", 0, by_machine=True)
    visit(now, three, "opened", by_machine=True)
    visit(now, four, "opened", by_machine=True)
    visit(now, four, "opened")

    report = report_of(mailing)

    assert (report.sum.counts["clicked"], report.sum.counts["opened"]) == (1, 1)
    assert (report.machine_clicks, report.machine_opens) == (1, 1)
    assert [(link.url, link.people) for link in report.links] == [("https://www.harbour.example/autumn", 1)]
    for topic, people in (("clicked", [one.id]), ("clicked_by_machine", [two.id]), ("opened_by_machine", [three.id])):
        assert [row.key for row in people_of(mailing=mailing, asked=Asked(topic=topic))] == people
    assert [row.key for row in people_of(mailing=mailing, asked=Asked(topic="clicked", link=0))] == [one.id]
    assert not people_of(mailing=mailing, asked=Asked(topic="clicked", link=1))


def test_an_address_sent_again_by_decision_is_where_it_ended(now: datetime, mailing: Mailing) -> None:
    (lost,) = people_of(mailing=mailing, asked=Asked(topic="unknown"))
    row = Delivery.objects.get(mailing_id=mailing.pk, id=lost.key)
    settle(now, row, "accepted", attempt=2)
    assert not people_of(mailing=mailing, asked=Asked(topic="unknown"))
    assert lost.key in [one.key for one in people_of(mailing=mailing, asked=Asked(topic="accepted"))]


def test_what_went_wrong_is_grouped_by_meaning(mailing: Mailing) -> None:
    rows = meanings_of(mailing)
    assert sum(row.people for row in rows) == 4
    bounced = [row for row in rows if row.kind == "bounced_hard"]
    assert [(row.sentence, row.people, row.example) for row in bounced] == [
        ("This mailbox does not exist.", 2, "550 5.1.1 No such user")
    ]
    assert bounced[0].follows == "These people are not written to again."


def test_behind_every_meaning_are_as_many_people(mailing: Mailing) -> None:
    for row in meanings_of(mailing):
        behind = people_of(mailing=mailing, asked=Asked(topic="answered", answers=row.answers))
        assert len(behind) == row.people


def test_everybody_is_listed_and_found_by_the_beginning_of_an_address(mailing: Mailing) -> None:
    whole = people_of(mailing=mailing, asked=Asked(topic="everyone"))
    assert len(whole) == report_of(mailing).sum.total
    for row in whole:
        found = people_of(mailing=mailing, asked=Asked(topic="everyone", search=row.email.upper()[:-1]))
        assert row.key in [one.key for one in found]
        assert len(found) < len(whole)
    assert not people_of(mailing=mailing, asked=Asked(topic="everyone", search="jane@"))


def test_who_waits_for_another_try_is_listed_with_its_time(now: datetime, mailing: Mailing) -> None:
    row = Delivery.objects.filter(mailing_id=mailing.pk).order_by("-id")[0]
    due = now + timedelta(minutes=12)
    Requeue.objects.create(mailing=mailing, delivery=row.id, provider_now=row.provider, due_at=due, reason="deferred")
    MailingLane.objects.filter(mailing=mailing, provider=row.provider).update(release_seq=row.seq - 1)
    listed = people_of(mailing=mailing, asked=Asked(topic="retrying"))
    assert [(one.key, one.at) for one in listed] == [(row.id, due)]


def test_the_export_runs_nothing_in_a_spreadsheet(mailing: Mailing) -> None:
    row = accepted(mailing)[0]
    Subscriber.objects.filter(pk=row.subscriber_id).update(email="=cmd()@gmail.com")
    lines = list(csv.reader(io.StringIO("".join(people_csv(mailing=mailing, asked=Asked(topic="accepted"))))))
    assert lines[0] == ["email", "what", "answer", "at"]
    assert len(lines) == 7
    assert "'=cmd()@gmail.com" in [line[0] for line in lines]


def test_an_erased_person_is_still_counted_without_a_name(mailing: Mailing) -> None:
    Subscriber.objects.filter(pk=accepted(mailing)[0].subscriber_id).delete()
    names = [row.email for row in people_of(mailing=mailing, asked=Asked(topic="accepted"))]
    assert len(names) == 6
    assert names.count("(erased)") == 1


def test_no_topic_asks_more_than_one_query(mailing: Mailing, django_assert_num_queries) -> None:
    answers = meanings_of(mailing)[0].answers
    for topic in TOPICS:
        with django_assert_num_queries(1):
            people_of(mailing=mailing, asked=Asked(topic=topic, answers=answers))
