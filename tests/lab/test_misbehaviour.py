"""Receivers that break the connection or the protocol, and what the ledger says really happened."""

import smtplib
import socket

import pytest

from lab import ledger
from tests.lab.conftest import SENDER_IP, OpenLab, connect, letter, post

HOST = "mx1.hoster-0001.example"


def address(local: str) -> str:
    return f"{local}@hoster-0001.example"


@pytest.mark.parametrize(
    ("local", "dots", "accepted"),
    [("drop-rcpt", 0, 0), ("drop-data", 0, 0), ("drop-body", 0, 0), ("drop-dot", 1, 0), ("lost-reply", 1, 1)],
)
@pytest.mark.parametrize("mode", ["close", "rst"])
def test_a_connection_dropped_at_a_recipients_phase(
    open_lab: OpenLab, local: str, dots: int, accepted: int, mode: str
) -> None:
    lab = open_lab(personas={"hosters": {"close_mode": mode}})
    client = connect(lab, HOST)
    with pytest.raises((smtplib.SMTPServerDisconnected, OSError)):
        post(client, address(f"{local}-1"))
    client.close()
    assert len(list(ledger.rows(lab.ledger, "dot_seen"))) == dots
    assert ledger.accepted_count(lab.ledger) == accepted
    assert len(ledger.unanswered(lab.ledger)) == dots - accepted


def test_a_reply_is_lost_also_where_others_are_told_421(open_lab: OpenLab) -> None:
    lab = open_lab(personas={"hosters": {"close_mode": "421"}})
    client = connect(lab, HOST)
    with pytest.raises((smtplib.SMTPServerDisconnected, OSError)):
        post(client, address("lost-reply-1"))
    client.close()
    assert ledger.accepted_count(lab.ledger) == 1
    assert ledger.unanswered(lab.ledger) == []


@pytest.mark.parametrize("phase", ["connect", "ehlo", "mail", "rcpt", "data", "dot", "reply"])
def test_a_persona_drops_at_a_phase_by_its_odds(open_lab: OpenLab, phase: str) -> None:
    lab = open_lab(personas={"hosters": {"drop_phase": phase, "drop_odds": 1.0, "close_mode": "close"}})
    with pytest.raises((smtplib.SMTPServerDisconnected, smtplib.SMTPConnectError, OSError)):
        client = connect(lab, HOST)
        client.ehlo_or_helo_if_needed()
        client.docmd("EHLO again")
        post(client, address("ada"))
    (hangup,) = ledger.rows(lab.ledger, "hangup")
    assert (hangup["why"], hangup["mode"]) == (f"drop at {phase}", "close")


def test_421_is_said_before_closing_when_that_is_the_manner(open_lab: OpenLab) -> None:
    lab = open_lab(personas={"hosters": {"close_mode": "421"}})
    with connect(lab, HOST) as client:
        code, text = post(client, address("drop-dot-1"))
    assert (code, "timeout exceeded" in text) == (421, True)
    assert ledger.accepted_count(lab.ledger) == 0


def test_silence_leaves_the_client_waiting(open_lab: OpenLab) -> None:
    lab = open_lab(personas={"hosters": {"close_mode": "silence"}})
    client = connect(lab, HOST, timeout=0.5)
    with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
        post(client, address("drop-dot-1"))
    client.close()


@pytest.mark.parametrize(
    ("local", "reply"),
    [
        ("garbled", b"\x00\xff2\xfe50\x80 \x01 ??\r\n"),
        ("lf-only", b" queued as "),
        ("code-999", b"999 9.9.9 What is this\r\n"),
        ("long-reply", b"250-2.0.0 and a word of explanation\r\n" * 499 + b"250 2.0.0 Ok\r\n"),
        ("trickle", b"250 2.0.0 Ok: queued as "),
        ("close-in-reply", b"25"),
    ],
)
def test_odd_replies_to_the_dot(open_lab: OpenLab, local: str, reply: bytes) -> None:
    lab = open_lab()
    raw = socket.create_connection((lab.host(HOST).address, lab.smtp_port), 10, (SENDER_IP, 0))
    to = address(f"{local}-1")
    dialogue = f"EHLO x\r\nMAIL FROM:<b@sender.example>\r\nRCPT TO:<{to}>\r\nDATA\r\n"
    raw.sendall(dialogue.encode() + letter(to) + b".\r\n")
    raw.shutdown(socket.SHUT_WR)
    heard = b""
    while more := raw.recv(65536):
        heard += more
    raw.close()
    answer = heard.partition(b"<CR><LF>\r\n")[2] or heard.rpartition(b"<CR><LF>.<CR><LF>\r\n")[2]
    assert reply in answer
    assert b"\r" not in answer or local != "lf-only"
    assert ledger.accepted_count(lab.ledger) == (0 if local == "code-999" else 1)


def test_pipelined_commands_are_answered_in_order(open_lab: OpenLab) -> None:
    lab = open_lab()
    with connect(lab, HOST) as client:
        good, bad = address("ada"), address("unknown-1")
        client.send(f"MAIL FROM:<b@sender.example>\r\nRCPT TO:<{bad}>\r\nRCPT TO:<{good}>\r\nDATA\r\n".encode())
        assert [client.getreply()[0] for _ in range(4)] == [250, 550, 250, 354]
        client.send(b".\r\n")
        assert client.getreply()[0] == 250


def test_bad_commands_get_an_answer_and_no_crash(open_lab: OpenLab) -> None:
    lab = open_lab()
    with connect(lab, HOST) as client:
        for line, code in [
            ("FROBNICATE", 502),
            ("RCPT TO:<ada@hoster-0001.example>", 503),
            ("MAIL FROM:nobody", 501),
            ("DATA", 554),
            ("BDAT x", 501),
            ("AUTH PLAIN x", 503),
            ("VRFY ada", 252),
        ]:
            assert client.docmd(line)[0] == code


def test_bytes_that_are_no_text_reach_the_ledger_and_can_be_read_back(open_lab: OpenLab) -> None:
    lab = open_lab()
    with connect(lab, HOST) as client:
        client.mail("b-1@sender.example")
        client.send(b"RCPT TO:<\xff\xc3(@hoster-0001.example>\r\n")
        assert client.getreply()[0] == 250
    (row,) = ledger.rows(lab.ledger, "rcpt")
    assert row["recipient"].encode("utf-8", "surrogateescape") == b"\xff\xc3(@hoster-0001.example"


def test_the_verdict_is_in_the_ledger_before_the_reply(open_lab: OpenLab) -> None:
    lab = open_lab(personas={"hosters": {"reply_delay": 1.5}})
    client = connect(lab, HOST, timeout=0.7)
    with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
        post(client, address("ada"))
    assert ledger.accepted_count(lab.ledger) == 1
    client.close()


def test_a_forced_reply_at_a_phase(open_lab: OpenLab) -> None:
    lab = open_lab(personas={"hosters": {"force_phase": "dot", "force_reply": "reputation"}})
    with connect(lab, HOST) as client:
        code, text = post(client, address("ada"))
    assert (code, "blocked using" in text) == (554, True)
    assert ledger.summarise(lab.ledger).reasons == {"reputation": 1}
