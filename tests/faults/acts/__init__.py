"""What is done to a run. Each act is a generator: before its `yield` the campaign is not yet launched, after it mail is
being sent. When it ends, all troubles are taken away, and the run must come to its end by itself.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from tests.faults.acts import network, people, processes, receivers, servers
from tests.faults.world import World

Act = Callable[..., Iterator[None]]


def medley(world: World, *, steps: list[dict[str, Any]]) -> Iterator[None]:
    """One after the other, in one mailing."""
    yield
    for step in steps:
        act = ACTS[step["act"]](world, **step["options"])
        for _ in range(2):
            with suppress(StopIteration):
                next(act)


ACTS: dict[str, Act] = {
    "medley": medley,
    "kill points": processes.kill_points,
    "launch points": processes.launch_points,
    "kills from outside": processes.kills_from_outside,
    "stopped and taken over": processes.stopped_and_taken_over,
    "drained": processes.drained,
    "beats": processes.beats,
    "few files": processes.few_files,
    "database": servers.database,
    "acknowledgements lost": servers.acknowledgements_lost,
    "adversary": servers.adversary,
    "disk full": servers.disk_full,
    "broker": servers.broker,
    "repeated wake-ups": servers.repeated_wake_ups,
    "migrating": servers.migrating,
    "network": network.network,
    "people": people.leaving_and_pausing,
    "edits": people.edits,
    "moods": receivers.moods,
    "nothing": receivers.nothing,
}
