"""Compile a letter once per revision into the message that every recipient's copy is filled from.

Values in, value out: no database, no network. `preview` goes the way of a real copy and reads it back.
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.parser import BytesParser
from email.policy import SMTP

from sending.pure.compose import RecipientContext, SystemValues, compose, prepare
from sending.pure.headers import HeaderError, ascii_address, text_header
from sending.pure.liquid_scan import Problem
from sending.pure.message import TRANSACTIONAL, CompiledMessage, Envelope, build_message
from sending.pure.personalise import Dynamic, Literal, Scope, TemplateError, check, compile_template, evaluate
from sending.pure.personalise import prepare as fill
from words import gettext as _

from .pure.code import Page, finished, read_html, read_mjml
from .pure.frame import Footer, page, text_footer
from .pure.kinds import Kind
from .pure.letter import LetterTree, read_letter
from .pure.links import LinkTable
from .pure.placeholders import Placeholders
from .pure.text_part import text_of

# Fields every person has, whatever fields the workspace adds.
STANDARD_FIELDS = frozenset({"email"})
_LOOKS_LIKE_CODE = re.compile(r"\s*<(?:!doctype|html|head|body|table|div|mjml)\b", re.IGNORECASE)


Content = LetterTree | Page


class CompileError(ValueError):
    """The letter cannot be sent as it is; `problems` say where and why, in plain language."""

    def __init__(self, problems: Collection[Problem]) -> None:
        super().__init__(" ".join(str(problem) for problem in problems))
        self.problems = list(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What an author wrote in one revision. `source`, `subject` and `preheader` may hold personal fields."""

    subject: str
    source: str
    from_name: str
    from_address: str
    preheader: str = ""
    reply_to: str = ""
    list_name: str = ""
    language: str = "en"
    kind: Kind = Kind.LETTER


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """The workspace, as the footer names it."""

    name: str
    postal_address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """One person's copy as a mail program would show it."""

    subject: str
    text: str
    html: str


def compile_letter(
    *,
    letter: Letter,
    sender: Sender,
    known_fields: Collection[str],
    public_url: str,
    track_clicks: bool,
    track_opens: bool,
    links_before: Sequence[str] = (),
) -> CompiledMessage:
    """The letter as a compiled message for a campaign. `public_url` makes uploaded pictures' addresses absolute.
    `links_before`: of another variant, whose numbers they keep.

    Raises CompileError with every problem found; advice alone does not stop it.
    """
    links = LinkTable(_places(letter, sender), public_url, track_clicks, list(links_before))
    tree, problems = _read(letter, sender, known_fields, links)
    if any(problem.blocks for problem in problems) or tree is None:
        raise CompileError([problem for problem in problems if problem.blocks])
    envelope = Envelope(
        from_name=letter.from_name,
        from_address=letter.from_address,
        reply_to=letter.reply_to,
        list_id=_list_id(letter),
        language=letter.language,
        track_clicks=track_clicks,
        track_opens=track_opens,
    )
    footer = Footer(
        sender=sender.name,
        postal_address=sender.postal_address,
        list_name=letter.list_name,
    )
    return _build(letter, tree, footer, envelope, links)


def check_letter(
    *,
    letter: Letter,
    sender: Sender,
    known_fields: Collection[str],
    public_url: str,
    track_clicks: bool = True,
) -> list[Problem]:
    """Everything to fix or to look at, for the editor and for preflight; `problem.blocks` tells which."""
    links = LinkTable(_places(letter, sender), public_url, track_clicks)
    return _read(letter, sender, known_fields, links)[1]


def compile_notice(
    *,
    letter: Letter,
    sender: Sender,
    reason: str,
    known_fields: Collection[str] = (),
    public_url: str = "",
) -> CompiledMessage:
    """A transactional message such as a double opt-in confirmation: nothing tracked, no unsubscribe, its own reason.

    `reason` is the footer's sentence; `{email}` in it becomes the recipient's address. Raises CompileError.
    """
    links = LinkTable(_places(letter, sender, reason), public_url, track=False)
    tree, problems = _read(letter, sender, known_fields, links, needs_postal_address=False)
    if any(problem.blocks for problem in problems) or tree is None:
        raise CompileError([problem for problem in problems if problem.blocks])
    envelope = Envelope(
        from_name=letter.from_name,
        from_address=letter.from_address,
        reply_to=letter.reply_to,
        stream=TRANSACTIONAL,
        language=letter.language,
    )
    footer = Footer(
        sender=sender.name,
        postal_address=sender.postal_address,
        reason=reason,
        unsubscribe=False,
    )
    return _build(letter, tree, footer, envelope, links)


def preview(compiled: CompiledMessage, *, recipient: RecipientContext, system: SystemValues) -> Preview:
    """Compose one copy the way it is sent, and read it back. Raises PersonalisationFailed."""
    composed = compose(prepare(compiled), recipient=recipient, system=system)
    parsed = BytesParser(policy=SMTP).parsebytes(composed.as_bytes())
    text, html = (part.get_content().replace("\r\n", "\n") for part in parsed.iter_parts())
    return Preview(subject=str(parsed["Subject"]), text=text, html=html)


def line_of(source: str, *, recipient: RecipientContext, today: datetime) -> str:
    """A checked one-line source, such as the preheader, as one person reads it. Raises PersonalisationFailed."""
    data = {"contact": {**recipient.fields, "email": recipient.email}, "today": today.date(), "now": today}
    pieces = compile_template(source, escape=False)
    written = iter(
        evaluate(fill([one.source for one in pieces if isinstance(one, Dynamic)], escape=False), Scope(data))
    )
    return "".join(one.text if isinstance(one, Literal) else next(written) for one in pieces)


def _places(letter: Letter, sender: Sender, *more: str) -> Placeholders:
    return Placeholders(
        letter.source,
        letter.subject,
        letter.preheader,
        letter.list_name,
        sender.name,
        sender.postal_address,
        *more,
    )


def _read(
    letter: Letter,
    sender: Sender,
    known_fields: Collection[str],
    links: LinkTable,
    *,
    needs_postal_address: bool = True,
) -> tuple[Content | None, list[Problem]]:
    fields = STANDARD_FIELDS | set(known_fields)
    problems = [
        *_address_problems(letter),
        *_sender_problems(sender, needs_postal_address=needs_postal_address),
        *(problem.at("subject") for problem in _line_problems("subject", letter.subject, fields)),
        *(problem.at("preheader") for problem in _line_problems("preheader", letter.preheader, fields)),
    ]
    if not letter.source.strip():
        return None, [*problems, Problem(1, 1, _("The letter is empty."))]
    findings = check(letter.source, fields)
    if any(problem.blocks for problem in findings):
        return None, [*problems, *findings]
    tree = _READERS[letter.kind](letter, links)
    return tree, [*problems, *findings, *links.problems]


_READERS: dict[Kind, Callable[[Letter, LinkTable], Content | None]] = {
    Kind.LETTER: lambda letter, links: _read_words(letter, links),
    Kind.HTML: lambda letter, links: read_html(letter.source, links=links, language=letter.language),
    Kind.MJML: lambda letter, links: read_mjml(letter.source, links=links, language=letter.language),
}


def _read_words(letter: Letter, links: LinkTable) -> LetterTree:
    if _LOOKS_LIKE_CODE.match(letter.source):
        message = _("This looks like HTML or MJML; a letter shows it as text.")
        links.problems.append(Problem(1, 1, message, _("Choose “HTML” or “MJML” above and paste it there."), "advice"))
    return read_letter(letter.source, places=links.places, links=links)


def _line_problems(name: str, source: str, fields: Collection[str]) -> list[Problem]:
    if any(c in source for c in "\r\n\0\u2028\u2029"):
        return [Problem(1, 1, _("The %(name)s has to be one line.") % {"name": name})]
    if name == "subject" and not source.strip():
        return [Problem(1, 1, _("The subject is empty."))]
    return check(source, fields)


def _address_problems(letter: Letter) -> list[Problem]:
    found = []
    for place, name, address in (
        ("from", letter.from_name, letter.from_address),
        ("reply_to", "", letter.reply_to),
    ):
        try:
            if place == "from" and not address:
                found.append(Problem(1, 1, _("No address is chosen that this campaign comes from."), place=place))
                continue
            text_header("From", name)
            if address or place == "from":
                ascii_address(address)
        except HeaderError as error:
            found.append(Problem(1, 1, str(error), place=place))
    return found


def _sender_problems(sender: Sender, *, needs_postal_address: bool) -> list[Problem]:
    if sender.postal_address.strip() or not needs_postal_address:
        return []
    message = _("The workspace has no postal address; the law asks for one in every marketing mail.")
    return [Problem(1, 1, message, _("Add it in the workspace's settings."), place="postal_address")]


def _list_id(letter: Letter) -> str:
    """RFC 2919: `Name <label.domain>`; the label from the list's name, so that it stays equal over campaigns."""
    label = "".join(c if c.isascii() and c.isalnum() else "-" for c in letter.list_name.lower()).strip("-")[:40]
    identifier = f"<{label or 'letters'}.{ascii_address(letter.from_address).rpartition('@')[2]}>"
    name = "".join(c for c in letter.list_name if c not in '<>"\\').strip()
    return f"{name[:80]} {identifier}" if name.isascii() and name else identifier


def _build(
    letter: Letter,
    tree: Content,
    footer: Footer,
    envelope: Envelope,
    links: LinkTable,
) -> CompiledMessage:
    html, text = _parts(letter, tree, footer, envelope, links.places)
    try:
        return build_message(
            envelope=envelope,
            subject=letter.subject,
            text=text,
            html=html,
            links=links.targets,
        )
    except TemplateError as error:
        raise CompileError(error.problems) from error
    except HeaderError as error:
        raise CompileError([Problem(1, 1, str(error), place="from")]) from error


def _parts(letter: Letter, tree: Content, footer: Footer, envelope: Envelope, places: Placeholders) -> tuple[str, str]:
    """HTML and text as Liquid sources."""
    if isinstance(tree, Page):
        return finished(tree, preheader=letter.preheader, footer=footer, envelope=envelope, places=places)
    html = page(
        title=places.stashed(letter.subject),
        preheader=places.stashed(letter.preheader),
        letter=tree.html,
        footer=footer,
        envelope=envelope,
        places=places,
    )
    text = text_of(tree.tokens) + text_footer(footer, language=letter.language, places=places)
    return places.restore(html), places.restore(text)
