import pytest

from audiences import activity
from audiences.keys import key_of
from audiences.models import ConsentEvent, SoftFailure, Suppression
from tests.audiences.cast import DAY, HOUR, NOW, make_list, reader, suppressions

pytestmark = pytest.mark.django_db
JANE = "jane@x.example"
KEY = key_of(JANE)


def fail(day, mailing, kind="full"):
    return activity.soft_failure(now=NOW + day * DAY, address_key=KEY, mailing_ref=mailing, kind=kind)


def test_engagement_is_written_once_a_day():
    person = reader(JANE, make_list())
    assert activity.engaged(at={person.pk: NOW}) == 1
    assert activity.engaged(at={person.pk: NOW + 23 * HOUR}) == 0
    person.refresh_from_db()
    assert person.last_engaged_at == NOW
    assert activity.engaged(at={person.pk: NOW + 25 * HOUR}) == 1
    assert activity.engaged(at={}) == 0


def test_five_failed_mailings_over_a_fortnight_suppress_with_the_evidence():
    assert [fail(day, mailing) for mailing, day in enumerate((0, 3, 7, 10))] == [False] * 4
    assert fail(14, 4)
    row = Suppression.objects.get()
    assert (row.scope, row.reason) == ("*", "bounced")
    assert [failure["mailing"] for failure in row.evidence["failures"]] == [0, 1, 2, 3, 4]
    assert not fail(15, 5)


def test_attempts_of_one_mailing_count_once():
    assert not any(fail(day, 1) for day in range(0, 60, 4))
    assert SoftFailure.objects.count() == 1


def test_a_delivery_in_between_starts_the_count_anew():
    for mailing, day in enumerate((0, 3, 7, 10)):
        fail(day, mailing)
    assert activity.delivered(now=NOW + 12 * DAY, address_keys=[KEY]) == 4
    assert not fail(14, 4)


def test_a_click_in_between_starts_the_count_anew():
    person = reader(JANE, make_list())
    for mailing, day in enumerate((0, 3, 7, 10)):
        fail(day, mailing)
    activity.engaged(at={person.pk: NOW + 12 * DAY})
    assert not fail(14, 4)
    assert suppressions(JANE) == set()


def test_a_late_report_of_an_old_delivery_forgets_no_newer_failure():
    fail(10, 1)
    assert activity.delivered(now=NOW + 5 * DAY, address_keys=[KEY]) == 0


def test_inactive_said_twice_suppresses():
    assert not fail(0, 1, "inactive")
    assert fail(3, 2, "inactive")


def test_an_unknown_mailbox_is_suppressed_at_once_and_once():
    assert activity.hard_bounce(now=NOW, address_key=KEY, evidence={"reply": "550 5.1.1"})
    assert not activity.hard_bounce(now=NOW, address_key=KEY)
    assert suppressions(JANE) == {("*", "bounced")}


def test_a_complaint_is_for_everywhere_and_stands_in_the_history():
    assert activity.complaint(now=NOW, address_key=KEY, source="arf")
    assert not activity.complaint(now=NOW + DAY, address_key=KEY, source="arf")
    assert suppressions(JANE) == {("*", "complained")}
    assert [(event.kind, event.at) for event in ConsentEvent.objects.all()] == [("complained", NOW)]
