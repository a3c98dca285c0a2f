"""manage.py demo: the whole of Letterpace at work in a world of its own, on this machine only."""

import json
import os
import shutil
import signal
import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config.demo import people, stage

WEB_PORT = 8000
# One minute of the demo is so many minutes of the world: for people who look on, and for a run that is only counted.
FACTOR, FACTOR_ONCE = 10.0, 30.0


ASKED = ("once", "recipients", "json", "chaos", "without_beat", "without_readers", "flush_broker")


class Command(BaseCommand):
    help = "Send a real campaign in throttled batches to receivers that behave like Gmail, Microsoft, Yahoo and others."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="run without a browser, wait for the end, stop")
        parser.add_argument("--recipients", type=int, default=5000, help="people in the demo world (default 5000)")
        parser.add_argument("--json", action="store_true", help="with --once: one JSON object as the last line")
        parser.add_argument("--chaos", action="store_true", help="with --once: kill -9 a worker every ten seconds")
        parser.add_argument("--without-beat", action="store_true", help="with --once: beat is never started")
        parser.add_argument("--without-readers", action="store_true", help="nobody opens the letter or follows a link")
        parser.add_argument("--flush-broker", action="store_true", help="with --once: empty the broker in the middle")
        parser.add_argument(
            "--factor", type=float, help=f"how fast time runs ({FACTOR:g}; with --once {FACTOR_ONCE:g})"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not 100 <= options["recipients"] <= 5_000_000:
            raise CommandError("--recipients must lie between 100 and 5,000,000.")
        # Whoever ends us means the whole demo: leave by the way on which everything is taken down.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        folder = Path(settings.VAR_DIR, "demo-once" if options["once"] else "demo")
        self._clear(folder)
        try:
            with stage.set_up(
                folder,
                factor=options["factor"] or (FACTOR_ONCE if options["once"] else FACTOR),
                web_port=0 if options["once"] else WEB_PORT,
                hosters=people.hosters_for(options["recipients"]),
            ) as ready:
                code = self._inside(ready, options)
        except RuntimeError as error:
            raise CommandError(str(error)) from error
        if code:
            sys.exit(code)

    def _inside(self, ready: stage.Stage, options: dict[str, Any]) -> int:
        """The same program again, with the settings of the stage."""
        asked = {name: options[name] for name in ASKED}
        environment = {**_without_servers(), **ready.environment()}
        argv = [sys.executable, str(stage.BASE_DIR / "manage.py"), "demo_inside", json.dumps(asked)]
        process = subprocess.Popen(argv, env=environment, cwd=stage.BASE_DIR)
        try:
            while True:
                try:
                    return process.wait()
                except KeyboardInterrupt:
                    continue  # the terminal has told the process inside as well; it stops everything
        finally:
            process.terminate()
            process.wait()

    def _clear(self, folder: Path) -> None:
        """A demo begins at the beginning."""
        if folder.exists():
            from config import embedded

            embedded.stop(folder)
            shutil.rmtree(folder)


def _without_servers() -> dict[str, str]:
    """Our environment less what would lead the demo to real servers: it lives on embedded ones."""
    away = {"DATABASE_URL", "CELERY_BROKER_URL", "SECRET_KEY", "KEYS_DIR", "PROCESS_KIND"}
    return {name: value for name, value in os.environ.items() if name not in away}
