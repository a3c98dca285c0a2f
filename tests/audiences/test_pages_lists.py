import pytest
from django.urls import reverse

from audiences import bulk, consent
from audiences.models import BulkJob, MailingList
from tests.audiences.cast import NOW, make_list, reader, states
from tests.visitors import admin, colleague

pytestmark = pytest.mark.django_db
WORDS = {
    "name": "News",
    "public_name": "Our news",
    "description": "",
    "language": "pl",
    "opt_in": "double",
    "ground": "consent",
    "wording": "I agree.",
}


def test_the_lists_show_their_sizes():
    news = make_list()
    reader("jane@x.example", news)
    page = colleague().get(reverse("lists")).content.decode()
    assert f'<a href="/lists/{news.pk}/">News</a>' in page
    assert 'data-label="Subscribed">1</td>' in page


def test_without_a_list_there_is_one_sentence_and_one_action():
    page = colleague().get(reverse("lists")).content.decode()
    assert "No list yet" in page
    assert "Make a list" in page


def test_a_list_is_made():
    answer = colleague().post(reverse("list-new"), WORDS)
    made = MailingList.objects.get()
    assert answer.headers["Location"] == reverse("list", args=[made.pk])
    assert (made.public_name, made.language, made.wording_version) == ("Our news", "pl", 1)


def test_a_name_that_is_taken_is_refused_with_a_sentence():
    make_list("News")
    answer = colleague().post(reverse("list-new"), WORDS)
    assert answer.status_code == 422
    assert "already exists" in answer.content.decode()
    assert MailingList.objects.count() == 1


def test_new_wording_gets_a_new_version_and_a_new_name_does_not():
    news = make_list()
    client = colleague()
    client.post(reverse("list-edit", args=[news.pk]), {**WORDS, "name": "Novelties", "wording": ""})
    news.refresh_from_db()
    assert (news.name, news.wording_version) == ("Novelties", 1)
    client.post(reverse("list-edit", args=[news.pk]), {**WORDS, "wording": "I agree to more."})
    news.refresh_from_db()
    assert news.wording_version == 2


def test_an_archived_list_comes_back_with_its_people():
    news = make_list()
    reader("jane@x.example", news)
    client = colleague()
    client.post(reverse("list-archive", args=[news.pk]))
    assert not MailingList.objects.in_use().exists()
    client.post(reverse("list-restore", args=[news.pk]))
    assert "jane@x.example" in client.get(reverse("list", args=[news.pk])).content.decode()


def test_archiving_by_following_a_link_is_refused():
    news = make_list()
    assert colleague().get(reverse("list-archive", args=[news.pk])).status_code == 405


def test_ten_lists_cost_as_many_queries_as_two(django_assert_max_num_queries):
    client = colleague()
    for number in range(10):
        make_list(f"List {number}")
    with django_assert_max_num_queries(6):
        client.get(reverse("lists"))


def test_a_list_is_merged_into_another_and_put_away_and_who_left_stays_away():
    old, news = make_list("Old letter"), make_list()
    jane, both, gone = (reader(f"{name}@x.example", old) for name in ("jane", "both", "gone"))
    consent.subscribe(now=NOW, email=both.email, list_id=news.pk, source="form")
    consent.unsubscribe(now=NOW, subscriber_id=gone.pk, list_ids=[old.pk], source="page")
    client = admin()
    where = f"?list={old.pk}&state=subscribed"
    assert where.replace("&", "&amp;") in client.get(reverse("list", args=[old.pk])).content.decode()

    client.post(f"{reverse('bulk-start', args=['add'])}{where}", {"list": news.pk, "basis": "The same letter, renamed"})
    while bulk.run(now=NOW, job_id=BulkJob.objects.get().pk):
        pass
    client.post(reverse("list-archive", args=[old.pk]))

    assert [states(one)["News"] for one in (jane, both)] == ["subscribed", "subscribed"]
    assert "News" not in states(gone)
    assert MailingList.objects.in_use().get() == news
