"""A route is tried by one letter to whoever asks: each step in words, and where it ended."""

from datetime import datetime

import pytest
from pytest_django import Settings

from reputation.models import SendingDomain
from reputation.workspace import workspace
from sending.models import Route
from sending.try_route import Step, try_route
from tests.cast import direct_route, verified_domain
from tests.reputation.conftest import Zones
from tests.reputation.conftest import _name_server as _name_server
from tests.reputation.conftest import zones as zones
from tests.sending.engine import sign_with_a_key
from tests.sending.scripted_receiver import Receiver, Script, receiving

NAME, TO = "news.harbour.example", "mara@office.example"
ALL = ["Look up", "Connect", "Encrypt", "Sign in", "Sender and recipient", "Test letter"]


@pytest.fixture
def domain(transactional_db: None, zones: Zones, settings: Settings, now: datetime) -> SendingDomain:
    settings.LAB = True
    zones.add("office.example. 60 IN MX 10 mx.office.example.\nmx.office.example. 60 IN A 127.0.0.1\n")
    workspace()
    sign_with_a_key(now)
    return verified_domain(NAME)


def tried(now: datetime, settings: Settings, script: Script | None = None) -> tuple[list[Step], Receiver]:
    with receiving(script) as receiver:
        settings.SMTP_PORT = receiver.port
        steps = try_route(now=now, route=direct_route("127.0.0.1"), to=TO)
    assert [step.name for step in steps] == ALL
    return steps, receiver


def test_a_letter_arrives_signed_and_every_step_says_what_was(
    domain: SendingDomain, now: datetime, settings: Settings
) -> None:
    steps, receiver = tried(now, settings)
    assert [step.result for step in steps] == ["worked", "worked", "left_out", "left_out", "worked", "worked"]
    assert "mx.office.example" in steps[0].sentence and TO in steps[4].sentence
    [letter] = receiver.messages.values()
    assert letter.startswith(b"DKIM-Signature:") and f"d={NAME}".encode() in letter
    assert f"RCPT TO:<{TO}>" in receiver.commands


@pytest.mark.parametrize(
    ("script", "ended", "reply"),
    [
        (Script(greeting="554 5.7.1 We do not speak with you"), "Connect", "554"),
        (Script(mail="550 5.1.8 Sender rejected"), "Sender and recipient", "550 5.1.8"),
        (Script(rcpt=lambda _, __: "550 5.1.1 Nobody"), "Sender and recipient", "550 5.1.1"),
        (Script(dot=lambda _, __: "554 5.7.1 Spam"), "Test letter", "554 5.7.1"),
    ],
)
def test_where_it_ends_the_servers_own_words_are_shown(
    domain: SendingDomain, now: datetime, settings: Settings, script: Script, ended: str, reply: str
) -> None:
    steps, _ = tried(now, settings, script)
    failed = next(step for step in steps if step.result == "failed")
    assert failed.name == ended and failed.reply.startswith(reply)
    after = steps[steps.index(failed) + 1 :]
    assert {step.sentence for step in after} <= {"Not reached."}


def test_a_name_that_cannot_be_looked_up_is_the_first_step(
    domain: SendingDomain, now: datetime, settings: Settings, zones: Zones
) -> None:
    zones.fails.add("office.example")
    steps = try_route(now=now, route=direct_route("127.0.0.1"), to=TO)
    assert (steps[0].name, steps[0].result) == ("Look up", "failed") and "could not be looked up" in steps[0].sentence


def test_while_all_sending_is_stopped_no_letter_leaves(
    domain: SendingDomain, now: datetime, settings: Settings
) -> None:
    own = workspace()
    type(own).objects.update(sending_stopped_at=now)
    steps, receiver = tried(now, settings)
    assert steps[-1].result == "left_out" and "stopped" in steps[-1].sentence
    assert not receiver.messages and "DATA" not in receiver.commands


def test_an_address_of_another_machine_is_not_used_from_here(domain: SendingDomain, now: datetime) -> None:
    route = direct_route("127.0.0.1")
    Route.objects.update(egress_host="other")
    route.refresh_from_db()
    steps = try_route(now=now, route=route, to=TO)
    assert any(step.name == "Connect" and "machine other" in step.sentence for step in steps)
