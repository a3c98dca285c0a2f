"""manage.py classify FILE… [--json]: what bounces, complaints and answers mean; nothing is acted on or stored."""

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from sending.inbound.classifying import Classified, classified
from sending.pure.mime_parts import MAX_OCTETS


class Command(BaseCommand):
    help = "Say what messages from outside mean: one line, or one JSON object, per recipient found."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE", help="a message as it came; - for standard input")
        parser.add_argument("--json", action="store_true", help="one JSON object a line")
        parser.add_argument("--rcpt", default="", help="the envelope's recipient: mail to u-…@ is an unsubscription")

    def handle(self, *args: Any, files: list[str], rcpt: str, **options: Any) -> None:
        unread = []
        for file in files:
            try:
                raw = _head_of(file)
            except OSError as error:
                unread.append(f"{file}: {error.strerror or error}")
                continue
            for one in classified(file=file, raw=raw, rcpt_to=rcpt):
                text = json.dumps(one.as_json(), ensure_ascii=False) if options["json"] else _line(one)
                self.stdout.write(text.encode("utf-8", "replace").decode())
        if unread:
            raise CommandError("Could not be read: " + "; ".join(unread))


def _head_of(file: str) -> bytes:
    """As much as is looked at: a report says what it has to say at its beginning."""
    if file == "-":
        return sys.stdin.buffer.read(MAX_OCTETS)
    with Path(file).open("rb") as stream:
        return stream.read(MAX_OCTETS)


def _line(one: Classified) -> str:
    what = f"{one.class_}/{one.scope}{' hard' if one.hard else ''}" if one.class_ else "-"
    return f"{one.file}: {one.kind} {one.recipient or '-'} {what}: {one.reason}"
