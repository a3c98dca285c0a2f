"""Wake-ups of jobs that are rows. Losing one is harmless: the next sweep finds what is due."""

import logging
from typing import Any

from celery import Task
from django.db import transaction

logger = logging.getLogger(__name__)


def wake(task: "Task[..., Any]", pk: int) -> None:
    """Tell a worker, once the transaction commits. A broker that is away costs the time until the next sweep."""
    transaction.on_commit(lambda: _publish(task, pk))


def _publish(task: "Task[..., Any]", pk: int) -> None:
    try:
        task.delay(pk)
    except Exception:
        logger.exception("%s %s waits for the sweep: its wake-up could not be published", task.name, pk)
