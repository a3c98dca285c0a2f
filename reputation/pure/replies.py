"""What a receiver's answer means: rules as data (`reputation/replies.toml`), first match wins."""

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from reputation.pure.reactions import HARD, REACTIONS, SCOPES, SUPPRESSING

MAX_TEXT = 2048  # characters read of a reply
_MAX_RAW = 16_384
_RULES_FILE = Path(__file__).resolve().parent.parent / "replies.toml"

# Where in the dialogue an answer came. "report": read from a bounce that does not say; "local": made by ourselves.
PHASES = frozenset({"connect", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "dot", "report", "local", ""})
_OURS = frozenset({"ehlo", "starttls", "auth", "mail"})

_LINE_CODE = re.compile(r"\s*([2-5]\d\d)(?:[ \-:]|$)\s*")
_LINE_STATUS = re.compile(r"#?([245]\.\d{1,3}\.\d{1,3})(?=[^\d.]|\.(?!\d)|$)[:\-]?\s*")
_STATUS_INSIDE = re.compile(r"(?<![\d.])[\[(#]*\b([245]\.\d{1,2}\.\d{1,3})\b(?!\.?\d)")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
_LINES = re.compile(r"\r\n|\n|\r")


class RuleError(ValueError):
    """The rules cannot be used; the message names the rule and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class NormalisedReply:
    """A reply in one line: `code` 200–599 or None, `enhanced` "5.1.1" or "", `text` without either."""

    code: int | None
    enhanced: str
    text: str

    @property
    def line(self) -> str:
        """`<code> <enhanced> <text>`, what the rules are searched in."""
        return " ".join([str(part) for part in (self.code, self.enhanced, self.text) if part])


@dataclass(frozen=True, slots=True)
class Verdict:
    """`class_` says what follows (reactions.REACTIONS), `scope` what the answer is about; `rule_id` is the evidence."""

    class_: str
    scope: str
    rule_id: str
    enhanced: str = ""
    retry_hint_seconds: int | None = None

    @property
    def hard(self) -> bool:
        """A permanent fault of the mailbox or its domain: the evidence a suppression is decided on."""
        return self.class_ in HARD


@dataclass(frozen=True, slots=True)
class Rule:
    id: str
    providers: frozenset[str]
    class_: str
    scope: str
    pattern: re.Pattern[str]
    source: str
    matches: tuple[str, ...]
    other: tuple[str, ...]
    last: bool
    sure: bool

    def holds_for(self, provider: str) -> bool:
        return provider in self.providers or "any" in self.providers


@dataclass(frozen=True, slots=True)
class Rules:
    rules: tuple[Rule, ...]
    status: Mapping[str, str]
    trusted: frozenset[str]
    sure: frozenset[str] = frozenset()

    def for_provider(self, provider: str, *, last: bool) -> tuple[Rule, ...]:
        return tuple([rule for rule in self.rules if rule.last is last and rule.holds_for(provider)])


# Reading a reply


def normalise_reply(raw: bytes | str) -> NormalisedReply:
    """Fold a reply of one or more lines, strip each line's own codes, collapse blanks, keep 2 KB. Total: never raises.

    A code outside 200–599 is text. LF-only and NUL are endured; octets that are not UTF-8 are read as Latin-1.
    """
    lines = _LINES.split(_CONTROLS.sub("", _as_text(raw[:_MAX_RAW])))[:200]
    code: int | None = None
    enhanced = ""
    texts = []
    for line in lines:
        if (found := _LINE_CODE.match(line)) and code in (None, int(found[1])):
            code = int(found[1])
            line = line[found.end() :]
        if status := _LINE_STATUS.match(line.lstrip()):
            enhanced = enhanced or status[1]
            line = line.lstrip()[status.end() :]
        texts.append(line)
    return NormalisedReply(code, enhanced, _one_line(" ".join(texts), code))


def _as_text(raw: bytes | str) -> str:
    if isinstance(raw, str):
        return raw
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _one_line(text: str, code: int | None) -> str:
    """Collapse blanks, and take out the codes of lines that a relay has joined ("… 550-5.7.26 …")."""
    if code is not None:
        text = re.sub(rf"\s{code}(?:-|\s(?=[245]\.\d))\s?(?:[245]\.\d{{1,3}}\.\d{{1,3}})?(?=\s|[^\d.]|$)", " ", text)
    return " ".join(text.split())[:MAX_TEXT]


# Classifying


def classify(reply: NormalisedReply | bytes | str, *, provider: str, phase: str, rules: Rules | None = None) -> Verdict:
    """Return what a reply means, said by `provider` (a catalogue key; "" where unknown) in `phase` (one of PHASES).

    Total: every text gets a class. No 4xx ever gets a class that suppresses. An unknown user that is named only after
    DATA, or somewhere without a 5.1.x status, counts as such from trusted providers alone; else it is soft.
    """
    said = reply if isinstance(reply, NormalisedReply) else normalise_reply(reply)
    if phase == "local":
        # Our own timeouts and suspensions must not extend themselves.
        return Verdict("temp", "route", "local", said.enhanced)
    rules = rules or packaged_rules()
    found = _guarded(_first(said, provider, rules), said, provider, phase, rules)
    hint = None if said.code is not None and said.code >= 500 else retry_hint(said.text)
    return replace(found, retry_hint_seconds=hint)


def _first(said: NormalisedReply, provider: str, rules: Rules) -> Verdict:
    line = said.line
    enhanced = said.enhanced or _status_inside(said)
    if found := _by_rule(line, enhanced, rules.for_provider(provider, last=False)):
        return found
    if class_ := _by_status(enhanced, said.code, rules.status):
        return Verdict(class_, REACTIONS[class_].scope, f"status {enhanced}", enhanced)
    if found := _by_rule(line, enhanced, rules.for_provider(provider, last=True)):
        return found
    permanent = (said.code is None and not enhanced.startswith("4")) or (said.code is not None and said.code >= 500)
    return Verdict("unclassified", "unknown", "", enhanced) if permanent else Verdict("temp", "route", "", enhanced)


def _by_rule(line: str, enhanced: str, rules: tuple[Rule, ...]) -> Verdict | None:
    for rule in rules:
        if rule.pattern.search(line):
            return Verdict(rule.class_, rule.scope, rule.id, enhanced)
    return None


def _by_status(enhanced: str, code: int | None, table: Mapping[str, str]) -> str | None:
    if code is not None and code < 500 and enhanced.startswith("5"):
        enhanced = "4" + enhanced[1:]  # the basic code says that trying again helps
    return table.get(enhanced) or table.get(enhanced.rpartition(".")[0] + ".*")


def _status_inside(said: NormalisedReply) -> str:
    """qmail and others put it into the text: "sorry, no mailbox here by that name (#5.1.1)"."""
    found = _STATUS_INSIDE.search(said.text)
    return found[1] if found else ""


def _guarded(found: Verdict, said: NormalisedReply, provider: str, phase: str, rules: Rules) -> Verdict:
    if found.class_ not in SUPPRESSING:
        return found
    if _temporary(said, found):
        return replace(found, class_="temp" if found.class_ == "bad_domain" else "rcpt_temp", scope="rcpt")
    if phase in _OURS:
        # Nobody has been named yet: whatever "does not exist" is ours.
        return replace(found, class_="config", scope="domain" if phase == "mail" else "route")
    if phase == "connect" and found.class_ != "bad_domain":
        return replace(found, class_="reputation", scope="ip")
    if phase == "rcpt" or provider in rules.trusted or found.class_ == "bad_domain" or found.rule_id in rules.sure:
        return found
    if _names_the_mailbox(found) and phase != "dot":
        return found
    # Some servers name an unknown user after DATA when the user's own filter refuses; a report may not say where.
    return replace(found, class_="unclassified", scope="rcpt")


def _names_the_mailbox(found: Verdict) -> bool:
    return found.class_ == "inactive" or found.enhanced.startswith("5.1.")


def _temporary(said: NormalisedReply, found: Verdict) -> bool:
    return said.code < 500 if said.code is not None else found.enhanced.startswith("4")


_HINT = re.compile(
    r"\b(?:try|retry|again|come back|wait|after|in|for|listed)\b[^0-9]{0,40}?(\d{1,6}) ?(s(?:ec\w*)?|"
    r"m(?:in\w*)?|h(?:ours?)?)\b",
    re.IGNORECASE,
)
_HINT_CLOCK = re.compile(r"\b(?:in|for|after)\b \+?(\d{1,2}):(\d\d):(\d\d)\b", re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_MAX_HINT = 86_400


def retry_hint(text: str) -> int | None:
    """Seconds a receiver asks us to wait ("try again in 5 minutes"), at most a day; None where it names no time."""
    if clock := _HINT_CLOCK.search(text):
        hours, minutes, seconds = (int(part) for part in clock.groups())
        return min(hours * 3600 + minutes * 60 + seconds, _MAX_HINT)
    if named := _HINT.search(text):
        return min(int(named[1]) * _SECONDS[named[2][0].lower()], _MAX_HINT)
    return None


# Masking

_MASKS = (
    (re.compile(r"https?://[^\s<>\"]{1,300}", re.IGNORECASE), "<url>"),
    (re.compile(r"<?[^\s<>@,;:\"'()\[\]]{1,64}@[\w.-]{1,253}\w>?"), "<address>"),
    (re.compile(r"(?<![\w.:])\[?(?:\d{1,3}\.){3}\d{1,3}\]?(?![\w.]*\w)"), "<ip>"),
    (re.compile(r"(?<![\w:])\[?(?:IPv6:)?(?:[0-9a-f]{1,4}:{1,2}){2,8}[0-9a-f:.]{0,15}\]?", re.IGNORECASE), "<ip>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ][\d:.]{5,15}(?:Z|[+-]\d\d:?\d\d)?\b"), "<time>"),
    # A token: at least eight characters in which letters and digits mix, in parts joined by - _ . + / =
    (re.compile(r"(?<![\w#.])(?=[\w+/=.-]{0,60}\d)(?=[\w+/=.-]{0,60}[a-z])[\w+/=.-]{10,200}", re.IGNORECASE), "<id>"),
    (re.compile(r"(?<![\w.])\d{5,}(?![\w.])"), "<number>"),
)


def mask(text: str) -> str:
    """Take out what is personal or differs each time (addresses, links, IPs, times, ids), so that texts group."""
    masked = text[:MAX_TEXT]
    for pattern, name in _MASKS:
        masked = pattern.sub(name, masked)
    return " ".join(masked.split())


# Loading


@lru_cache(maxsize=1)
def packaged_rules() -> Rules:
    """The rules that come with the program, validated once."""
    return load_rules(_RULES_FILE.read_text(encoding="utf-8"))


def load_rules(text: str) -> Rules:
    """Read rules from TOML and try each on its own samples. RuleError names the rule and what is wrong with it."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RuleError(f"The reply rules are not valid TOML: {error}") from error
    if strange := data.keys() - {"sources", "status", "trusted", "rule"}:
        raise RuleError(f"{', '.join(sorted(strange))}: the file has no such part.")
    sources = frozenset(data.get("sources", {}))
    read = tuple([_rule(row, number, sources) for number, row in enumerate(data.get("rule", []), 1)])
    rules = Rules(
        rules=read,
        status=_status(data.get("status", {})),
        trusted=frozenset(data.get("trusted", [])),
        sure=frozenset([rule.id for rule in read if rule.sure]),
    )
    if not rules.rules:
        raise RuleError("There is no rule in the file.")
    _ids_are_used_once(rules)
    for rule in rules.rules:
        _samples_hold(rule, rules)
    return rules


def strangers(rules: Rules, providers: Collection[str]) -> list[str]:
    """Provider keys that rules name and the catalogue does not have, as sentences."""
    named = [(f"Rule {rule.id!r}", key) for rule in rules.rules for key in sorted(rule.providers - {"any"})]
    named += [("The list of trusted providers", key) for key in sorted(rules.trusted)]
    return [
        f"{where} names {key!r}, which is no provider of the catalogue." for where, key in named if key not in providers
    ]


_NEEDED = ("id", "providers", "class", "scope", "re", "source", "matches", "other")
_FIELDS = {*_NEEDED, "last", "sure"}


def _rule(row: Mapping[str, Any], number: int, sources: frozenset[str]) -> Rule:
    name = f"Rule {row.get('id') or number!r}"
    for field in _NEEDED:
        if not row.get(field):
            raise RuleError(f"{name} has no {field!r}.")
    if strange := row.keys() - _FIELDS:
        raise RuleError(f"{name}: {', '.join(sorted(strange))} is no field of a rule.")
    for field in ("providers", "matches", "other"):
        if not isinstance(row[field], list) or not all(isinstance(value, str) and value for value in row[field]):
            raise RuleError(f"{name}: {field} must be a list of texts.")
    if row["class"] not in REACTIONS:
        raise RuleError(f"{name}: there is no class {row['class']!r}.")
    if row["scope"] not in SCOPES:
        raise RuleError(f"{name}: there is no scope {row['scope']!r}.")
    if row["class"] in SUPPRESSING and row["scope"] != "rcpt":
        raise RuleError(f"{name}: {row['class']!r} ends on the person, so its scope must be 'rcpt'.")
    if row["source"] not in sources:
        raise RuleError(f"{name}: its source {row['source']!r} is not listed under [sources].")
    try:
        pattern = re.compile(row["re"], re.IGNORECASE)
    except re.error as error:
        raise RuleError(f"{name}: its pattern is not a regular expression: {error}.") from error
    return Rule(
        row["id"], frozenset(row["providers"]), row["class"], row["scope"], pattern, row["source"],
        tuple(row["matches"]), tuple(row["other"]), bool(row.get("last")), bool(row.get("sure")),
    )  # fmt: skip


def _status(table: Mapping[str, str]) -> Mapping[str, str]:
    for status, class_ in table.items():
        if not re.fullmatch(r"[45]\.\d+\.(\d+|\*)", status):
            raise RuleError(f"{status!r} in the status table is not an enhanced status.")
        if class_ not in REACTIONS:
            raise RuleError(f"Status {status}: there is no class {class_!r}.")
        if status.startswith("4") and class_ in SUPPRESSING:
            raise RuleError(f"Status {status}: a temporary answer may not mean {class_!r}.")
    return table


def _ids_are_used_once(rules: Rules) -> None:
    seen: set[str] = set()
    for rule in rules.rules:
        if rule.id in seen:
            raise RuleError(f"Rule {rule.id!r} stands twice in the file.")
        seen.add(rule.id)


def _samples_hold(rule: Rule, rules: Rules) -> None:
    for sample in rule.other:
        if rule.pattern.search(normalise_reply(sample).line):
            raise RuleError(f"Rule {rule.id!r} matches a reply that it must not: {sample!r}.")
    for sample in rule.matches:
        said = normalise_reply(sample)
        if not rule.pattern.search(said.line):
            raise RuleError(f"Rule {rule.id!r} does not match its own sample {sample!r}.")
        for provider in rule.providers - {"any"} or {""}:
            winner = _first(said, provider, rules)
            if winner.rule_id != rule.id:
                raise RuleError(f"Rule {rule.id!r} can never catch {sample!r}: {winner.rule_id!r} comes first.")
