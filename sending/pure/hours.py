"""An hour at which some of a mailing's people get it."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Hour:
    """When a wave may begin: `zones` as they stand in people's fields, `zone` that of most of its `people`."""

    at: datetime
    zone: str
    people: int
    zones: tuple[str, ...]
