"""The receivers' clock: real time plus what the control API has added."""

import time


class LabClock:
    def __init__(self) -> None:
        self._ahead = 0.0

    def now(self) -> float:
        """Seconds, monotonic, comparable only within this lab."""
        return time.monotonic() + self._ahead

    def wall(self) -> float:
        """Seconds since 1970, UTC."""
        return time.time() + self._ahead

    def advance(self, seconds: float) -> None:
        """Let rolling windows, greylists and delayed reports see `seconds` pass at once. Raises ValueError when
        negative.
        """
        if seconds < 0:
            raise ValueError("The lab's clock only goes forward.")
        self._ahead += seconds
