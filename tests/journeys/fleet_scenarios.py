"""What happens to the fleet, and what was seen: figures, no judgement."""

import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.journeys.fleet import WINDOW, Fleet, books, fleet, mailing, now, pool, worst

IP = "127.0.1.1"
# Messages in a window.
LIMITS = {"google": 60, "yahoo": 30, "gmx": 30}
LOWER = 30
# Batches under way keep their pace when a limit is raised; here they last so long at most.
TURN = 16.0
# An edit or a hold is heard within a tick, a plan, a gap and a gate.
HEARD = 3.0


def limits(folder: Path) -> dict[str, Any]:
    """Three workers of one host. A tiny mailing comes behind a giant; one worker is killed and comes back; a limit is
    lowered and raised; a provider is held and released."""
    hosts = dict.fromkeys(("one", "two", "three"), "main")
    with fleet(folder, hosts, {"main": IP}) as world:
        way = pool("main", IP)
        first = {key: world.limit(key, n, ips=(IP,)) for key, n in LIMITS.items()}
        world.until_workers(3)
        giant = mailing("giant", {"google": 190, "yahoo": 75, "gmx": 75}, way)
        began = world.seconds()
        time.sleep(5)
        tiny = mailing("tiny", {"google": 3, "yahoo": 3, "gmx": 3}, way)
        tiny_began = world.seconds()
        time.sleep(3)
        world.kill("two")
        time.sleep(2)
        world.workers.start("two")
        edits = [(first["google"], LIMITS["google"])]
        edits.append((world.limit("google", LOWER, ips=(IP,)), LOWER))
        held = _hold(world, "yahoo")
        time.sleep(5)
        edits.append((world.limit("google", LIMITS["google"], ips=(IP,)), LIMITS["google"]))
        world.until_done(giant, tiny)
        ended = [(*each, until) for each, (until, _limit) in pairwise([*edits, (world.seconds(), 0)])]
        return {
            **books(world, [giant, tiny]),
            "tiny_seconds": round((max(world.dots(mailing=tiny)) - tiny_began), 1),
            "tiny_share": round((max(world.dots(mailing=tiny)) - began) / (max(world.dots(mailing=giant)) - began), 2),
            "phases": [_phase(world, "google", began, *each) for each in ended],
            "others": {key: (worst(world.dots(provider=key)), LIMITS[key]) for key in ("yahoo", "gmx")},
            "held": len([at for at in world.dots(provider="yahoo") if held[0] + HEARD < at < held[1]]),
            "after_hold": len([at for at in world.dots(provider="yahoo") if at >= held[1]]),
        }


def _hold(world: Fleet, provider: str) -> tuple[float, float]:
    from reputation import budgets

    budget = world.budget("ip", IP, provider)
    budgets.hold(now=now(), budget=budget, actor=None, reason="A test")
    since = world.seconds()
    time.sleep(8)
    until = world.seconds()
    budgets.release(now=now(), budget=budget, actor=None, reason="A test")
    return since, until


def _phase(world: Fleet, provider: str, began: float, since: float, limit: int, until: float) -> dict[str, Any]:
    """A stretch with one limit: the worst window in it, and what share of the limit was used while mail waited."""
    dots = sorted(world.dots(provider=provider))
    heard = max(since, began) + HEARD
    settled = since + TURN if limit > LOWER and since > began else heard
    # The last ones of all wait for nobody: a lane that is nearly empty is no measure.
    full = min(until, dots[-15])
    there = [at for at in dots if settled <= at <= full]
    return {
        "limit": limit,
        "worst": worst(dots, since=heard, until=until),
        "seconds": round(full - settled, 1),
        "used": round(len(there) / ((full - settled) / WINDOW) / limit, 2),
    }


def hosts(folder: Path) -> dict[str, Any]:
    """Two egress hosts with two workers and one address each. First the one dies and comes back, then the other."""
    sources = {"out1": "127.0.2.1", "out2": "127.0.2.2"}
    workers = {"a": "out1", "b": "out1", "c": "out2", "d": "out2"}
    with fleet(folder, workers, sources) as world:
        for key in LIMITS:
            world.limit(key, 20, ips=tuple(sources.values()), of_domain=60)
        world.until_workers(4)
        sent = {
            host: mailing(host, {"google": 45, "yahoo": 45, "gmx": 45}, pool(host, ip)) for host, ip in sources.items()
        }
        time.sleep(5)
        absences = [_absence(world, workers, sent, host) for host in sources]
        world.until_done(*sent.values())
        strangers = [
            row for host, each in sent.items()
            for row in world.rows(mailing=each) if row["ip"] != sources[host]
        ]  # fmt: skip
        return {
            **books(world, list(sent.values())),
            "from_another_address": len(strangers),
            "from_each": [len(world.dots(ip=ip)) for ip in sources.values()],
            "absences": absences,
        }


def _absence(world: Fleet, workers: dict[str, str], sent: dict[str, Any], host: str) -> dict[str, Any]:
    """All workers of a host are killed; four seconds later they are back."""
    names = [name for name, of in workers.items() if of == host]
    (other,) = set(sent) - {host}
    since = world.kill(*names)
    time.sleep(4)
    until = world.seconds()
    world.workers.start(*names)
    world.until_workers(4)
    time.sleep(3)

    def between(at: str) -> int:
        return len([dot for dot in world.dots(mailing=sent[at]) if since <= dot < until])

    before = len([dot for dot in world.dots(mailing=sent[host]) if dot < since])
    return {
        "host": host,
        "its_dots": between(host),
        "others_dots": between(other),
        "before": before,
        "after": len(world.dots(mailing=sent[host])) - before,
    }
