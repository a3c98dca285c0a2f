"""The whole lab: start it, stop it, and hold it in a thread for tests."""

import asyncio
import contextlib
import datetime as dt
import json
import resource
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from lab.certificates import make_server_context
from lab.clock import LabClock
from lab.configuration import Configuration, configured
from lab.control import Control
from lab.courier import Courier
from lab.mailbox import Mailbox
from lab.nameserver import NameServer
from lab.receivers import Site, Surroundings, listen
from lab.reception import Reception
from lab.recorder import Recorder
from lab.returns import Returns
from lab.world import Host, World, build_world

START_SECONDS = 30
T = TypeVar("T")


class Lab:
    """Everything in one event loop. Attributes are safe to read from other threads; change things through `call`."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.clock = LabClock()
        self.world: World = build_world(configuration)
        self.zone = self.world.zone
        self.ledger = Path(configuration.ledger)
        self.recorder = Recorder(self.ledger, self.clock)
        self.receptions = {
            key: Reception(persona, clock=self.clock, time_factor=configuration.time_factor, seed=configuration.seed)
            for key, persona in self.world.personas.items()
        }
        folder = Path(configuration.keep_folder) if configuration.keep_folder else None
        self.mailbox = Mailbox(
            per_address=configuration.keep_per_address, max_bytes=configuration.keep_bytes, folder=folder
        )
        self.smtp_port = self.dns_port = self.control_port = 0

    @property
    def certificate_authority(self) -> Path:
        """The PEM file a client can verify the receivers' certificates with."""
        return self.ledger.parent / f"{self.ledger.stem}-tls" / "ca.pem"

    async def start(self) -> None:
        """Listen everywhere. Raises OSError when a port is taken."""
        _allow_many_files()
        configuration = self.configuration
        self.loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        self.courier = Courier(clock=self.clock, recorder=self.recorder, time_factor=configuration.time_factor)
        self.smtp_port, self._servers = await listen(self._sites(), configuration.smtp_port)
        self._nameserver = NameServer(self.zone)
        await self._nameserver.start(configuration.dns_host, configuration.dns_port)
        self.dns_port = self._nameserver.port
        self._control = Control(self)
        await self._control.start(configuration.control_host, configuration.control_port)
        self.control_port = self._control.port
        self._courier_task = asyncio.create_task(self.courier.run())
        self._say_ready()

    async def run(self, started: Callable[[], None]) -> None:
        """Start, say so, and go on until `end`."""
        await self.start()
        started()
        await self._ended.wait()
        await self.stop()

    def end(self) -> None:
        """To be called in the loop."""
        self._ended.set()

    async def stop(self) -> None:
        for server in self._servers:
            server.close()
        self._courier_task.cancel()
        self.courier.close()
        await self._nameserver.stop()
        await self._control.stop()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.recorder.close()

    def addresses(self) -> dict[str, Any]:
        """Ports, and every host with its address and persona."""
        return {
            "smtp_port": self.smtp_port,
            "dns": f"{self.configuration.dns_host}:{self.dns_port}",
            "control": f"http://{self.configuration.control_host}:{self.control_port}",
            "certificate_authority": str(self.certificate_authority),
            "hosts": {host.name: {"address": host.address, "persona": host.persona} for host in self.world.hosts},
        }

    def host(self, name: str) -> Host:
        """The host of that MX name. Raises KeyError."""
        return {host.name: host for host in self.world.hosts}[name]

    def advance(self, seconds: float) -> None:
        """Let the receivers' clock jump forward; what falls due is sent at once."""
        self.clock.advance(seconds)
        self.courier.look_again()

    def call(self, act: Callable[[], T]) -> T:
        """Run something in the lab's loop from another thread and return its result."""

        async def acting() -> T:
            return act()

        return asyncio.run_coroutine_threadsafe(acting(), self.loop).result(START_SECONDS)

    def _sites(self) -> list[Site]:
        hosts, configuration = self.world.hosts, self.configuration
        context = make_server_context(
            self.certificate_authority.parent,
            [host.name for host in hosts],
            dt.datetime.fromtimestamp(self.clock.wall(), dt.UTC),
        )
        returns = Returns(configuration, self.zone, self.courier, self.receptions, self.clock, lambda: self.smtp_port)
        shared = Surroundings(
            clock=self.clock,
            recorder=self.recorder,
            zone=self.zone,
            mailbox=self.mailbox,
            tls=context,
            mailing_headers=configuration.mailing_headers,
            users=dict(configuration.relay_users),
            when_accepted=returns.consider,
        )
        return [Site(host.name, host.address, self.receptions[host.persona], host.domains, shared) for host in hosts]

    def _say_ready(self) -> None:
        if self.configuration.ready_file:
            path = Path(self.configuration.ready_file)
            path.with_suffix(".new").write_text(json.dumps(self.addresses()), "utf-8")
            path.with_suffix(".new").replace(path)


@contextlib.contextmanager
def running_lab(configuration: Configuration | None = None, **values: Any) -> Iterator[Lab]:
    """A lab in a thread of this process, on free ports unless the values say otherwise. `ledger` is required."""
    lab = Lab(configuration or configured({"smtp_port": 0, "dns_port": 0, "control_port": 0, "hosters": 3, **values}))
    started: threading.Event = threading.Event()
    failure: list[BaseException] = []
    thread = threading.Thread(target=_hold, args=(lab, started, failure), name="lab", daemon=True)
    thread.start()
    if not started.wait(START_SECONDS) or failure:
        raise RuntimeError(f"The lab did not start: {failure}")
    try:
        yield lab
    finally:
        lab.loop.call_soon_threadsafe(lab.end)
        thread.join(START_SECONDS)


def _hold(lab: Lab, started: threading.Event, failure: list[BaseException]) -> None:
    try:
        asyncio.run(lab.run(started.set))
    except BaseException as error:
        failure.append(error)
        started.set()


def _allow_many_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
