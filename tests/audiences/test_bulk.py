"""Something done with everybody a search found."""

import csv
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.urls import reverse

from audiences import bulk, consent
from audiences.choosing import Chosen
from audiences.forms import BulkForm
from audiences.models import BulkJob, ConsentEvent, PersonChange, PersonField, Subscriber
from audiences.suppress import suppress
from tests.audiences.cast import DAY, HOUR, NOW, assert_events_tell_the_rows, make_list, reader, states, suppressions
from tests.visitors import admin, colleague, member

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _small(monkeypatch, settings, tmp_path):
    settings.VAR_DIR = tmp_path
    monkeypatch.setattr(bulk, "CHUNK", 2)


@pytest.fixture
def news():
    return make_list()


@pytest.fixture
def five(news):
    return [reader(f"r{number}@x.example", news) for number in range(5)]


def begun(action, chosen=None, **terms):
    from config.roles import Role

    who = member("admin", Role.ADMIN)
    return bulk.begin(now=NOW, action=action, chosen=chosen or Chosen(), terms=terms, user_id=who.pk)


def finished(job):
    while bulk.run(now=NOW + HOUR, job_id=job.pk):
        pass
    job.refresh_from_db()
    return job


def test_all_who_were_found_are_put_on_a_list_and_nobody_else(five):
    reader("other@x.example")
    offers = make_list("Offers")

    job = finished(begun("add", Chosen(q="r"), list=offers.pk, basis="Fair"))

    assert (job.state, job.total, job.n_done, job.n_changed) == ("done", 5, 5, 5)
    for person in five:
        assert states(person) == {"News": "subscribed", "Offers": "subscribed"}
        assert_events_tell_the_rows(person)
    assert not Subscriber.objects.get(email="other@x.example").subscriptions.exists()
    assert PersonChange.objects.count() == 5


def test_whoever_left_or_complained_is_never_brought_back_by_a_bulk_job(five, news):
    consent.unsubscribe(now=NOW, subscriber_id=five[0].pk, list_ids=[news.pk], source="page")
    suppress(now=NOW, address_key=five[1].address_key, scope="*", reason="complained", source="report")
    offers = make_list("Offers")

    finished(begun("add", list=news.pk, basis="Fair"))
    job = finished(begun("add", list=offers.pk, basis="Fair"))

    assert states(five[0]) == {"News": "unsubscribed", "Offers": "subscribed"}
    assert states(five[1]) == {"News": "subscribed"}
    assert (job.n_changed, job.n_left_alone) == (4, 1)


def test_putting_on_a_list_is_taken_back_within_a_day_and_who_left_since_has_left(five, news):
    offers = make_list("Offers")
    job = finished(begun("add", list=offers.pk, basis="Fair"))
    consent.unsubscribe(now=NOW + HOUR, subscriber_id=five[0].pk, list_ids=[offers.pk], source="page")

    assert bulk.undo(now=NOW + 2 * HOUR, job_id=job.pk)
    finished(job)

    assert (job.state, job.n_changed) == ("undone", 4)
    assert states(five[0]) == {"News": "subscribed", "Offers": "unsubscribed"}
    assert states(five[1]) == {"News": "subscribed"}
    for person in five[1:]:
        assert_events_tell_the_rows(person)


def test_after_a_day_nothing_is_taken_back(five):
    job = finished(begun("suppress", scope="*", note="mistake"))
    assert not bulk.undo(now=NOW + HOUR + timedelta(hours=24), job_id=job.pk)


def test_suppressing_is_taken_back_and_any_other_reason_stays(five):
    job = finished(begun("suppress", scope="*", note="mistake"))
    assert suppressions(five[0].email) == {("*", "manual")}
    suppress(now=NOW, address_key=five[1].address_key, scope="*", reason="bounced", source="report")

    bulk.undo(now=NOW + 2 * HOUR, job_id=job.pk)
    finished(job)

    assert suppressions(five[0].email) == set()
    assert suppressions(five[1].email) == {("*", "bounced")}


def test_unsubscribing_is_kept_with_its_reason_and_never_taken_back(five, news):
    job = finished(begun("unsubscribe", list=news.pk, note="asked by phone"))

    assert {state for person in five for state in states(person).values()} == {"unsubscribed"}
    assert ConsentEvent.objects.filter(kind="unsubscribed").count() == 5
    assert not bulk.undo(now=NOW + 2 * HOUR, job_id=job.pk)


def test_an_export_holds_each_person_once_and_its_formulas_are_neutralised(five):
    PersonField.objects.create(key="city", label="City")
    Subscriber.objects.filter(pk=five[0].pk).update(fields={"city": "=1+1"})

    job = finished(begun("export", fields=["city"]))

    rows = list(csv.DictReader(bulk.file_of(job).path.read_text(encoding="utf-8").splitlines()))
    assert [row["email"] for row in rows] == [person.email for person in five]
    assert rows[0]["city"] == "'=1+1"
    assert rows[0]["lists"] == "News"


def test_a_job_cut_off_goes_on_and_deals_with_everybody_once(five, monkeypatch):
    monkeypatch.setattr(bulk, "CHUNKS_AT_ONCE", 1)
    job = begun("export", fields=[])
    assert bulk.run(now=NOW, job_id=job.pk)
    with bulk.file_of(job).path.open("ab") as file:
        file.write(b"written by a run that was killed before it committed")
    assert bulk.due() == [job.pk]

    finished(job)

    rows = list(csv.DictReader(bulk.file_of(job).path.read_text(encoding="utf-8").splitlines()))
    assert [row["email"] for row in rows] == [person.email for person in five]
    assert (job.n_done, bulk.due()) == (5, [])


def stumbling(monkeypatch, name, at):
    """Deal with two people, then fail once by an error of ours."""
    real, calls = getattr(bulk, name), []

    def stumble(*args, **kwargs):
        calls.append(args)
        if len(calls) == at:
            raise RuntimeError("ours")
        return real(*args, **kwargs)

    monkeypatch.setattr(bulk, name, stumble)
    return calls


def test_a_job_that_stops_at_our_error_fails_with_a_sentence_and_goes_on_when_a_person_asks(five, monkeypatch, caplog):
    stumbling(monkeypatch, "suppress", at=4)
    job = finished(begun("suppress", scope="*", note="mistake"))
    assert (job.state, job.n_done, bulk.due()) == ("failed", 2, [])
    assert "RuntimeError: ours" in caplog.text

    client, where = admin(), reverse("bulk-job", args=[job.pk])
    assert "It stopped at an error of ours." in client.get(where).content.decode()
    assert client.get(reverse("bulk-progress", args=[job.pk])).status_code == 286
    client.post(reverse("bulk-go-on", args=[job.pk]))
    finished(job)

    assert (job.state, job.n_done, job.n_changed) == ("done", 5, 5)
    assert not bulk.go_on(now=NOW + 3 * HOUR, job_id=job.pk)
    assert "error of ours" not in client.get(where).content.decode()


def test_taking_back_that_stops_at_our_error_goes_on_with_taking_back(five, monkeypatch):
    job = finished(begun("suppress", scope="*", note="mistake"))
    stumbling(monkeypatch, "take_reasons_away", at=4)
    assert bulk.undo(now=NOW + 2 * HOUR, job_id=job.pk)
    finished(job)
    assert (job.state, job.n_changed, bulk.due()) == ("failed", 2, [])
    page = admin().get(reverse("bulk-job", args=[job.pk])).content.decode()
    assert "Taking it back stopped at an error of ours." in page and "2 people are as before" in page

    assert bulk.go_on(now=NOW + 3 * HOUR, job_id=job.pk)
    finished(job)

    assert (job.state, job.n_changed) == ("undone", 5)
    assert [suppressions(person.email) for person in five] == [set()] * 5


def test_an_export_that_failed_cannot_go_on_once_what_it_had_written_is_deleted(five, monkeypatch):
    stumbling(monkeypatch, "_write", at=2)
    job = finished(begun("export"))
    assert job.state == "failed"
    assert bulk.can_go_on(job, now=NOW + bulk.FILES_KEPT - HOUR)

    assert not bulk.go_on(now=NOW + bulk.FILES_KEPT, job_id=job.pk)
    assert bulk.due() == []


def test_while_the_database_is_away_a_job_stays_due(five, monkeypatch):
    def away(*_):
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(bulk, "_chunk", away)
    job = begun("suppress", scope="*", note="mistake")
    with pytest.raises(OperationalError):
        bulk.run(now=NOW, job_id=job.pk)
    assert bulk.due() == [job.pk]


def test_whoever_comes_after_the_start_is_not_meant(five):
    job = begun("suppress", scope="*", note="x")
    reader("later@x.example")
    finished(job)
    assert suppressions("later@x.example") == set()


def test_exported_files_go_after_a_week(five):
    job = finished(begun("export", fields=[]))
    bulk.forget_files(now=NOW + 6 * DAY)
    assert bulk.file_of(job).path.exists()
    bulk.forget_files(now=NOW + 8 * DAY)
    assert not bulk.file_of(job).path.exists()


def test_the_page_says_how_many_starts_a_job_and_shows_its_result(five, news):
    client = admin()
    page = client.get(reverse("bulk"), {"q": "r", "list": news.pk}).content.decode()
    assert "5 people" in page
    assert "on “News”" in page

    where = f"{reverse('bulk-start', args=['suppress'])}?q=r&list={news.pk}"
    answer = client.post(where, {"scope": "*", "note": "asked"})
    job = BulkJob.objects.get()
    assert answer.headers["Location"] == reverse("bulk-job", args=[job.pk])
    assert client.get(reverse("bulk-progress", args=[job.pk])).status_code == 200
    while bulk.run(now=NOW, job_id=job.pk):
        pass
    assert client.get(reverse("bulk-progress", args=[job.pk])).status_code == 286
    assert "<b>5</b> of 5" in client.get(reverse("bulk-job", args=[job.pk])).content.decode()


def test_a_reason_is_asked_for(five):
    answer = admin().post(reverse("bulk-start", args=["unsubscribe"]), {"list": ""})
    assert answer.status_code == 422
    assert not BulkJob.objects.exists()


def test_above_fifty_thousand_people_their_number_is_typed(five, monkeypatch):
    monkeypatch.setattr(BulkForm, "SURE", 3)
    client, where = admin(), reverse("bulk-start", args=["suppress"])
    form = {"scope": "*", "note": "x"}
    assert client.post(where, form).status_code == 422
    assert client.post(where, {**form, "typed": "4"}).status_code == 422
    assert client.post(where, {**form, "typed": "5"}).status_code == 302


def test_a_file_is_for_whoever_asked_for_it(five):
    job = finished(begun("export", fields=[]))
    text = b"".join(admin().get(reverse("bulk-file", args=[job.pk]))).decode()
    assert "r0@x.example" in text
    BulkJob.objects.update(created_by=None)
    assert admin().get(reverse("bulk-file", args=[job.pk])).status_code == 404
    assert colleague().get(reverse("bulk-file", args=[job.pk])).status_code == 403
