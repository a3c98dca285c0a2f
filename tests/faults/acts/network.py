"""The way to the receivers: cut at any byte, held, swallowed, slow, byte by byte."""

from collections.abc import Iterator

from lab.proxy import Trouble
from tests.faults.world import World


def network(world: World, *, acts: list[str], times: int) -> Iterator[None]:
    """Each trouble may keep one answer from us for each connection it hits."""
    run = world.going
    yield
    for _ in range(times):
        if not world.is_going():
            return
        act = run.source.choice(acts)
        trouble = Trouble(
            act,
            towards=run.source.choice(["server", "client"]),
            after_bytes=run.source.choice([0, run.source.randint(0, 1500), run.source.randint(0, 40_000)]),
            seconds={"delay": 0.3, "trickle": 0.001}.get(act, 0.0),
            share=run.source.uniform(0.1, 0.6),
            most=4 if act in ("hold", "drop") else 0,
        )
        before = world.stage.smtp.n_troubled
        world.stage.smtp.trouble(trouble)
        world.pause(run.source.uniform(0.5, 3.0))
        world.stage.smtp.trouble(None)
        hit = world.stage.smtp.n_troubled - before
        run.may_be_unknown += hit
        run.notes.append(f"{trouble.act} towards {trouble.towards} after {trouble.after_bytes}: {hit} connections")
