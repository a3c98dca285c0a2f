"""The scheduler of Celery's beat: the tasks of `beat_schedule` kept in the database, ended in order."""

import signal
from typing import Any

from django_celery_beat.schedulers import DatabaseScheduler


class Scheduler(DatabaseScheduler):  # type: ignore[misc]
    """Ends between two ticks.

    Celery's own handler raises SystemExit wherever beat is just then. Amid a publish or a query of the schedule's
    set-up that is taken for a failure of the broker's or the database's, and beat would never end.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.ending = False
        # Here and not when beat has begun: reading the schedule, before that, is most of its start.
        signal.signal(signal.SIGTERM, self._end)
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        if self.ending:
            raise SystemExit
        seconds: float = super().tick(*args, **kwargs)
        return 0.0 if self.ending else seconds

    def _end(self, *_: object) -> None:
        self.ending = True
