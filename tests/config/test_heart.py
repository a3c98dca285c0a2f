"""The sweeps that any worker runs while beat is silent."""

import pytest
from django.utils.module_loading import import_string

from config.celery import SCHEDULE
from config.heart import ESSENTIAL


@pytest.mark.parametrize("task", ESSENTIAL)
def test_each_is_there_and_has_the_period_of_its_task(task: str) -> None:
    seconds, work = ESSENTIAL[task]
    assert callable(import_string(work))
    assert dict(SCHEDULE.values())[task] == seconds
