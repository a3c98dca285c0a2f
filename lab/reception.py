"""One persona deciding: may this client connect, is this recipient good, is this message taken?"""

import hashlib
import random
from dataclasses import dataclass

from lab.clock import LabClock
from lab.evidence import Authentication
from lab.limits import Counts, Runs, Violation
from lab.magic import AT_DOT, AT_RCPT, magic
from lab.persona import Persona, changed, scaled
from lab.reputation import Opinion, Temper


@dataclass(frozen=True)
class Verdict:
    """`reply` names a reply text of the persona; `reason` is '' for yes. `violation` says which cap the client broke,
    if any.
    """

    reply: str
    violation: Violation | None = None

    @property
    def reason(self) -> str:
        return "" if self.reply == "ok" else self.reply


OK = Verdict("ok")


class Reception:
    """A persona, what it has counted, and its verdicts. All calls come from the lab's one event loop."""

    def __init__(self, persona: Persona, *, clock: LabClock, time_factor: float, seed: int) -> None:
        self.declared = persona
        self.counts = Counts()
        self._clock = clock
        self._time_factor = time_factor
        self._seed = seed
        self._random = random.Random(f"{seed}:{persona.key}")
        self.persona = scaled(persona, time_factor)
        self.opinion = Opinion(_temper(self.declared))

    def change(self, values: dict[str, object]) -> None:
        """Replace values from now on, unscaled as in the data file. Raises BadPersona."""
        self.declared = changed(self.declared, values)
        self.persona = scaled(self.declared, self._time_factor)
        self.opinion.temper = _temper(self.declared)

    def meet(self, ip: str) -> Verdict:
        """A client has connected (already counted in `counts.connections`)."""
        live = self.counts.connections[ip]
        if self.persona.max_connections and live > self.persona.max_connections:
            return Verdict("connections", Violation("connections", ip, live, self.persona.max_connections))
        return self._forced("connect") or OK

    def take_sender(self, *, ip: str, messages_before: int) -> Verdict:
        limit = self.persona.messages_per_connection
        if limit and messages_before >= limit:
            over = Violation("messages_per_connection", ip, messages_before + 1, limit)
            return Verdict("messages_per_connection", over)
        return self._forced("mail") or OK

    def take_recipient(self, *, ip: str, sender: str, recipient: str, others: list[str]) -> Verdict:
        persona, domain = self.persona, recipient.rpartition("@")[2]
        if len(others) >= persona.recipients_per_message:
            return Verdict("recipients")
        if persona.one_domain_per_transaction and any(other.rpartition("@")[2] != domain for other in others):
            return Verdict("one_domain")
        forced = self._forced("rcpt")
        if forced:
            return forced
        state = AT_RCPT.get(self.magic(recipient)) or self._state_of(recipient)
        if state == "unknown" and persona.strangers_day:
            return Verdict(self._thinks(ip=ip, domain="", exists=False))
        return Verdict(state or self._early(ip, sender, recipient) or "ok")

    def take_message(self, *, ip: str, recipients: list[str], runs: Runs, found: Authentication) -> Verdict:
        """The verdict at the final dot. An accepted message is counted against every cap at once."""
        over = self._excess(ip=ip, recipients=recipients, runs=runs, dkim_domain=found.dkim_domain)
        if over:
            return over
        verdict = self._forced("dot") or self._unauthenticated(found) or Verdict(self._asked_for(recipients) or "ok")
        if not verdict.reason and self.persona.strangers_day:
            verdict = Verdict(self._thinks(ip=ip, domain=found.dkim_domain, exists=True))
        if not verdict.reason:
            self._count(ip=ip, recipients=recipients, runs=runs, dkim_domain=found.dkim_domain)
        return verdict

    def complained(self, *, ip: str, domain: str) -> None:
        """Somebody here called a message spam."""
        if self.persona.strangers_day:
            self.opinion.complain(now=self._long_since(), ip=ip, domain=domain)

    def _thinks(self, *, ip: str, domain: str, exists: bool) -> str:
        return self.opinion.answer(now=self._long_since(), ip=ip, domain=domain, exists=exists)

    def _long_since(self) -> float:
        """Days pass as fast as everything else in this world."""
        return self._clock.now() * self._time_factor

    def magic(self, recipient: str) -> str:
        """The magic key of an address; none at a relay that delivers on, where the last receiver obeys it."""
        return "" if self.persona.deliver_on else magic(recipient)

    def drops(self, phase: str) -> bool:
        """Whether the persona breaks the connection here (its drop_phase, by its odds)."""
        return self.persona.drop_phase == phase and self._random.random() < self.persona.drop_odds

    def falls(self, share: float, kind: str, subject: str) -> bool:
        """Whether a subject belongs to a share: always the same answer for the same seed, kind and subject."""
        digest = hashlib.blake2b(
            f"{self._seed}:{kind}:{subject}".encode("utf-8", "surrogateescape"), digest_size=8
        ).digest()
        return int.from_bytes(digest, "big") < share * 2**64

    def _forced(self, phase: str) -> Verdict | None:
        persona = self.persona
        if persona.force_phase != phase or not persona.force_reply or self._random.random() >= persona.force_share:
            return None
        return Verdict(persona.force_reply)

    def _state_of(self, recipient: str) -> str:
        persona = self.persona
        if recipient in persona.unknown or self.falls(persona.unknown_share, "unknown", recipient):
            return "unknown"
        if self.falls(persona.full_share, "full", recipient):
            return "full"
        return "inactive" if self.falls(persona.inactive_share, "inactive", recipient) else ""

    def _early(self, ip: str, sender: str, recipient: str) -> str:
        if self.falls(self.persona.defer_share, "defer", recipient) and not self.counts.deferred[recipient]:
            self.counts.deferred[recipient] += 1
            return "defer"
        grey = self.magic(recipient) == "grey" or self.falls(self.persona.greylist_share, "grey", recipient)
        if not grey:
            return ""
        since = self.counts.greylisted.setdefault((ip, sender, recipient), self._clock.now())
        return "greylist" if self._clock.now() - since < self.persona.greylist_delay else ""

    def _excess(self, *, ip: str, recipients: list[str], runs: Runs, dkim_domain: str) -> Verdict | None:
        persona, counts, now = self.persona, self.counts, self._clock.now()
        domains = {recipient.rpartition("@")[2] for recipient in recipients}
        found = [
            counts.ip_minute.excess(scope=ip, limit=persona.rate_ip_minute, now=now),
            counts.ip_hour.excess(scope=ip, limit=persona.rate_ip_hour, now=now),
            *(
                counts.domain_hour.excess(scope=domain, limit=persona.rate_recipient_domain_hour, now=now)
                for domain in domains
            ),
            counts.burst_excess(ip=ip, messages=persona.burst_messages, seconds=persona.burst_seconds, now=now),
            runs.excess(scope=ip, limit=persona.batch_messages, pause=persona.batch_pause, now=now),
        ]
        if dkim_domain:
            found.append(counts.dkim_minute.excess(scope=dkim_domain, limit=persona.rate_dkim_minute, now=now))
        over = next((violation for violation in found if violation), None)
        return Verdict(REPLY_OF[over.what], over) if over else None

    def _count(self, *, ip: str, recipients: list[str], runs: Runs, dkim_domain: str) -> None:
        counts, now = self.counts, self._clock.now()
        counts.ip_minute.add(scope=ip, now=now)
        counts.ip_hour.add(scope=ip, now=now)
        for domain in {recipient.rpartition("@")[2] for recipient in recipients}:
            counts.domain_hour.add(scope=domain, now=now)
        counts.add_to_burst(ip=ip, seconds=self.persona.burst_seconds, now=now)
        runs.add(pause=self.persona.batch_pause, now=now)
        if dkim_domain:
            counts.dkim_minute.add(scope=dkim_domain, now=now)

    def _asked_for(self, recipients: list[str]) -> str:
        return next((AT_DOT[key] for recipient in recipients if (key := self.magic(recipient)) in AT_DOT), "")

    def _unauthenticated(self, found: Authentication) -> Verdict | None:
        failed = {
            "spf": found.spf != "pass",
            "dkim": found.dkim_verified is not True,
            "dmarc": found.dmarc != "pass",
        }
        missing = next((method for method in self.persona.auth_required if failed[method]), None)
        return Verdict(missing) if missing else None


def _temper(persona: Persona) -> Temper:
    return Temper(
        strangers_a_day=persona.strangers_day,
        strangers_an_hour=persona.strangers_hour,
        growth=persona.reputation_growth,
        patience=persona.reputation_patience,
    )


REPLY_OF = {
    "rate_ip_minute": "rate_ip",
    "rate_ip_hour": "rate_ip",
    "rate_dkim_minute": "rate_dkim",
    "rate_recipient_domain_hour": "rate_recipient_domain",
    "burst": "burst",
    "batch": "burst",
}
