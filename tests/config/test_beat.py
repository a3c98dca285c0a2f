"""Beat ends when it is told to, wherever it is just then."""

import os
import signal
from collections.abc import Iterator

import pytest
from celery.apps.beat import Beat
from django_celery_beat.schedulers import DatabaseScheduler

from config import celery

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]


@pytest.fixture(autouse=True)
def own_handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def told_to_end() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def start_beat() -> None:
    Beat(app=celery.app, quiet=True, scheduler=celery.app.conf.beat_scheduler, redirect_stdouts=False).start_scheduler()


def test_told_while_it_reads_the_schedule_it_ends_before_the_first_task(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []
    monkeypatch.setattr(DatabaseScheduler, "apply_async", lambda *args, **_: sent.append(args))
    update = DatabaseScheduler.update_from_dict

    def told_amid(self: DatabaseScheduler, entries: dict[str, object]) -> None:
        try:
            told_to_end()
        except BaseException as amid:  # what a library makes of it: a failure like any other
            raise AssertionError from amid
        update(self, entries)

    monkeypatch.setattr(DatabaseScheduler, "update_from_dict", told_amid)

    start_beat()

    assert sent == []


def test_told_while_it_publishes_it_publishes_that_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []

    def publish(_self: DatabaseScheduler, entry: object, **_options: object) -> None:
        told_to_end()
        sent.append(entry)

    monkeypatch.setattr(DatabaseScheduler, "apply_async", publish)

    start_beat()

    assert len(sent) >= 1
