"""A report that comes by mail counts when its writer signed it, and only then."""

import base64
from datetime import UTC, datetime, timedelta
from functools import cache

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from config.roles import Role
from reputation import outside_figures, taking_reports
from reputation.models import DmarcTally, OutsideReport
from sending.inbound import reading, receiving, signatures
from sending.models import Inbound
from tests.cast import shop, verified_domain
from tests.outside_reports import DOMAIN, dmarc, mail_with, tls
from tests.reputation.conftest import Zones
from tests.visitors import visitor

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


@cache
def key() -> tuple[bytes, str]:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem, base64.b64encode(public).decode()


@pytest.fixture(autouse=True)
def house(zones: Zones) -> None:
    shop()
    verified_domain(DOMAIN)
    for domain in ("google.com", "mx.google.com", "evil.example", "writer.example", "yahoo.com"):
        publish(zones, domain)


def publish(zones: Zones, domain: str, service: str = "") -> None:
    value = f"v=DKIM1; k=rsa; {service}p={key()[1]}"
    parts = " ".join(f'"{value[at : at + 200]}"' for at in range(0, len(value), 200))
    zones.put(f"s1._domainkey.{domain}. 60 IN TXT {parts}")


def signed(raw: bytes, domain: str, **options: object) -> bytes:
    signature: bytes = dkim.sign(raw, b"s1", domain.encode(), key()[0], **options)
    return signature + raw


def come_in(raw: bytes, *, now: datetime = NOW) -> Inbound:
    came = receiving.arrival(source="smtp", raw=raw, mail_from="x@y.example", rcpt_to=f"dmarc@bounce.{DOMAIN}")
    inbound_id = receiving.keep(now=now, came=came)
    assert inbound_id is not None
    reading.read(now=now, inbound_id=inbound_id)
    return Inbound.objects.get(pk=inbound_id)


def proven() -> list[tuple[bool, str]]:
    return list(OutsideReport.objects.order_by("pk").values_list("proven", "signed_by"))


@pytest.mark.parametrize("domain", ["google.com", "mx.google.com"])
def test_its_writers_signature_proves_a_report(domain: str) -> None:
    row = come_in(signed(mail_with(dmarc()), domain))
    assert proven() == [(True, domain)] and "not counted" not in row.note
    [told] = outside_figures.by_receiver(now=NOW)
    assert (told.organisation, told.messages) == ("google.com", 15)


@pytest.mark.parametrize("domain", ["", "evil.example"])
def test_without_it_a_report_is_kept_and_shown_and_stands_in_no_sum(domain: str) -> None:
    raw = mail_with(dmarc())
    row = come_in(signed(raw, domain) if domain else raw)
    assert proven() == [(False, "")] and taking_reports.UNPROVEN in row.note
    assert (outside_figures.by_receiver(now=NOW), outside_figures.sources(now=NOW)) == ([], [])
    assert outside_figures.of_ours(now=NOW) == {}
    page = visitor("admin", Role.ADMIN).get("/outside/").content.decode()
    assert "google.com" in page and "Not proven" in page


def test_a_mail_changed_after_it_was_signed_proves_nothing() -> None:
    raw = signed(mail_with(dmarc()), "google.com")
    come_in(raw.replace(b"This is an aggregate report.", b"This is no aggregate report"))
    assert proven() == [(False, "")]


@pytest.mark.parametrize("options", [{"length": True}, {"signature_algorithm": b"rsa-sha1"}])
def test_a_signature_of_a_part_or_by_an_old_hash_proves_nothing(options: dict[str, object]) -> None:
    try:
        raw = signed(mail_with(dmarc()), "google.com", **options)
    except dkim.ParameterError:
        pytest.skip("this dkimpy signs by no old hash any more")
    come_in(raw)
    assert proven() == [(False, "")]


def test_a_known_providers_name_is_proven_by_that_providers_signature_alone() -> None:
    come_in(signed(mail_with(dmarc(organisation="Yahoo", report_id="1")), "yahoo.com"))
    come_in(signed(mail_with(dmarc(organisation="Yahoo! Inc. evil.example", report_id="2")), "evil.example"))
    assert proven() == [(True, "yahoo.com"), (False, "")]


def test_a_writer_without_a_domain_for_a_name_is_proven_by_its_mail_address() -> None:
    report = dmarc(organisation="writer.example").replace(b"<org_name>writer.example", b"<org_name>The Writer Ltd")
    come_in(signed(mail_with(report), "writer.example"))
    assert proven() == [(True, "writer.example")]


def test_a_key_for_tls_reports_alone_is_taken_for_those_alone(zones: Zones) -> None:
    publish(zones, "google.com", service="s=tlsrpt; ")
    come_in(signed(mail_with(dmarc()), "google.com"))
    subject = "Report Domain: x Submitter: google.com Report-ID: <1>"
    raw = mail_with(tls(), subject=subject, name="google.com!x!1!2.json.gz").replace(b"gzip\r\n", b"tlsrpt+gzip\r\n")
    raw = raw.replace(b"application/gzip", b"application/tlsrpt+gzip")
    come_in(signed(raw, "google.com"))
    assert proven() == [(False, ""), (True, "google.com")]


def test_the_proven_report_takes_the_place_of_one_that_somebody_forged_before() -> None:
    come_in(mail_with(dmarc(("203.0.113.9", 999_999, "fail", "fail"))))
    come_in(signed(mail_with(dmarc()), "google.com"))
    assert proven() == [(True, "google.com")]
    assert sum(DmarcTally.objects.values_list("messages", flat=True)) == 15
    come_in(mail_with(dmarc(("203.0.113.9", 5, "fail", "fail"))))
    assert proven() == [(True, "google.com")]


def test_an_admin_who_uploads_a_report_vouches_for_it() -> None:
    come_in(mail_with(dmarc()))
    taking_reports.upload(now=NOW, name="r.xml", data=dmarc())
    assert [(row.proven, row.source) for row in OutsideReport.objects.all()] == [(True, "upload")]


def test_a_key_that_nobody_can_look_up_is_asked_for_again_and_at_last_done_without(zones: Zones) -> None:
    zones.fails.add("s1._domainkey.google.com")
    row = come_in(signed(mail_with(dmarc()), "google.com"))
    assert row.state == Inbound.State.NEW and not OutsideReport.objects.exists()
    assert row.headers["not_before"] == (NOW + timedelta(minutes=10)).isoformat()
    assert reading.sweep(now=NOW + timedelta(minutes=5)) == 0
    zones.fails.clear()
    assert reading.sweep(now=NOW + timedelta(minutes=11)) == 1
    assert proven() == [(True, "google.com")]


def test_a_key_that_is_never_found_leaves_the_report_without_proof(zones: Zones) -> None:
    zones.fails.add("s1._domainkey.google.com")
    come_in(signed(mail_with(dmarc()), "google.com"))
    reading.sweep(now=NOW + timedelta(hours=7))
    assert proven() == [(False, "")]


def test_a_mail_with_many_files_is_not_unpacked() -> None:
    raw = mail_with(dmarc())
    head, boundary = raw.split(b'boundary="', 1)[0], raw.split(b'boundary="', 1)[1].split(b'"', 1)[0]
    part = raw.split(b"--" + boundary)[2]
    many = raw.replace(b"--" + boundary + b"--", b"--" + boundary + (part + b"--" + boundary) * 10 + b"--")
    assert head and come_in(many).note.startswith("The mail brings more than 10 files")
    assert not OutsideReport.objects.exists()


def test_no_signature_of_strangers_breaks_the_reader() -> None:
    bad = [b"d=\xff; s=\xfe", b"v=1; a=rsa-sha256; d=x; s=" + b"y" * 70 + b"; h=from; bh=AA==; b=AA==", b""]
    raw = b"".join(b"DKIM-Signature: " + value + b"\r\n" for value in bad) + mail_with(dmarc())
    assert signatures.signers(raw) == []
