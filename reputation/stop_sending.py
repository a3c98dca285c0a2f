"""The big switch. Every gate asks for it before the next message: effective within one message per connection."""

from datetime import datetime

from django.contrib.auth.models import User

from reputation.models import Workspace
from reputation.workspace import workspace


def stop_sending(*, now: datetime, actor: User, reason: str) -> bool:
    """Let nothing leave any more, by no route. Survives restarts. False when it was stopped already."""
    workspace()
    going = Workspace.objects.filter(pk=1, sending_stopped_at=None)
    return going.update(sending_stopped_at=now, sending_stopped_reason=f"{reason} ({actor})"[:200]) == 1


def resume_sending() -> bool:
    """Let everything go on where it stood. False when it was not stopped."""
    stopped = Workspace.objects.filter(pk=1, sending_stopped_at__isnull=False)
    return stopped.update(sending_stopped_at=None, sending_stopped_reason="") == 1
