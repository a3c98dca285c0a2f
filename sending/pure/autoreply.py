"""Answers written by machines for people who are away (RFC 3834): they count neither as bounces nor as replies."""

import re
from email.message import Message

from sending.pure.mime_parts import header

_SUBJECT = re.compile(
    r"^(?:\[?auto(?:mat(?:ic|ed|isch\w*))?[- ]?(?:re(?:ply|sponse|spond\w*)|antwort)|automatic reply|"
    r"out of (?:the )?office|"
    r"vacation\b|away from my mail|abwesen|abwesenheits|r(?:é|e)ponse automatique|absence|respuesta autom|"
    r"risposta automatica|"
    r"resposta autom|fuera de la oficina|automatisch antwoord|autosvar|i(?:'m| am) (?:away|out of)|自動|automaattinen)",
    re.IGNORECASE,
)


def is_auto_reply(message: Message) -> bool:
    """Whether a machine answered in a person's name. Ask only after reports of delivery were told apart."""
    submitted = header(message, "auto-submitted").lower()
    if submitted.startswith(("auto-replied", "auto-notified")):
        return True
    if any(
        header(message, name)
        for name in ("x-autoreply", "x-autorespond", "x-autoresponse", "x-auto-reply", "x-vacation")
    ):
        return header(message, "x-autoreply").lower() != "no"
    if header(message, "precedence").lower() in ("auto_reply", "auto-reply"):
        return True
    return bool(_SUBJECT.match(header(message, "subject"))) or submitted.startswith("auto-generated")
