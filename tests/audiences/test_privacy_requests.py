"""Who wants their data or wants to be erased is on a list with a deadline until they have an answer."""

from datetime import timedelta

import pytest
from django.urls import reverse

from audiences import privacy_requests
from audiences.erase import erase
from audiences.models import PrivacyRequest
from sending.doors import asking
from tests.audiences.cast import NOW, make_list, reader
from tests.visitors import admin, colleague

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def ask(person, kind="erase", at=NOW):
    asking.ask_of_person(now=at, kind=kind, subscriber_id=person.pk, ip=None, language="en")


def test_a_wish_is_listed_with_its_deadline_and_asking_again_does_not_move_it():
    person = reader("jane@x.example", make_list())
    ask(person)
    ask(person, at=NOW + DAY)

    row = PrivacyRequest.objects.get()
    assert (row.kind, row.asked_at, row.answer_by) == ("erase", NOW, NOW + 28 * DAY)
    page = admin().get(reverse("privacy-requests")).content.decode()
    assert "jane@x.example" in page
    assert "Overdue" in page  # the tests' time is long ago


def test_a_new_address_is_no_privacy_request():
    asking.ask_of_person(
        now=NOW, kind="address", subscriber_id=reader("jane@x.example", make_list()).pk, ip=None, language="en",
        email="new@x.example",
    )  # fmt: skip

    assert not PrivacyRequest.objects.exists()


def test_erasing_answers_all_that_was_asked_and_names_nobody():
    person = reader("jane@x.example", make_list())
    ask(person)
    ask(person, "export")

    erase(now=NOW + DAY, subscriber_id=person.pk)

    assert set(PrivacyRequest.objects.values_list("answered_at", flat=True)) == {NOW + DAY}
    assert "jane@x.example" not in admin().get(reverse("privacy-requests")).content.decode()


def test_an_export_by_a_colleague_answers_who_wanted_it():
    person = reader("jane@x.example", make_list())
    ask(person, "export")
    ask(person, "erase")

    admin().get(reverse("person-export", args=[person.pk]))
    assert not PrivacyRequest.objects.exclude(answered_at=None).exists()
    admin().post(reverse("person-export", args=[person.pk]))

    assert dict(PrivacyRequest.objects.values_list("kind", "answered_by__username")) == {
        "export": "admin",
        "erase": None,
    }
    assert PrivacyRequest.objects.get(answered_at=None).kind == "erase"


def test_it_is_closed_with_a_sentence_once():
    ask(reader("jane@x.example", make_list()))
    row, client = PrivacyRequest.objects.get(), admin()

    client.post(reverse("privacy-close", args=[row.pk]), {"reason": ""})
    assert PrivacyRequest.objects.get().answered_at is None

    client.post(reverse("privacy-close", args=[row.pk]), {"reason": "She wrote that she stays"})
    assert PrivacyRequest.objects.get().note == "She wrote that she stays"
    assert not privacy_requests.close(now=NOW, request_id=row.pk, note="again", user_id=row.pk)
    assert "She wrote that she stays" in client.get(reverse("privacy-requests")).content.decode()


def test_whoever_asks_again_after_the_answer_is_a_new_request():
    person = reader("jane@x.example", make_list())
    ask(person, "export")
    privacy_requests.answered(now=NOW, subscriber_id=person.pk, kind="export")
    ask(person, "export", NOW + DAY)

    assert PrivacyRequest.objects.filter(answered_at=None).count() == 1


def test_only_admins_see_them():
    assert colleague().get(reverse("privacy-requests")).status_code == 403
