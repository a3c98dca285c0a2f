"""What a persona answers for a mailbox, in its own words."""

import pytest

from lab import ledger
from tests.lab.conftest import OpenLab, connect, post

GMAIL = "gmail-smtp-in.l.google.com"


@pytest.mark.parametrize(
    ("host", "address", "code", "words"),
    [
        (GMAIL, "unknown-1@gmail.com", 550, "5.1.1 The email account that you tried to reach does not exist"),
        (GMAIL, "full-1@gmail.com", 452, "4.2.2 The recipient's inbox is out of storage"),
        (GMAIL, "inactive-1@gmail.com", 550, "p=DisabledUser"),
        (GMAIL, "policy-1@gmail.com", 550, "gcdp"),
        (GMAIL, "rate-dkim-1@gmail.com", 421, "from your DKIM domain"),
        ("hotmail-com.olc.protection.outlook.com", "unknown-1@hotmail.com", 550, "mailbox unavailable"),
        ("quarry-engineering-example.mail.protection.outlook.com", "unknown@quarry-engineering.example", 550, "5.4.1"),
        ("mta5.am0.yahoodns.net", "unknown-1@yahoo.com", 554, "doesn't have a yahoo.com account"),
        ("mx01.mail.icloud.com", "full-1@icloud.com", 552, "over quota"),
        ("mx00.gmx.net", "unknown-1@gmx.de", 550, "postmaster.gmx.net"),
        ("smtp-in.orange.fr", "unknown-1@orange.fr", 550, "OFR_416"),
        ("eu-smtp-inbound-1.mimecast.com", "unknown-1@whitlock-partners.example", 550, "Invalid Recipient"),
        ("mx1.hoster-0002.example", "unknown-1@hoster-0002.example", 550, "User unknown"),
        ("mx1.hoster-0002.example", "spam-1@hoster-0002.example", 550, "rejected as spam"),
        ("mx1.hoster-0002.example", "someone@gmail.com", 554, "Relay access denied"),
    ],
)
def test_each_receiver_answers_in_its_own_words(
    open_lab: OpenLab, host: str, address: str, code: int, words: str
) -> None:
    lab = open_lab()
    with connect(lab, host) as client:
        answered, text = post(client, address)
    assert answered == code
    assert words in text


def test_a_good_mailbox_is_accepted_and_its_message_kept_as_sent(open_lab: OpenLab) -> None:
    lab = open_lab()
    with connect(lab, GMAIL) as client:
        assert post(client, "ada@gmail.com")[0] == 250
    assert b"\r\n.dots at the start" in lab.mailbox.of("ada@gmail.com")[0]
    assert ledger.accepted_count(lab.ledger, persona="google", mailing="m1") == 1


def test_an_explicit_list_and_a_share_of_unknown_users(open_lab: OpenLab) -> None:
    lab = open_lab(personas={"google": {"unknown": ["gone@gmail.com"], "unknown_share": 0.5}})
    people = [f"person{n}@gmail.com" for n in range(40)]
    with connect(lab, GMAIL) as client:
        assert post(client, "gone@gmail.com")[0] == 550
        first = [post(client, person)[0] for person in people]
        assert [post(client, person)[0] for person in people[:5]] == first[:5]
    assert 5 < first.count(550) < 35


def test_greylisting_is_by_triplet_and_ends_after_its_delay(open_lab: OpenLab) -> None:
    lab = open_lab(personas={"mimecast": {"greylist_delay": 60}})
    host, address = "eu-smtp-inbound-1.mimecast.com", "grey-1@whitlock-partners.example"
    with connect(lab, host) as client:
        assert post(client, address)[0] == 451
        assert "temporarily unavailable" in post(client, address)[1]
        lab.call(lambda: lab.advance(59))
        assert post(client, address)[0] == 451
        lab.call(lambda: lab.advance(2))
        assert post(client, address, sender="b-other@sender.example")[0] == 451
        assert post(client, address)[0] == 250


def test_time_factor_shortens_delays_and_raises_rates(open_lab: OpenLab) -> None:
    lab = open_lab(personas={"mimecast": {"greylist_delay": 60}, "google": {"rate_ip_minute": 10}}, time_factor=10)
    assert lab.receptions["mimecast"].persona.greylist_delay == 6
    assert lab.receptions["google"].persona.rate_ip_minute == 100
    assert lab.receptions["google"].declared.rate_ip_minute == 10


def test_a_deferred_share_is_deferred_once(open_lab: OpenLab) -> None:
    lab = open_lab(personas={"google": {"defer_share": 1.0}})
    with connect(lab, GMAIL) as client:
        assert post(client, "ada@gmail.com")[0] == 451
        assert post(client, "ada@gmail.com")[0] == 250


def test_google_takes_one_recipient_domain_per_transaction(open_lab: OpenLab) -> None:
    lab = open_lab()
    with connect(lab, GMAIL) as client:
        client.mail("b-1@sender.example")
        assert client.rcpt("ada@gmail.com")[0] == 250
        code, text = client.rcpt("bob@northwind-books.example")
    assert code == 451
    assert b"Multiple destination domains" in text


def test_a_tarpit_is_slow(open_lab: OpenLab) -> None:
    lab = open_lab(personas={"gmx": {"tarpit_seconds": 0.4}})
    with connect(lab, "mx00.gmx.net") as client:
        before = lab.clock.now()
        assert post(client, "slow-1@gmx.de")[0] == 250
        assert lab.clock.now() - before >= 0.4


def test_too_big_a_message_is_refused_by_declared_and_by_real_size(open_lab: OpenLab) -> None:
    lab = open_lab(personas={"gmx": {"size_limit": 1000}})
    with connect(lab, "mx00.gmx.net") as client:
        assert client.mail("b-1@sender.example", ["SIZE=2000"])[0] == 552
        assert post(client, "ada@gmx.de", raw=b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n" * 600)[0] == 552


def test_chunking_takes_what_data_takes(open_lab: OpenLab) -> None:
    lab = open_lab()
    with connect(lab, GMAIL) as client:
        client.mail("b-1@sender.example")
        client.rcpt("ada@gmail.com")
        client.send(b"BDAT 14\r\nSubject: x\r\n\r\n")
        assert client.getreply()[0] == 250
        client.send(b"BDAT 6 LAST\r\n.dot\r\n")
        assert client.getreply()[0] == 250
    assert lab.mailbox.of("ada@gmail.com") == [b"Subject: x\r\n\r\n.dot\r\n"]
