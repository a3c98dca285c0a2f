"""Caps per client address and per DKIM domain: what the client is told, and what the ledger says of it."""

import smtplib

import pytest

from lab import ledger
from tests.lab.conftest import OpenLab, Signer, connect, letter, post

GMAIL, YAHOO, ORANGE = "gmail-smtp-in.l.google.com", "mta5.am0.yahoodns.net", "smtp-in.orange.fr"


def test_one_message_over_the_rate_of_an_address_is_deferred_and_recorded(open_lab: OpenLab) -> None:
    lab = open_lab(personas={"google": {"rate_ip_minute": 3}})
    with connect(lab, GMAIL) as client:
        assert [post(client, f"p{n}@gmail.com")[0] for n in range(3)] == [250] * 3
        code, text = post(client, "p3@gmail.com")
        assert code == 421
        assert "from your IP address" in text
    assert [(row["what"], row["scope"], row["observed"], row["limit"]) for row in ledger.violations(lab.ledger)] == [
        ("rate_ip_minute", "127.0.0.21", 4, 3)
    ]
    with connect(lab, GMAIL, ip="127.0.0.22") as other:
        assert post(other, "p4@gmail.com")[0] == 250


def test_the_window_rolls(open_lab: OpenLab) -> None:
    lab = open_lab(personas={"google": {"rate_ip_minute": 2}})
    with connect(lab, GMAIL) as client:
        assert [post(client, f"p{n}@gmail.com")[0] for n in range(2)] == [250, 250]
        lab.call(lambda: lab.advance(60))
        assert post(client, "p2@gmail.com")[0] == 250
    assert ledger.violations(lab.ledger) == []
    assert ledger.largest_window(lab.ledger)["google", "127.0.0.21"] == 2
    assert ledger.largest_window(lab.ledger, seconds=3600)["google", "127.0.0.21"] == 3


def test_an_hourly_cap_and_one_per_recipient_domain(open_lab: OpenLab) -> None:
    lab = open_lab(personas={"apple": {"rate_ip_hour": 2}, "m365": {"rate_recipient_domain_hour": 1}})
    with connect(lab, "mx01.mail.icloud.com") as client:
        assert [post(client, f"p{n}@icloud.com")[0] for n in range(3)] == [250, 250, 421]
    with connect(lab, "quarry-engineering-example.mail.protection.outlook.com") as client:
        assert [post(client, f"p{n}@quarry-engineering.example")[0] for n in range(2)] == [250, 451]
    assert {row["what"] for row in ledger.violations(lab.ledger)} == {"rate_ip_hour", "rate_recipient_domain_hour"}


def test_a_dkim_domain_is_counted_over_all_addresses(open_lab: OpenLab, signer: Signer) -> None:
    other_domain = {"name": "s1._domainkey.other.example", "type": "TXT", "value": signer.record}
    lab = open_lab(personas={"google": {"rate_dkim_minute": 2}}, records=[other_domain])
    for n in range(2):
        with connect(lab, GMAIL, ip=f"127.0.0.{30 + n}") as client:
            assert post(client, f"p{n}@gmail.com", raw=signer.sign(letter(f"p{n}@gmail.com")))[0] == 250
    with connect(lab, GMAIL, ip="127.0.0.32") as client:
        code, text = post(client, "p2@gmail.com", raw=signer.sign(letter("p2@gmail.com")))
        assert (code, "DKIM domain [sender.example]" in text) == (421, True)
    with connect(lab, GMAIL, ip="127.0.0.33") as client:
        signed = signer.sign(letter("p3@gmail.com"), domain="other.example")
        assert post(client, "p3@gmail.com", raw=signed)[0] == 250
    (violation,) = ledger.violations(lab.ledger, what="rate_dkim_minute")
    assert (violation["scope"], violation["observed"], violation["limit"]) == ("sender.example", 3, 2)


def test_connections_over_the_cap_are_turned_away(open_lab: OpenLab) -> None:
    lab = open_lab()
    held = [connect(lab, ORANGE) for _ in range(2)]
    with pytest.raises(smtplib.SMTPConnectError, match="104"):
        connect(lab, ORANGE)
    for client in held:
        client.quit()
    (violation,) = ledger.violations(lab.ledger, persona="orange")
    assert (violation["what"], violation["observed"], violation["limit"]) == ("connections", 3, 2)
    assert ledger.most_connections(lab.ledger)["orange", "127.0.0.21"] == 3


def test_the_connection_cap_spans_all_hosts_of_a_receiver(open_lab: OpenLab) -> None:
    lab = open_lab(personas={"google": {"max_connections": 1}})
    with connect(lab, GMAIL), pytest.raises(smtplib.SMTPConnectError):
        connect(lab, "alt1.gmail-smtp-in.l.google.com")


def test_yahoo_closes_silently_after_its_messages_and_reconnecting_is_allowed(open_lab: OpenLab) -> None:
    lab = open_lab(personas={"yahoo": {"messages_per_connection": 2}})
    client = connect(lab, YAHOO)
    assert [post(client, f"p{n}@yahoo.com")[0] for n in range(2)] == [250, 250]
    with pytest.raises(smtplib.SMTPServerDisconnected):
        client.mail("b-1@sender.example")
    with connect(lab, YAHOO) as again:
        assert post(again, "p2@yahoo.com")[0] == 250
    assert ledger.violations(lab.ledger) == []
    assert ledger.most_messages_per_connection(lab.ledger)["yahoo"] == 2


def test_others_say_so_when_a_connection_carries_too_many(open_lab: OpenLab) -> None:
    lab = open_lab(personas={"apple": {"messages_per_connection": 1}})
    with connect(lab, "mx01.mail.icloud.com") as client:
        assert post(client, "p0@icloud.com")[0] == 250
        assert post(client, "p1@icloud.com")[0] == 421
    assert [row["what"] for row in ledger.violations(lab.ledger)] == ["messages_per_connection"]


def test_a_batch_longer_than_allowed_between_pauses_is_a_violation(open_lab: OpenLab) -> None:
    lab = open_lab(personas={"gmx": {"batch_messages": 2, "batch_pause": 30}})
    with connect(lab, "mx00.gmx.net") as client:
        assert [post(client, f"p{n}@gmx.de")[0] for n in range(2)] == [250, 250]
        lab.call(lambda: lab.advance(30))
        assert [post(client, f"q{n}@gmx.de")[0] for n in range(3)] == [250, 250, 421]
    assert [(row["what"], row["observed"]) for row in ledger.violations(lab.ledger)] == [("batch", 3)]
    assert ledger.largest_burst(lab.ledger, batch_pause=30) == {"gmx": 2}
    assert ledger.largest_burst(lab.ledger, batch_pause=31) == {"gmx": 4}


def test_a_burst_over_several_connections_is_seen(open_lab: OpenLab) -> None:
    lab = open_lab(personas={"gmx": {"burst_messages": 2, "burst_seconds": 5}})
    codes = []
    for n in range(3):
        with connect(lab, "mx00.gmx.net") as client:
            codes.append(post(client, f"p{n}@gmx.de")[0])
    assert codes == [250, 250, 421]
    assert [row["what"] for row in ledger.violations(lab.ledger)] == ["burst"]


def test_a_client_that_has_been_told_goodbye_is_no_longer_counted(open_lab: OpenLab) -> None:
    lab = open_lab(personas={"hosters": {"max_connections": 1}})
    first = connect(lab, "mx1.hoster-0001.example")
    first.starttls()
    assert first.docmd("QUIT")[0] == 221
    with connect(lab, "mx1.hoster-0001.example"):
        first.close()
    assert ledger.violations(lab.ledger) == []
    assert ledger.most_connections(lab.ledger) == {("hosters", "127.0.0.21"): 1}


def test_a_client_that_left_while_the_receiver_was_busy_is_not_charged_with_both(open_lab: OpenLab) -> None:
    lab = open_lab(personas={"hosters": {"max_connections": 1, "tarpit_seconds": 0.02}})
    first = connect(lab, "mx1.hoster-0001.example")
    first.mail("b-1@sender.example")
    first.send(b"RCPT TO:<slow-1@hoster-0001.example>\r\n")
    first.close()
    connect(lab, "mx1.hoster-0001.example").quit()
    assert ledger.violations(lab.ledger) == []
    assert ledger.most_connections(lab.ledger) == {("hosters", "127.0.0.21"): 1}
