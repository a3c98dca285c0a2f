"""Notices of Amazon SES that arrive by mail through SNS: JSON, bare or within an SNS envelope.

https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html
"""

import json
from dataclasses import dataclass
from typing import Any

_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class Notice:
    """`kind` is "Bounce" or "Complaint"; each recipient comes with its status and diagnostic, where told."""

    kind: str
    recipients: tuple[tuple[str, str, str], ...]
    message_id: str


def read_notice(text: str) -> Notice | None:
    """The notice in a text, None where there is none."""
    note = _object(text)
    if note and isinstance(note.get("Message"), str):
        note = _object(note["Message"])
    kind = (note or {}).get("notificationType")
    if not note or kind not in ("Bounce", "Complaint"):
        return None
    told = note.get(str(kind).lower())
    rows = (
        told.get("bouncedRecipients" if kind == "Bounce" else "complainedRecipients")
        if isinstance(told, dict)
        else None
    )
    recipients = [_recipient(row) for row in (rows if isinstance(rows, list) else [])[:50] if isinstance(row, dict)]
    mail = note.get("mail")
    headers = mail.get("commonHeaders") if isinstance(mail, dict) else None
    message_id = headers.get("messageId", "") if isinstance(headers, dict) else ""
    return Notice(str(kind), tuple(recipients), str(message_id)[:300])


def _object(text: str) -> dict[str, Any] | None:
    text = text[:_MAX].lstrip()
    if not text.startswith("{"):
        return None
    try:
        # Mail has wrapped the long line: an SNS text holds no line ends of its own.
        found = json.JSONDecoder(strict=False).raw_decode(text.replace("\r", "").replace("\n", ""))[0]
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _recipient(row: dict[str, Any]) -> tuple[str, str, str]:
    words = str(row.get("diagnosticCode", "")).partition(";")[2].strip()
    return str(row.get("emailAddress", ""))[:320].lower(), str(row.get("status", ""))[:16], words[:1000]
