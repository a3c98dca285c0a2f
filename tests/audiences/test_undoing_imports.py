"""Trying an import out, and taking it back."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from audiences import consent, imports, trials, undoing
from audiences.import_files import describe
from audiences.models import ConsentEvidence, Import, ImportedPerson, PersonField, PersonNote, Subscriber, Subscription
from audiences.reading import read_as
from audiences.suppress import suppress
from tests.audiences.cast import DAY, NOW, assert_events_tell_the_rows, make_list, reader, states
from tests.visitors import colleague

pytestmark = pytest.mark.django_db
FILE = "email;first_name;city\njane@x.example;Jane;Gdynia\nnew@x.example;New;Sopot\njoe@x.example;Joe;\n"


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    monkeypatch.setattr(imports, "CHUNK_ROWS", 2)
    monkeypatch.setattr(undoing, "CHUNK", 2)


@pytest.fixture
def news():
    PersonField.objects.create(key="city", label="City")
    return make_list()


@pytest.fixture
def described(tmp_path, news):
    def make(text=FILE, existing="overwrite"):
        file = tmp_path / "people.csv"
        file.write_text(text)
        upload = describe(path=file, file_name="people.csv", list_id=news.pk)
        Import.objects.filter(pk=upload.pk).update(existing=existing)
        upload.refresh_from_db()
        return upload

    return make


def done(upload, now=NOW + DAY):
    imports.start(upload_id=upload.pk)
    imports.run_import(now=now, upload_id=upload.pk)
    upload.refresh_from_db()
    return upload


def undone(upload, written_to=()):
    assert undoing.start(now=timezone.now(), upload_id=upload.pk)
    assert undoing.undo(now=NOW + 2 * DAY, upload_id=upload.pk, mailed=lambda keys: set(written_to) & set(keys))
    upload.refresh_from_db()
    return upload


def everything():
    return list(Subscriber.objects.order_by("pk").values()), list(Subscription.objects.order_by("pk").values())


def test_a_trial_says_what_each_row_would_do_and_changes_nothing(described, news):
    jane = reader("jane@x.example", news)
    gone = reader("gone@x.example", news)
    consent.unsubscribe(now=NOW, subscriber_id=gone.pk, list_ids=[news.pk], source="page")
    text = FILE + "gone@x.example;;\nnonsense;;\nNEW@x.example;;\nsomebody@gmial.com;;\n"
    before = everything()
    upload = described(text)

    assert trials.start(upload_id=upload.pk)
    assert trials.run(now=NOW, upload_id=upload.pk)

    upload.refresh_from_db()
    assert upload.state == "checked"
    told = upload.trial
    assert (told["created"], told["updated"], told["unchanged"]) == (3, 1, 1)
    assert (told["duplicates"], told["rejected"], told["kept_out"], told["flagged"]) == (1, 1, 1, 1)
    assert everything() == before
    jane.refresh_from_db()
    assert "city" not in jane.fields

    done(upload)
    assert (upload.n_created, upload.n_updated, upload.n_unchanged) == (3, 1, 1)
    assert (upload.n_duplicates, upload.n_rejected, upload.n_kept_out, upload.n_flagged) == (1, 1, 1, 1)


def test_a_trial_of_a_file_that_is_gone_says_so_and_the_person_can_go_on(described, tmp_path):
    upload = described()
    (tmp_path / "people.csv").unlink()
    trials.start(upload_id=upload.pk)
    trials.run(now=NOW, upload_id=upload.pk)

    upload.refresh_from_db()
    assert upload.state == "uploaded"
    assert "not there any more" in upload.error


def test_a_trial_that_stops_at_our_error_is_not_begun_anew_for_ever(described, monkeypatch):
    def stumble(*_):
        raise RuntimeError("ours")

    upload = described()
    trials.start(upload_id=upload.pk)
    monkeypatch.setattr(trials, "stage", stumble)
    with pytest.raises(RuntimeError):
        trials.run(now=NOW, upload_id=upload.pk)

    upload.refresh_from_db()
    assert upload.state == "uploaded" and "error of ours" in upload.error


def test_a_file_that_is_read_anew_has_not_been_tried_out(described):
    upload = described()
    trials.start(upload_id=upload.pk)
    trials.run(now=NOW, upload_id=upload.pk)
    upload.refresh_from_db()
    read_as(upload=upload, encoding="utf-8", delimiter=";")

    upload.refresh_from_db()
    assert (upload.state, upload.trial) == ("uploaded", {})


def test_undoing_asks_the_same_number_of_questions_for_two_people_and_for_twenty(described, news, monkeypatch):
    def questions(n):
        emails = [f"r{n}x{number}@x.example" for number in range(n)]
        for email in emails:
            reader(email, news)
        upload = done(described("email;city\n" + "".join(f"{email};Gdynia\n" for email in emails)))
        assert upload.n_updated == n
        with CaptureQueriesContext(connection) as asked:
            undone(upload)
        assert not Subscriber.objects.filter(fields__city="Gdynia").exists()
        return len(asked)

    monkeypatch.setattr(undoing, "CHUNK", 100)
    assert questions(20) == questions(2)


def test_undoing_that_stops_at_our_error_says_so_and_goes_on_when_a_person_asks_again(described, news, monkeypatch):
    upload = done(described())
    asked = []

    def stumble(keys):
        asked.append(list(keys))
        if len(asked) == 2:
            raise RuntimeError("ours")
        return set()

    assert undoing.start(now=timezone.now(), upload_id=upload.pk)
    assert undoing.undo(now=NOW + 2 * DAY, upload_id=upload.pk, mailed=stumble)
    upload.refresh_from_db()
    assert (upload.state, undoing.due(), upload.n_taken_back) == ("done", [], 2)
    Import.objects.update(finished_at=timezone.now())
    page = colleague().get(reverse("import", args=[upload.pk])).content.decode()
    assert "stopped at an error of ours" in page and "Undo this import" in page

    undone(upload)

    assert (upload.state, upload.error, upload.n_taken_back) == ("undone", "", 3)
    assert not Subscriber.objects.exists()


def test_undoing_removes_who_came_and_restores_what_was_changed(described, news):
    jane = reader("jane@x.example", news)
    Subscriber.objects.filter(pk=jane.pk).update(fields={"first_name": "Jo", "city": "Gdańsk"}, language="pl")
    upload = done(described())
    jane.refresh_from_db()
    assert jane.fields == {"first_name": "Jane", "city": "Gdynia"}

    undone(upload)

    assert (upload.state, upload.n_taken_back, upload.n_stayed) == ("undone", 2, 0)
    assert list(Subscriber.objects.values_list("email", flat=True)) == ["jane@x.example"]
    jane.refresh_from_db()
    assert jane.fields == {"first_name": "Jo", "city": "Gdańsk"}
    assert states(jane) == {"News": "subscribed"}
    assert_events_tell_the_rows(jane)
    assert not ConsentEvidence.objects.filter(text__contains="people.csv").exists()
    assert not ImportedPerson.objects.exists()


def test_whom_a_later_import_changed_and_of_whom_there_are_notes_stays(described):
    upload = done(described())
    done(described("email;first_name\nnew@x.example;Newer\n"), now=NOW + 2 * DAY)
    joe = Subscriber.objects.get(email="joe@x.example")
    PersonNote.objects.create(subscriber=joe, text="Called", at=NOW + 2 * DAY)

    undone(upload)

    assert set(Subscriber.objects.values_list("email", flat=True)) == {"new@x.example", "joe@x.example"}
    assert Subscriber.objects.get(email="new@x.example").fields["first_name"] == "Newer"


def test_whoever_was_written_to_since_stays(described):
    upload = done(described())
    joe = Subscriber.objects.get(email="joe@x.example")

    undone(upload, written_to=[joe.address_key])

    assert (upload.n_taken_back, upload.n_stayed) == (2, 1)
    assert states(joe) == {"News": "subscribed"}


def test_somebody_known_before_only_leaves_the_list_they_were_put_on(described, news):
    jane = reader("jane@x.example", make_list("Other"))
    upload = done(described(existing="keep"))
    assert states(jane) == {"Other": "subscribed", "News": "subscribed"}

    undone(upload)

    assert states(jane) == {"Other": "subscribed"}
    assert_events_tell_the_rows(jane)


def test_what_people_did_since_stands(described, news):
    upload = done(described())
    joe, new = Subscriber.objects.get(email="joe@x.example"), Subscriber.objects.get(email="new@x.example")
    consent.unsubscribe(now=NOW + DAY, subscriber_id=joe.pk, list_ids=[news.pk], source="page")
    consent.subscribe(now=NOW + DAY, email=new.email, list_id=make_list("Other").pk, source="form")

    undone(upload)

    assert states(joe) == {"News": "unsubscribed"}
    assert states(new) == {"Other": "subscribed"}
    for person in (joe, new):
        assert_events_tell_the_rows(person)


def test_a_field_that_was_changed_again_keeps_its_newer_value(described, news):
    jane = reader("jane@x.example", news)
    upload = done(described())
    Subscriber.objects.filter(pk=jane.pk).update(fields={"first_name": "Janet", "city": "Gdynia"})

    undone(upload)

    jane.refresh_from_db()
    assert jane.fields == {"first_name": "Janet"}


def test_undoing_goes_on_after_a_killed_worker(described, monkeypatch):
    upload = done(described())
    monkeypatch.setattr(undoing, "CHUNKS_AT_ONCE", 1)
    undoing.start(now=timezone.now(), upload_id=upload.pk)

    for _ in range(3):
        assert undoing.due() == [upload.pk]
        undoing.undo(now=NOW + 2 * DAY, upload_id=upload.pk, mailed=lambda _keys: set())

    upload.refresh_from_db()
    assert (upload.state, upload.n_taken_back) == ("undone", 3)
    assert undoing.due() == []


def test_an_undone_file_can_be_imported_again(described, tmp_path, news):
    undone(done(described()))
    upload = done(described(), now=NOW + 3 * DAY)

    assert upload.n_created == 3
    for person in Subscriber.objects.all():
        assert_events_tell_the_rows(person)


def test_after_thirty_days_nothing_is_undone_and_nothing_kept_for_it(described):
    upload = done(described())
    late = timezone.now() + undoing.UNDO_WITHIN + DAY

    assert not undoing.start(now=late, upload_id=upload.pk)
    undoing.forget_old(now=late)
    assert not ImportedPerson.objects.exists()


def test_the_page_tries_out_then_imports_then_offers_to_undo(described, news):
    client, upload = colleague(), described()
    page = reverse("import", args=[upload.pk])
    rules = {"list": news.pk, "basis": "Fair", "existing": "keep", "has_header": "on"}
    rules |= {"column_0": "email", "column_1": "first_name", "column_2": "city"}
    client.post(reverse("import-check", args=[upload.pk]), rules)
    assert "Trying it out" in client.get(page).content.decode()
    assert client.get(reverse("import-progress", args=[upload.pk])).status_code == 200
    trials.run(now=NOW, upload_id=upload.pk)
    assert client.get(reverse("import-progress", args=[upload.pk])).status_code == 286
    assert "would be new" in client.get(page).content.decode()
    assert client.get(f"{page}?change").context["form"].initial["basis"] == "Fair"

    client.post(reverse("import-run", args=[upload.pk]))
    imports.run_import(now=NOW, upload_id=upload.pk)
    assert "Undo this import" in client.get(page).content.decode()
    client.post(reverse("import-undo", args=[upload.pk]))
    assert "Being taken back" in client.get(page).content.decode()
    undoing.undo(now=NOW, upload_id=upload.pk, mailed=lambda _keys: set())
    assert "people were removed" in client.get(page).content.decode()
    assert not Subscriber.objects.exists()


def test_a_complaint_survives_the_undoing(described):
    upload = done(described())
    joe = Subscriber.objects.get(email="joe@x.example")
    suppress(now=NOW, address_key=joe.address_key, scope="*", reason="complained", source="report")

    undone(upload)

    assert done(described()).n_kept_out == 1
