"""Bounces written for people: qmail, Exim, Exchange, Gmail and many others that send no machine-readable report.

They agree on more than they differ in: first an explanation, in it the address, near the address the receiver's reply,
then the original message behind a line that says so. Only what breaks that pattern has a rule of its own.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

MAX_LINES = 400
MAX_MENTIONS = 500
MAX_RECIPIENTS = 50  # our own letters have one; more make a report of somebody else's mail
ADDRESS = re.compile(
    r"(?<![^\s<>:;,(\"'=|])\"?([^\s<>@\"'(),:;=|\[\]]{1,120}@[A-Za-z0-9][A-Za-z0-9.-]{0,200}[A-Za-z0-9])\"?"
)

# From here on it is the message that was sent, not what became of it.
_ORIGINAL = re.compile(
    r"^\s*(?:-{2,}.{0,60}\b(?:original|copy of|header|returned|below this line|unsent)\b.*|"
    r".{0,20}\b(?:message headers?|"
    r"original message|unsent message|message text|original mail|transcribed message) (?:follows?|below|"
    r"as follows).*|"
    r"received:\s+(?:from|by|\(from) .*|return-path:\s.*|\|?-{5,} ?message (?:header|text).*|"
    r".{0,40}the header of the "
    r"original message is following.*)$",
    re.IGNORECASE,
)
_REPLY = re.compile(
    r"(?:^|(?<=[\s:>;(\"'<]))([45]\d\d)(?:[ \-]+|: |$)(?=\S|$)(?!bytes|messages|hours|minutes|seconds|days)"
)
_STRICT_REPLY = re.compile(r"(?:^|(?<=[\s:>;(\"'<]))([45]\d\d)[ \-]+(?=\"?'?#?[45]\.\d{1,3}\.\d{1,3}\b)")
_NAMED_CODE = re.compile(r"\berror[_ ]code ?:? ?([45]\d\d)\b", re.IGNORECASE)
_STATUS = re.compile(r"(?<![\d.])#?([245]\.\d{1,2}\.\d{1,3})(?![\d]|\.\d)")
_RESUMES = re.compile(
    r"^\s*(?:-{3,}|={3,}|>>> |\.\.\. while|<<< |[45]\d\d\s+(?!#?[45]\.\d)|<[^<>\s]+@[^<>\s]+>:)", re.IGNORECASE
)
_SERVICE = re.compile(r"\b554 (?:5\.\d\.\d )?<?[^<>\s]+@[^<>\s]+>?\.\.\. Service unavailable", re.IGNORECASE)
_LEAD = re.compile(
    r"^c=.{0,200}\b(?:smtp|rfc-?822)[=:]$|"
    r"^[\s>*|\-=.#]*(?:(?:<<<\s*)?[45]\d\d[ \-])?(?:(?:to|recipient|failed recipient|user|address|rcpt to|"
    r"unknown user|(?:user |local )?mailbox|account|error[- ]for|\(?generated from|delivery (?:to|failed)"
    r"(?: the)?(?: following)?(?: recipients?)?(?: failed)?)\s*[:=]?\s*)?<?$",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"\b(?:delivering (?:your )?(?:mail|message) to|deliver(?:y|ed)?(?: your)?(?: message|"
    r" mail)?(?: failed)? (?:to|for)|recipients?|"
    r"addressed to|undeliverable to|your (?:message|mail|e-?mail) to|failed (?:to|for)|address)\b[^@\n]{0,60}$",
    re.IGNORECASE,
)
_NOT_HIM = re.compile(
    r"(?:mail from|(?<!generated )from|sender|sent by|envelope-from|return-path|reply-to|contact|postmaster@|"
    r"message-id|cc|by):?\s*[<\"]?$",
    re.IGNORECASE,
)
_MAIL_FROM = re.compile(r"mail from: ?<([^<>\s]{3,320})>", re.IGNORECASE)
_AFTER = r"(?:in (?:reply|response) to|after|during|following|on|at|sent:|command was|>>>|-->|=>|our(?: final)?)"
_NOUNS = r"(?: initial| smtp| the| command| client)*[:\s\"']{1,4}"
_PHASE_WORDS = (
    # A client that pipelines names DATA, and the complaint that no recipient was left follows.
    ("rcpt", r"\b503\b.{0,20}\brcpt\b|no valid recipients|need rcpt"),
    (
        "dot",
        r"in reply to end of data|after (?:end of data|pipelined end of data)|our final data\b|text command|>>> \.$|"
        r"state 1[78]\)|end of message|failed after i sent the message|after (?:the )?(?:final )?\.$",
    ),
    ("data", rf"{_AFTER}{_NOUNS}data\b|smtp data\b|^data$|state 1[56]\)|failed on data command"),
    (
        "rcpt",
        rf"{_AFTER}{_NOUNS}rcpt\b|rcpt(?: to)? (?:command|failed|rejected|error)|state 1[34]\)|\[rcpt_to\]|"
        r"does not like recipient",
    ),
    ("mail", rf"{_AFTER}{_NOUNS}mail from|mail from (?:command|failed)|state 1[12]\)|does not like sender"),
    ("ehlo", rf"{_AFTER}{_NOUNS}(?:ehlo|helo)\b"),
    ("connect", r"after initial connection|initial server greeting|while performing the initial|but greeting failed"),
)
_PHASES = tuple([(re.compile(words, re.IGNORECASE | re.MULTILINE), phase) for phase, words in _PHASE_WORDS])
_LIST_FOLLOWS = re.compile(
    r"did not reach the following|following (?:recipient|address)|one or more (?:of its )?recipients|"
    r"addresses had|recipients? (?:listed|below)",
    re.IGNORECASE,
)
_WAITING = re.compile(
    r"warning message only|will (?:be retried|keep trying|continue to try|be attempted)|has been delayed|"
    r"not yet been delivered|"
    r"still (?:be )?(?:trying|in the queue)|do not need to re-?send|delivery (?:is )?delayed|temporarily deferred|"
    r"could not be delivered for the last|could not yet be delivered",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Found:
    """What the text says of one address: the receiver's words (or the server's own), and where in the dialogue."""

    recipient: str | None
    code: int | None
    status: str
    diagnostic: str
    phase: str


def explanation(text: str) -> str:
    """The text without the original message that most servers quote after it."""
    kept: list[str] = []
    for line in text.splitlines()[:MAX_LINES]:
        if _ORIGINAL.match(line[:200]) and sum(map(len, kept)) > 10:
            break
        kept.append(line.rstrip()[:1000])
    return "\n".join(kept)


def is_waiting(text: str) -> bool:
    """Whether the text only warns: the server goes on trying."""
    return bool(_WAITING.search(explanation(text)[:8000]))


def read(text: str, *, known: tuple[str, ...] = ()) -> list[Found]:
    """What an explanation says of each address it names (`known`: those named by X-Failed-Recipients or the like)."""
    lines, mentions = _taken_apart(text)
    places = _places(lines, mentions, known[:MAX_RECIPIENTS])
    if not places:
        return [found] if (found := _about(lines, None, 0, len(lines))).code or found.status else []
    edges = sorted(places.values())
    found_all = []
    for address, start in places.items():
        end = next((edge for edge in edges if edge > start), len(lines))
        found_all.append(_about(lines, address, start, end))
    return found_all


def phase_of(text: str) -> str:
    """Where in the dialogue the reply came, by the words that servers use for it; "report" when none does."""
    for pattern, phase in _PHASES:
        if pattern.search(text):
            return phase
    return "report"


def reply_in(text: str) -> tuple[int | None, str, str]:
    """(code, enhanced status, text from there on) of the first SMTP reply in a text; (None, status or "", all) else."""
    text = " ".join(text.split())[:4000]
    found = _STRICT_REPLY.search(text) or _NAMED_CODE.search(text) or _REPLY.search(text)
    if not found:
        status = _STATUS.search(text)
        return None, status[1] if status else "", text
    status = _STATUS.search(text, found.end(), found.end() + 300)
    return int(found[1]), status[1] if status else "", text[found.start() :].strip()


@dataclass(frozen=True, slots=True)
class _Mention:
    """An address in the text: its line, and what stands before it there."""

    line: int
    before: str
    address: str


@lru_cache(maxsize=2)  # a report of many recipients asks again and again about one text
def _taken_apart(text: str) -> tuple[list[str], list[_Mention]]:
    lines = explanation(text).splitlines()
    mentions = [
        _Mention(number, line[: found.start()], found[1].strip(".").lower())
        for number, line in enumerate(lines)
        if "@" in line
        for found in list(ADDRESS.finditer(line))[:20]
    ]
    return lines, mentions[:MAX_MENTIONS]


def _places(lines: list[str], mentions: list[_Mention], known: tuple[str, ...]) -> dict[str, int]:
    """Each failed address with the line where it is first named as such."""
    wanted = {address.lower() for address in known}
    first = next((number for number, line in enumerate(lines) if _LIST_FOLLOWS.search(line)), 0)
    senders = {found[1].lower() for line in lines for found in _MAIL_FROM.finditer(line)}
    after = [mention for mention in mentions if mention.line >= first]
    if not wanted and first and any("@" in line for line in lines[first:]):
        return _places_of(after, senders, wanted) or _places_of(mentions, senders, wanted)
    return _places_of(mentions, senders, wanted)


def _places_of(mentions: list[_Mention], senders: set[str], wanted: set[str]) -> dict[str, int]:
    places: dict[str, int] = {}
    for mention in mentions:
        address = mention.address
        if address in places or len(places) >= MAX_RECIPIENTS:
            continue
        if address in wanted or (
            not wanted
            and address not in senders
            and not address.startswith("mailer-daemon@")
            and _is_failed(mention.before)
        ):
            places[address] = mention.line
    for address in sorted(wanted - places.keys()):
        places.setdefault(address, next(iter(places.values()), 0))
    return places


def _is_failed(before: str) -> bool:
    if _NOT_HIM.search(before):
        return False
    return bool(_LEAD.match(before) or _NAMED.search(before))


def _about(lines: list[str], address: str | None, start: int, end: int) -> Found:
    """The reply that names the address, else the first one after its line, else the words around it."""
    own = [number for number, line in enumerate(lines) if address and address in line.lower()]
    candidates = [number for number in own if _has_reply(lines[number])]
    candidates += [number for number in range(start, end) if _has_reply(lines[number])]
    if len(own) <= 1 or not candidates:
        candidates += [number for number in range(end, len(lines)) if _has_reply(lines[number])]
    if not candidates and end - start == len(lines) - start:
        candidates = [number for number in range(start - 1, -1, -1) if _has_reply(lines[number])]
    if not candidates:
        words = "\n".join(lines[start:end])
        code, status_text, diagnostic = reply_in(words)
        return Found(address, code, status_text, diagnostic[:1000], phase_of(words))
    place = candidates[0]
    code, status_text, diagnostic = reply_in("\n".join(_paragraph(lines, place)))
    if place and _SERVICE.search(lines[place]) and lines[place - 1].strip() and not _RESUMES.match(lines[place - 1]):
        # Sendmail: its delivery agent gave the reason, one line above.
        return Found(address, code, status_text, f"{code} {lines[place - 1].strip()} {diagnostic}"[:1000], "rcpt")
    around = (
        "\n".join(lines[max(start, place - 4) : place + 6])
        if start <= place
        else "\n".join(lines[max(0, place - 3) : place + 3])
    )
    return Found(address, code, status_text, diagnostic[:1000], phase_of(around))


def _has_reply(line: str) -> bool:
    return bool(_STRICT_REPLY.search(line) or _REPLY.search(line))


def _paragraph(lines: list[str], start: int) -> list[str]:
    """The reply with the lines that go on with it: to the next blank line or the next step of a transcript."""
    taken = [lines[start]]
    for line in lines[start + 1 : start + 12]:
        if not line.strip() or _RESUMES.match(line):
            break
        taken.append(line)
    return taken
