"""The control API, as an operator or a fault run uses it while mail flows."""

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from lab import ledger
from lab.configuration import configured
from lab.mailbox import Mailbox
from lab.running import Lab
from tests.lab.conftest import OpenLab, connect, letter, post

GMAIL = "gmail-smtp-in.l.google.com"


def ask(lab: Lab, path: str, *, method: str = "GET", body: Any = None) -> tuple[int, Any]:
    url = f"http://127.0.0.1:{lab.control_port}{path}"
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, method=method), timeout=5) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)


def test_health_names_every_port_and_host(open_lab: OpenLab) -> None:
    lab = open_lab()
    status, answer = ask(lab, "/healthz")
    assert (status, answer["state"], answer["smtp_port"]) == (200, "ok", lab.smtp_port)
    assert answer["hosts"][GMAIL] == {"address": "127.9.1.1", "persona": "google"}


def test_a_personas_values_change_while_a_connection_lives(open_lab: OpenLab) -> None:
    lab = open_lab()
    with connect(lab, GMAIL) as client:
        assert post(client, "ada@gmail.com")[0] == 250
        status, values = ask(lab, "/personas/google", method="PUT", body={"rate_ip_minute": 1})
        assert (status, values["rate_ip_minute"]) == (200, 1)
        assert post(client, "bob@gmail.com")[0] == 421
    assert ask(lab, "/personas/google")[1]["rate_ip_minute"] == 1
    assert [row["values"] for row in ledger.rows(lab.ledger, "changed")] == [{"rate_ip_minute": 1}]


def test_a_forced_reply_is_switched_on_and_off(open_lab: OpenLab) -> None:
    lab = open_lab()
    storm = {"force_phase": "rcpt", "force_reply": "unknown", "force_share": 1.0}
    with connect(lab, GMAIL) as client:
        ask(lab, "/personas/google", method="PUT", body=storm)
        assert post(client, "ada@gmail.com")[0] == 550
        ask(lab, "/personas/google", method="PUT", body={"force_phase": ""})
        assert post(client, "ada@gmail.com")[0] == 250


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"rate": 1}, "no value named 'rate'"),
        ({"max_connections": "many"}, "must be a int"),
        ({"greylist_share": 2.0}, "between 0 and 1"),
        ({"close_mode": "politely"}, "must be one of"),
        ({"replies": {"ok": "fine"}}, "not a well-formed SMTP reply"),
        ({"force_reply": "nonsense"}, "has no reply named"),
        ({"rate_ip_minute": -1}, "must not be negative"),
    ],
)
def test_bad_values_are_refused_in_words_and_change_nothing(
    open_lab: OpenLab, values: dict[str, Any], words: str
) -> None:
    lab = open_lab()
    before = ask(lab, "/personas/google")[1]
    status, answer = ask(lab, "/personas/google", method="PUT", body=values)
    assert status == 422
    assert words in answer["error"]
    assert ask(lab, "/personas/google")[1] == before


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nothing", None, 404),
        ("PUT", "/personas/nobody", {}, 404),
        ("POST", "/dns/records", {"name": "a.example"}, 400),
        ("POST", "/dns/records", {"name": "a.example", "type": "A", "value": "x"}, 422),
        ("POST", "/dns/failures", {"name": "a.example", "mode": "sulk"}, 422),
        ("POST", "/clock/advance", {"seconds": -1}, 400),
    ],
)
def test_what_cannot_be_done_is_said(open_lab: OpenLab, method: str, path: str, body: Any, status: int) -> None:
    answered, answer = ask(open_lab(), path, method=method, body=body)
    assert answered == status
    assert answer["error"]


def test_dns_records_are_added_replaced_and_made_to_fail(open_lab: OpenLab) -> None:
    lab = open_lab()
    key = {"name": "s2._domainkey.sender.example", "type": "TXT", "value": "v=DKIM1; p=x", "ttl": 5}
    assert ask(lab, "/dns/records", method="POST", body=[key])[1] == {"changed": 1}
    moved = {"name": "comcast.net", "type": "MX", "values": ["10 mta5.am0.yahoodns.net."]}
    ask(lab, "/dns/records", method="PUT", body=moved)
    ask(lab, "/dns/failures", method="POST", body={"name": "gmail.com", "mode": "servfail"})
    assert lab.zone.texts("s2._domainkey.sender.example") == ["v=DKIM1; p=x"]
    assert lab.zone.exchangers("comcast.net") == ["mta5.am0.yahoodns.net"]
    answer = ask(lab, "/dns")[1]
    assert answer["failures"] == {"gmail.com": "servfail"}
    assert any(record["ttl"] == 5 for record in answer["records"])


def test_the_summary_counts_what_happened(open_lab: OpenLab) -> None:
    lab = open_lab()
    with connect(lab, GMAIL) as client:
        post(client, "ada@gmail.com")
        post(client, "unknown-1@gmail.com")
        summary = ask(lab, "/ledger/summary")[1]
    assert summary["accepted"] == 1
    assert summary["reasons"] == {"google": {"unknown": 1}}
    assert summary["connections_open"]["google"] == {"127.0.0.21": 1}
    assert summary["dkim_verified"] == {"none": 1}


def test_the_clock_jumps(open_lab: OpenLab) -> None:
    lab = open_lab()
    before = lab.clock.wall()
    assert ask(lab, "/clock/advance", method="POST", body={"seconds": 3600})[1]["now"] >= before + 3600


def test_a_persons_last_messages_can_be_fetched(open_lab: OpenLab) -> None:
    lab = open_lab(keep_per_address=2)
    with connect(lab, GMAIL) as client:
        for n in range(3):
            post(client, "ada@gmail.com", raw=letter("ada@gmail.com", subject=f"number {n}"))
    kept = ask(lab, "/messages?to=ada@gmail.com")[1]["messages"]
    assert ["number 1" in kept[0]["text"], "number 2" in kept[1]["text"], len(kept)] == [True, True, 2]
    assert ask(lab, "/messages?to=bob@gmail.com")[1]["messages"] == []
    assert ask(lab, "/messages")[1]["addresses"] == ["ada@gmail.com"]


def test_memory_for_messages_is_bounded_and_a_folder_keeps_all(tmp_path: Path) -> None:
    small = Mailbox(per_address=3, max_bytes=250, folder=None)
    for n in range(5):
        small.keep(f"p{n}@x.example", b"x" * 100)
    assert small.addresses() == ["p3@x.example", "p4@x.example"]
    stored = Mailbox(per_address=1, max_bytes=1, folder=tmp_path)
    for n in range(3):
        stored.keep("p@x.example", b"%d" % n)
    assert stored.of("p@x.example") == [b"0", b"1", b"2"]


def test_settings_that_are_not_known_are_refused() -> None:
    with pytest.raises(ValueError, match="no setting 'colour'"):
        configured({"ledger": "x", "colour": "red"})
    with pytest.raises(ValueError, match="needs 'ledger'"):
        configured({})
    with pytest.raises(ValueError, match="smtp_port must be a int"):
        configured({"ledger": "x", "smtp_port": "high"})
