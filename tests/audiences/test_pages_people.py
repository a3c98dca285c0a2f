import pytest
from django.urls import reverse

from audiences.models import ConsentEvent, Subscriber
from audiences.paging import SIZE
from tests.audiences.cast import make_list, reader, states, suppressions
from tests.visitors import admin, colleague

pytestmark = pytest.mark.django_db
BASIS = "Paper form at the fair, 22 Nov 2026"


def url(name, person):
    return reverse(name, args=[person.pk])


def emails(answer):
    return [person.email for person in answer.context["page"].people]


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
    with django_assert_max_num_queries(10):
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
    client.post(url("person-unsubscribe", jane), {"list": news.pk})
    assert states(jane) == {"News": "unsubscribed"}
    answer = client.post(url("person-lists", jane), {"list": news.pk, "basis": BASIS}, follow=True)
    assert "Only they can join" in answer.content.decode()
    assert states(jane) == {"News": "unsubscribed"}


def test_unsubscribing_from_everything_suppresses_the_stream():
    jane = reader("jane@x.example", make_list("News"), make_list("More"))
    admin().post(url("person-unsubscribe", jane), {"list": ""})
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
