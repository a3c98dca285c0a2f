"""Processes die, stand still, are ended in order, are one too many or missing."""

import os
import resource
import signal
from collections.abc import Iterator
from functools import partial

from tests.faults import points
from tests.faults.processes import Process
from tests.faults.world import World

# Passed once a batch, not once a message.
RARE = {"before the claim", "claimed", "people read", "before the batch's end", "books closed, not committed",
        "handed back, not committed", "batch ended"}  # fmt: skip

# Passed only after somebody else has died.
OF_TAKEOVER = {"epoch raised, batch not closed", "taken over, not committed"}


def kill_points(world: World, *, kind: str, names: list[str], kills: int) -> Iterator[None]:
    """Die by one's own hand exactly there, again and again, at passes that the seed chooses."""
    run = world.going
    chosen = [point for point in points.KINDS[kind] if not names or point.name in names]
    yield
    tries = 3 * kills
    enough = len(run.kills) + kills
    while len(run.kills) < enough and tries and world.is_going():
        victims = world.busy() if kind == "transmit" else world.alive(kind)
        if not victims:
            world.pause(0.1)
            continue
        tries -= 1
        point = run.source.choice(chosen)
        nth = run.source.randint(1, 2 if kind == "control" or point.name in RARE else 12)
        needs_a_death = point.name in OF_TAKEOVER
        if needs_a_death and (sending := world.busy()):
            _kill(world, run.source.choice(sending))
        if world.die_at(run.source.choice(victims), point, nth=nth, within=12.0 if needs_a_death else 3.0):
            world.people_leave(run.source.randint(0, 2))
            world.pause(run.source.uniform(0.0, 1.0))


def launch_points(world: World) -> Iterator[None]:
    """Die while the campaign is pressed: a child of the pool, or all of it. The next sweep presses it again, once."""
    run = world.going
    (control,) = world.alive("control")
    control.may_die = True
    point = run.source.choice(points.LAUNCH)
    act = run.source.choice(["kill", "kill parent"])
    place = world.place(control.name)
    place.arm(point, nth=1, act=act)
    yield
    if place.fired.exists():
        run.kills.append(f"control at “{point.name}” ({act})")


def kills_from_outside(world: World, *, kills: int, kinds: list[str]) -> Iterator[None]:
    """SIGKILL at any moment, to anybody: workers, a pool's child, beat."""
    run = world.going
    yield
    for _ in range(kills):
        world.pause(run.source.uniform(0.2, 2.0))
        if not world.is_going():
            return
        victims = [process for kind in kinds for process in world.alive(kind)]
        victim = run.source.choice(world.busy() or victims)
        if run.source.random() < 0.3:
            victim = run.source.choice(victims)
        _kill(world, victim)
        world.people_leave(run.source.randint(0, 2))


def _kill(world: World, victim: Process) -> None:
    run = world.going
    children = victim.children() if victim.kind == "control" and run.source.random() < 0.5 else []
    if children:
        send(run.source.choice(children), signal.SIGKILL)
        run.kills.append(f"a child of {victim.name}")
        return
    world.processes.signal(victim.name, signal.SIGKILL)
    run.kills.append(victim.name)


def stopped_and_taken_over(world: World, *, times: int) -> Iterator[None]:
    """SIGSTOP; others take its batches over; people leave meanwhile; SIGCONT: not one more dot than was under way.

    Leases are let lapse, and the ten minutes in which the planner counts its connections pass, by the harness's hand.
    """
    run = world.going
    yield
    for _ in range(times):
        if not world.wait(world.busy, 10):
            return
        victim = run.source.choice(world.busy())
        world.processes.signal(victim.name, signal.SIGSTOP)
        run.excused |= world.on_the_wire_of(victim.pid)
        run.may_be_unknown += world.slots_of(victim.pid)
        is_short = run.source.random() < 0.3
        if is_short:
            world.pause(run.source.uniform(0.5, 3.0))
        else:
            world.let_leases_lapse(victim.pid)
            world.wait(partial(world.holds_nothing, victim.pid), 15)
            world.people_leave(4)
            world.pause(run.source.uniform(0.0, 3.0))
        world.processes.signal(victim.name, signal.SIGCONT)
        run.notes.append(f"{victim.name} stood still" + ("" if is_short else " and was taken over"))
        # It drops what is not its own any more within a message or two.
        world.pause(3.0)
        world.let_ghosts_go()


def drained(world: World, *, times: int) -> Iterator[None]:
    """SIGTERM, as a deploy does it: everybody on the wire is finished, nobody becomes unknown."""
    run = world.going
    yield
    for _ in range(times):
        if not world.wait(world.busy, 10):
            return
        victim = run.source.choice(world.busy())
        pid = victim.pid
        world.processes.signal(victim.name, signal.SIGTERM)
        if not world.wait(partial(world.processes.is_gone, victim.name, pid), 40):
            run.wrong.append(f"{victim.name} did not end within 40 s of SIGTERM")
            return
        if n := world.slots_of(pid):
            run.wrong.append(f"{victim.name} left {n} batches when it ended in order")
        run.notes.append(f"{victim.name} was drained")


def beats(world: World, *, how: str) -> Iterator[None]:
    """Two at once; or none, and workers tick; or one that is killed again and again."""
    run = world.going
    if how == "none":
        world.processes.leave_away("beat")
    if how == "two":
        world.processes.start("beat-2", "beat")
    yield
    if how == "killed":
        while len(run.kills) < 5 and world.is_going():
            world.processes.signal("beat", signal.SIGKILL)
            run.kills.append("beat")
            world.pause(run.source.uniform(1.0, 3.0))
    world.wait(lambda: not world.is_going(), 90)
    if how == "two":
        world.processes.leave_away("beat-2")
        del world.processes.all["beat-2"]


def few_files(world: World) -> Iterator[None]:
    """A worker that may open no further file or socket for a while."""
    run = world.going
    yield
    for _ in range(2):
        if not world.wait(world.busy, 10):
            return
        victim = run.source.choice(world.busy())
        n_open = len(os.listdir(f"/proc/{victim.pid}/fd"))  # noqa: PTH208 only how many
        soft, hard = resource.prlimit(victim.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(victim.pid, resource.RLIMIT_NOFILE, (max(16, n_open - 2), hard))
        world.pause(run.source.uniform(1.0, 4.0))
        if victim.runs:
            resource.prlimit(victim.pid, resource.RLIMIT_NOFILE, (soft, hard))
        run.notes.append(f"{victim.name} had no files left")


def send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
