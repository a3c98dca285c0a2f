"""Reports from files that strangers made: what they say, and what is refused."""

import gzip
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reputation.pure.report_files import LARGEST, Refused, provider_named, read_file
from tests.outside_reports import BEGINS, DOMAIN, dmarc, tls, zipped

V2 = ' xmlns="urn:ietf:params:xml:ns:dmarc-2.0"'


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zipped], ids=["plain", "gzip", "zip"])
def test_a_dmarc_report_says_what_came_from_where(pack):
    report = read_file(pack(dmarc()))
    assert (report.kind, report.organisation, report.report_id, report.domain) == ("dmarc", "google.com", "17", DOMAIN)
    assert report.begins_at == BEGINS and (report.ends_at - report.begins_at).seconds == 86399
    assert [(row.source_ip, row.messages, row.passed) for row in report.dmarc] == [
        ("127.0.1.1", 12, True),
        ("203.0.113.9", 3, False),
    ]


def test_the_newer_form_with_a_namespace_is_the_same():
    assert read_file(dmarc(namespace=V2)) == read_file(dmarc())


def test_one_of_dkim_and_spf_is_enough_to_pass():
    rows = read_file(dmarc(("192.0.2.1", 1, "pass", "fail"), ("192.0.2.2", 1, "fail", "pass"))).dmarc
    assert [(row.dkim, row.spf, row.passed) for row in rows] == [(True, False, True), (False, True, True)]


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_tls_report_says_how_many_sessions_failed_and_why(pack):
    report = read_file(pack(tls()))
    (row,) = report.tls
    assert (report.kind, report.domain, row.succeeded, row.failed) == ("tls", f"bounce.{DOMAIN}", 40, 2)
    assert dict(row.failures) == {"starttls-not-supported": 2}


BOMB = b"""<?xml version="1.0"?><!DOCTYPE feedback [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>
<feedback><x>&b;</x></feedback>"""
OUTSIDE = b"""<?xml version="1.0"?><!DOCTYPE feedback SYSTEM "file:///etc/passwd"><feedback/>"""


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"Dear all, please find attached", "neither a DMARC report"),
        (b"%PDF-1.7", "neither a DMARC report"),
        (BOMB, "entities"),
        (OUTSIDE, "document type"),
        (BOMB.decode().encode("utf-16"), "document type"),
        (b"<feedback><report_metadata>", "XML is damaged"),
        (b"<html><body/></html>", "no DMARC report"),
        (b"<feedback/>", "who wrote it"),
        (b"{", "JSON is damaged"),
        (b"{}", "no list of policies"),
        (b"[" * 100_000, "neither"),
        (b'{"policies":' + b"[" * 100_000, "damaged"),
        (b"\x1f\x8b" + b"rubbish" * 9, "damaged"),
        (gzip.compress(dmarc())[:-20], "end is missing"),
        (zipped(dmarc())[:-30], "damaged"),
        (zipped(dmarc(), dmarc()), "holds 2 files"),
        (dmarc(report_id=""), "no number"),
        (dmarc(domain=""), "which domain"),
        (dmarc(("not-an-address", 1, "pass", "pass")), "no IP address"),
        (dmarc(("192.0.2.1", -5, "pass", "pass")), "no number of messages"),
        (dmarc().replace(b"<begin>", b"<begin>9"), "no sense"),
        (dmarc().replace(b"<begin>", b"<begin>x"), "is no date"),
        (tls().replace(b"2026", b"1970"), "no sense"),
    ],
)
def test_what_is_no_honest_report_is_refused_with_the_reason(data, reason):
    with pytest.raises(Refused, match=reason):
        read_file(data)


@pytest.mark.parametrize("pack", [gzip.compress, zipped], ids=["gzip", "zip"])
def test_a_file_that_grows_beyond_measure_is_refused_before_it_does(pack):
    bomb = pack(b"<feedback>" + b" " * (LARGEST + 1))
    assert len(bomb) < LARGEST / 100
    with pytest.raises(Refused, match="larger than 20 MB"):
        read_file(bomb)


def test_a_file_that_is_too_large_is_refused():
    with pytest.raises(Refused, match="larger than 20 MB"):
        read_file(b"<" * (LARGEST + 1))


def test_depth_is_refused_and_not_followed():
    with pytest.raises(Refused):
        read_file(b"<feedback>" * 50_000)


@given(st.binary(max_size=300), st.sampled_from([b"", b"<feedback>", b"{", b"\x1f\x8b\x08", b"PK\x03\x04"]))
def test_whatever_comes_is_read_or_refused(rest, start):
    with pytest.raises(Refused):
        read_file(start + rest)


@given(st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)))
def test_json_of_any_shape_is_read_or_refused(value):
    for body in ({"policies": value}, {"policies": [value]}, {"policies": [{"policy": value, "summary": value}]}):
        with pytest.raises(Refused):
            read_file(json.dumps(body).encode())


def test_raw_deflate_is_not_taken_for_gzip():
    with pytest.raises(Refused):
        read_file(zlib.compress(dmarc()))


@pytest.mark.parametrize(
    ("name", "provider"),
    [
        ("google.com", "google"),
        ("Google Inc.", "google"),
        ("Enterprise Outlook", "m365"),
        ("Outlook.com", "microsoft"),
        ("Yahoo", "yahoo"),
        ("A small firm", ""),
        ("fastmail.com", ""),
        ("hotmail.com", "microsoft"),
        ("The Gaol", ""),
    ],
)
def test_writers_are_known_by_their_names(name, provider):
    assert provider_named(name) == provider
