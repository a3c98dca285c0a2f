"""Personal fields: where they are used, what another kind would do."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from audiences.models import PersonField, Subscriber
from campaigns import field_use
from campaigns.content import save_letter
from campaigns.models import Campaign
from tests.audiences.cast import NOW, reader
from tests.visitors import admin, colleague

pytestmark = pytest.mark.django_db


@pytest.fixture
def city():
    return PersonField.objects.create(key="city", label="City", example="Gdańsk")


@pytest.fixture
def draft():
    campaign = Campaign.objects.create(name="Autumn", created_at=NOW, updated_at=NOW)
    letter = "Hello from {{ contact.city }}, not {{ contact.citystate }}"
    save_letter(
        now=NOW, campaign_id=campaign.pk, based_on=campaign.rev, subject="Hi", preheader="", letter=letter, by=None
    )
    return campaign


def has(email, **fields):
    person = reader(email)
    Subscriber.objects.filter(pk=person.pk).update(fields=fields)
    return person


def values(key):
    return [person.fields.get(key) for person in Subscriber.objects.order_by("email")]


def test_fields_are_listed_with_kind_example_people_and_campaigns(city, draft):
    has("a@x.example", city="Gdynia")
    page = colleague().get(reverse("fields")).content.decode()
    assert "contact.city" in page
    assert "Gdańsk" in page
    assert "Autumn" in page
    assert field_use.people_with_fields() == {"city": 1}


def test_the_list_of_fields_asks_the_same_number_of_questions_for_one_field_and_for_ten(city, draft):
    client = colleague()
    client.get(reverse("fields"))
    with CaptureQueriesContext(connection) as one:
        client.get(reverse("fields"))
    for number in range(9):
        PersonField.objects.create(key=f"more{number}", label=f"More {number}")
    with CaptureQueriesContext(connection) as ten:
        page = client.get(reverse("fields")).content.decode()
    assert "More 8" in page and len(ten) == len(one)


def test_a_field_is_made_and_a_bad_name_is_refused_with_a_sentence(city):
    client = colleague()
    client.post(reverse("field-new"), {"label": "Points", "key": "points", "kind": "number", "example": ""})
    assert PersonField.objects.get(key="points").kind == "number"
    for key in ("Points!", "email", "city"):
        answer = client.post(reverse("field-new"), {"label": "X", "key": key, "kind": "text", "example": ""})
        assert answer.status_code == 422


def test_deleting_a_field_used_in_a_letter_is_refused_with_links(city, draft):
    answer = admin().post(reverse("field-delete", args=[city.pk]))
    assert answer.status_code == 409
    assert reverse("campaign-letter", args=[draft.pk]) in answer.content.decode()
    assert PersonField.objects.filter(pk=city.pk).exists()


def test_a_field_whose_name_only_begins_like_one_in_use_is_free():
    PersonField.objects.create(key="cit", label="Cit")
    assert field_use.campaigns_using("cit") == []


def test_a_field_nobody_uses_is_deleted_and_people_keep_their_values(city):
    has("a@x.example", city="Gdynia")
    admin().post(reverse("field-delete", args=[city.pk]))
    assert not PersonField.objects.exists()
    assert values("city") == ["Gdynia"]
    assert colleague().post(reverse("field-delete", args=[1])).status_code == 403


def test_another_kind_shows_which_values_will_not_convert_before_anything_changes(city):
    has("a@x.example", city="12")
    has("b@x.example", city="twelve")
    client, where = colleague(), reverse("field-edit", args=[city.pk])
    form = {"label": "City", "kind": "number", "example": ""}

    seen = client.post(where, form)

    assert seen.status_code == 422
    page = seen.content.decode()
    assert "2 people have a value; 1 will not convert" in page
    assert "b@x.example" in page
    city.refresh_from_db()
    assert (city.kind, values("city")) == ("text", ["12", "twelve"])

    assert client.post(where, {**form, "seen": "1"}).status_code == 302
    city.refresh_from_db()
    assert (city.kind, values("city")) == ("number", [12, "twelve"])


def test_a_field_of_too_many_people_keeps_its_kind(city, monkeypatch):
    monkeypatch.setattr(field_use, "CONVERTED_AT_ONCE", 1)
    has("a@x.example", city="12")
    has("b@x.example", city="13")
    form = {"label": "City", "kind": "number", "example": "", "seen": "1"}
    answer = colleague().post(reverse("field-edit", args=[city.pk]), form)
    assert "Too many people" in answer.content.decode()
    city.refresh_from_db()
    assert city.kind == "text"


def test_lists_tell_how_they_grew_in_thirty_days():
    from audiences import consent
    from tests.audiences.cast import make_list

    news = make_list()
    now = timezone.now()
    reader("new@x.example", news, now=now)
    gone = reader("gone@x.example", news, now=NOW)
    consent.unsubscribe(now=now, subscriber_id=gone.pk, list_ids=[news.pk], source="page")
    reader("old@x.example", news, now=NOW)
    [row] = colleague().get(reverse("lists")).context["lists"]
    assert (row.n_subscribed, row.n_joined, row.n_left) == (2, 1, 1)


def test_choices_are_written_one_a_line_and_a_field_of_choices_needs_some():
    client = colleague()
    form = {"label": "Wines", "key": "wines", "kind": "multi_choice", "example": ""}
    for bad in ("", "Red, dry", "Red\nred"):
        answer = client.post(reverse("field-new"), {**form, "options": bad})
        assert answer.status_code == 422 and answer.context["form"].errors["options"]
    assert client.post(reverse("field-new"), {**form, "options": "Red\n\n White \nRed"}).status_code == 302
    assert PersonField.objects.get(key="wines").options == ["Red", "White"]
    assert "Red, White" in client.get(reverse("fields")).content.decode()


def test_to_take_a_choice_away_shows_who_has_it_and_a_new_one_asks_nothing():
    wines = PersonField.objects.create(key="wines", label="Wines", kind="multi_choice", options=["Red", "White"])
    has("a@x.example", wines=["Red", "White"])
    has("b@x.example", wines=["Red"])
    client, where = colleague(), reverse("field-edit", args=[wines.pk])
    form = {"label": "Wines", "kind": "multi_choice", "example": ""}

    assert client.post(where, {**form, "options": "Red\nWhite\nRosé"}).status_code == 302
    seen = client.post(where, {**form, "options": "Red\nRosé"})
    assert seen.status_code == 422
    assert "2 people have a value; 1 will not convert" in seen.content.decode()
    assert "“White” is none of: Red, Rosé." in seen.content.decode()

    assert client.post(where, {**form, "options": "Red\nRosé", "seen": "1"}).status_code == 302
    assert values("wines") == [["Red", "White"], ["Red"]]


def test_text_becomes_choices_and_choices_become_text(city):
    has("a@x.example", city="gdynia; Sopot")
    client, where = colleague(), reverse("field-edit", args=[city.pk])
    form = {"label": "City", "example": "", "seen": "1"}
    client.post(where, {**form, "kind": "multi_choice", "options": "Sopot\nGdynia"})
    assert values("city") == [["Sopot", "Gdynia"]]
    client.post(where, {**form, "kind": "text", "options": ""})
    assert values("city") == ["Sopot, Gdynia"]
    assert PersonField.objects.get().options == []


def test_the_field_that_letters_leave_by_holds_time_zones_only():
    form = {"label": "Zone", "key": "time_zone", "kind": "text", "example": "", "options": ""}
    assert colleague().post(reverse("field-new"), form).status_code == 422
    assert colleague().post(reverse("field-new"), {**form, "kind": "time_zone"}).status_code == 302
