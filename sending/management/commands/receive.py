"""manage.py receive: take one message from standard input, for a mail server's pipe.

Postfix: `letterpace unix - n n - - pipe flags=Rq user=letterpace argv=…/manage.py receive --rcpt ${original_recipient}
--sender ${sender}`. Exit codes are those of sysexits.h: with 75 the mail server keeps the message and tries again.
"""

import os
import sys
from email.utils import parseaddr
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandParser
from django.db import Error
from django.utils import timezone

from sending.inbound import receiving
from sending.pure.mime_parts import header, parse

EX_OK, EX_DATAERR, EX_NOUSER, EX_TEMPFAIL = 0, 65, 67, 75


class Command(BaseCommand):
    help = "Take one message from standard input: a bounce, a complaint or a reply."
    requires_system_checks = []
    stealth_options = ("stream",)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--rcpt", default="", help="the envelope's recipient; else RECIPIENT or Delivered-To")
        parser.add_argument("--sender", default="", help="the envelope's sender; empty for a bounce")

    def handle(self, *args: Any, rcpt: str, sender: str, **options: Any) -> None:
        stream: BinaryIO = options.get("stream") or sys.stdin.buffer
        raw = stream.read(receiving.LARGEST + 1)
        rcpt = rcpt or os.environ.get("ORIGINAL_RECIPIENT") or os.environ.get("RECIPIENT") or _delivered_to(raw)
        code = self._take(raw, rcpt, sender or os.environ.get("SENDER", ""))
        if code != EX_OK:
            sys.exit(code)

    def _take(self, raw: bytes, rcpt: str, sender: str) -> int:
        if not raw.strip() or len(raw) > receiving.LARGEST:
            self.stderr.write("There is no message." if not raw.strip() else "The message is too big.")
            return EX_DATAERR
        try:
            if not receiving.is_ours(rcpt):
                self.stderr.write(f"We take no mail for {rcpt or 'nobody: name the recipient with --rcpt'}.")
                return EX_NOUSER
            came = receiving.arrival(source="pipe", raw=raw, mail_from=sender.strip("<>"), rcpt_to=rcpt)
            inbound_id = receiving.keep(now=timezone.now(), came=came)  # clock: entry
        except (Error, OSError) as error:
            self.stderr.write(f"The message could not be stored, try again later: {type(error).__name__}.")
            return EX_TEMPFAIL
        if inbound_id is not None:
            receiving.wake(inbound_id)
        return EX_OK


def _delivered_to(raw: bytes) -> str:
    """What the mail server wrote on top, where it passes no recipient."""
    message = parse(raw)
    return parseaddr(header(message, "x-original-to") or header(message, "delivered-to"))[1]
