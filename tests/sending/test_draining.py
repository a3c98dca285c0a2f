"""A real worker is told to stop while a receiver takes its time: nothing is unknown, the rest goes back."""

import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from django.conf import settings as django_settings
from django.db import connection
from django.utils import timezone

from config import celery, embedded_broker
from config.processes import STOP_SECONDS
from config.supervisor import Supervisor
from sending.models import Batch, Requeue, Worker
from tests.sending.engine import assert_books_balance, cut, kinds, mailing_to, wait_for
from tests.sending.scripted_receiver import Script, receiving

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.faults]


@pytest.fixture
def place() -> Iterator[Path]:
    """A short path: a unix socket's must fit into 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="lp-") as path:
        yield Path(path)


def database_url() -> str:
    known = connection.settings_dict
    host = str(known["HOST"]).replace("/", "%2F")
    log_in = f"{known['USER']}:{known['PASSWORD']}" if known.get("PASSWORD") else known["USER"]
    return f"postgres://{log_in}@{host}{':' + str(known['PORT']) if known.get('PORT') else ''}/{known['NAME']}"


@pytest.mark.timeout(120)
def test_a_worker_told_to_stop_hears_a_slow_receiver_out(place: Path) -> None:
    now: datetime = timezone.now()
    mailing = mailing_to(60, now=now)
    batches = cut(mailing, now=now, size=20)
    url = f"redis+socket://{place / 'broker'}"
    supervisor = Supervisor()
    embedded_broker.start(data=place / "data", socket=place / "broker", log=place / "log")
    try:
        with receiving(Script(dot_delay=10.0)) as receiver:
            env = {"DATABASE_URL": database_url(), "CELERY_BROKER_URL": url, "SMTP_PORT": str(receiver.port)}
            supervisor.start("transmit", env={**env, "KEYS_DIR": str(django_settings.KEYS_DIR)}, log=place / "out")
            with Celery("outside", broker=url, set_as_current=False) as app:
                queue: Any = celery.app.amqp.queues["egress.main"]  # the stubs know of names only
                for batch in batches:
                    app.send_task("sending.tasks.transmit", args=[batch.pk], queue=queue)
            wait_for(lambda: len(receiver.dots) == 3, seconds=60)
            process = supervisor.children["transmit"].process
            assert supervisor.stop_all() == [], (place / "out").read_text()
            assert process is not None and process.returncode == 0
            assert len(receiver.dots) == 3
        assert kinds(mailing) == {"accepted": 3}
        assert Requeue.objects.filter(reason="handed_back").count() == 57
        assert set(Batch.objects.values_list("end_reason", flat=True)) == {"draining"}
        assert not Worker.objects.exists()
        assert_books_balance(mailing)
    finally:
        supervisor.stop_all()
        embedded_broker.halt(data=place / "data")


def test_nobody_is_less_patient_than_the_time_receivers_are_given() -> None:
    assert Supervisor().patience == STOP_SECONDS
    assert celery.app.conf.worker_soft_shutdown_timeout == 90 < STOP_SECONDS
