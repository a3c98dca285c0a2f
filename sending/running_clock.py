"""The business clock of a verb that runs for minutes: it goes on from the instant its entry point read."""

import time
from datetime import datetime, timedelta


class RunningClock:
    """Call it for the business time now. Steps of the machine's wall clock do not reach it."""

    def __init__(self, *, now: datetime) -> None:
        self._began_at = now
        self._began = time.monotonic()

    def __call__(self) -> datetime:
        return self.at(time.monotonic())

    def at(self, monotonic: float) -> datetime:
        """The business time at an instant of `time.monotonic()`."""
        return self._began_at + timedelta(seconds=monotonic - self._began)

    def seconds_until(self, instant: datetime) -> float:
        """Negative when the instant has passed."""
        return (instant - self()).total_seconds()
