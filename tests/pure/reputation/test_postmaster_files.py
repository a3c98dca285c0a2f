"""Figures out of the files that providers offer their senders."""

from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reputation.pure.postmaster_files import LARGEST, SOURCES, Unreadable, read_csv

SNDS = (
    b"192.0.2.10,11/25/2026 12:00 AM,11/25/2026 11:59 PM,1500,1490,1480,GREEN,< 0.1%,,,0,out1.example,a@b.example,\r\n"
    b"192.0.2.11,11/25/2026 12:00 AM,11/25/2026 11:59 PM,900,900,900,RED,1.2%,11/25/2026,11/25/2026,3,h,f,\r\n"
)
GOOGLE = b"Date,User-reported spam rate\n2026-11-24,0.05%\n2026-11-25,0.3%\n"
YAHOO = b'Date,Delivered,Complaint rate (%)\n2026-11-25,"1,204",0.08\n'


def test_snds_tells_colour_complaints_and_traps_of_each_address():
    good, bad = read_csv(SNDS, source="snds")
    assert (good.subject, good.day, good.messages) == ("192.0.2.10", date(2026, 11, 25), 1480)
    assert (good.colour, good.complaints, good.traps) == ("green", 0.1, 0)
    assert (bad.colour, bad.complaints, bad.traps) == ("red", 1.2, 3)


def test_google_tells_the_spam_rate_of_each_day():
    figures = read_csv(GOOGLE, source="google", domain="News.Example")
    assert [(one.subject, one.day.day, one.complaints) for one in figures] == [
        ("news.example", 24, 0.05),
        ("news.example", 25, 0.3),
    ]


def test_a_ratio_is_no_per_cent():
    (figure,) = read_csv(b"day,userReportedSpamRatio\n20261125,0.003\n", source="google", domain="a.example")
    assert figure.complaints == pytest.approx(0.3)


def test_yahoo_tells_messages_too():
    (figure,) = read_csv(YAHOO, source="yahoo", domain="a.example")
    assert (figure.complaints, figure.messages) == (0.08, 1204)


def test_a_domain_in_the_file_wins():
    data = b"Domain,Date,Spam rate\nb.example,2026-11-25,0.1%\n"
    assert read_csv(data, source="google", domain="a.example")[0].subject == "b.example"


@pytest.mark.parametrize(
    ("data", "source", "reason"),
    [
        (b"", "google", "is empty"),
        (b"", "snds", "no figures"),
        (GOOGLE, "snds", "Line 1: it has 2 columns"),
        (SNDS, "google", "names no date"),
        (GOOGLE.replace(b"%", b""), "google", "Line 2: “0.05” may be per cent or not"),
        (GOOGLE.replace(b"2026-11-24", b"yesterday"), "google", "Line 2: “yesterday” is no date"),
        (GOOGLE.replace(b"0.3%", b"300%"), "google", "Line 3: “300%” is no rate between"),
        (GOOGLE.replace(b"11-25", b"11-24"), "google", "stands in it twice"),
        (SNDS.replace(b"GREEN", b"PINK"), "snds", "Line 1: “PINK” is no filter result"),
        (SNDS.replace(b"192.0.2.10", b"mail"), "snds", "Line 1: “mail” is no IP address"),
        (SNDS.replace(b"1480", b"many"), "snds", "“many” is no number"),
        (b"\xff\xfe\x00", "google", "no CSV"),
        (b"a" * (LARGEST + 1), "google", "larger than 5 MB"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_line(data, source, reason):
    with pytest.raises(Unreadable, match=reason.replace("(", "\\(")):
        read_csv(data, source=source, domain="a.example")


def test_a_file_without_a_domain_needs_one():
    with pytest.raises(Unreadable, match="choose it"):
        read_csv(GOOGLE, source="google")


def test_of_many_wrong_lines_the_first_five_are_said():
    with pytest.raises(Unreadable) as caught:
        read_csv(b"Date,Spam rate\n" + b"x,y\n" * 30, source="google", domain="a.example")
    assert len(caught.value.problems) == 6 and caught.value.problems[-1] == "And 25 more lines."


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode), st.sampled_from(sorted(SOURCES)))
def test_whatever_comes_is_read_or_refused(data, source):
    with suppress(Unreadable):
        assert read_csv(data, source=source, domain="a.example")
