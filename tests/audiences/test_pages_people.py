import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from audiences import consent
from audiences.changes import note_changes
from audiences.erase import erase
from audiences.models import ConsentEvent, PersonChange, PersonField, PersonNote, Subscriber
from audiences.paging import SIZE
from audiences.suppress import suppress
from tests.audiences.cast import NOW, make_list, reader, states, suppressions
from tests.visitors import admin, colleague

pytestmark = pytest.mark.django_db
BASIS = "Paper form at the fair, 22 Nov 2026"


def url(name, person):
    return reverse(name, args=[person.pk])


def emails(answer):
    return [person.email for person in answer.context["page"].people]


@pytest.mark.parametrize("query", ["q=a%00b", "field=x&value=--5"])
def test_odd_searches_are_answered(query):
    assert colleague().get(f"{reverse('people')}?{query}").status_code in (200, 400)


def test_what_was_refused_is_not_written_down_as_done():
    news = make_list()
    jane = reader("jane@x.example", news)
    suppress(now=NOW, address_key=jane.address_key, scope="*", reason="complained", source="a report")
    admin().post(url("person-lists", jane), {"list": make_list("Offers").pk, "basis": BASIS})
    assert not PersonChange.objects.exists()


def test_pages_of_people_follow_one_another_without_gaps_or_repeats():
    people = Subscriber.objects.bulk_create(
        Subscriber(email=f"r{n:03}@x.example", address_key=f"00000000-0000-4000-8000-{n:012}", domain="x.example")
        for n in range(2 * SIZE + 7)
    )
    client, seen, after = colleague(), [], ""
    while True:
        answer = client.get(reverse("people"), {"after": after} if after else {})
        seen += emails(answer)
        after = answer.context["page"].after
        if not after:
            break
    assert seen == [person.email for person in reversed(people)]


def test_a_search_finds_beginnings_and_goes_on_to_the_next_page():
    Subscriber.objects.bulk_create(
        Subscriber(email=f"a{n:03}@x.example", address_key=f"00000000-0000-4000-8000-{n:012}", domain="x.example")
        for n in range(SIZE + 1)
    )
    reader("zoe@x.example")
    client = colleague()
    first = client.get(reverse("people"), {"q": " A0 "})
    assert len(emails(first)) == SIZE
    rest = client.get(reverse("people"), {"q": "A0", "after": first.context["page"].after})
    assert emails(rest) == [f"a{SIZE:03}@x.example"]
    assert emails(client.get(reverse("people"), {"q": "x.example"})) == []


def test_a_nonsense_page_key_shows_the_first_page():
    reader("jane@x.example")
    assert emails(colleague().get(reverse("people"), {"after": "9" * 30})) == ["jane@x.example"]


def test_a_page_of_people_costs_few_queries(django_assert_max_num_queries):
    news, client = make_list(), colleague()
    for number in range(12):
        reader(f"r{number}@x.example", news)
    with django_assert_max_num_queries(13):
        client.get(reverse("people"))


def test_a_person_shows_lists_history_and_what_keeps_mail_away():
    jane = reader("jane@x.example", make_list())
    client = admin()
    client.post(url("person-suppress", jane), {"scope": "*", "note": "asked by phone"})
    page = client.get(url("person", jane)).content.decode()
    assert "Subscribed (single opt-in)" in page
    assert "asked by phone" in page
    assert suppressions("jane@x.example") == {("*", "manual")}


def test_a_person_is_added_with_the_ground_of_their_consent():
    news = make_list()
    form = {"email": " Jane@X.example ", "first_name": "Jane", "last_name": "", "list": news.pk, "basis": BASIS}
    colleague().post(reverse("person-new"), form)
    jane = Subscriber.objects.get(email="jane@x.example")
    assert jane.fields == {"first_name": "Jane"}
    assert states(jane) == {"News": "subscribed"}
    assert ConsentEvent.objects.get(subject_key=jane.address_key).basis == BASIS


@pytest.mark.parametrize(
    ("change", "sentence"), [({"email": "jane@"}, "after the @"), ({"basis": ""}, "This field is required")]
)
def test_a_bad_address_or_no_ground_is_refused_and_nothing_is_kept(change, sentence):
    form = {"email": "jane@x.example", "list": make_list().pk, "basis": BASIS} | change
    answer = colleague().post(reverse("person-new"), form)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert not Subscriber.objects.exists()


def test_nobody_is_brought_back_by_a_colleague():
    news = make_list()
    jane = reader("jane@x.example", news)
    client = admin()
    client.post(url("person-unsubscribe", jane), {"list": news.pk, "note": "asked by phone"})
    assert states(jane) == {"News": "unsubscribed"}
    answer = client.post(url("person-lists", jane), {"list": news.pk, "basis": BASIS}, follow=True)
    assert "Only they can join" in answer.content.decode()
    assert states(jane) == {"News": "unsubscribed"}


def test_unsubscribing_from_everything_suppresses_the_stream():
    jane = reader("jane@x.example", make_list("News"), make_list("More"))
    admin().post(url("person-unsubscribe", jane), {"list": "", "note": "asked by phone"})
    assert set(states(jane).values()) == {"unsubscribed"}
    assert ("stream:marketing", "unsubscribed") in suppressions("jane@x.example")


def test_erasing_needs_the_address_typed():
    jane = reader("jane@x.example", make_list())
    client = admin()
    answer = client.post(url("person-erase", jane), {"typed": "joan@x.example"})
    assert answer.status_code == 422
    assert "Nothing was erased" in answer.content.decode()
    client.post(url("person-erase", jane), {"typed": "Jane@x.example"})
    assert not Subscriber.objects.exists()
    assert suppressions("jane@x.example") == {("*", "erased")}


@pytest.mark.parametrize("name", ["person-unsubscribe", "person-suppress", "person-erase"])
def test_only_admins_decide_over_other_people(name):
    jane = reader("jane@x.example", make_list())
    answer = colleague().post(url(name, jane), {"list": "", "scope": "*", "note": "x", "typed": jane.email})
    assert answer.status_code == 403
    assert "This is not for your role" in answer.content.decode()
    assert states(jane) == {"News": "subscribed"}
    assert not suppressions(jane.email)


def test_unsubscribing_for_somebody_needs_a_reason():
    news = make_list()
    jane = reader("jane@x.example", news)
    answer = admin().post(url("person-unsubscribe", jane), {"list": news.pk})
    assert answer.status_code == 422
    assert states(jane) == {"News": "subscribed"}


def test_the_only_way_back_for_somebody_who_left_is_new_consent_with_evidence_that_they_confirm():
    client, news = admin(), make_list()
    jane = reader("jane@x.example", news)
    client.post(url("person-unsubscribe", jane), {"list": news.pk, "note": "asked by phone"})
    client.post(url("person-lists", jane), {"list": news.pk, "basis": BASIS})
    assert states(jane) == {"News": "unsubscribed"}
    assert client.post(url("person-consent", jane), {"list": news.pk}).status_code == 422

    client.post(url("person-consent", jane), {"list": news.pk, "basis": BASIS})

    assert states(jane) == {"News": "unconfirmed"}
    assert ConsentEvent.objects.get(kind="requested").evidence.text == BASIS
    assert suppressions("jane@x.example"), "until they confirm, nothing is lifted"
    consent.confirm(now=NOW, subscriber_id=jane.pk, list_id=news.pk)
    assert states(jane) == {"News": "subscribed"}


def test_a_complaint_stays_whatever_a_colleague_enters():
    news = make_list()
    jane = reader("jane@x.example", news)
    suppress(now=NOW, address_key=jane.address_key, scope="*", reason="complained", source="report")
    client = admin()
    client.post(url("person-unsubscribe", jane), {"list": news.pk, "note": "x"})
    client.post(url("person-consent", jane), {"list": news.pk, "basis": BASIS})
    assert states(jane) == {"News": "unsubscribed"}


def test_fields_are_changed_by_their_kind_and_every_change_is_audited():
    PersonField.objects.create(key="points", label="Points", kind="number")
    PersonField.objects.create(key="city", label="City")
    jane = reader("jane@x.example")
    Subscriber.objects.update(fields={"city": "Gdynia", "first_name": "Jane"})
    client = colleague()

    form = {"language": "pl", "field_points": "12", "field_city": "", "field_first_name": "Jane"}
    client.post(url("person-edit", jane), form)

    jane.refresh_from_db()
    assert jane.fields == {"points": 12, "first_name": "Jane"}
    assert jane.language == "pl"
    change = PersonChange.objects.get()
    assert change.what == "Changed: city, points, language"
    assert change.by == User.objects.get(username="colleague")
    assert "Changed: city, points, language" in client.get(url("person", jane)).content.decode()
    client.post(url("person-edit", jane), form)
    assert PersonChange.objects.count() == 1


def test_a_value_of_the_wrong_kind_is_refused_at_its_field():
    PersonField.objects.create(key="points", label="Points", kind="number")
    jane = reader("jane@x.example")
    answer = colleague().post(url("person-edit", jane), {"language": "", "field_points": "many"})
    assert answer.status_code == 422
    assert "not a number" in answer.context["form"].errors["field_points"][0]


def test_choices_are_chosen_and_what_else_stood_there_can_stay():
    PersonField.objects.create(key="likes", label="Likes", kind="multi_choice", options=["Cheese", "Bread"])
    PersonField.objects.create(key="wine", label="Wine", kind="choice", options=["Red", "White"])
    PersonField.objects.create(key="site", label="Site", kind="url")
    jane = reader("jane@x.example")
    Subscriber.objects.update(fields={"wine": "Rosé", "site": "https://example.org/jane"})
    client = colleague()
    page = client.get(url("person-edit", jane)).content.decode()
    assert 'type="checkbox" name="field_likes" value="Cheese"' in page and '<option value="Rosé" selected>' in page

    form = {"language": "", "field_wine": "Rosé", "field_site": "https://example.org/jane"}
    client.post(url("person-edit", jane), {**form, "field_likes": ["Bread", "Cheese"], "field_time_zone": "Asia/Tokyo"})

    jane.refresh_from_db()
    assert jane.fields == {
        "wine": "Rosé", "site": "https://example.org/jane", "likes": ["Cheese", "Bread"], "time_zone": "Asia/Tokyo",
    }  # fmt: skip
    seen = client.get(url("person", jane)).content.decode()
    assert "<dd>Cheese, Bread</dd>" in seen and 'href="https://example.org/jane"' in seen
    assert emails(client.get(reverse("people"), {"field": "likes", "value": "Bread"})) == ["jane@x.example"]
    assert client.post(url("person-edit", jane), {**form, "field_wine": "Green"}).status_code == 422


def test_notes_are_kept_with_who_wrote_them_and_go_with_the_person():
    jane = reader("jane@x.example")
    client = colleague()
    assert client.post(url("person-note", jane), {"text": " "}).status_code == 422
    client.post(url("person-note", jane), {"text": "Wants fewer letters."})
    page = client.get(url("person", jane)).content.decode()
    assert "Wants fewer letters." in page
    erase(now=NOW, subscriber_id=jane.pk)
    assert not PersonNote.objects.exists()


def test_everything_kept_about_a_person_is_exported_for_them():
    jane = reader("jane@x.example", make_list())
    jane.notes.create(text="Called.", at=NOW)
    suppress(
        now=NOW, address_key=jane.address_key, scope="*", reason="manual", source="Asked by phone", evidence={"n": 1}
    )
    note_changes(now=NOW, people=[jane], what="Changed: city", user_id=None)
    suppress(now=NOW, address_key=reader("joe@x.example").address_key, scope="*", reason="bounced", source="report")
    data = admin().get(url("person-export", jane)).json()
    assert data["email"] == "jane@x.example"
    assert data["lists"][0]["state"] == "subscribed"
    assert data["notes"][0]["text"] == "Called."
    assert [event["what"] for event in data["consent"]] == ["subscribed"]
    [kept_out] = data["suppressions"]
    assert (kept_out["scope"], kept_out["reason"], kept_out["source"]) == ("*", "manual", "Asked by phone")
    assert kept_out["evidence"] == {"n": 1}
    assert data["changes"] == [{"what": "Changed: city", "at": NOW.isoformat()}]
    assert colleague().get(url("person-export", jane)).status_code == 403


def test_people_are_found_by_address_name_list_state_and_field():
    news = make_list()
    jane, zoe = reader("jane@x.example", news), reader("z@y.example")
    fields = {"last_name": "Żak", "first_name": "Zoë", "points": 12, "vip": True}
    Subscriber.objects.filter(pk=zoe.pk).update(fields=fields)
    client = colleague()

    def found(**said):
        return emails(client.get(reverse("people"), said))

    assert found(q="JAN") == ["jane@x.example"]
    assert found(q="zoë") == found(q="żA") == ["z@y.example"]
    assert found(list=news.pk, state="subscribed") == ["jane@x.example"]
    assert found(list=news.pk, state="unsubscribed") == []
    assert found(field="points", value="12") == found(field="vip", value="yes") == ["z@y.example"]
    assert found(field="points") == ["jane@x.example"]
    assert found(field="points__lt", value="99") == []
    suppress(now=NOW, address_key=jane.address_key, scope="*", reason="bounced", source="report")
    assert found(state="bounced") == found(state="suppressed") == ["jane@x.example"]


def test_more_than_a_page_needs_are_not_counted(monkeypatch):
    monkeypatch.setattr("audiences.views.people.COUNTED", 2)
    news = make_list()
    for name in "abc":
        reader(f"{name}@x.example", news)

    many = colleague().get(reverse("people"), {"state": "subscribed"}).content.decode()
    one = colleague().get(reverse("people"), {"q": "a@"}).content.decode()

    assert "More than <b>2</b> people found." in many
    assert "<b>1</b> person found." in one


def test_columns_are_chosen_and_remembered():
    PersonField.objects.create(key="city", label="City")
    reader("jane@x.example")
    Subscriber.objects.update(fields={"city": "Gdynia"})
    client = colleague()
    assert "Gdynia" not in client.get(reverse("people")).content.decode()
    assert "Gdynia" in client.get(reverse("people"), {"columns": "1", "column": "city"}).content.decode()
    assert "Gdynia" in client.get(reverse("people")).content.decode()
    assert "Gdynia" not in client.get(reverse("people"), {"columns": "1"}).content.decode()
