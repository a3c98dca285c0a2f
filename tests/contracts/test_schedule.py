import pytest

from config.celery import QUEUES, SCHEDULE, DelayedWakeUp, app, beat_schedule


@pytest.mark.parametrize("task", sorted({task for task, _ in SCHEDULE.values()}))
def test_every_scheduled_task_exists(task):
    app.loader.import_default_modules()
    assert task in app.tasks


def test_every_scheduled_wake_up_goes_to_a_queue_of_ours_and_expires():
    for entry in beat_schedule().values():
        assert entry["options"]["queue"] in QUEUES
        assert entry["options"]["expires"] >= 2 * entry["schedule"]


@pytest.mark.parametrize("delay", [{"countdown": 5}, {"eta": "2030-01-01T00:00:00+00:00"}])
def test_a_delayed_message_is_refused(delay):
    with pytest.raises(DelayedWakeUp, match="due_at"):
        app.send_task("sending.tasks.tick", queue="control", **delay)
