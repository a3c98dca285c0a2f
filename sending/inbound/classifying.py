"""What a message from outside means, recipient by recipient, without acting on it: for the command `classify`."""

from dataclasses import dataclass

from reputation.catalogue import catalogue, registrable
from reputation.pure.catalogue import OTHER, UNKNOWN
from reputation.pure.reactions import TITLES
from reputation.pure.replies import Verdict, classify
from sending.pure.reports import RecipientReport, Report, read_report


@dataclass(frozen=True, slots=True)
class Classified:
    """One recipient of one file. `hard`: a permanent fault of the mailbox or its domain, whatever follows from it."""

    file: str
    kind: str
    recipient: str | None
    status: str | None
    code: int | None
    class_: str | None
    scope: str | None
    hard: bool
    reason: str

    def as_json(self) -> dict[str, object]:
        return {
            "file": self.file,
            "kind": self.kind,
            "recipient": self.recipient,
            "status": self.status,
            "code": self.code,
            "class": self.class_,
            "scope": self.scope,
            "hard": self.hard,
            "reason": self.reason,
        }


def classified(*, file: str, raw: bytes, rcpt_to: str = "") -> list[Classified]:
    """One row per recipient found, in the report's order; one without a recipient where none is named. Never raises.

    `rcpt_to`: the envelope's recipient, where known: a mail to `u-…` is a wish to leave.
    """
    report = read_report(raw, rcpt_to=rcpt_to)
    said_of = report.recipients or (RecipientReport(None, action="other"),)
    return [_one(file, report, said) for said in said_of]


def _one(file: str, report: Report, said: RecipientReport) -> Classified:
    if report.kind not in ("bounce", "delayed"):
        kind = "none" if report.kind == "human" else report.kind
        return Classified(file, kind, said.recipient, said.status or None, said.code, None, None, False, report.reason)
    verdict = classify(said.reply, provider=provider_behind(said), phase=said.phase)
    failed = said.action == "failed"
    return Classified(
        file=file,
        kind="bounce" if failed else "delayed",
        recipient=said.recipient,
        status=verdict.enhanced or said.status or None,
        code=said.code,
        class_=verdict.class_,
        scope=verdict.scope,
        hard=failed and verdict.hard,
        reason=_in_words(said, verdict),
    )


def provider_behind(said: RecipientReport) -> str:
    """Whose words they are: the provider of the host that said them, else of the recipient's domain; "" if unknown."""
    domain = said.recipient.rpartition("@")[2] if said.recipient else ""
    if said.remote_mta:
        key = catalogue().match([said.remote_mta], domain, registrable=registrable)
        if not key.startswith(f"{OTHER}:"):
            return key
    guess = catalogue().guess(domain)
    return "" if guess == UNKNOWN else guess


def _in_words(said: RecipientReport, verdict: Verdict) -> str:
    evidence = verdict.rule_id or "no rule"
    evidence = evidence if evidence.startswith(("status", "no rule")) else f"rule {evidence}"
    late = "" if said.action == "failed" else "Not delivered yet, the server goes on trying. "
    return f"{late}{TITLES[verdict.class_]} ({evidence}): {said.diagnostic}"[:600]
