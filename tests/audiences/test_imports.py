from datetime import date, timedelta

import pytest

from audiences import consent, imports, undoing
from audiences.import_files import describe, look, receive, upload_folder
from audiences.models import (
    ConsentEvent,
    ConsentEvidence,
    Import,
    ImportRejection,
    MailingList,
    PersonField,
    Subscriber,
    Subscription,
)
from audiences.suppress import suppress
from tests.audiences.cast import DAY, HOUR, NOW, assert_events_tell_the_rows, make_list, reader, states, suppressions

pytestmark = pytest.mark.django_db
HEADER = "E-mail;Vorname;Ort\n"


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    """Rows of one file meet in several transactions."""
    monkeypatch.setattr(imports, "CHUNK_ROWS", 3)


@pytest.fixture
def take(tmp_path):
    def run(text, mailing_list=None, codec="utf-8", **fields):
        file = tmp_path / "people.csv"
        file.write_bytes(text.encode(codec) if isinstance(text, str) else text)
        upload = describe(path=file, file_name="people.csv", list_id=mailing_list.pk if mailing_list else None)
        for name, value in fields.items():
            setattr(upload, name, value)
        upload.save()
        assert imports.start(upload_id=upload.pk)
        assert imports.run_import(now=NOW + DAY, upload_id=upload.pk)
        upload.refresh_from_db()
        assert_adds_up(upload)
        return upload

    return run


def assert_adds_up(upload):
    kinds = [row.kind for row in upload.rejections.all()]
    counted = upload.n_created + upload.n_updated + upload.n_unchanged + upload.n_duplicates + upload.n_rejected
    assert upload.n_lines == counted
    assert kinds.count("rejected") == upload.n_rejected
    assert kinds.count("duplicate") == upload.n_duplicates
    assert kinds.count("kept_out") == upload.n_kept_out
    assert kinds.count("flagged") == upload.n_flagged


def report(upload):
    return [(row.line, row.kind, row.value) for row in upload.rejections.order_by("line")]


def test_people_come_in_with_fields_subscription_event_and_evidence(take):
    PersonField.objects.create(key="ort", label="Ort")
    news = make_list()
    upload = take(HEADER + "Jane@X.example;Jane;Gdańsk\njoe@y.example;Joe;\n", news, consent_basis="Fair, 2 March")
    assert (upload.state, upload.n_created, upload.n_subscribed) == ("done", 2, 2)
    jane, joe = Subscriber.objects.order_by("email")
    assert (jane.email, jane.domain) == ("jane@x.example", "x.example")
    assert jane.fields == {"first_name": "Jane", "ort": "Gdańsk"}
    assert joe.fields == {"first_name": "Joe"}
    event = ConsentEvent.objects.get(subject_key=jane.address_key)
    assert (event.kind, event.basis, event.at) == ("imported", "Fair, 2 March", NOW + DAY)
    assert event.evidence.text == "people.csv, line 2"
    assert_events_tell_the_rows(jane)
    assert PersonField.objects.filter(key="first_name").exists()


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_encodings_are_detected(take, codec):
    take("E-Mail\tVorname\r\njane@x.example\tZoë Müller\r\njoe@x.example\tBjörn\r\n", make_list(), codec=codec)
    assert {person.fields["first_name"] for person in Subscriber.objects.all()} == {"Zoë Müller", "Björn"}


def test_every_line_not_taken_is_kept_with_line_value_and_reason(take):
    upload = take(
        HEADER
        + 'jane@x.example;"Jane\nAnn";x\n'
        + "\n"
        + "not-an-address;Joe;x\n"
        + ";Nobody;x\n"
        + "jim@x.example;Jim;x;y;z\n"
        + "JANE@x.example;Again;x\n"
        + "info@gmial.com;Info;x\n"
        + 'kim@x.example;"Kim;x\n'
        + "last@x.example;Last;x\n",
        make_list(),
    )
    rows = {row.line: (row.kind, row.column, row.value, row.reason) for row in upload.rejections.all()}
    assert rows[5] == ("rejected", "E-mail", "not-an-address", "The address has no @.")
    assert rows[6][3] == "The address is empty."
    assert rows[7][3].startswith("The line has 5 cells for 3 columns")
    assert rows[8] == ("duplicate", "", "jane@x.example", "The same address stands on line 2 already.")
    assert rows[9][0] == "flagged"
    assert "info@gmail.com" in rows[9][3]
    assert "several people" in rows[9][3]
    assert rows[10][3] == "A quotation mark is opened here and not closed."
    assert set(rows) == {5, 6, 7, 8, 9, 10}
    assert (upload.n_lines, upload.n_created) == (8, 3)
    assert Subscriber.objects.get(email="jane@x.example").fields == {"first_name": "Jane Ann"}


def test_nobody_who_left_complained_or_bounced_comes_back(take):
    news = make_list()
    left = reader("left@x.example", news)
    consent.unsubscribe(now=NOW + HOUR, subscriber_id=left.pk, list_ids=[news.pk], source="one-click")
    gone = reader("gone@x.example")
    consent.unsubscribe(now=NOW + HOUR, subscriber_id=gone.pk, everywhere=True, source="preferences")
    for reason in ("complained", "bounced", "manual"):
        key = reader(f"{reason}@x.example", news).address_key
        suppress(now=NOW, address_key=key, scope="*", reason=reason, source="test")
    emails = ["left", "gone", "complained", "bounced", "manual", "fresh"]
    before = {email: suppressions(f"{email}@x.example") for email in emails}
    rows = "".join(f"{email}@x.example;New name;x\n" for email in emails)
    upload = take(HEADER + rows, news, existing="overwrite")
    assert (upload.n_kept_out, upload.n_created, upload.n_unchanged, upload.n_subscribed) == (5, 1, 5, 1)
    assert before == {email: suppressions(f"{email}@x.example") for email in emails}
    assert states(left) == {"News": "unsubscribed"}
    assert states(gone) == {}
    assert "first_name" not in Subscriber.objects.get(email="left@x.example").fields
    assert (
        ImportRejection.objects.get(line=2).reason == "This person left. Nothing was changed; only they can come back."
    )


@pytest.mark.parametrize(
    ("existing", "fields", "counts"),
    [
        ("keep", {"first_name": "Jane", "city": ""}, (0, 2)),
        ("fill_empty", {"first_name": "Jane", "city": "Gent", "age": 40}, (1, 1)),
        ("overwrite", {"first_name": "Janet", "city": "Gent", "age": 40}, (1, 1)),
    ],
)
def test_people_we_know_are_treated_as_asked(take, existing, fields, counts):
    PersonField.objects.create(key="age", label="Age", kind="number")
    PersonField.objects.create(key="city", label="City")
    news = make_list()
    for email, first_name in (("jane@x.example", "Jane"), ("same@x.example", "Same")):
        person = reader(email, news)
        person.fields = {"first_name": first_name, "city": ""}
        person.save()
    upload = take(
        "E-mail,first name,city,age\njane@x.example,Janet,Gent,40\nsame@x.example,Same,,\n", news, existing=existing
    )
    assert Subscriber.objects.get(email="jane@x.example").fields == fields
    assert (upload.n_updated, upload.n_unchanged) == counts


def test_a_value_of_the_wrong_kind_costs_the_value_and_not_the_person(take):
    PersonField.objects.create(key="age", label="Age", kind="number")
    upload = take("E-mail,age,language\njane@x.example,forty,Klingon language\n", make_list())
    assert Subscriber.objects.get().fields == {}
    (row,) = upload.rejections.all()
    assert (row.kind, row.column, row.value) == ("flagged", "age", "forty")
    assert "not a number" in row.reason
    assert "no code such as en" in row.reason


def test_choices_web_addresses_and_time_zones_come_in_and_a_wrong_one_says_what_was_expected(take):
    PersonField.objects.create(key="wine", label="Wine", kind="choice", options=["Red", "White"])
    PersonField.objects.create(key="likes", label="Likes", kind="multi_choice", options=["Cheese", "Bread"])
    PersonField.objects.create(key="site", label="Site", kind="url")
    header = "E-mail\twine\tlikes\tsite\tZeitzone\n"
    good = "a@x.example\tRED\tbread; cheese\twww.example.org\tamerica/new york\n"
    upload = take(header + good + "b@x.example\tRosé\tBread, Ham\tnowhere\tMars\n", make_list())

    assert Subscriber.objects.get(email="a@x.example").fields == {
        "wine": "Red", "likes": ["Cheese", "Bread"], "site": "https://www.example.org", "time_zone": "America/New_York",
    }  # fmt: skip
    assert Subscriber.objects.get(email="b@x.example").fields == {}
    (row,) = upload.rejections.all()
    assert (row.line, row.kind, row.column, row.value) == (3, "flagged", "site", "nowhere")
    assert "“Rosé” is none of: Red, White." in row.reason and "“Ham” is none of: Cheese, Bread." in row.reason
    assert PersonField.objects.get(key="time_zone").kind == "time_zone"


def test_the_day_of_a_sale_comes_in_and_what_cannot_be_read_is_not_taken(take):
    shop = make_list()
    MailingList.objects.update(ground="sale", occasion="Orders")
    header = "E-mail,bought\n"
    rows = "a@x.example,2025-05-03\nb@x.example,3 or 4 May\nc@x.example,2027-01-01\nd@x.example,\n"
    upload = take(header + rows, shop, mapping={"email": "E-mail", "ground_on": "bought"}, consent_basis="Orders")

    days = dict(Subscription.objects.values_list("subscriber__email", "ground_on"))
    assert days == {"a@x.example": date(2025, 5, 3), "d@x.example": None}
    assert [(row.line, row.kind, row.column) for row in upload.rejections.order_by("line")] == [
        (3, "rejected", "bought"), (4, "rejected", "bought"), (5, "flagged", "bought"),
    ]  # fmt: skip
    told = ConsentEvidence.objects.get(event__subject_key=Subscriber.objects.get(email="a@x.example").address_key)
    assert told.text == "people.csv, line 2, bought or asked on 2025-05-03"
    assert not PersonField.objects.filter(key="ground_on").exists()


def test_for_whoever_is_on_the_list_the_latest_day_counts_and_can_be_taken_back(take):
    shop = make_list()
    MailingList.objects.update(ground="sale", occasion="Orders")
    how = {"mapping": {"email": "E-mail", "ground_on": "bought"}, "consent_basis": "Orders"}
    for email in ("a@x.example", "b@x.example", "c@x.example"):
        reader(email, shop)
    Subscription.objects.filter(subscriber__email="b@x.example").update(ground_on=date(2025, 6, 1))
    Subscription.objects.filter(subscriber__email="c@x.example").update(ground_on=date(2025, 1, 1))
    file = "E-mail,bought\n" + "".join(f"{name}@x.example,2025-05-03\n" for name in "abc")

    def days():
        return [row.ground_on for row in Subscription.objects.order_by("subscriber__email")]

    upload = take(file, shop, **how)
    assert days() == [date(2025, 5, 3), date(2025, 6, 1), date(2025, 5, 3)]
    assert ConsentEvent.objects.filter(kind="imported", basis="Orders").count() == 2
    assert_events_tell_the_rows(Subscriber.objects.get(email="a@x.example"))
    take(file, shop, **how)
    assert ConsentEvent.objects.filter(kind="imported", basis="Orders").count() == 2

    assert undoing.start(now=NOW + DAY, upload_id=upload.pk)
    undoing.undo(now=NOW + DAY, upload_id=upload.pk, mailed=lambda _keys: set())
    assert days() == [None, date(2025, 6, 1), date(2025, 1, 1)]


def test_a_new_consent_is_no_sale_of_before_and_an_undone_leaving_is(take):
    shop = make_list()
    MailingList.objects.update(ground="sale", occasion="Orders")
    jane = reader("jane@x.example", shop)
    Subscription.objects.update(ground_on=date(2025, 5, 3))
    consent.unsubscribe(now=NOW, subscriber_id=jane.pk, list_ids=[shop.pk], source="test")
    consent.take_back(now=NOW + timedelta(minutes=1), subscriber_id=jane.pk)
    assert Subscription.objects.get().ground_on == date(2025, 5, 3)
    consent.unsubscribe(now=NOW + HOUR, subscriber_id=jane.pk, list_ids=[shop.pk], source="test")
    consent.confirm(now=NOW + DAY, subscriber_id=jane.pk, list_id=shop.pk)
    assert Subscription.objects.get().ground_on is None


def test_without_a_statement_of_consent_a_double_opt_in_list_asks_them(take):
    double = make_list(opt_in="double")
    upload = take(HEADER + "jane@x.example;Jane;x\n", double)
    assert upload.n_subscribed == 1
    assert Subscription.objects.awaiting_confirmation().count() == 1
    assert_events_tell_the_rows(Subscriber.objects.get())


def test_with_one_they_are_subscribed(take):
    take(HEADER + "jane@x.example;Jane;x\n", make_list(opt_in="double"), consent_basis="Ticked the box at the fair")
    assert Subscription.objects.get().state == "subscribed"


def test_the_same_file_twice_changes_nothing(take):
    news = make_list()
    text = HEADER + "".join(f"p{number}@x.example;P;x\n" for number in range(10))
    assert take(text, news).n_created == 10
    again = take(text, news, existing="overwrite")
    assert (again.n_created, again.n_updated, again.n_unchanged, again.n_subscribed) == (0, 0, 10, 0)
    assert (Subscriber.objects.count(), ConsentEvent.objects.count(), ConsentEvidence.objects.count()) == (10, 10, 10)


def test_a_file_without_header_and_without_list_makes_people_only(take):
    upload = take("7,jane@x.example\n8,joe@x.example\n")
    assert (upload.has_header, upload.mapping) == (False, {"email": "Column 2"})
    assert (upload.n_created, upload.n_subscribed, Subscription.objects.count()) == (2, 0, 0)


def test_a_run_that_is_done_or_not_due_is_left_alone(take):
    upload = take(HEADER + "jane@x.example;Jane;x\n", make_list())
    assert not imports.start(upload_id=upload.pk)
    assert not imports.run_import(now=NOW, upload_id=upload.pk)
    assert not imports.run_import(now=NOW, upload_id=999_999)


def test_an_upload_is_kept_under_a_name_of_ours_and_deleted_when_done(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    chunks = [HEADER.encode(), b"jane@x.example;Jane;x\n"]
    upload = receive(chunks=chunks, file_name="../../etc/cron.d/evil\0.csv", list_id=make_list().pk)
    assert upload.file_name == "evil.csv"
    (kept,) = upload_folder().iterdir()
    assert look(path=kept).rows == [["jane@x.example", "Jane", "x"]]
    imports.start(upload_id=upload.pk)
    imports.run_import(now=NOW, upload_id=upload.pk)
    assert not list(upload_folder().iterdir())
    assert Import.objects.get().finished_at is not None


def test_the_report_downloads_without_formulas(take):
    upload = take(HEADER + '=HYPERLINK("http://evil");x;x\n+4912345;x;x\n', make_list())
    text = "".join(imports.rejected_rows_csv(upload_id=upload.pk))
    assert text.startswith("line,what,column,value,reason\r\n")
    assert "\"'=HYPERLINK(" in text
    assert "'+4912345" in text
