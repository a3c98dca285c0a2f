"""The one workspace, and what day it is there."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from reputation.models import Workspace


def workspace() -> Workspace:
    """The workspace's row; made with stock values when it is not there yet."""
    found = Workspace.objects.filter(pk=1).first()
    return found or Workspace.objects.get_or_create(pk=1, defaults={"name": "My organisation"})[0]


def zone() -> ZoneInfo:
    """The zone in which its days begin and end."""
    return ZoneInfo(workspace().time_zone)


def today(now: datetime, zone: ZoneInfo) -> date:
    """The calendar day at `now` (aware) in a zone."""
    return now.astimezone(zone).date()
