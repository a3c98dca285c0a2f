"""Where a fault run lives: a folder, the lab, embedded servers, and a proxy before each of them."""

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.apart import lab_process
from lab.persona import RATES, load_personas
from lab.proxy import Proxy, Upstream, Way, running_proxies

# Delays (greylists, retries, back-off) are so many times shorter, rates only so many times higher: a mailing of some
# hundred people takes seconds, against limits that are felt.
TIME_FACTOR = 60.0
RATE_FACTOR = 12.0
# These must match config.demo.world, which cannot be read before the settings are.
ADDRESS, EHLO_NAME = "127.0.1.1", "out1.news.harbour-books.example"
# Our key for a provider, and the lab's name for it.
PERSONAS = {
    "google": "google", "microsoft": "microsoft", "yahoo": "yahoo", "apple": "apple", "gmx": "gmx", "tail": "hosters",
}  # fmt: skip
HOSTERS = 8


@dataclass(frozen=True)
class Stage:
    """`servers`: settings that lead a process through the proxies to the servers; ours go straight there."""

    folder: Path
    seed: int
    control: str
    smtp: Proxy
    database: Proxy
    broker: Proxy
    servers: Mapping[str, str]
    web_port: int

    @property
    def ledger(self) -> Path:
        return self.folder / "receivers.jsonl"

    @property
    def logs(self) -> Path:
        return self.folder / "log"


@contextmanager
def set_up(folder: Path, *, seed: int) -> Iterator[Stage]:
    """The lab, the servers and the proxies; our own environment is set, and Django is ready when this yields."""
    with ExitStack() as stack:
        told = stack.enter_context(lab_process(_lab(folder), log=folder / "lab.log"))
        start = stack.enter_context(running_proxies(seed=seed))
        smtp = start("smtp", _ways_to_the_lab(told))
        web_port = free_port()
        os.environ.update(_settings(folder, told, smtp_port=smtp.ports[0], web_port=web_port))
        for name in ("DATABASE_URL", "CELERY_BROKER_URL", "SECRET_KEY", "PROCESS_KIND"):
            os.environ.pop(name, None)

        from config import embedded

        here = embedded.join(folder)
        stack.callback(embedded.stop, folder)
        database = start("database", [_way_to(here.postgres_sockets / ".s.PGSQL.5432")])
        broker = start("broker", [_way_to(here.broker_socket)])
        import django

        django.setup()
        yield Stage(
            folder=folder,
            seed=seed,
            control=told["control"],
            smtp=smtp,
            database=database,
            broker=broker,
            servers={
                "DATABASE_URL": f"postgres://letterpace@127.0.0.1:{database.ports[0]}/letterpace",
                "CELERY_BROKER_URL": f"redis://127.0.0.1:{broker.ports[0]}/0",
            },
            web_port=web_port,
        )


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _lab(folder: Path) -> dict[str, Any]:
    slower = RATE_FACTOR / TIME_FACTOR
    personas = {
        key: {name: getattr(persona, name) * slower for name in RATES} for key, persona in load_personas().items()
    }
    return {
        "ledger": str(folder / "receivers.jsonl"),
        "smtp_port": 0,
        "dns_port": 0,
        "control_port": 0,
        "time_factor": TIME_FACTOR,
        "hosters": HOSTERS,
        "only": list(PERSONAS.values()),
        "clients": {ADDRESS: EHLO_NAME},
        "ready_file": str(folder / "lab.json"),
        "personas": {
            # Whoever hangs up says nothing; a 421 at every dot would be tried again for a day.
            "*": {"full_share": 0.0, "unknown_share": 0.0, "inactive_share": 0.0, "close_mode": "close"},
            **{key: values for key, values in personas.items() if key in PERSONAS.values()},
        },
    }


def _ways_to_the_lab(told: Mapping[str, Any]) -> list[Way]:
    """One port on every host's address, as the lab itself has it."""
    hosts = [host["address"] for host in told["hosts"].values()]
    port = free_port()
    return [Way(host, port, Upstream(host, told["smtp_port"]), keep_source=True) for host in hosts]


def _way_to(unix_socket: Path) -> Way:
    return Way("127.0.0.1", 0, Upstream(path=str(unix_socket)))


def _settings(folder: Path, told: Mapping[str, Any], *, smtp_port: int, web_port: int) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "VAR_DIR": str(folder),
        "KEYS_DIR": str(folder / "keys"),
        "DEBUG": "no",
        "LAB": "yes",
        "LOG_LEVEL": "WARNING",
        "DNS_SERVERS": str(told["dns"]),
        "SMTP_PORT": str(smtp_port),
        "SMTP_CONNECT_TIMEOUT": "3",
        "SMTP_COMMAND_TIMEOUT": "5",
        "SMTP_DOT_TIMEOUT": "8",
        "TIME_FACTOR": str(TIME_FACTOR),
        "TRANSMIT_THREADS": "16",
        "WEB_LISTEN": f"127.0.0.1:{web_port}",
        "PUBLIC_URL": f"http://127.0.0.1:{web_port}",
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
    }
