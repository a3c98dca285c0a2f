"""When imports run. The rows say which; a lost message costs one sweep."""

from celery import shared_task
from django.utils import timezone

from audiences import bulk, imports, pause, quiet, trials


# A file takes as long as it takes; a run that is cut off goes on with the next sweep.
@shared_task(soft_time_limit=3600, time_limit=3660)
def run_import(upload_id: int) -> None:
    """Take the file into its list, or try out what that would do."""
    now = timezone.now()  # clock: entry
    if not trials.run(now=now, upload_id=upload_id):
        imports.run_import(now=now, upload_id=upload_id)


@shared_task
def resume_imports() -> None:
    """Wake imports whose message was lost or whose run was cut off."""
    for upload_id in imports.due_imports():
        run_import.delay(upload_id)


@shared_task
def end_pauses() -> None:
    """Write again to those whose pause is over."""
    pause.end_pauses(now=timezone.now())  # clock: entry


@shared_task
def run_bulk(job_id: int) -> None:
    """Do the next part of a bulk job, and ask for the one after it."""
    if bulk.run(now=timezone.now(), job_id=job_id):  # clock: entry
        run_bulk.delay(job_id)


@shared_task
def resume_bulk() -> None:
    """Wake bulk jobs whose message was lost or whose run was cut off; delete exported files that are old."""
    for job_id in bulk.due():
        run_bulk.delay(job_id)
    bulk.forget_files(now=timezone.now())  # clock: entry


@shared_task(ignore_result=True)
def count_quiet() -> None:
    """Count who has been quiet for a year."""
    quiet.count_quiet(now=timezone.now())  # clock: entry
