"""When imports run. The rows say which; a lost message costs one sweep."""

from celery import shared_task
from django.utils import timezone

from audiences import imports, pause


# A file takes as long as it takes; a run that is cut off goes on with the next sweep.
@shared_task(soft_time_limit=3600, time_limit=3660)
def run_import(upload_id: int) -> None:
    """Take the file into its list."""
    imports.run_import(now=timezone.now(), upload_id=upload_id)  # clock: entry


@shared_task
def resume_imports() -> None:
    """Wake imports whose message was lost or whose run was cut off."""
    for upload_id in imports.due_imports():
        run_import.delay(upload_id)


@shared_task
def end_pauses() -> None:
    """Write again to those whose pause is over."""
    pause.end_pauses(now=timezone.now())  # clock: entry
