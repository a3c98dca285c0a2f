"""When; what is in the modules named."""

from celery import shared_task
from django.utils import timezone

from config.team import notices


@shared_task(ignore_result=True, soft_time_limit=240, time_limit=300)
def tell_team() -> None:
    """Mail those of the team whom a note or a decision concerns."""
    notices.tell(now=timezone.now())  # clock: entry
