"""manage.py inbound: take bounces, complaints and replies by SMTP, until it is told to stop."""

import asyncio
import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from sending.inbound import breaker, receiving
from sending.inbound.listener import Listener
from words.typed import is_whole


class Command(BaseCommand):
    help = "Listen for bounces, complaints and replies on INBOUND_LISTEN."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--listen", metavar="HOST:PORT", help="instead of INBOUND_LISTEN")
        parser.add_argument("--lmtp", action="store_true", help="speak LMTP, for a mail server on this machine")
        parser.add_argument(
            "--release", type=int, metavar="MAILING", help="read what was held for too many reports a minute, and end"
        )

    def handle(self, *args: Any, listen: str | None, lmtp: bool, release: int | None, **options: Any) -> None:
        if release is not None:
            held = breaker.release(mailing_id=release)
            for inbound_id in held:
                receiving.wake(inbound_id)
            self.stdout.write(f"{len(held)} reports are read now.")
            return
        host, port = _address(listen) if listen else settings.INBOUND_LISTEN
        try:
            asyncio.run(self._listen(host, port, lmtp=lmtp))
        except OSError as error:
            raise CommandError(f"Can't listen on {host}:{port}: {error.strerror or error}.") from error

    async def _listen(self, host: str, port: int, *, lmtp: bool) -> None:
        listener = Listener(host=host, port=port, lmtp=lmtp, clock=lambda: timezone.now())  # clock: entry
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        address = await listener.start()
        self.stdout.write(f"Listening for reports and replies on {address[0]}:{address[1]}.")
        self.stdout.flush()
        await stop.wait()
        await listener.stop()


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not is_whole(port, digits=5) or int(port) > 65535:
        raise CommandError(f"{text!r} is no address to listen on; write it like 127.0.0.1:2525.")
    return host.strip("[]"), int(port)
