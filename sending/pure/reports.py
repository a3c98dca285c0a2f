"""What an inbound message says: bounce, delay, complaint, automatic answer, unsubscription, or a person writing.

Read in this order: feedback report (RFC 5965), delivery report (RFC 3464), bounce in free text, automatic answer
(RFC 3834), flufl.bounce for what is left, a person. Who is meant comes from our tokens first, the report second.
"""

import logging
import re
from dataclasses import dataclass, field
from email.message import Message
from typing import Literal

from flufl.bounce import all_failures

from sending.pure import bounce_text
from sending.pure.autoreply import is_auto_reply
from sending.pure.mime_parts import fields_of, header, parse, parts, quoted_headers, text_of, words_of
from sending.pure.ses_notices import read_notice

logging.getLogger("flufl.bounce").setLevel(logging.WARNING)  # it tells of every detector it runs

Kind = Literal["bounce", "delayed", "complaint", "auto_reply", "unsubscribe", "none", "human"]
Action = Literal["failed", "delayed", "other"]


@dataclass(frozen=True, slots=True)
class RecipientReport:
    """What became of one recipient. `reply` is what the reply rules are asked with, `phase` one of their phases."""

    recipient: str | None
    status: str = ""
    diagnostic: str = ""
    action: Action = "failed"
    code: int | None = None
    phase: str = "report"
    remote_mta: str = ""

    @property
    def reply(self) -> str:
        """One line as a receiver would have said it; where no code is quoted, the status or the failure gives one."""
        text = self.diagnostic
        if self.code is not None:
            return text if re.match(rf"{self.code}\b", text) else f"{self.code} {self.status} {text}"
        code = "450" if self.status.startswith("4") or self.action == "delayed" else "550"
        return " ".join(f"{code} {'' if self.status in text else self.status} {text}".split())


@dataclass(frozen=True, slots=True)
class Report:
    """`quoted` holds what of the original came back: look for our tokens there (verp.find_message)."""

    kind: Kind
    reason: str
    recipients: tuple[RecipientReport, ...] = ()
    original_message_id: str = ""
    original_return_path: str = ""
    feedback_type: str = ""
    quoted: str = field(default="", repr=False)


def read_report(raw: bytes, *, rcpt_to: str = "") -> Report:
    """Return what the message says. Never raises; `rcpt_to` is the envelope's recipient, where known."""
    message = parse(raw)
    found = list(parts(message))
    quoted = _quoted(found)
    return (
        _feedback(found, quoted)
        or _delivery(found, quoted)
        or _refused_on_arrival(found, quoted)
        or _ses_notice(found, quoted)
        or _unsubscription(message, rcpt_to, quoted)
        or _free_text(message, found, quoted)
        or _automatic(message, quoted)
        or _fallback(message, quoted)
        or Report("human", "A person wrote this, or a machine that says nothing of it.", quoted=quoted)
    )


# Feedback reports

_COMPLAINTS = {"abuse", "fraud", "virus", "other", "miscategorized", ""}


def _feedback(found: list[Message], quoted: str) -> Report | None:
    part = next((part for part in found if part.get_content_type() == "message/feedback-report"), None)
    groups = fields_of(part) if part else []
    if not groups:
        return None
    fields = groups[0]
    feedback_type = header(fields, "feedback-type").lower()
    named = [str(value) for name in ("original-rcpt-to", "removal-recipient") for value in fields.get_all(name, [])]
    recipients = tuple([RecipientReport(address, action="other") for address in dict.fromkeys(_addresses(named))])
    kind, reason = _feedback_kind(feedback_type)
    return _report(kind, reason, recipients, quoted, feedback_type=feedback_type)


def _feedback_kind(feedback_type: str) -> tuple[Kind, str]:
    if feedback_type.startswith("opt-out"):
        return "unsubscribe", "The mailbox provider asks us to take the person off, without a complaint."
    if feedback_type == "auth-failure":
        return "none", "A report that our mail failed authentication: not a complaint."
    if feedback_type == "not-spam":
        return "none", "The person says that our mail was not spam."
    if feedback_type in _COMPLAINTS:
        return "complaint", "The person marked our mail as spam."
    return "none", f"A feedback report of a type that we do not know: {feedback_type[:40]}."


# Delivery reports

_WORDS: dict[str, Action] = {"failed": "failed", "failure": "failed", "delayed": "delayed"}
_XTEXT = re.compile(r"\+([0-9A-F]{2})")


def _delivery(found: list[Message], quoted: str) -> Report | None:
    part = next((part for part in found if "delivery-status" in part.get_content_type()), None)
    if part is None:
        return None
    texts = "\n".join(text_of(part) for part in found if part.get_content_type() == "text/plain")[: 64 * 1024]
    groups = fields_of(part)[: bounce_text.MAX_RECIPIENTS + 1]  # the first is about the message
    recipients = [said for group in groups if (said := _recipient(group, texts))]
    if not recipients:
        return None
    return _delivery_report(tuple(recipients), quoted + "\n" + _own_fields(part))


def _delivery_report(recipients: tuple[RecipientReport, ...], quoted: str) -> Report:
    failed = [said for said in recipients if said.action == "failed"]
    # In the order of the report: whoever was reached is of no interest beside somebody who was not.
    told = tuple([said for said in recipients if said.action != "other"])
    if failed:
        return _report("bounce", f"Could not be delivered: {failed[0].diagnostic[:200]}", told, quoted)
    if told:
        return _report("delayed", "Not delivered yet, the server goes on trying.", told, quoted)
    return _report("none", "A report that says the message was delivered or passed on.", recipients, quoted)


def _recipient(group: Message, texts: str) -> RecipientReport | None:
    named = [header(group, name) for name in ("original-recipient", "final-recipient", "x-actual-recipient")]
    if not any(named) and not header(group, "action"):
        return None
    recipient = next(iter(_addresses(named)), None)
    status = _status(header(group, "status"))
    action = _WORDS.get(header(group, "action").lower().split(" ")[0].strip("."), "other")
    if action == "other" and not header(group, "action") and status[:1] in ("4", "5"):
        action = "failed"
    diagnostics = [
        _diagnostic(str(value))
        for name in ("diagnostic-code", "x-supplementary-info")
        for value in group.get_all(name, [])
    ]
    words = " ".join(text for text in diagnostics if text)
    code, inner, diagnostic = bounce_text.reply_in(words)
    phase = "report"
    known = (recipient,) if recipient else ()
    for told in bounce_text.read(texts, known=known)[:1] if texts else []:
        phase = told.phase
        if not words:
            code, inner, diagnostic = told.code, told.status, told.diagnostic
            phase = _from_text(told, "failed").phase
    return RecipientReport(
        recipient,
        inner or status,
        diagnostic[:1000] or f"Status {status}",
        action,
        code,
        phase,
        _host(header(group, "remote-mta")),
    )


def _refused_on_arrival(found: list[Message], quoted: str) -> Report | None:
    """A disposition notification (RFC 8098) of a mailbox whose filter threw the message away or refused it."""
    part = next((part for part in found if "disposition-notification" in part.get_content_type()), None)
    groups = fields_of(part) if part else []
    what = header(groups[0], "disposition").lower().rpartition(";")[2].strip() if groups else ""
    if not what.startswith(("deleted", "denied", "failed")):
        return None
    named = [header(groups[0], name) for name in ("original-recipient", "final-recipient")]
    text = "\n".join(text_of(part) for part in found if part.get_content_type() == "text/plain")
    words = " ".join(bounce_text.explanation(text).split())[:1000]
    said = RecipientReport(next(iter(_addresses(named)), None), diagnostic=words or what, phase="dot")
    return _delivery_report((said,), quoted)


def _own_fields(part: Message) -> str:
    return "\n".join(f"{name}: {value}" for group in fields_of(part) for name, value in group.items())[:8000]


def _status(value: str) -> str:
    found = re.search(r"[245]\.\d{1,3}\.\d{1,3}", value)
    return found[0] if found else ""


def _diagnostic(value: str) -> str:
    """The words after the type ("smtp; …"), folding undone."""
    value = " ".join(value.split())
    return re.sub(r"^[A-Za-z][\w-]{0,30}\s?;\s*", "", value)[:4000]


def _host(value: str) -> str:
    return re.sub(r"^\w+\s?;\s*", "", value).split(" ")[0].strip("[]().").lower()[:253]


def _addresses(values: list[str]) -> list[str]:
    """Plain addresses of recipient fields: type, angle brackets, source routes and xtext (RFC 3461 §4) taken off."""
    plain = []
    for value in values:
        value = re.sub(r"^\s*[\w-]{1,30}\s?;", "", value).strip().strip("<>").rpartition(":")[2]
        value = _XTEXT.sub(lambda octet: chr(int(octet[1], 16)), value) if "@" not in value else value
        if "@" in value and len(value) <= 320:
            plain.append(value.strip("\"' ").lower())
    return plain


def _ses_notice(found: list[Message], quoted: str) -> Report | None:
    notice = next((read_notice(text_of(part)) for part in found if part.get_content_type() == "text/plain"), None)
    if notice is None:
        return None
    quoted += f"\nMessage-ID: {notice.message_id}\n"
    action: Action = "failed" if notice.kind == "Bounce" else "other"
    recipients = [
        _from_text(bounce_text.Found(name, None, status, words, "report"), action)
        for name, status, words in notice.recipients
    ]
    if notice.kind == "Complaint":
        return _report("complaint", "The person marked our mail as spam.", tuple(recipients), quoted)
    return _delivery_report(tuple(recipients), quoted) if recipients else None


# Free text

_DAEMON = re.compile(
    r"mailer[-_. ]?daemon|post[-_. ]?(?:master|office)|mail (?:delivery|administrator)|system administrator|"
    r"delivery (?:subsystem|notif|status|system)|mdaemon|exchange|mail[-_. ]?(?:system|service|gateway|router|server)|"
    r"smtp[-_. ]?(?:gateway|server|mail)|antivirus|bounce|mailerdaemon|double-bounce|listserv|no-?reply@sns",
    re.IGNORECASE,
)
_BARE_REPLY = re.compile(r"^[45]\d\d[ -]", re.MULTILINE)
_FAILED = re.compile(
    r"undeliver|not (?:be )?deliver|deliver(?:y|ed)?.{0,30}(?:fail|error|problem|status|notif|unsuccess)|"
    r"returned (?:mail|to sender|message)|failure notice|mail (?:system )?(?:error|failure)|"
    r"(?:message|mail).{0,20}(?:rejected|bounced|delayed|blocked|failed)|warning: could not|bounce|could not send|"
    r"cannot be delivered|(?:failed|unable) to (?:deliver|send)|did not reach|nondeliverable|mail could not|"
    # The same in the languages that servers are installed in.
    r"unzustellbar|nicht (?:zugestellt|zustellbar|ausgeliefert|übermittelt)|zustellung.{0,30}(?:fehl|nicht)|"
    r"non remis|non (?:dé|de)livré|n.a (?:pas )?pu (?:ê|e)tre|(?:é|e)chec de (?:la )?(?:remise|distribution|livraison)|"
    r"(?:non|mancat[oa]|impossibile).{0,20}(?:recapit|consegn)|"
    r"no (?:se )?(?:ha |pudo |puede |fue |ha sido )*(?:podido )?(?:ser )?entreg|(?:fallo|error).{0,20}entrega|"
    r"n(?:ã|a)o (?:foi |p(?:ô|o)de |puderam )?(?:poss(?:í|i)vel |ser )*entreg|falha.{0,20}entrega|"
    r"niet (?:worden |kon |kunnen )*(?:bezorgd|afgeleverd)|onbestelbaar|"
    r"kunde inte levereras|inte (?:att )?leverera|kunne ikke (?:leveres|levere)|ei voitu toimittaa|"
    r"nie (?:mo(?:ż|z)na |zosta(?:ł|l)a? |mog(?:ł|l)a )?(?:by(?:ć|c) )?dor(?:ę|e)cz|nie.{0,20}dostarcz|"
    r"nedoru(?:č|c)|nelze doru(?:č|c)it|teslim edilem|iletilem|k(?:é|e)zbes(?:í|i)t(?:hetetlen|etlen)|nem k(?:é|e)zbes|"
    r"не (?:может быть |может |было |удалось |удаётся )?доставл?|недоставл|ошибка доставки|"
    r"退信|无法(?:投递|送达|发送)|未能送达|投递失败|"
    r"配信(?:不能|できません|エラー)|送信できません|届きません|배달되지|전송 실패|전달되지",
    re.IGNORECASE,
)


_READABLE = ("text/plain", "text/html", "message/delivery-status")


def _free_text(message: Message, found: list[Message], quoted: str) -> Report | None:
    failed = tuple(_addresses(re.split(r"[,\s]+", " ".join(map(str, message.get_all("x-failed-recipients", []))))))
    text = "\n".join(
        text_of(part)
        for part in found
        if part.get_content_type() in _READABLE
        or (part.get_content_maintype() == "multipart" and not part.is_multipart())
    )
    if not failed and not _looks_like_bounce(message, text):
        return None
    said = bounce_text.read(_without_tags(text), known=failed)
    if not said:
        return None
    action: Action = "delayed" if bounce_text.is_waiting(text) else "failed"
    recipients = tuple([_from_text(one, action) for one in said])
    return _delivery_report(recipients, quoted or text[:32_000])


def _from_text(one: bounce_text.Found, action: Action) -> RecipientReport:
    diagnostic = one.diagnostic or "The reason is not given."
    # No reply of another server is quoted: the server speaks of a mailbox of its own, which it does at RCPT.
    phase = "rcpt" if one.code is None and one.phase == "report" else one.phase
    return RecipientReport(one.recipient, one.status, diagnostic, action, one.code, phase)


def _looks_like_bounce(message: Message, text: str) -> bool:
    sender = words_of(message, "from") + " " + header(message, "return-path")
    told = words_of(message, "subject") + "\n" + bounce_text.explanation(text)[:3000]
    automatic = (
        _DAEMON.search(sender)
        or header(message, "return-path") == "<>"
        or message.get_content_type() == "multipart/report"
    )
    return bool(automatic and (_FAILED.search(told) or _BARE_REPLY.search(told)))


def _without_tags(text: str) -> str:
    return re.sub(r"<(?:br|/p|/div|/tr)\b[^>]{0,200}>", "\n", text, flags=re.IGNORECASE)


# The rest


def _unsubscription(message: Message, rcpt_to: str, quoted: str) -> Report | None:
    if not rcpt_to.lower().startswith("u-"):
        return None
    sender = tuple(
        RecipientReport(address, action="other")
        for address in _addresses([header(message, "from").rpartition("<")[2]])[:1]
    )
    return _report("unsubscribe", "The person asked by mail to be taken off.", sender, quoted)


def _automatic(message: Message, quoted: str) -> Report | None:
    if not is_auto_reply(message):
        return None
    sender = tuple(
        RecipientReport(address, action="other")
        for address in _addresses([header(message, "from").rpartition("<")[2]])[:1]
    )
    return _report("auto_reply", "An automatic answer, such as a note of absence.", sender, quoted)


def _fallback(message: Message, quoted: str) -> Report | None:
    """flufl.bounce knows some old dialects; it says who, never why: soft."""
    if not _DAEMON.search(header(message, "from")):
        return None
    try:
        temporary, permanent = all_failures(message)
    except Exception:  # noqa: BLE001 - foreign dialects, hostile input: whatever it trips over, we go on
        return None
    named = [*permanent, *temporary]
    found = [address.decode("utf-8", "replace") if isinstance(address, bytes) else address for address in named]
    if not found:
        return None
    action: Action = "failed" if permanent else "delayed"
    known = tuple([address.lower() for address in found[:50]])
    text = "\n".join(text_of(part) for part in parts(message) if part.get_content_type() == "text/plain")
    said = bounce_text.read(text, known=known)
    return _delivery_report(tuple([_from_text(one, action) for one in said]), quoted)


_MESSAGE_ID = re.compile(r"^(?:x-original-)?message-id:\s*(<[^<>\s]{3,250}>)", re.IGNORECASE | re.MULTILINE)
_RETURN_PATH = re.compile(
    r"^(?:return-path|x-original-return-path|original-mail-from|"
    r"x-envelope-from):\s*<?([^<>\s]{3,320}@[^<>\s]{3,250})>?",
    re.IGNORECASE | re.MULTILINE,
)


def _quoted(found: list[Message]) -> str:
    kinds = ("message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "message/partial", "message/global")
    heads = [quoted_headers(part) for part in found if part.get_content_type() in kinds]
    return "\n".join(heads)[:64_000]


def _report(
    kind: Kind, reason: str, recipients: tuple[RecipientReport, ...], quoted: str, feedback_type: str = ""
) -> Report:
    message_id = _MESSAGE_ID.search(quoted)
    path = _RETURN_PATH.search(quoted)
    return Report(
        kind, reason, recipients, message_id[1] if message_id else "", path[1] if path else "", feedback_type, quoted
    )
