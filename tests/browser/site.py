"""A site of its own for a browser: the lab, embedded PostgreSQL and broker, and our processes, in a folder.

Settings are read when a process starts, so the site lives in processes of its own (`inside.py`); tests see it as people
do: by its pages, and by the mail that the lab's receivers hold.
"""

import json
import os
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, TypeVar

from config.demo import stage

T = TypeVar("T")
REPOSITORY = Path(__file__).resolve().parents[2]
# For whatever a page or a process takes on a machine that is busy with other things.
PATIENCE = 60.0
START_SECONDS = 300.0
STOP_SECONDS = 30.0
FACTOR = 10.0


@dataclass(frozen=True)
class Site:
    """`told`: what `inside.py` said of what is there."""

    stage: stage.Stage
    told: dict[str, Any]
    inside: "Inside"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.stage.web_port}"

    def furnish(self) -> None:
        """One of everything, where there was nothing."""
        self.told.update(self.inside.ask("full"))

    def mail_of(self, address: str) -> list[EmailMessage]:
        """What the lab's receivers hold for somebody."""
        asked = f"{self.stage.control}/messages?to={urllib.parse.quote(address)}"
        with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:
            kept = json.load(answer)["messages"]
        return [message_from_bytes(each["text"].encode(), policy=policy.default) for each in kept]


def until(found: Callable[[], T], what: str) -> T:
    """What it finds, as soon as it finds something."""
    end = time.monotonic() + PATIENCE
    while not (seen := found()):
        assert time.monotonic() < end, f"Not within {PATIENCE:.0f} s: {what}"
        time.sleep(0.1)
    return seen


@contextmanager
def running_site(kind: str, folder: Path) -> Iterator[Site]:
    """`kind`: one of `inside.KINDS`. Raises RuntimeError with what it said when it does not start."""
    away = {"DATABASE_URL", "CELERY_BROKER_URL", "SECRET_KEY", "KEYS_DIR", "PROCESS_KIND"}
    kept = {name: value for name, value in os.environ.items() if name not in away}
    with stage.set_up(folder, factor=FACTOR, web_port=0, hosters=20) as ready:
        own = {"DEBUG": "no", "EMBEDDED_FSYNC": "off", "STATIC_ROOT": str(folder / "static"), "TRANSMIT_THREADS": "8"}
        inside = Inside(kind, {**kept, **ready.environment(), **own}, folder / "site.log")
        try:
            yield Site(ready, inside.answer(), inside)
        finally:
            inside.end()


class Inside:
    """The process around the site's own. It ends when nobody holds the other end of its input, so also when we are
    killed."""

    def __init__(self, kind: str, environment: dict[str, str], log: Path) -> None:
        self._log = log
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.browser.inside", kind], cwd=REPOSITORY, env=environment,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=out,
            )  # fmt: skip

    def ask(self, what: str) -> dict[str, Any]:
        assert self._process.stdin
        self._process.stdin.write(f"{what}\n".encode())
        self._process.stdin.flush()
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """The line it says when it is done. Raises RuntimeError with what it said when it can't."""
        late = threading.Timer(START_SECONDS, self._process.kill)
        late.start()
        assert self._process.stdout
        line = self._process.stdout.readline()
        late.cancel()
        if not line:
            self._process.wait()
            raise RuntimeError(f"The site broke: {self._log.read_text(errors='replace')[-4000:]}")
        told: dict[str, Any] = json.loads(line)
        return told

    def end(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
