"""Our own domains are asked whether they take mail: as far as RCPT, without a letter, and no guess is an answer."""

from datetime import datetime, timedelta

import pytest
from dnslib import RR

from campaigns import standing
from reputation import domains
from reputation.models import Finding, SendingDomain
from sending import try_mailboxes
from tests.cast import verified_domain
from tests.reputation.conftest import Zones
from tests.reputation.conftest import _name_server as _name_server
from tests.reputation.conftest import zones as zones
from tests.sending.scripted_receiver import Receiver, Script, receiving

NAME = "news.harbour.example"
NO_SUCH = "550 5.1.1 No such user here"


@pytest.fixture
def domain(transactional_db: None, zones: Zones, settings) -> SendingDomain:
    settings.LAB = True
    zones.add(f"{NAME}. 60 IN MX 10 mx.{NAME}.\nbounce.{NAME}. 60 IN MX 10 mx.{NAME}.\nmx.{NAME}. 60 IN A 127.0.0.1\n")
    return verified_domain(NAME)


def ask(now: datetime, settings, script: Script | None = None) -> Receiver:
    with receiving(script) as receiver:
        settings.SMTP_PORT = receiver.port
        try_mailboxes.check_all(now=now)
    return receiver


def results(domain: SendingDomain) -> dict[str, str]:
    rows = domain.findings.filter(check_name__in=domains.MAILBOXES)
    return dict(rows.values_list("check_name", "result"))


def refusing(local: str, reply: str = NO_SUCH) -> Script:
    return Script(rcpt=lambda _, recipient: reply if recipient.startswith(local) else "250 Ok")


def test_all_are_asked_from_the_empty_path_and_no_letter_is_begun(domain, now, settings) -> None:
    receiver = ask(now, settings)
    assert results(domain) == dict.fromkeys(domains.MAILBOXES, "pass")
    asked = [line for line in receiver.commands if line.startswith("RCPT")]
    assert [line for line in asked if "b-" not in line] == [
        f"RCPT TO:<postmaster@{NAME}>",
        f"RCPT TO:<abuse@{NAME}>",
        f"RCPT TO:<postmaster@bounce.{NAME}>",
    ]
    assert len(asked) == 4 and asked[3].endswith(f"@bounce.{NAME}>")
    assert {line for line in receiver.commands if line.startswith("MAIL")} == {"MAIL FROM:<>"}
    assert not [line for line in receiver.commands if line.startswith("DATA")]
    assert receiver.connections == 2  # one for each host


def test_a_mailbox_that_is_not_there_fails_and_the_others_do_not(domain, now, settings) -> None:
    ask(now, settings, refusing("abuse@"))
    assert results(domain) == dict.fromkeys(domains.MAILBOXES, "pass") | {"abuse": "fail"}
    row = domain.findings.get(check_name="abuse")
    assert row.found == NO_SUCH and "abuse@" in row.detail and not row.required


@pytest.mark.parametrize(
    "script",
    [
        refusing("postmaster@", "451 4.7.1 Greylisted, try again later"),
        refusing("postmaster@", "550 5.7.1 Client host [192.0.2.1] blocked using zen.spamhaus.org"),
        Script(greeting="554 5.7.1 We do not speak with you"),
        Script(mail="421 4.3.2 Too busy"),
        Script(close_in=frozenset({"rcpt"})),
        Script(greeting="nonsense"),
    ],
    ids=["greylisted", "blocked", "turned away", "busy", "hangs up", "garbled"],
)
def test_an_answer_that_is_not_about_the_mailbox_says_nothing_about_it(domain, now, settings, script) -> None:
    ask(now, settings, script)
    assert results(domain)["postmaster"] == "unknown"
    assert "fail" not in results(domain).values()
    assert domain.findings.get(check_name="postmaster").detail


def test_a_server_that_takes_the_domain_for_a_strangers_fails(domain, now, settings) -> None:
    ask(now, settings, refusing("postmaster@", "554 5.7.1 <postmaster@news.harbour.example>: Relay access denied"))
    assert results(domain)["postmaster"] == "fail"


def test_no_answer_of_a_name_server_is_no_failure_and_a_domain_without_mail_is_one(domain, zones, now, settings):
    zones.fails.add(NAME)
    zones.records.pop(f"bounce.{NAME}")
    ask(now, settings)
    assert results(domain) == {
        "postmaster": "unknown",
        "abuse": "unknown",
        "postmaster_bounces": "fail",
        "bounces": "fail",
    }


def test_a_server_that_cannot_be_reached_is_unknown(domain, zones, now, settings) -> None:
    zones.records[f"mx.{NAME}"] = RR.fromZone(f"mx.{NAME}. 60 IN A 192.0.2.1")  # the leak guard keeps us on the machine
    ask(now, settings)
    assert set(results(domain).values()) == {"unknown"}


def test_a_domain_is_asked_twice_a_day_sooner_while_it_is_not_well_and_at_once_when_it_is_not_sure(
    domain, now, settings
) -> None:
    hour, minutes = timedelta(hours=1), timedelta(minutes=1)
    assert ask(now, settings).connections == 2
    assert ask(now + 11 * hour, settings).connections == 0
    at = now + 12 * hour
    assert ask(at, settings, refusing("abuse@")).connections == 2
    assert ask(at + 5 * minutes, settings).connections == 0
    assert ask(at + 10 * minutes, settings, refusing("abuse@")).connections == 2  # believed now
    assert ask(at + 30 * minutes, settings).connections == 0
    assert ask(at + 10 * minutes + hour, settings).connections == 2


def test_only_eight_domains_are_asked_at_a_time(domain, now, settings) -> None:
    for number in range(10):
        verified_domain(f"n{number}.harbour.example")
    ask(now, settings)
    assert Finding.objects.filter(check_name="bounces").count() == 8
    ask(now + timedelta(minutes=5), settings)
    assert Finding.objects.filter(check_name="bounces").count() == 11


def test_a_look_at_dns_forgets_nothing_of_it(domain, now, settings) -> None:
    ask(now, settings)
    domains.check_domain(now=now + timedelta(minutes=1), domain_id=domain.pk)
    assert results(domain) == dict.fromkeys(domains.MAILBOXES, "pass")


def test_preflight_stops_where_bounces_are_refused_and_advises_about_the_others(domain, now, settings) -> None:
    assert list(standing.of_mailboxes(domain)) == []
    ask(now, settings)
    assert [row.id for row in standing.of_mailboxes(domain)] == ["sender.mailboxes"]
    nobody = Script(rcpt=NO_SUCH)
    ask(now + timedelta(hours=12), settings, nobody)
    assert list(standing.of_mailboxes(domain)) == []  # seen once
    ask(now + timedelta(hours=12, minutes=10), settings, nobody)
    levels = {row.id: row.level.value for row in standing.of_mailboxes(domain)}
    assert levels == {
        "sender.postmaster": "should",
        "sender.abuse": "should",
        "sender.postmaster_bounces": "should",
        "sender.bounces_refused": "must",
    }
