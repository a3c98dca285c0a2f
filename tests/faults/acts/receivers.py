"""The receivers' moods: put off, refuse, stall, change what they offer; their names cannot be looked up."""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

from tests.faults.world import World

# At a receiver, for some seconds. Nothing that is about us, which would slow a lane for minutes.
MOODS: list[tuple[str, dict[str, Any]]] = [
    ("yahoo", {"force_phase": "dot", "force_reply": "temp", "force_share": 0.5}),
    ("microsoft", {"force_phase": "rcpt", "force_reply": "defer", "force_share": 0.5}),
    ("gmx", {"force_phase": "rcpt", "force_reply": "greylist", "force_share": 1.0}),
    ("apple", {"drop_phase": "dot", "drop_odds": 0.2, "close_mode": "rst"}),
    ("microsoft", {"drop_phase": "body", "drop_odds": 0.2, "close_mode": "close"}),
    ("yahoo", {"drop_phase": "dot", "drop_odds": 0.2, "close_mode": "421"}),
    ("google", {"drop_phase": "reply", "drop_odds": 0.2, "close_mode": "rst"}),
    ("google", {"tls": "refused"}),
    ("microsoft", {"tls": "stalled"}),
    ("yahoo", {"tls": "none"}),
    ("apple", {"reply_delay": 120.0}),
]
CALM: dict[str, Any] = {
    "force_phase": "", "force_reply": "", "force_share": 1.0, "drop_phase": "", "drop_odds": 0.0, "reply_delay": 0.0,
}  # fmt: skip
# The end of a letter leaves with its last piece: who breaks off before has it, or not, and nobody here can tell.
KEEPS_ANSWERS = ("body", "dot", "reply")


def moods(world: World, *, times: int) -> Iterator[None]:
    run = world.going
    yield
    for _ in range(times):
        if not world.is_going():
            return
        persona, mood = run.source.choice(MOODS)
        usual = _call(world, "GET", f"/personas/{persona}")
        before = world.unanswered()
        _call(world, "PUT", f"/personas/{persona}", mood)
        world.pause(run.source.uniform(1.0, 4.0))
        calm = {**CALM, "tls": usual["tls"], "close_mode": usual["close_mode"]}
        _call(world, "PUT", f"/personas/{persona}", calm)
        if mood.get("drop_phase") in KEEPS_ANSWERS:
            run.may_be_unknown += world.unanswered() - before
        run.notes.append(f"{persona}: {mood}")


def nothing(world: World) -> Iterator[None]:
    """Only what the addresses themselves bring about."""
    yield
    world.wait(lambda: not world.is_going(), 90)


def _call(world: World, method: str, path: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(world.stage.control + path, data, method=method)
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)
