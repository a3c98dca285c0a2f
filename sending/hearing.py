"""Hear a receiver's reply: what it means, and its text kept once for all who got the same."""

import hashlib
import logging
import re
import uuid
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.db import Error, connection

from reputation.pure.replies import Verdict, classify, normalise_reply
from sending import decisions, hub
from sending.models import Reply
from sending.pure.dialogue import SmtpReply
from sending.pure.reactions import Reaction, react

log = logging.getLogger(__name__)

_QUEUE_ID = re.compile(r"(?:queued as|queue id|\bid[=:])\s*<?([\w.@:-]{1,120})", re.IGNORECASE)
_MOST_KNOWN = 4096


@dataclass(frozen=True, slots=True)
class Heard:
    reply: SmtpReply
    phase: str
    verdict: Verdict
    reaction: Reaction


def hear(reply: SmtpReply, *, provider: str, phase: str) -> Heard:
    """What the reply means. Total: a text nobody knows is classified by its code, or by what a person decided of it."""
    said = normalise_reply(str(reply))
    verdict = classify(said, provider=provider, phase=phase)
    verdict = decisions.decided(verdict, said, provider=provider, phase=phase)
    return Heard(reply, phase, verdict, react(code=reply.code, class_=verdict.class_, phase=phase))


def no_answers() -> Heard:
    """What a receiver says that takes whole messages and does not answer: each costs somebody an `unknown`, so the lane
    stops, and then tries one connection."""
    reply = SmtpReply(451, "No answer came to whole messages, several times in a row.")
    return Heard(
        reply,
        "dot",
        Verdict(class_="rate", scope="ip", rule_id="no_answers"),
        react(code=451, class_="rate", phase="dot"),
    )


def remote_id(reply: SmtpReply) -> str:
    """The receiver's own id of a message it took, where it gives one."""
    found = _QUEUE_ID.search(reply.text)
    return found[1] if found else ""


def remember(heard: Heard, *, provider: str, now: datetime) -> int | None:
    """The id of the reply's text in the dictionary, personal parts masked; None while the database is away.

    Opens a database connection for a text that this process has not met yet, and closes it again.
    """
    said = normalise_reply(str(heard.reply))
    text = decisions.template_of(said.text)
    key = f"{provider}\0{heard.phase}\0{heard.reply.code}\0{said.enhanced}\0{text}\0{heard.verdict.class_}"
    digest = uuid.UUID(bytes=hashlib.sha256(key.encode("utf-8", "replace")).digest()[:16])
    if (known := _known.get(digest)) is not None:
        return known
    return hub.errand(partial(_looked_up, digest, heard, provider, said.enhanced, text, now))


def _looked_up(digest: uuid.UUID, heard: Heard, provider: str, enhanced: str, text: str, now: datetime) -> int | None:
    try:
        return _keep(digest, heard, provider, enhanced, text, now)
    except Error as error:
        log.warning("A reply's text could not be kept: %s", type(error).__name__)
        return None
    finally:
        if not connection.in_atomic_block:
            connection.close()


def _keep(digest: uuid.UUID, heard: Heard, provider: str, enhanced: str, text: str, now: datetime) -> int:
    row, _ = Reply.objects.get_or_create(
        digest=digest,
        defaults={
            "provider": provider,
            "code": heard.reply.code,
            "enhanced": enhanced[:16],
            "text": text,
            "phase": heard.phase,
            "reply_class": heard.verdict.class_[:20],
            "reply_scope": heard.verdict.scope[:32],
            "rule": heard.verdict.rule_id[:60],
            "first_seen_at": now,
        },
    )
    if heard.verdict.class_ == decisions.UNCLASSIFIED:
        words = decisions.Words(provider, heard.reply.code, enhanced[:16], text)
        decisions.meet(now=now, words=words, sample=_sample(str(heard.reply)), phase=heard.phase)
    if len(_known) >= _MOST_KNOWN:
        _known.clear()
    _known[digest] = row.pk
    return row.pk


_ADDRESS = re.compile(r"[^\s<>@,;:\"'()\[\]]{1,64}@[\w.-]{1,253}\w")


def _sample(text: str) -> str:
    """The words as they came, but for whom they are about."""
    return " ".join(_ADDRESS.sub("<address>", text[:2000]).split())


_known: dict[uuid.UUID, int] = {}


def forget() -> None:
    """For another database than before."""
    _known.clear()
    decisions.forget()
