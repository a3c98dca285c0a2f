"""How long colleagues wait for a page, against the budgets of the screens.

    python -m benchmarks.screens [--parts campaigns audience preflight people import] [--people 200000] [--looks 40]

1. `campaigns`: the list of 10,000 campaigns, half of them sent, with three tags and ten owners: its first page, a
   search by name, one tag, its 200th page. Goal: 300 ms.
2. `audience`: one choice of two lists of `--people` people, counted exactly with everybody left out, and the whole
   answer that the page gets at a tick. Goal: 2 s, after which an estimate stands there.
3. `preflight`: a letter with four fields, 100 people's copies and 50 links, to those people. Goal: 5 s.
4. `people`: the page of `--people` people, searched by the beginning of an address and of a name, by state; lists and
   suppressions. Goal: 300 ms, a search by address 200.
5. `import`: a file of `--people` rows, told for a million. Goal: 3 minutes, memory flat.

Each is asked by Django's test client, as an admin, with PostgreSQL behind it: milliseconds until it is answered, the
median of `--looks` and what 95 of 100 stay below.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from benchmarks import _campaign_screens, _people_screens, _world

# Part → what it measures: name → how long each look took, in seconds; and the goal in milliseconds.
PARTS: Mapping[str, Callable[[argparse.Namespace, datetime], tuple[dict[str, list[float]], int]]] = {
    "campaigns": _campaign_screens.campaigns,
    "audience": _campaign_screens.audience,
    "preflight": _campaign_screens.preflights,
    "people": _people_screens.people,
    "import": _people_screens.imports,
}


_ME = [sys.executable, "-m", "benchmarks.screens"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--people", type=int, default=200_000)
    parser.add_argument("--looks", type=int, default=40)
    asked = parser.parse_args()
    if len(asked.parts) > 1:
        # Each in a process and a house of its own: what one has made does not stand in another's way.
        rest = ["--people", str(asked.people), "--looks", str(asked.looks)]
        failed = [part for part in asked.parts if subprocess.call([*_ME, "--parts", part, *rest]) != 0]
        sys.exit(f"failed: {', '.join(failed)}" if failed else 0)
    with _world.installed({"DEBUG": "no", "LAB": "yes"}):
        from config import warm

        warm.up()
        [part] = asked.parts
        seconds, goal = PARTS[part](asked, datetime.now(UTC))
        print(json.dumps(_told(part, seconds, goal)), flush=True)


def _told(part: str, seconds: Mapping[str, list[float]], goal: int) -> dict[str, Any]:
    found: dict[str, Any] = {"part": part, "goal_ms": goal}
    for name, each in seconds.items():
        found[name] = {"median": _ms(statistics.median(each)), "p95": _ms(sorted(each)[int(len(each) * 0.95)])}
    return found


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 1)


if __name__ == "__main__":
    main()
