"""Bounces and complaints that come back by SMTP after a message was accepted."""

import email
import email.policy
from typing import Any

import pytest

from lab import ledger
from lab.dsn import STYLES
from tests.lab.conftest import Inbox, OpenLab, Signer, connect, letter, post

HOST, WHO = "mx1.hoster-0001.example", "late-bounce-1@hoster-0001.example"
RETURN_PATH = "b-token123@bounce.sender.example"


def reporting(open_lab: OpenLab, port: int, **persona: object) -> object:
    return open_lab(
        personas={"hosters": {"dsn_delay": 30, "arf_delay": 30, **persona}},
        reports_host="127.0.0.1",
        reports_port=port,
        feedback_address="fbl@sender.example",
    )


@pytest.mark.parametrize("style", sorted(STYLES))
def test_each_dialect_arrives_from_the_null_sender_with_what_identifies_the_message(
    open_lab: OpenLab, inbox: tuple[Inbox, int], style: str
) -> None:
    box, port = inbox
    lab = reporting(open_lab, port, dsn_style=style)
    with connect(lab, HOST) as client:  # type: ignore[arg-type]
        assert post(client, WHO, sender=RETURN_PATH)[0] == 250
    lab.call(lambda: lab.advance(31))  # type: ignore[attr-defined]
    ((sender, recipients, raw),) = box.wait_for(1)
    assert (sender, recipients) == ("", [RETURN_PATH])
    assert b"<m1.late-bounce-1.at.hoster-0001.example@sender.example>" in raw
    assert WHO.encode() in raw
    assert b"https://sender.example/u/token" in raw
    assert b"\n" not in raw.replace(b"\r\n", b"")
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    assert not parsed.defects
    if style not in ("exim", "qmail", "yahoo"):
        assert parsed.get_content_type() == "multipart/report"
        status = next(part for part in parsed.walk() if part.get_content_type() == "message/delivery-status")
        fields: Any = status.get_payload()[1]  # type: ignore[index]
        assert (fields["Action"], fields["Status"]) == ("failed", "5.1.1")
    else:
        assert parsed.get_content_type() == "text/plain"
        assert b"550 5.1.1" in raw


def test_nothing_bounces_before_its_time_and_the_null_sender_gets_none(
    open_lab: OpenLab, inbox: tuple[Inbox, int]
) -> None:
    box, port = inbox
    lab = reporting(open_lab, port)
    with connect(lab, HOST) as client:  # type: ignore[arg-type]
        post(client, WHO, sender="")
        post(client, WHO, sender=RETURN_PATH)
    assert lab.courier.waiting == 1  # type: ignore[attr-defined]
    assert box.received == []


def test_a_bounce_finds_the_return_paths_mx_in_the_labs_dns(open_lab: OpenLab, inbox: tuple[Inbox, int]) -> None:
    box, port = inbox
    records = [
        {"name": "bounce.sender.example", "type": "MX", "value": "10 in.sender.example"},
        {"name": "in.sender.example", "type": "A", "value": "127.0.0.1"},
    ]
    lab = open_lab(personas={"hosters": {"dsn_delay": 0}}, records=records, reports_port=port)
    with connect(lab, HOST) as client:
        post(client, WHO, sender=RETURN_PATH)
    assert box.wait_for(1)[0][1] == [RETURN_PATH]
    assert ledger.reports(lab.ledger)["return_failed"] == 0


def test_a_share_of_accepted_messages_bounces(open_lab: OpenLab, inbox: tuple[Inbox, int]) -> None:
    box, port = inbox
    lab = reporting(open_lab, port, dsn_share=1.0, dsn_delay=0)
    with connect(lab, HOST) as client:  # type: ignore[arg-type]
        post(client, "ada@hoster-0001.example", sender=RETURN_PATH)
    assert box.wait_for(1)[0][0] == ""


@pytest.mark.parametrize("style", ["yahoo", "jmrp", "ufbl"])
def test_complaints_in_each_loops_form(open_lab: OpenLab, inbox: tuple[Inbox, int], signer: Signer, style: str) -> None:
    box, port = inbox
    lab = reporting(open_lab, port, arf_style=style, arf_delay=0)
    who = "complain-1@hoster-0001.example"
    with connect(lab, HOST) as client:  # type: ignore[arg-type]
        post(client, who, sender=RETURN_PATH, raw=signer.sign(letter(who)))
    ((sender, recipients, raw),) = box.wait_for(1)
    assert sender
    assert recipients == ["fbl@sender.example"]
    assert b"https://sender.example/u/token" in raw
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    assert parsed.get_content_type() == "multipart/report"
    assert parsed.get_param("report-type") == "feedback-report"
    feedback = next(part for part in parsed.walk() if part.get_content_type() == "message/feedback-report")
    fields = email.message_from_bytes(feedback.get_payload(decode=True) or bytes(feedback.get_payload()[0]))  # type: ignore[index,arg-type]
    assert fields["Feedback-Type"] == "abuse"
    assert (fields["Original-Rcpt-To"] == who) is (style == "yahoo")
    if style == "jmrp":
        assert fields["User-Agent"] == "JMRP/1.0"
        assert b"To: complain-1" not in raw
        assert b"X-Originating-IP: [127.0.0.21]" in raw


def test_a_complaint_is_held_against_the_domain_that_signed_and_told_of_it(
    open_lab: OpenLab, inbox: tuple[Inbox, int], signer: Signer
) -> None:
    box, port = inbox
    lab: Any = reporting(open_lab, port, arf_style="yahoo", arf_delay=0, strangers_day=100)
    who = "complain-1@hoster-0001.example"
    with connect(lab, HOST) as client:
        assert post(client, who, sender=RETURN_PATH, raw=signer.sign(letter(who), domain="signs.example"))[0] == 250
    ((_sender, _recipients, raw),) = box.wait_for(1)
    assert b"Reported-Domain: signs.example" in raw
    assert b"header.d=signs.example" in raw
    standings = lab.receptions["hosters"].opinion.standings
    assert standings["signs.example"].complained == 1
    assert "sender.example" not in standings


def test_a_listener_that_refuses_is_tried_again_then_written_down(open_lab: OpenLab) -> None:
    lab = open_lab(personas={"hosters": {"dsn_delay": 0}})
    with connect(lab, HOST) as client:
        post(client, WHO, sender="b-1@no-such-domain.example")
    lab.call(lambda: lab.advance(1))
    with connect(lab, HOST) as client:
        client.noop()
    assert ledger.reports(lab.ledger)["return_failed"] == 1
