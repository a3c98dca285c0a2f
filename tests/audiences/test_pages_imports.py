import csv

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from audiences import imports
from audiences.models import Import, Subscriber
from tests.audiences.cast import make_list, reader
from tests.visitors import admin, colleague

pytestmark = pytest.mark.django_db
CSV = "E-Mail;Vorname;Ort\njane@x.example;Jane;Köln\njorg@;Jörg;\n=cmd@evil;=1+1;\njane@x.example;Twice;\n"
BASIS = "Paper form at the fair, 22 Nov 2026"


@pytest.fixture(autouse=True)
def _own_folder(settings, tmp_path):
    settings.VAR_DIR = tmp_path


def upload(client, text=CSV, encoding="cp1252", name="fair.csv"):
    file = SimpleUploadedFile(name, text.encode(encoding), content_type="text/csv")
    return client.post(reverse("import-new"), {"file": file})


def url(name, made):
    return reverse(name, args=[made.pk])


def rules(news, **changes):
    columns = {"column_0": "email", "column_1": "first_name", "column_2": "ort"}
    return {"list": news.pk, "basis": BASIS, "existing": "keep", "has_header": "on", **columns, **changes}


def test_a_file_is_looked_at_before_anything_is_changed():
    client = colleague()
    answer = upload(client)
    made = Import.objects.get()
    assert answer.headers["Location"] == url("import", made)
    page = client.get(url("import", made))
    assert (made.encoding, made.delimiter) == ("cp1252", ";")
    assert "Köln" in page.content.decode()
    form = page.context["form"]
    assert [field.initial for field in form.column_fields()] == ["email", "first_name", ""]
    assert ("ort", "New field “ort”") in form.fields["column_2"].choices
    assert not Subscriber.objects.exists()


def test_pasted_rows_are_looked_at_like_a_file():
    client, rows = colleague(), "E-mail\tFirst name\nada@example.org\tAda\n"

    answer = client.post(reverse("import-new"), {"pasted": rows})

    upload = Import.objects.get()
    assert answer["Location"] == reverse("import", args=[upload.pk])
    assert (upload.file_name, upload.delimiter, upload.has_header) == ("pasted rows", "\t", True)
    assert "ada@example.org" in client.get(answer["Location"]).content.decode()
    assert not Subscriber.objects.exists()


def test_addresses_alone_may_be_pasted():
    colleague().post(reverse("import-new"), {"pasted": "ada@example.org\nbo@example.org\n"})

    upload = Import.objects.get()
    assert not upload.has_header
    assert list(upload.mapping) == ["email"]


@pytest.mark.parametrize(
    "both", [{"pasted": ""}, {"pasted": "ada@example.org", "file": SimpleUploadedFile("a.csv", b"ada@example.org")}]
)
def test_either_a_file_or_rows_are_asked_for(both):
    answer = colleague().post(reverse("import-new"), both)

    assert answer.status_code == 422
    assert "one of the two" in answer.content.decode()
    assert not Import.objects.exists()


def test_too_much_to_paste_is_said():
    answer = colleague().post(reverse("import-new"), {"pasted": "a@example.org\n" * 60_000})

    assert answer.status_code == 422
    assert "Save it as a CSV file" in answer.content.decode()


def test_what_is_no_csv_is_refused_with_a_sentence():
    client = colleague()
    file = SimpleUploadedFile("people.zip", b"PK\x03\x04" + b"x" * 100)
    answer = client.post(reverse("import-new"), {"file": file})
    assert answer.status_code == 422
    assert "Unpack it and upload" in answer.content.decode()
    assert not Import.objects.exists()


def test_a_wrong_guess_is_corrected():
    client = colleague()
    upload(client)
    made = Import.objects.get()
    client.post(url("import-reading", made), {"encoding": "cp1250", "delimiter": ";"})
    made.refresh_from_db()
    assert made.encoding == "cp1250"
    answer = client.post(url("import-reading", made), {"encoding": "utf-16", "delimiter": ";"}, follow=True)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"basis": ""}, "This field is required"),
        ({"column_0": ""}, "Say which column holds the e-mail address"),
        ({"column_1": "email"}, "Two columns are both meant to be"),
        ({"list": "999"}, "not one of the available choices"),
    ],
)
def test_rules_that_can_not_be_followed_are_refused_and_nothing_runs(changes, sentence):
    client = colleague()
    upload(client)
    made = Import.objects.get()
    answer = client.post(url("import-run", made), rules(make_list(), **changes))
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    made.refresh_from_db()
    assert made.state == Import.State.UPLOADED


def test_it_runs_once_waits_for_a_worker_and_ends_with_counts_that_add_up(django_capture_on_commit_callbacks):
    client, news = colleague(), make_list()
    upload(client)
    made = Import.objects.get()
    with django_capture_on_commit_callbacks() as wakeups:
        client.post(url("import-run", made), rules(news))
        client.post(url("import-run", made), rules(news))
    assert len(wakeups) == 1
    waiting = client.get(url("import-progress", made))
    assert waiting.status_code == 200
    assert "Waiting for a background worker" in waiting.content.decode()
    imports.run_import(now=timezone.now(), upload_id=made.pk)
    done = client.get(url("import-progress", made))
    assert done.status_code == 286
    made.refresh_from_db()
    assert made.n_created + made.n_updated + made.n_unchanged + made.n_duplicates + made.n_rejected == made.n_lines == 4
    assert Subscriber.objects.get().fields == {"first_name": "Jane", "ort": "Köln"}
    assert "1 new" in client.get(url("import", made)).content.decode()


def test_rows_not_taken_are_listed_and_downloaded_with_a_reason_that_no_spreadsheet_runs():
    client, news = colleague(), make_list()
    upload(client)
    made = Import.objects.get()
    client.post(url("import-run", made), rules(news))
    imports.run_import(now=timezone.now(), upload_id=made.pk)
    page = client.get(url("import", made)).content.decode()
    assert "There is nothing after the @" in page
    answer = client.get(url("import-rejected", made))
    rows = list(csv.DictReader(answer.getvalue().decode().splitlines()))
    assert [row["line"] for row in rows] == ["3", "4", "5"]
    assert all(row["reason"] for row in rows)
    assert rows[1]["value"] == "'=cmd@evil"


def test_whoever_left_stays_out():
    client, news = admin(), make_list()
    jane = reader("jane@x.example", news)
    client.post(reverse("person-unsubscribe", args=[jane.pk]), {"list": news.pk, "note": "asked"})
    upload(client)
    made = Import.objects.get()
    client.post(url("import-run", made), rules(news))
    imports.run_import(now=timezone.now(), upload_id=made.pk)
    assert "only they can come back" in client.get(url("import", made)).content.decode()


def test_a_file_that_is_gone_is_said_to_be_gone():
    client = colleague()
    upload(client)
    made = Import.objects.get()
    Import.objects.update(path="/nowhere/x.csv")
    answer = client.get(url("import", made))
    assert answer.status_code == 422
    assert "not there any more" in answer.content.decode()


def test_progress_is_told_to_screen_readers_now_and_then():
    client, news = colleague(), make_list()
    upload(client)
    made = Import.objects.get()
    Import.objects.update(state="running", list=news, done_rows=10_000, n_lines=10_000)

    def told(seen: int) -> str:
        return client.get(url("import-progress", made), {"seen": seen}).headers.get("HX-Trigger", "")

    assert "10,000 rows so far" in told(0)
    assert told(10_000) == ""
    Import.objects.update(n_lines=60_000)
    assert "60,000 rows so far" in told(40_000)
    assert f"{url('import-progress', made)}?seen=60000" in client.get(url("import", made)).content.decode()
