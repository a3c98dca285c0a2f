"""Run after run in one world, and the sums of all."""

import random
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field

from tests.faults import invariants
from tests.faults.acts import ACTS
from tests.faults.invariants import Found
from tests.faults.stage import Stage
from tests.faults.table import Fault
from tests.faults.world import Run, World, build, now

HOUSE = {"control": "control", "beat": "beat", "transmit-1": "transmit", "transmit-2": "transmit",
         "transmit-3": "transmit"}  # fmt: skip


@dataclass
class Sums:
    runs: int = 0
    kills: int = 0
    messages: int = 0
    duplicates: int = 0
    lost: int = 0
    unknown: int = 0
    max_unknown_per_connection: int = 0
    mailed_after_suppression: int = 0
    limit_violations: int = 0
    sums_ok: bool = True
    stuck_batches: int = 0
    wrong: list[str] = field(default_factory=list)

    def add(self, run: Run, found: Found) -> None:
        self.runs += 1
        self.kills += len(run.kills)
        for name in ("messages", "duplicates", "lost", "unknown", "mailed_after_suppression", "limit_violations",
                     "stuck_batches"):  # fmt: skip
            setattr(self, name, getattr(self, name) + getattr(found, name))
        self.max_unknown_per_connection = max(self.max_unknown_per_connection, found.max_unknown_per_connection)
        self.sums_ok = self.sums_ok and found.sums_ok
        self.wrong += found.wrong


def go(stage: Stage, faults: Sequence[Fault], *, seed: int, without: str) -> bool:
    """A run for each, then the line. True when all is as it must be."""
    sums = Sums()
    world = build(stage)
    world.processes.on_death = world.note_death
    world.processes.without = without
    for name, kind in HOUSE.items():
        world.processes.start(name, kind)
    try:
        for number, fault in enumerate(faults):
            one(world, sums, fault, number=number, seed=seed + number)
    finally:
        world.run = None
        began = time.monotonic()
        stubborn = world.processes.stop_all()
        print(f"all processes ended in {time.monotonic() - began:.0f} s")
    over_all = invariants.limits_over_all(stage.ledger, now=now())
    for sentence in over_all:
        print(f"WRONG: over all runs: {sentence}")
    if stubborn:
        print(f"had to be killed in the end: {', '.join(stubborn)}")
    sums.limit_violations += len(over_all)
    fine = not sums.wrong and not over_all
    if not fine:
        print(f"everything is kept in {stage.folder}")
    print(invariants.as_line({name: value for name, value in asdict(sums).items() if name != "wrong"}), flush=True)
    return fine


def one(world: World, sums: Sums, fault: Fault, *, number: int, seed: int) -> None:
    size = world.stage.ledger.stat().st_size
    run = Run(number, seed, fault.name, random.Random(f"{seed}:{fault.name}"), size)
    found = _found(world, run, fault)
    sums.add(run, found)
    seconds = time.monotonic() - run.began
    print(
        f"run {number + 1}: seed {seed}, {fault.name}: {len(run.kills)} kills, {found.messages} messages, "
        f"{found.unknown} unknown (of {run.may_be_unknown}), {seconds:.0f} s",
        flush=True,
    )
    for line in [*run.kills, *run.notes]:
        print(f"    {line}")
    for sentence in found.wrong:
        print(f"WRONG: seed {seed}, {fault.name}: {sentence}")
    if found.wrong:
        print(f"    again: make faults RUNS=1 SEED={seed} ONLY={fault.name!r}", flush=True)
    sys.stdout.flush()


def _found(world: World, run: Run, fault: Fault) -> Found:
    act = ACTS[fault.act](world, **fault.options)
    world.run = run
    next(act)
    world.begin(run, people=fault.people, magic=fault.magic.items(), per_hour=fault.per_hour)
    with suppress(StopIteration):
        next(act)
    world.heal()
    world.wait_until_done()
    world.processes.tend()
    path = invariants.rows_from(world.stage.ledger, run.ledger_from, world.stage.folder / f"run-{run.number}.jsonl")
    return invariants.check(run, path)
