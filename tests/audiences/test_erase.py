import pytest

from audiences import activity, consent, imports
from audiences.change_address import AddressTaken, change_address
from audiences.erase import erase
from audiences.import_files import describe
from audiences.keys import key_of
from audiences.models import (
    ConsentEvent,
    ConsentEvidence,
    Import,
    ImportedPerson,
    ImportRejection,
    Subscriber,
    Subscription,
    Suppression,
)
from audiences.pure.addresses import BadAddress
from audiences.suppress import suppress
from tests.audiences.cast import DAY, HOUR, NOW, assert_events_tell_the_rows, make_list, reader, states, suppressions

pytestmark = pytest.mark.django_db
JANE, JOE = "jane@x.example", "joe@y.example"


def test_erasing_leaves_a_keyed_hash_and_the_events_and_no_trace_of_the_address():
    news = make_list()
    proof = {"ip": "203.0.113.7", "text": JANE}
    consent.subscribe(now=NOW, email=JANE, list_id=news.pk, source="form", evidence=proof)
    person = Subscriber.objects.get()
    activity.hard_bounce(now=NOW, address_key=person.address_key, evidence={"reply": f"550 {JANE} unknown"})
    upload = Import.objects.create(file_name="x.csv")
    ImportRejection.objects.create(upload=upload, line=2, value=f"Jane <{JANE.upper()}>", reason="twice")
    ImportedPerson.objects.create(
        upload=upload, subscriber_id=person.pk, was_new=False, joined=True, before={"fields": {}}, after={"fields": {}}
    )
    assert erase(now=NOW + HOUR, subscriber_id=person.pk)
    assert not ImportedPerson.objects.exists()
    assert not erase(now=NOW + HOUR, subscriber_id=person.pk)
    assert not Subscriber.objects.exists()
    assert not Subscription.objects.exists()
    assert not ConsentEvidence.objects.exists()
    assert suppressions(JANE) == {("*", "erased")}
    assert JANE not in str(Suppression.objects.values_list("evidence", "source")).lower()
    assert JANE not in str(ImportRejection.objects.values_list("value")).lower()
    assert [event.kind for event in ConsentEvent.objects.order_by("pk")] == ["subscribed", "erased"]


def test_an_import_does_not_bring_an_erased_person_back(tmp_path):
    news = make_list()
    erase(now=NOW, subscriber_id=reader(JANE, news).pk)
    file = tmp_path / "people.csv"
    file.write_text(f"E-mail\n{JANE}\n{JOE}\n")
    upload = describe(path=file, file_name="people.csv", list_id=news.pk)
    imports.start(upload_id=upload.pk)
    imports.run_import(now=NOW + DAY, upload_id=upload.pk)
    upload.refresh_from_db()
    assert (upload.n_created, upload.n_kept_out) == (1, 1)
    assert list(Subscriber.objects.values_list("email", flat=True)) == [JOE]


def test_a_new_address_carries_the_suppressions_of_both():
    news, offers = make_list(), make_list("Offers")
    person = reader(JANE, news, offers)
    consent.unsubscribe(now=NOW + HOUR, subscriber_id=person.pk, list_ids=[offers.pk], source="one-click")
    suppress(now=NOW, address_key=key_of(JOE), scope="*", reason="manual", source="test")
    suppress(now=NOW, address_key=key_of(JANE), scope="*", reason="complained", source="test")
    before = states(person)
    assert change_address(now=NOW + DAY, subscriber_id=person.pk, email=JOE.upper())
    assert not change_address(now=NOW + DAY, subscriber_id=person.pk, email=JOE)
    person.refresh_from_db()
    assert (person.email, person.domain, person.address_key) == (JOE, "y.example", key_of(JOE))
    both = {("*", "complained"), (f"list:{offers.pk}", "unsubscribed")}
    assert suppressions(JANE) == both
    assert suppressions(JOE) == both
    assert states(person) == before
    assert_events_tell_the_rows(person)


def test_an_address_that_was_erased_before_gets_a_history_that_adds_up():
    news = make_list()
    erase(now=NOW + HOUR, subscriber_id=reader(JOE, news).pk)
    person = reader(JANE, news)
    change_address(now=NOW + DAY, subscriber_id=person.pk, email=JOE)
    person.refresh_from_db()
    assert_events_tell_the_rows(person)


def test_an_address_of_somebody_else_is_refused_and_nothing_changes():
    person, _ = reader(JANE, make_list()), reader(JOE)
    with pytest.raises(AddressTaken):
        change_address(now=NOW, subscriber_id=person.pk, email=JOE)
    with pytest.raises(BadAddress):
        change_address(now=NOW, subscriber_id=person.pk, email="joe")
    person.refresh_from_db()
    assert person.email == JANE
