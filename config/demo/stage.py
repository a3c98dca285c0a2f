"""The stage of the demo: the lab in a process of its own, free ports, and the settings that make Letterpace live in it.

Settings are read when Django starts, and they name the lab's ports; so `manage.py demo` starts the lab first and then
itself again inside.
"""

import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.demo import world
from lab.apart import lab_process

BASE_DIR = Path(__file__).resolve().parent.parent.parent
LEDGER = "receivers.jsonl"
# The stage is passed on to the process inside as one variable.
VARIABLE = "LETTERPACE_DEMO_STAGE"


@dataclass(frozen=True)
class Stage:
    """Where everything is, as plain data."""

    folder: str
    control: str
    dns: str
    smtp_port: int
    web_port: int
    inbound_port: int
    factor: float

    @property
    def ledger(self) -> Path:
        return Path(self.folder, LEDGER)

    def lab(self) -> world.Lab:
        return world.Lab(control=self.control, inbound_host="127.0.0.1", inbound_port=self.inbound_port)

    def environment(self) -> dict[str, str]:
        """The settings of a Letterpace that lives in the lab."""
        return {
            "VAR_DIR": self.folder,
            "KEYS_DIR": f"{self.folder}/keys",
            "DEBUG": "yes",
            "LAB": "yes",
            # As many as the receivers of the lab take connections, all together.
            "TRANSMIT_THREADS": "48",
            "DNS_SERVERS": self.dns,
            "SMTP_PORT": str(self.smtp_port),
            "TIME_FACTOR": str(self.factor),
            "WEB_LISTEN": f"127.0.0.1:{self.web_port}",
            "PUBLIC_URL": f"http://127.0.0.1:{self.web_port}",
            "INBOUND_LISTEN": f"127.0.0.1:{self.inbound_port}",
            "ALLOWED_HOSTS": "127.0.0.1,localhost",
            VARIABLE: json.dumps(self.__dict__),
        }


def current() -> Stage:
    """The stage this process was started on."""
    return Stage(**json.loads(os.environ[VARIABLE]))


@contextmanager
def set_up(folder: Path, *, factor: float, web_port: int, hosters: int) -> Iterator[Stage]:
    """Start the lab, wait until it answers, and stop it at the end. Raises RuntimeError with what it said."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / LEDGER).unlink(missing_ok=True)
    inbound_port = free_port()
    asked = world.lab_settings(
        ledger=folder / LEDGER,
        inbound_port=inbound_port,
        factor=factor,
        ready_file=folder / "lab.json",
        hosters=hosters,
    )
    with lab_process(asked, log=folder / "lab.log") as told:
        yield _stage(folder, told, factor=factor, web_port=web_port, inbound_port=inbound_port)


def _stage(folder: Path, told: Mapping[str, Any], *, factor: float, web_port: int, inbound_port: int) -> Stage:
    control = told["control"]
    return Stage(
        folder=str(folder),
        control=control if str(control).startswith("http") else f"http://{control}",
        dns=str(told["dns"]),
        smtp_port=int(told["smtp_port"]),
        web_port=web_port or free_port(),
        inbound_port=inbound_port,
        factor=factor,
    )


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
