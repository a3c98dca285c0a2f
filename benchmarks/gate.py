"""How many messages a second pass the gate, and how many go out: `python -m benchmarks.gate`.

One process, its threads one connection each, and a raw sink in a process of its own, on this machine. PostgreSQL is the
one of the settings, with durable commits; everything is written to a test database that is dropped again.
"""

import argparse
import asyncio
import multiprocessing
import os
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("LAB", "yes")
os.environ.setdefault("CELERY_BROKER_URL", "memory://")


class Sink(asyncio.Protocol):
    """Says yes to everything, as fast as it can."""

    def connection_made(self, transport: Any) -> None:
        self.transport, self.buffer, self.in_content = transport, b"", False
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while self._step():
            pass

    def _step(self) -> bool:
        if self.in_content:
            _, end, rest = self.buffer.partition(b"\r\n.\r\n")
            if not end:
                return False
            self.buffer, self.in_content = rest, False
            self.transport.write(b"250 2.0.0 Ok\r\n")
            return True
        line, end, rest = self.buffer.partition(b"\r\n")
        if not end:
            return False
        self.buffer = rest
        verb = line[:4].upper()
        self.in_content = verb == b"DATA"
        answers = {b"EHLO": b"250-sink\r\n250 PIPELINING\r\n", b"DATA": b"354 go\r\n", b"QUIT": b"221 bye\r\n"}
        self.transport.write(answers.get(verb, b"250 Ok\r\n"))
        return True


def serve(ready: Any) -> None:
    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


def gates(threads: int, seconds: float, now: datetime) -> float:
    """Grants a second when every thread asks for the next as soon as it has one."""
    from sending import here
    from sending.gate_questions import Counters, Intent, Question
    from sending.models import Batch, Delivery
    from tests.sending.engine import cut, mailing_to

    mailing = mailing_to(threads, now=now, domain="gmx.de", key="campaign:gates")
    gate = here.gate()
    batches = [batch for batch in cut(mailing, now=now, size=1) if batch.mailing_id == mailing.pk]
    until = datetime.now(UTC) + timedelta(hours=1)
    Batch.objects.filter(mailing=mailing).update(state="running", epoch=1, owner=gate.worker.id, lease_until=until)
    key = Delivery.objects.filter(mailing_id=mailing.pk).first().address_key  # type: ignore[union-attr]
    counts = [0] * threads
    end = time.monotonic() + seconds

    def ask(place: int) -> None:
        while time.monotonic() < end:
            counts[place] += 1
            wanted = Intent(delivery=1, attempt=1, key_then=key, key_now=key)
            gate.ask(Question(batches[place].pk, 1, counts[place], wanted, Counters())).wait(5)

    _together(ask, threads)
    Batch.objects.filter(mailing=mailing).delete()
    return sum(counts) / seconds


def mail(messages: int, threads: int, now: datetime, port: int, *, signed: bool) -> float:
    """Messages a second from claim to closed books, over `threads` connections in batches of 200."""
    from django.conf import settings

    from sending import letters
    from tests.sending.engine import cut, kinds, mailing_to, point, send

    settings.SMTP_PORT = port
    stream = "marketing" if signed else "transactional"
    domain = "gmail.com" if signed else "yahoo.com"
    mailing = mailing_to(messages, now=now, key=f"campaign:{stream}", domain=domain, stream=stream)
    point("gmx.de", "127.0.0.1")
    if not signed:
        letters.sign = lambda *_args, **_kwargs: b""  # type: ignore[attr-defined]
    batches = cut(mailing, now=now, size=200)
    began = time.monotonic()
    assert send(batches, now=now, connections=threads) == []
    seconds = time.monotonic() - began
    assert kinds(mailing) == {"accepted": mailing.total}
    return mailing.total / seconds


def _together(work: Any, threads: int) -> None:
    started = [threading.Thread(target=work, args=(place,)) for place in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=6000)
    parser.add_argument("--threads", type=int, default=16)
    asked = parser.parse_args()
    import django

    django.setup()
    from django.test.utils import setup_databases, teardown_databases

    ready, says = multiprocessing.Pipe()
    sink = multiprocessing.Process(target=serve, args=(says,), daemon=True)
    sink.start()
    port = ready.recv()
    databases = setup_databases(verbosity=0, interactive=False)
    now = datetime.now(UTC)
    try:
        print(f"gates, {asked.threads} threads: {gates(asked.threads, 3.0, now):,.0f}/s")
        for words, signed in (("signed", True), ("unsigned", False)):
            rate = mail(asked.messages, asked.threads, now, port, signed=signed)
            print(f"{words}, {asked.threads} connections: {rate:,.0f} messages/s")
    finally:
        from sending import here

        here.close()
        sink.kill()
        teardown_databases(databases, verbosity=0)


if __name__ == "__main__":
    main()
