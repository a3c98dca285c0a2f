"""Celery carries wake-ups: "look at batch 7". Losing, repeating or delaying one is harmless; the rows are the truth."""

import gc
import logging
import os
import threading
import time
from typing import Any
from uuid import uuid4

from celery import Celery, signals
from kombu import Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("PROCESS_KIND", "control")

from django.conf import settings
from django.db import DatabaseError, close_old_connections
from django.utils import timezone

from config import embedded, processes
from config.processes import ANSWER_SECONDS

logger = logging.getLogger(__name__)

# Objects made and not dropped before a worker looks for rings among them; Python's own is 700.
COLLECT_AFTER = 20_000
# A wake-up nobody took for so long has been sent again meanwhile.
EXPIRES_SECONDS = 30
# How often a worker looks whether beat still ticks.
STAND_IN_SECONDS = 2.0

QUEUES = ("control", "inbound", "import", "transactional", f"egress.{settings.EGRESS_HOST}")

# Name of the entry -> task, and every how many seconds. Only intervals, in UTC: no crontabs, no zones.
# A wake-up nobody took in two periods is worth nothing any more: it expires.
SCHEDULE = {
    "plan and start batches": ("sending.tasks.tick", 1.0),
    "take over what dead workers held": ("sending.tasks.sweep", 2.0),
    "read what came in": ("sending.tasks.sweep_inbound", 5.0),
    "ask for confirmations": ("campaigns.tasks.send_confirmations", 5.0),
    "look up recipient domains": ("reputation.tasks.refresh_domains", 5.0),
    "check our sending domains": ("reputation.tasks.check_sending_domains", 300.0),
    "ask whether our domains take mail": ("sending.tasks.try_mailboxes", 30.0),
    "ask blocklists about us": ("reputation.tasks.ask_blocklists", 60.0),
    "ask providers for their figures": ("reputation.tasks.ask_postmasters", 300.0),
    "say which links letters have": ("campaigns.tasks.watch_links", 60.0),
    "ask whether links work": ("campaigns.tasks.check_links", 5.0),
    "tell admins what broke": ("sending.tasks.tell_admins", 30.0),
    "tell the team what colleagues said": ("config.tasks.tell_team", 10.0),
    "mail recipients the links they asked for": ("sending.tasks.mail_what_recipients_asked", 10.0),
    "forget old findings": ("reputation.tasks.prune_findings", 3600.0),
    "make room for the next mailings": ("sending.tasks.keep_partitions", 300.0),
    "warm up": ("reputation.tasks.advance_warmup", 900.0),
    "forget old minutes": ("reputation.tasks.prune_tallies", 3600.0),
    "start scheduled campaigns": ("campaigns.tasks.promote_due", 2.0),
    "go on with imports that were cut off": ("audiences.tasks.resume_imports", 30.0),
    "go on with bulk jobs": ("audiences.tasks.resume_bulk", 30.0),
    "take back imports": ("sending.tasks.undo_imports", 10.0),
    "count who is quiet": ("audiences.tasks.count_quiet", 3600.0),
    "write again to those whose pause is over": ("audiences.tasks.end_pauses", 300.0),
}

REDIS_OPTIONS = {
    "visibility_timeout": 3600,
    "socket_timeout": 30,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 25,
}


def broker_options(url: str) -> dict[str, Any]:
    """Transport options by the kind of broker: time limits for Redis, confirmed publishing for RabbitMQ."""
    if url.startswith("redis+socket"):
        return {name: value for name, value in REDIS_OPTIONS.items() if name != "socket_keepalive"}
    if url.startswith(("redis", "sentinel")):
        return dict(REDIS_OPTIONS)
    return {"confirm_publish": True} if "amqp" in url else {}


def beat_schedule() -> dict[str, dict[str, Any]]:
    return {
        name: {"task": task, "schedule": seconds, "options": {"expires": max(2 * seconds, 2.0), "queue": "control"}}
        for name, (task, seconds) in SCHEDULE.items()
    }


class DelayedWakeUp(TypeError):
    """A task was published with an eta or a countdown. Delays are `due_at` columns."""


class WakeUps(Celery):
    """Refuses delayed messages: workers hold them in memory without limit, and brokers repeat them.

    A `before_task_publish` signal can't refuse anything: what its receivers raise is logged and dropped.
    """

    def send_task(self, name: str, *args: Any, **options: Any) -> Any:
        if options.get("eta") or options.get("countdown"):
            raise DelayedWakeUp(f"{name}: no eta or countdown; write a due_at column instead.")
        join_embedded()
        return super().send_task(name, *args, **options)

    def wake_up(self, producer: Any, name: str, args: list[Any], queue: str) -> None:
        """What `send_task` does for a task of our own, by this producer, in half the time: that one asks anew for each
        what is the same for all, and declares a queue that whoever reads it declares.

        A queue is its name here, for `send_task` looks among those that this process serves, and another host's
        `egress.…` is not there.
        """
        join_embedded()
        message = self.amqp.as_task_v2(
            str(uuid4()), name, args=tuple(args), kwargs={}, argsrepr=repr(args), kwargsrepr="{}",
            expires=EXPIRES_SECONDS,
        )  # fmt: skip
        producer.publish(
            message.body, exchange="", routing_key=queue, serializer="json", headers=message.headers, declare=[],
            retry=True, retry_policy=self.conf.task_publish_retry_policy, **message.properties,
        )  # fmt: skip


app = WakeUps("letterpace")
app.conf.update(
    broker_url=settings.CELERY_BROKER_URL,
    broker_transport_options=broker_options(settings.CELERY_BROKER_URL),
    broker_connection_retry_on_startup=True,
    # A web request must not hang because the broker does: the sweeps find what was not published.
    broker_pool_acquire_timeout=2,
    task_publish_retry_policy={"max_retries": 1, "interval_start": 0, "interval_max": 0.2},
    # No result backend: progress is in our rows.
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    # Acknowledged on receipt, on purpose: a lost wake-up costs one sweep, a redelivered one costs confusion.
    task_acks_late=False,
    task_reject_on_worker_lost=False,
    task_soft_time_limit=300,
    task_time_limit=360,
    task_queues=[Queue(name) for name in QUEUES],
    task_default_queue="control",
    task_routes={f"audiences.tasks.{name}": {"queue": "import"} for name in ("run_import", "run_bulk")},
    task_create_missing_queues=False,
    worker_prefetch_multiplier=1,
    # A new child costs seconds of work; the ticks alone are two tasks a second.
    worker_max_tasks_per_child=5000,
    worker_send_task_events=False,
    worker_cancel_long_running_tasks_on_connection_loss=True,
    # SIGTERM waits for what runs, whatever it takes; a SIGQUIT, or a second Ctrl-C, waits this long first.
    worker_soft_shutdown_timeout=ANSWER_SECONDS,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    enable_utc=True,
    timezone="UTC",
    beat_schedule=beat_schedule(),
    beat_scheduler="config.beat:Scheduler",
)
# What a process serves is what it loads: a sending worker holds no pages' code, and no campaigns'.
app.autodiscover_tasks(["sending"] if settings.PROCESS_KIND in ("transmit", "transactional") else None)


@signals.celeryd_init.connect(weak=False)
@signals.beat_init.connect(weak=False)
def join_embedded(**_: Any) -> None:
    """Start the embedded servers where no URL is given, before the first connection."""
    if settings.EMBEDDED_POSTGRES or settings.EMBEDDED_BROKER:
        embedded.join(
            settings.VAR_DIR,
            postgres=settings.EMBEDDED_POSTGRES,
            broker=settings.EMBEDDED_BROKER,
            fsync=settings.EMBEDDED_FSYNC,
        )


@signals.task_success.connect(weak=False)
def note_that_beat_lives(sender: Any = None, **_: Any) -> None:
    from config import heart

    heart.note(getattr(sender, "name", ""))


@signals.worker_ready.connect(weak=False)
def watch_beat(**_: Any) -> None:
    """Run the essential sweeps from this worker whenever beat is silent."""
    threading.Thread(target=_stand_in_for_beat, name="stand-in-for-beat", daemon=True).start()


@signals.worker_ready.connect(weak=False)
@signals.worker_process_init.connect(weak=False)
def leave_room_for_pages(**_: Any) -> None:
    processes.step_back(settings.PROCESS_KIND)


@signals.worker_ready.connect(weak=False)
@signals.worker_process_init.connect(weak=False)
def look_for_rings_less(**_: Any) -> None:
    """What is loaded by now stays for ever, and a message or a tick makes and drops hundreds of objects: Python's
    collector need look neither at the one nor so often at the other."""
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


@signals.worker_ready.connect(weak=False)
def say_that_we_can_send(**_: Any) -> None:
    """A sending worker enrols before its first batch: the planner gives a host without workers nothing."""
    if settings.PROCESS_KIND in ("transmit", "transactional"):
        from sending import crashes, here

        here.gate()
        # The sweep runs on another host, perhaps, which does not see what a process of this one had in hand.
        crashes.count(now=timezone.now())  # clock: entry


def _stand_in_for_beat() -> None:
    # Looked up here: the engine imports this module's app while it loads.
    from config import heart
    from sending import boot_identity

    while True:
        time.sleep(STAND_IN_SECONDS)
        try:
            heart.beat_if_silent()
            if settings.PROCESS_KIND == "transmit":
                # The sweep does it for its own host only.
                boot_identity.grow()
        except Exception:
            # A database that is down for a while must not end the watch.
            logger.exception("the sweeps could not be run in place of beat")
        finally:
            close_old_connections()


@signals.worker_shutting_down.connect(weak=False)
def drain(**_: Any) -> None:
    """Take no further messages: finish those on the wire, hand the rest back."""
    from sending import draining

    draining.begin()


@signals.worker_shutdown.connect(weak=False)
def settle_and_leave(**_: Any) -> None:
    """The last outcomes are settled, and the worker's row goes. Then the host's number takes a step: a backup that was
    made in the last seconds before this stop is older than what was sent."""
    from sending import boot_identity, here

    here.close()
    if settings.PROCESS_KIND == "transmit":
        try:
            boot_identity.grow()
        except DatabaseError as error:
            logger.warning("the database is away at the end: %s", type(error).__name__)
