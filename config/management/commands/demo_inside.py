"""The inner part of `manage.py demo`; started by it, with the settings of the stage."""

import json
import signal
import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from config.demo import show, stage, sums
from config.demo.world import SIGN_IN
from config.management.commands.dev import start_services


class Command(BaseCommand):
    help = "Started by `manage.py demo`."

    _began = time.monotonic()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("asked")

    def handle(self, *args: Any, **options: Any) -> None:
        asked = json.loads(options["asked"])
        signal.signal(signal.SIGTERM, _end)
        start_services()
        running = show.Show(
            stage.current(),
            asked["recipients"],
            asked["chaos"],
            self._say,
            beat=not asked["without_beat"],
            flush=asked["flush_broker"],
            readers=not asked["without_readers"],
        )
        self._say(
            f"time runs {running.stage.factor:g} times as fast; limits are {running.stage.factor:g} times the real ones"
        )
        try:
            pool = show.prepare(running)
            show.open_the_house(running)
            show.send_earlier(running, pool)
            show.bring_in(running, start=10_000_000, n=asked["recipients"] - show.everybody())
            if asked["once"]:
                self._once(running, pool, asked)
            else:
                self._stay(running, pool)
        except KeyboardInterrupt:
            self._say("stopping")
        finally:
            # A second Ctrl-C must not break off the stopping of the others.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            running.supervisor.stop_all()

    def _once(self, running: show.Show, pool: Any, asked: dict[str, Any]) -> None:
        show.send(running, pool)
        self._say("everybody is accounted for; stopping all processes")
        running.supervisor.stop_all()
        figures = sums.figures(running, show.now())
        wrong = sums.failures(figures, asked["chaos"])
        for sentence in wrong:
            self._say(f"WRONG: {sentence}")
        self.stdout.write(json.dumps(figures, indent=None if asked["json"] else 2))
        if wrong:
            sys.exit(1)

    def _stay(self, running: show.Show, pool: Any) -> None:
        """Send, and stay open for whoever looks on, until Ctrl-C."""
        url = f"http://127.0.0.1:{running.stage.web_port}"
        self._say(f"open {url} (sign in as {SIGN_IN}, password demo) - Ctrl-C stops everything")
        show.send(running, pool)
        self._say(f"done; have a look around at {url} - Ctrl-C stops everything")
        running.supervisor.run()

    def _say(self, sentence: str) -> None:
        self.stdout.write(f"{time.monotonic() - self._began:5.0f} s  {sentence}")
        self.stdout.flush()


def _end(*_: Any) -> None:
    raise KeyboardInterrupt
