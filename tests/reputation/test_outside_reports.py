"""Reports from outside: taken once, by upload and by mail, and shown beside our own figures."""

import gzip
from datetime import UTC, datetime, timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from config.roles import Role
from reputation import outside_figures, taking_reports
from reputation.models import Budget, DayTally, DmarcTally, OutsideReport, RefusedFile, TlsTally
from reputation.pure.report_files import Refused
from sending.inbound import reading, receiving
from sending.models import Inbound
from tests.cast import direct_route, shop, verified_domain
from tests.outside_reports import BEGINS, DOMAIN, dmarc, mail_with, tls
from tests.visitors import visitor

pytestmark = pytest.mark.django_db

NOW = BEGINS + timedelta(days=1, hours=6)


@pytest.fixture(autouse=True)
def domain():
    shop()
    direct_route("127.0.1.1")
    return verified_domain(DOMAIN)


def test_a_report_counts_once_however_often_it_comes():
    first = taking_reports.take(now=NOW, data=dmarc(), source="upload")
    again = taking_reports.take(now=NOW, data=gzip.compress(dmarc()), source="mail")
    assert first.is_new and not again.is_new and first.report == again.report
    assert "counts once" in again.words
    assert sum(DmarcTally.objects.values_list("messages", flat=True)) == 15


def test_the_same_number_of_another_writer_is_another_report():
    taking_reports.take(now=NOW, data=dmarc(), source="upload")
    assert taking_reports.take(now=NOW, data=dmarc(organisation="yahoo.com"), source="upload").is_new


@pytest.mark.parametrize("about", ["harbour.example", DOMAIN, f"bounce.{DOMAIN}", f"shop.{DOMAIN}"])
def test_reports_about_our_domains_and_those_above_and_below_are_ours(about):
    assert taking_reports.take(now=NOW, data=dmarc(domain=about), source="upload").is_new


@pytest.mark.parametrize("about", ["other.example", "xnews.harbour.example", f"{DOMAIN}.evil.example"])
def test_reports_about_others_are_refused(about):
    with pytest.raises(Refused, match="no sending domain here"):
        taking_reports.take(now=NOW, data=dmarc(domain=about), source="upload")


def test_a_report_about_a_whole_top_level_domain_is_not_about_us():
    with pytest.raises(Refused, match="no sending domain here"):
        taking_reports.take(now=NOW, data=dmarc(domain="example"), source="mail")


def test_a_report_about_days_to_come_is_refused():
    with pytest.raises(Refused, match="have not been yet"):
        taking_reports.take(now=NOW, data=dmarc(begins=datetime(9999, 12, 30, tzinfo=UTC)), source="mail")


def test_rows_about_others_are_left_out():
    data = dmarc().replace(f"<header_from>{DOMAIN}</header_from>".encode(), b"<header_from>o.example</header_from>", 1)
    assert taking_reports.take(now=NOW, data=data, source="mail").is_new
    assert set(DmarcTally.objects.values_list("header_from", flat=True)) == {DOMAIN}


def test_characters_that_no_text_has_do_not_keep_a_report_away():
    data = tls().replace(b"no-policy-found", b"sts\\u0000").replace(b'"result-type": "', b'"result-type": "\\ud800')
    assert taking_reports.take(now=NOW, data=data, source="mail").is_new


def test_an_address_with_a_zone_is_refused():
    with pytest.raises(Refused, match="is no IP address"):
        taking_reports.take(now=NOW, data=dmarc(("fe80::1%eth0", 1, "pass", "pass")), source="mail")


def test_what_cannot_be_read_is_kept_as_it_came():
    taken = taking_reports.upload(now=NOW, name="odd.xml", data=b"<html/>")
    row = RefusedFile.objects.get()
    assert taken.report is None and "odd.xml" in taken.words
    assert bytes(row.raw) == b"<html/>" and "no DMARC report" in row.reason


def test_figures_stand_beside_our_own_of_the_same_days():
    budget = Budget.objects.create(kind=Budget.Kind.DKIM_DOMAIN, scope=DOMAIN, provider="google")
    DayTally.objects.create(budget=budget, day=BEGINS.date(), sent=14, accepted=13)
    DayTally.objects.create(budget=budget, day=BEGINS.date() + timedelta(days=1), sent=99, accepted=99)
    taking_reports.take(now=NOW, data=dmarc(), source="upload")
    taking_reports.take(now=NOW, data=dmarc(organisation="somebody.example"), source="upload")
    google, somebody = outside_figures.by_receiver(now=NOW)
    assert (google.organisation, google.messages, google.passed, google.failed, google.ours) == (
        "google.com",
        15,
        12,
        3,
        13,
    )
    assert somebody.ours is None


def test_who_sends_in_our_name_is_listed_the_worst_first():
    taking_reports.take(now=NOW, data=dmarc(), source="upload")
    stranger, ours = outside_figures.sources(now=NOW)
    assert (stranger.ip, stranger.ours, stranger.failed) == ("203.0.113.9", False, 3)
    assert (ours.ip, ours.ours, ours.failed) == ("127.0.1.1", True, 0)


def test_old_reports_leave_the_figures_and_later_the_database():
    taking_reports.take(now=NOW, data=dmarc(), source="upload")
    assert outside_figures.by_receiver(now=NOW + timedelta(days=31)) == []
    taking_reports.prune(now=NOW + timedelta(days=399))
    assert OutsideReport.objects.exists()
    taking_reports.prune(now=NOW + timedelta(days=402))
    assert not OutsideReport.objects.exists()


# By mail


def come_in(raw: bytes) -> Inbound:
    came = receiving.arrival(source="smtp", raw=raw, mail_from="x@google.com", rcpt_to=f"dmarc@bounce.{DOMAIN}")
    inbound_id = receiving.keep(now=NOW, came=came)
    assert inbound_id is not None
    reading.read(now=NOW, inbound_id=inbound_id)
    return Inbound.objects.get(pk=inbound_id)


def test_a_report_that_comes_by_mail_is_read():
    row = come_in(mail_with(dmarc()))
    assert (row.state, row.kind) == (Inbound.State.DONE, "outside_report")
    assert OutsideReport.objects.get().source == "mail"
    assert "15 messages" in row.note


def test_a_tls_report_that_comes_by_mail_is_read():
    come_in(mail_with(tls(), subject="Report Domain: x Submitter: google.com Report-ID: <1>", name="r.json.gz"))
    assert TlsTally.objects.get().failed == 2
    assert outside_figures.tls(now=NOW) == []
    taking_reports.take(now=NOW, data=tls(), source="upload")
    assert [(row.domain, row.failed) for row in outside_figures.tls(now=NOW)] == [(f"bounce.{DOMAIN}", 2)]


def test_a_report_that_cannot_be_read_stays_with_its_mail_and_says_why():
    row = come_in(mail_with(b"<html/>"))
    assert row.state == Inbound.State.FAILED and "no DMARC report" in row.note
    assert bytes(row.raw)


def test_a_person_who_sends_a_packed_file_is_forwarded_as_ever():
    row = come_in(mail_with(b"minutes of the meeting", subject="Minutes", name="minutes.gz"))
    assert row.kind == "human"
    assert not OutsideReport.objects.exists()


# The pages


def test_an_admin_uploads_several_and_sees_what_became_of_each():
    files = [
        SimpleUploadedFile("one.xml", dmarc(begins=BEGINS)),
        SimpleUploadedFile("two.json.gz", gzip.compress(tls())),
        SimpleUploadedFile("bad.xml", b"<html/>"),
    ]
    page = visitor("admin", Role.ADMIN).post("/outside/", {"reports": files}, follow=True).content.decode()
    assert "15 messages, 3 failed" in page
    assert "42 sessions, 2 failed" in page
    assert "bad.xml: This XML is no DMARC report" in page
    assert OutsideReport.objects.count() == 2 and RefusedFile.objects.count() == 1


def test_a_report_leads_to_its_rows():
    report = taking_reports.take(now=NOW, data=dmarc(), source="upload").report
    assert report is not None
    page = visitor("viewer", Role.VIEWER).get(f"/outside/{report.pk}/").content.decode()
    assert "203.0.113.9" in page and "delivered" in page


def test_a_viewer_sees_the_reports_and_is_offered_no_upload():
    client = visitor("viewer", Role.VIEWER)
    assert 'type="file"' not in client.get("/outside/").content.decode()
    assert client.post("/outside/").status_code == 403


def test_nothing_chosen_is_said_so():
    answer = visitor("admin", Role.ADMIN).post("/outside/")
    assert answer.status_code == 422 and "Choose a file first." in answer.content.decode()


def test_a_refused_file_is_handed_out_as_octets():
    taking_reports.upload(now=NOW, name="odd.xml", data=b"<script/>")
    answer = visitor("admin", Role.ADMIN).get(f"/outside/refused/{RefusedFile.objects.get().pk}/")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.content == b"<script/>"
