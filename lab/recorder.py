"""Writes the ledger: what the receivers saw, each row flushed before the reply it leads to."""

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from lab.clock import LabClock


class Recorder:
    """Appends one JSON object a line. A row handed to `write` has left the process when the call returns (it survives
    a kill of the lab).
    """

    def __init__(self, path: Path, clock: LabClock) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._clock = clock
        self._file = path.open("ab", buffering=0)
        self._events: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._reasons: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._violations: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._dkim: Counter[str] = Counter()

    def write(self, event: str, persona: str, **facts: Any) -> None:
        """Append a row. Every row has event, t (monotonic seconds), wall (seconds since 1970) and persona."""
        row = {
            "event": event,
            "t": round(self._clock.now(), 6),
            "wall": round(self._clock.wall(), 6),
            "persona": persona,
            **facts,
        }
        # ASCII: undecodable bytes of a client's line survive as escaped surrogates and the line stays valid JSON.
        self._file.write(json.dumps(row, separators=(",", ":")).encode("ascii") + b"\n")
        self._count(row)

    def _count(self, row: dict[str, Any]) -> None:
        event, persona = row["event"], row["persona"]
        self._events[persona][event] += 1
        if event == "limit_violation":
            self._violations[persona][row["what"]] += 1
        if row.get("reason"):
            self._reasons[persona][row["reason"]] += 1
        if event == "accepted":
            self._dkim[str(row["dkim_verified"]).lower()] += 1

    def summary(self) -> dict[str, Any]:
        """Counts since the start: rows by persona and event, refusals by reason, violations by cap, signatures of
        accepted messages.
        """
        return {
            "personas": {persona: dict(events) for persona, events in sorted(self._events.items())},
            "reasons": {persona: dict(reasons) for persona, reasons in sorted(self._reasons.items())},
            "limit_violations": {persona: dict(caps) for persona, caps in sorted(self._violations.items())},
            "dkim_verified": dict(self._dkim),
            "accepted": sum(events["accepted"] for events in self._events.values()),
            "ledger": str(self.path),
        }

    def close(self) -> None:
        self._file.close()
