"""A restored or cloned database sends nothing until a person has confirmed."""

import threading
from datetime import datetime, timedelta
from io import StringIO

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection, connections

from config.celery import settle_and_leave
from reputation.models import Workspace
from reputation.stop_sending import resume_sending
from reputation.workspace import workspace
from sending import boot_identity, here
from sending.models import BootIdentity, Mailing
from sending.plan import plan
from tests.sending.engine import cut, kinds, mailing_to, send, take_due
from tests.sending.scripted_receiver import Script, receiving

pytestmark = pytest.mark.usefixtures("engine")


def stopped() -> str:
    found = workspace()
    return found.sending_stopped_reason if found.sending_stopped_at else ""


def test_the_first_start_makes_both_and_goes_on(now: datetime) -> None:
    mailing_to(3, now=now)
    assert boot_identity.check() == ""
    for _ in range(3):
        boot_identity.grow()
    assert BootIdentity.objects.get().generation == 4
    assert boot_identity.check() == ""
    assert plan(now=now) > 0
    assert stopped() == ""


def test_many_processes_that_start_at_once_agree(now: datetime) -> None:
    workspace()
    found: list[str] = []

    def start() -> None:
        found.append(boot_identity.check())
        boot_identity.grow()
        connections.close_all()

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [""] * 6
    assert (stopped(), boot_identity.check()) == ("", "")


@pytest.mark.parametrize("what", ["older", "another", "no row", "no file", "damaged file", "another machine"])
def test_whatever_does_not_fit_holds_all_sending(now: datetime, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mailing = mailing_to(3, now=now)
    boot_identity.check()
    boot_identity.grow()
    if what == "older":
        BootIdentity.objects.update(generation=1)
    elif what == "another":
        BootIdentity.objects.update(identity="00000000-0000-4000-8000-000000000000")
    elif what == "no row":
        BootIdentity.objects.all().delete()
    elif what == "no file":
        boot_identity._path().unlink()
    elif what == "damaged file":
        boot_identity._path().write_text("{")
    else:
        monkeypatch.setattr(boot_identity, "machine", lambda: "another")

    assert plan(now=now) == 0
    assert stopped()
    assert Mailing.objects.get(pk=mailing.pk).state == "held"
    # Whoever only takes the mark away is stopped again.
    resume_sending()
    assert plan(now=now) == 0
    assert stopped()

    assert boot_identity.confirm()
    resume_sending()
    assert boot_identity.check() == ""
    Mailing.objects.update(state="running")
    assert plan(now=now) > 0


def test_a_backup_made_right_before_an_orderly_stop_is_noticed(now: datetime, settings) -> None:
    settings.PROCESS_KIND = "transmit"
    boot_identity.check()
    boot_identity.grow()
    backup = BootIdentity.objects.get().generation
    settle_and_leave()
    BootIdentity.objects.update(generation=backup)
    assert "older than what was sent" in boot_identity.check()


def test_another_host_follows_after_one_confirmation(now: datetime, settings) -> None:
    workspace()
    for host in ("main", "out2"):
        settings.EGRESS_HOST = host
        boot_identity.check()
        boot_identity.grow()
    BootIdentity.objects.update(generation=1)
    settings.EGRESS_HOST = "main"
    assert boot_identity.confirm()
    settings.EGRESS_HOST = "out2"
    assert boot_identity.check() == ""
    assert boot_identity.check() == ""


def test_a_really_restored_database_sends_nothing_until_it_is_confirmed(now: datetime, settings) -> None:
    mailing = mailing_to(4, now=now)
    batches = cut(mailing, now=now, size=10)
    boot_identity.check()
    with receiving(Script()) as receiver:
        settings.SMTP_PORT = receiver.port
        name = connection.settings_dict["NAME"]
        copy_database(name, f"{name}_backup")
        assert send(batches, now=now) == []
        boot_identity.grow()
        assert kinds(mailing) == {"accepted": 4}
        here.close()
        copy_database(f"{name}_backup", name)

        # A wake-up that was left in the broker finds its batch planned, as it was before all were sent.
        assert kinds(mailing) == {}
        assert send(batches, now=now) == []
        assert max(receiver.accepted.values()) == 1
        assert stopped()

        said = StringIO()
        call_command("confirm_restore", stdout=said)
        assert "older than what was sent" in said.getvalue()
        assert mailing.name in said.getvalue()
        assert stopped()
        call_command("confirm_restore", "--yes", stdout=said)
        assert Workspace.objects.get().sending_stopped_at is None
        # The campaign waits for a person all the same.
        later = now + timedelta(minutes=1)
        retry = take_due(mailing, now=later)
        assert retry is not None
        assert send([retry], now=later) == []
        assert sum(receiver.accepted.values()) == 4
    drop(f"{name}_backup")


def copy_database(source: str, target: str) -> None:
    """As a backup and its restore are: the whole database, under the other's name."""
    connections.close_all()
    with server() as other:
        other.execute(f'DROP DATABASE IF EXISTS "{target}" WITH (FORCE)')
        other.execute(f'CREATE DATABASE "{target}" TEMPLATE "{source}"')


def drop(name: str) -> None:
    with server() as other:
        other.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def server() -> psycopg.Connection:
    known = connection.settings_dict
    given = {"host": known["HOST"], "port": known["PORT"], "user": known["USER"], "password": known["PASSWORD"]}
    return psycopg.connect(dbname="postgres", autocommit=True, **{key: each for key, each in given.items() if each})
