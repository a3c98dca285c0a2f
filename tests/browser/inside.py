"""The inner part of `site.py`, which starts it with the settings of a stage: `python -m tests.browser.inside KIND`.

Says one line of JSON when its pages answer, and ends when its standard input does.
"""

import json
import os
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

# What the journeys find: a shop whose domain is verified and whose people are still in a file.
FRIENDS, N_FRIENDS = "Friends of the shop", 6


def whole(now: datetime) -> dict[str, Any]:
    """For journeys: everything runs, and nothing was sent yet."""
    from django.conf import settings
    from django.core.management import call_command

    from config.demo import stage, world
    from reputation import recipients
    from tests.cast import newsletter

    world.build(now=now, lab=stage.current().lab(), factor=stage.current().factor)
    newsletter(FRIENDS)
    path = Path(settings.VAR_DIR, "friends.csv")
    path.write_text("\n".join(["E-mail,First name", *(f"friend{n}@yahoo.com,Ada{n}" for n in range(N_FRIENDS))]))
    call_command("import_subscribers", str(path), list=FRIENDS, consent="They know us.", verbosity=0)
    recipients.learn(now=now, domains=["gmail.com", "yahoo.com"])
    recipients.refresh(now=now, limit=10)
    return {}


def bare(now: datetime) -> dict[str, Any]:
    """For a look at every page: an empty workspace, which `full` furnishes."""
    from tests.browser import furnish

    return furnish.bare(now)


def full(now: datetime) -> dict[str, Any]:
    from tests.browser import furnish

    return furnish.full(now)


KINDS: Mapping[str, tuple[Callable[[datetime], dict[str, Any]], Sequence[str]]] = {
    "bare": (bare, ("web",)),
    "whole": (whole, ("web", "control", "transmit", "transactional", "beat", "inbound")),
}


def main(kind: str) -> None:
    # What is said by the way goes to the log.
    ready = os.dup(1)
    os.dup2(2, 1)
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.utils import timezone

    from config.management.commands.dev import start_services
    from config.supervisor import Supervisor

    furnish, processes = KINDS[kind]
    start_services()
    call_command("migrate", verbosity=0)
    told = furnish(timezone.now())  # clock: entry
    supervisor = Supervisor(patience=10)
    for name in processes:
        supervisor.start(name, log=Path(settings.VAR_DIR, f"{name}.log"))
    threading.Thread(target=_obey, args=(supervisor, ready), daemon=True).start()
    _wait_for_pages(f"{settings.PUBLIC_URL}/healthz")
    _tell(ready, told)
    supervisor.run()


def _obey(supervisor: Any, out: int) -> None:
    """A line names what else is to be there; the end of the input is our own."""
    from django.utils import timezone

    try:
        for line in sys.stdin:
            _tell(out, {"full": full}[line.strip()](timezone.now()))  # clock: entry
    finally:
        supervisor.ask_to_stop()


def _tell(out: int, told: dict[str, Any]) -> None:
    os.write(out, json.dumps(told).encode() + b"\n")


def _wait_for_pages(url: str) -> None:
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10):
                return
        except OSError:
            time.sleep(0.1)


if __name__ == "__main__":
    main(sys.argv[1])
