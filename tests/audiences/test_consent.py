import pytest
from django.db import DatabaseError, transaction

from audiences import activity, consent, pause
from audiences.consent import Confirmed, Subscribed
from audiences.erase import erase
from audiences.keys import key_of
from audiences.models import ConsentEvent, ConsentEvidence, Subscriber, Subscription, Suppression
from audiences.pure.addresses import BadAddress
from audiences.suppress import import_suppressed, lift, suppress, take_reasons_away
from tests.audiences.cast import (
    DAY,
    HOUR,
    NOW,
    assert_events_tell_the_rows,
    make_list,
    reader,
    states,
    suppressions,
)

pytestmark = pytest.mark.django_db
JANE = "jane@x.example"
MINUTE = HOUR / 60


def ask(mailing_list, email=JANE, now=NOW, **more):
    return consent.subscribe(now=now, email=email, list_id=mailing_list.pk, source="form", **more)


def leave(person, *lists, now=NOW + HOUR, **more):
    return consent.unsubscribe(
        now=now, subscriber_id=person.pk, list_ids=[one.pk for one in lists], source="one-click", **more
    )


def confirm(person, mailing_list, now=NOW + HOUR, **more):
    return consent.confirm(now=now, subscriber_id=person.pk, list_id=mailing_list.pk, **more)


def test_single_opt_in_subscribes_at_once_with_evidence():
    news = make_list()
    proof = {"ip": "203.0.113.7", "user_agent": "Firefox", "text": "I want news"}
    assert ask(news, evidence=proof, basis="sign-up form") == Subscribed.SUBSCRIBED
    assert ask(news) == Subscribed.ALREADY
    event = ConsentEvent.objects.get()
    assert (event.kind, event.basis, event.wording_version) == ("subscribed", "sign-up form", 1)
    assert (event.evidence.ip, event.evidence.text) == ("203.0.113.7", "I want news")


def test_double_opt_in_waits_for_the_person_and_leaves_a_row_for_the_confirmation_mail():
    news = make_list(opt_in="double")
    assert ask(news) == Subscribed.TO_CONFIRM
    person = Subscriber.objects.get()
    waiting = Subscription.objects.awaiting_confirmation()
    assert [row.subscriber_id for row in waiting] == [person.pk]
    assert confirm(person, news) == Confirmed.CONFIRMED
    assert confirm(person, news) == Confirmed.ALREADY
    assert states(person) == {"News": "subscribed"}
    assert not waiting.all()
    assert_events_tell_the_rows(person)


def test_asking_again_sends_one_confirmation_mail_a_day():
    news = make_list(opt_in="double")
    ask(news)
    Subscription.objects.update(confirmation_queued_at=NOW)
    for _ in range(20):
        ask(news, now=NOW + HOUR)
    assert not Subscription.objects.awaiting_confirmation()
    assert ConsentEvent.objects.count() == 1
    ask(news, now=NOW + DAY)
    assert Subscription.objects.awaiting_confirmation().count() == 1


def test_somebody_who_left_is_not_brought_back_by_others():
    news = make_list()
    person = reader(JANE, news)
    leave(person, news)
    assert ask(news, now=NOW + DAY, by_person=False) == Subscribed.KEPT_OUT
    assert states(person) == {"News": "unsubscribed"}
    assert suppressions(JANE) == {(f"list:{news.pk}", "unsubscribed")}


def test_somebody_who_left_comes_back_by_asking_and_confirming_even_on_a_single_opt_in_list():
    news = make_list()
    person = reader(JANE, news)
    leave(person, news)
    assert ask(news, now=NOW + DAY) == Subscribed.TO_CONFIRM
    assert suppressions(JANE) == {(f"list:{news.pk}", "unsubscribed")}
    assert confirm(person, news, now=NOW + DAY) == Confirmed.CONFIRMED
    assert suppressions(JANE) == set()
    assert_events_tell_the_rows(person)


def test_an_old_link_does_not_bring_back_who_left_since():
    news = make_list()
    person = reader(JANE, news)
    leave(person, news, now=NOW + DAY)
    assert confirm(person, news, now=NOW + DAY, asked_at=NOW) == Confirmed.LEFT_SINCE
    assert states(person) == {"News": "unsubscribed"}


def test_leaving_everything_leaves_every_list_and_confirming_one_brings_back_only_that():
    news, offers = make_list(), make_list("Offers")
    person = reader(JANE, news, offers)
    result = leave(person, everywhere=True)
    assert sorted(result.left_lists) == sorted([news.pk, offers.pk])
    assert suppressions(JANE) == {(s, "unsubscribed") for s in ("*", f"list:{news.pk}", f"list:{offers.pk}")}
    ask(news, now=NOW + DAY)
    assert Subscription.objects.awaiting_confirmation().count() == 1
    confirm(person, news, now=NOW + DAY)
    assert states(person) == {"News": "subscribed", "Offers": "unsubscribed"}
    assert suppressions(JANE) == {(f"list:{offers.pk}", "unsubscribed")}
    assert_events_tell_the_rows(person)


@pytest.mark.parametrize("reason", ["complained", "bounced", "manual", "imported"])
def test_consent_does_not_lift_what_is_not_about_consent(reason):
    news = make_list(opt_in="double")
    ask(news)
    person = Subscriber.objects.get()
    leave(person, everywhere=True)
    suppress(now=NOW, address_key=person.address_key, scope="*", reason=reason, source="test")
    assert confirm(person, news) == Confirmed.SUPPRESSED
    assert ask(news, now=NOW + DAY) == Subscribed.KEPT_OUT
    assert not Subscription.objects.awaiting_confirmation()
    assert "*" in {scope for scope, _ in suppressions(JANE)}


def test_one_click_leaves_those_lists_of_the_mailing_that_the_person_is_on():
    news, offers, other = make_list(), make_list("Offers"), make_list("Other")
    person = reader(JANE, news, other)
    result = leave(person, news, offers)
    assert (result.left_lists, result.scopes) == ([news.pk], [f"list:{news.pk}"])
    assert states(person) == {"News": "unsubscribed", "Other": "subscribed"}


def test_leaving_lists_one_is_on_none_of_still_suppresses():
    news = make_list()
    person = reader(JANE)
    assert leave(person, news).changed
    assert suppressions(JANE) == {(f"list:{news.pk}", "unsubscribed")}
    assert ask(news, now=NOW + DAY, by_person=False) == Subscribed.KEPT_OUT


def test_leaving_twice_changes_nothing_more():
    news = make_list()
    person = reader(JANE, news)
    assert leave(person, news, everywhere=True).changed
    events = ConsentEvent.objects.count()
    assert not leave(person, news, everywhere=True, now=NOW + DAY).changed
    assert ConsentEvent.objects.count() == events


@pytest.mark.parametrize(
    "held", [["complained"], ["bounced"], ["imported", "manual"], ["complained", "bounced"], ["erased"]]
)
def test_leaving_is_one_more_reason_beside_those_there_are(held):
    news = make_list()
    person, twin = reader(JANE, news), reader("twin@x.example")
    for address_key in (person.address_key, twin.address_key):
        for reason in held:
            proof = {"text": reason}
            suppress(
                now=NOW, address_key=address_key, scope=f"list:{news.pk}", reason=reason, source="a", evidence=proof
            )
    news_to_the_twin = suppress(
        now=NOW, address_key=twin.address_key, scope=f"list:{news.pk}", reason="unsubscribed", source="one-click"
    )
    assert leave(person, news).scopes == ([f"list:{news.pk}"] if news_to_the_twin else [])
    ours, theirs = (
        Suppression.objects.filter(address_key=one.address_key).values_list("reason", "source", "evidence").get()
        for one in (person, twin)
    )
    assert ours == theirs
    assert states(person) == {"News": "unsubscribed"}
    assert_events_tell_the_rows(person)


@pytest.mark.parametrize("how", ["lifted", "taken back"])
def test_a_pause_goes_on_beneath_a_suppression_by_hand_and_after_it(how):
    subscriber = reader(JANE, make_list())
    ends = pause.pause(now=NOW, subscriber_id=subscriber.pk, source="page")
    assert ends is not None
    told = {"address_key": subscriber.address_key, "scope": "stream:marketing"}
    assert suppress(now=NOW, **told, reason="manual", source="by hand")
    if how == "lifted":
        assert lift(now=NOW, **told, actor="ann", reason="A mistake")
    else:
        take_reasons_away(address_key=told["address_key"], scopes=[told["scope"]], reasons=["manual"])
    row = Suppression.objects.get()
    assert (row.reason, row.until, row.evidence) == ("paused", ends, {})
    assert pause.end_pauses(now=ends) == 1


def test_a_pause_beneath_an_imported_suppression_ends_when_it_ends():
    subscriber = reader(JANE, make_list())
    ends = pause.pause(now=NOW, subscriber_id=subscriber.pk, source="page")
    assert ends is not None
    import_suppressed(now=NOW, addresses=[JANE], scope="stream:marketing")
    assert pause.end_pauses(now=ends) == 0
    told = {"address_key": subscriber.address_key, "scope": "stream:marketing"}
    assert lift(now=NOW, **told, actor="ann", reason="A mistake")
    assert pause.paused_until(subscriber.pk) == ends


def test_who_leaves_during_a_pause_has_left_when_the_pause_is_over():
    news = make_list()
    person = reader(JANE, news)
    assert pause.pause(now=NOW, subscriber_id=person.pk, source="page")
    assert leave(person, stream_too=True).changed
    assert pause.end_pauses(now=NOW + 60 * DAY) == 0
    assert suppressions(JANE) == {("stream:marketing", "unsubscribed"), (f"list:{news.pk}", "unsubscribed")}
    assert [(row.evidence, row.until) for row in Suppression.objects.all()] == [({}, None)] * 2


def test_leaving_for_somebody_who_is_gone_is_quiet():
    assert not consent.unsubscribe(now=NOW, subscriber_id=999_999, list_ids=[1], source="one-click").known


def test_leaving_the_stream_spares_transactional_mail():
    news = make_list()
    person = reader(JANE, news)
    leave(person, stream_too=True)
    assert {scope for scope, _ in suppressions(JANE)} == {"stream:marketing", f"list:{news.pk}"}


def test_an_undo_within_ten_minutes_brings_back_what_was():
    news, offers = make_list(opt_in="double"), make_list("Offers")
    person = reader(JANE, offers)
    ask(news)
    leave(person, everywhere=True)
    assert consent.take_back(now=NOW + HOUR + 10 * MINUTE, subscriber_id=person.pk, list_ids=[offers.pk])
    assert states(person) == {"News": "unconfirmed", "Offers": "subscribed"}
    assert suppressions(JANE) == set()
    assert_events_tell_the_rows(person)
    assert not consent.take_back(now=NOW + HOUR + 10 * MINUTE, subscriber_id=person.pk, list_ids=[offers.pk])


def test_after_eleven_minutes_it_is_too_late():
    news = make_list()
    person = reader(JANE, news)
    leave(person, news)
    assert not consent.take_back(now=NOW + HOUR + 11 * MINUTE, subscriber_id=person.pk)
    assert states(person) == {"News": "unsubscribed"}


def test_an_undo_lifts_no_complaint_and_no_older_leaving():
    news, offers = make_list(), make_list("Offers")
    person = reader(JANE, news, offers)
    leave(person, offers, now=NOW + HOUR)
    leave(person, news, now=NOW + DAY)
    activity.complaint(now=NOW + DAY, address_key=person.address_key)
    assert consent.take_back(now=NOW + DAY, subscriber_id=person.pk)
    assert states(person) == {"News": "subscribed", "Offers": "unsubscribed"}
    assert suppressions(JANE) == {("*", "complained"), (f"list:{offers.pk}", "unsubscribed")}


def test_a_stranger_cannot_rename_a_reader_by_a_form():
    news, offers = make_list(), make_list("Offers")
    ask(news, fields={"first_name": "Jane", "city": ""})
    ask(offers, fields={"first_name": "Mallory", "city": "Gdańsk"})
    assert Subscriber.objects.get().fields == {"first_name": "Jane", "city": "Gdańsk"}
    ask(make_list("Third"), fields={"first_name": "Janet"}, by_person=False)
    assert Subscriber.objects.get().fields["first_name"] == "Janet"


def test_hostile_evidence_is_cleaned_not_refused():
    ask(
        make_list(),
        evidence={"ip": "1.2.3.4, 5.6.7.8", "user_agent": "x\0y" + "z" * 900},
        fields={"first_name": "a\0b"},
    )
    proof = ConsentEvidence.objects.get()
    assert (proof.ip, len(proof.user_agent)) == (None, 400)
    assert Subscriber.objects.get().fields == {"first_name": "a\ufffdb"}


@pytest.mark.parametrize("email", ["jane", "jane@x.example\r\nBcc: all@x.example", "<jane@x.example> NOTIFY=NEVER"])
def test_a_bad_address_writes_nothing(email):
    with pytest.raises(BadAddress):
        ask(make_list(), email=email)
    assert not Subscriber.objects.exists()


def test_consent_events_cannot_be_changed_or_deleted():
    reader(JANE, make_list())
    for change in (
        lambda: ConsentEvent.objects.update(basis="forged"),
        lambda: ConsentEvent.objects.all()._raw_delete("default"),
    ):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            change()


def test_an_erased_person_may_come_back_by_themselves_only():
    news = make_list()
    person = reader(JANE, news)
    erase(now=NOW + HOUR, subscriber_id=person.pk)
    assert ask(news, now=NOW + DAY, by_person=False) == Subscribed.KEPT_OUT
    assert not Subscriber.objects.exists()
    assert ask(news, now=NOW + DAY) == Subscribed.TO_CONFIRM
    again = Subscriber.objects.get(address_key=key_of(JANE))
    confirm(again, news, now=NOW + DAY)
    assert suppressions(JANE) == set()
    assert_events_tell_the_rows(again)
