"""What mail programs will not take in an author's HTML or MJML, each with its line."""

from collections.abc import Iterator, Sequence

from sending.pure.liquid_scan import BLOCKS, Problem, Tag, did_you_mean
from words import gettext as _

from .markup import VOID, Mark, Markup
from .mjml_words import ATTRIBUTES, CHILDREN, OWN_PICTURES

MOST_PROBLEMS = 50
DEEPEST = 200
_REFUSED = frozenset("script iframe object embed applet frame frameset base".split())
_FORMS = frozenset("form input button select textarea".split())
_NOT_SHOWN = frozenset("video audio svg canvas".split())
# HTML lets their end be left out.
_OPTIONAL = frozenset("html head body p li dt dd tr td th thead tbody tfoot colgroup option rt rp".split())


def html_problems(markup: Markup) -> list[Problem]:
    """Everything wrong with HTML that is sent as it is."""
    found = list(markup.problems)
    for mark in markup.marks:
        if not mark.closing:
            found += _of_element(markup, mark)
    return sorted([*found, *_nesting(markup, _OPTIONAL)], key=_place)[:MOST_PROBLEMS]


def mjml_problems(markup: Markup) -> list[Problem]:
    """Everything wrong with MJML, also what the compiler would leave out without a word."""
    found = [*markup.problems, *_nesting(markup, frozenset())]
    parents: list[str] = []
    for mark in markup.marks:
        inside = parents[-1] if parents else ""
        if mark.closing:
            if mark.name in parents:
                del parents[len(parents) - 1 - parents[::-1].index(mark.name) :]
            continue
        found += _of_mjml(markup, mark, inside) if inside in CHILDREN else _of_element(markup, mark)
        if not mark.empty and mark.name not in VOID:
            parents.append(mark.name)
    if not any(mark.name == "mj-body" for mark in markup.marks):
        found.append(Problem(1, 1, _("There is no `<mj-body>`."), _("MJML begins with <mjml><mj-body>.")))
    return sorted(found, key=_place)[:MOST_PROBLEMS]


def _place(problem: Problem) -> tuple[int, int]:
    return problem.line, problem.column


def _of_element(markup: Markup, mark: Mark) -> Iterator[Problem]:
    name = mark.name
    if name in _REFUSED:
        yield markup.problem(mark.start, f"Mail programs remove `<{name}>`, and filters distrust it.", "Take it out.")
    elif name in _FORMS:
        message = _("Most mail programs do not show `<%(name)s>`.") % {"name": name}
        yield markup.problem(mark.start, message, "Link to a page with the form.", "advice")
    elif name in _NOT_SHOWN:
        message = _("Most mail programs do not show `<%(name)s>`.") % {"name": name}
        yield markup.problem(mark.start, message, "Use a picture that links to it.", "advice")
    elif name == "link" and "stylesheet" in (markup.value(mark, "rel") or "").lower():
        message = _("Mail programs load no styles from elsewhere.")
        yield markup.problem(mark.start, message, "Put them into a <style> element.", "advice")
    elif name == "meta" and (markup.value(mark, "http-equiv") or "").lower() == "refresh":
        yield markup.problem(mark.start, "A mail cannot lead on by itself.", "Take this element out.")
    elif name == "img" and mark.of("alt") is None:
        yield _no_alt(markup, mark)
    for attribute in mark.attributes:
        if attribute.name.startswith("on") and not attribute.name.startswith("on-"):
            message = _("`%(name)s` runs a script; mail programs remove it.") % {"name": attribute.name}
            yield markup.problem(mark.start, message, "Take it out.")


def _no_alt(markup: Markup, mark: Mark) -> Problem:
    message = _("A picture has no description: people who do not see it learn nothing.")
    return markup.problem(mark.start, message, 'Write alt="what it shows", or alt="" for decoration.', "advice")


def _of_mjml(markup: Markup, mark: Mark, inside: str) -> Iterator[Problem]:
    if mark.name == "mj-include":
        yield markup.problem(mark.start, "`mj-include` is not available.", "Paste what it includes.")
        return
    if mark.name not in ATTRIBUTES:
        yield markup.problem(
            mark.start, f"`<{mark.name}>` is not an element of MJML.", did_you_mean(mark.name, ATTRIBUTES)
        )
        return
    if mark.name not in CHILDREN[inside]:
        where = f"inside `<{inside}>`" if inside else "at the start"
        fits = ", ".join(f"<{name}>" for name in sorted(CHILDREN[inside])[:4])
        yield markup.problem(mark.start, f"`<{mark.name}>` cannot stand {where}.", f"There may be {fits}.")
    known = ATTRIBUTES[mark.name]
    for attribute in mark.attributes:
        if attribute.name not in known and "*" not in known and not attribute.name.startswith("xmlns"):
            message = _("`%(name)s` has no attribute `%(name2)s`; it is left out.") % {
                "name": mark.name,
                "name2": attribute.name,
            }
            yield markup.problem(mark.start, message, did_you_mean(attribute.name, known), "advice")
    if inside == "mj-attributes":
        return
    for wanted in OWN_PICTURES.get(mark.name, ()):
        if mark.of(wanted) is None:
            message = _("`%(name)s` needs `%(wanted)s`: a picture of your own, not one from another site.") % {
                "name": mark.name,
                "wanted": wanted,
            }
            yield markup.problem(mark.start, message, "Upload one below.")
    if mark.name in ("mj-image", "mj-carousel-image") and mark.of("alt") is None:
        yield _no_alt(markup, mark)


class _Block:
    """A `{% if %}` under way: what was open where it began, and where each of its branches ended."""

    def __init__(self, tag: Tag, opened: Sequence[Mark]) -> None:
        self.tag = tag
        self.opened = list(opened)
        self.ends: list[list[Mark]] = []
        self.has_else = False
        self.seen_when = False


def _nesting(markup: Markup, optional: frozenset[str]) -> Iterator[Problem]:
    """What is opened and not closed would swallow what follows, and so the way to unsubscribe."""
    opened: list[Mark] = []
    blocks: list[_Block] = []
    for event in markup.events():
        if len(opened) > DEEPEST:
            yield markup.problem(event.start, f"Elements stand more than {DEEPEST} deep here.")
            return
        if isinstance(event, Mark):
            yield from _enter_or_leave(markup, event, opened, optional)
        elif event.name in BLOCKS:
            blocks.append(_Block(event, opened))
        elif blocks and event.name in ("elsif", "else", "when"):
            block = blocks[-1]
            block.has_else |= event.name == "else"
            # Nothing stands between a `case` and its first `when`.
            if block.tag.name != "case" or block.seen_when:
                block.ends.append(list(opened))
            block.seen_when = True
            opened[:] = block.opened
        elif blocks and event.name.startswith("end"):
            block = blocks.pop()
            ends = [*block.ends, list(opened), *([] if block.has_else else [block.opened])]
            if len({tuple(mark.name for mark in end) for end in ends}) > 1:
                tag = markup.source[block.tag.start : block.tag.end][:60]
                message = _("`%(tag)s` opens an element and leaves it open, or closes one from outside.") % {"tag": tag}
                yield markup.problem(block.tag.start, message, "Put the element's begin and end into it.")
                opened[:] = block.opened
    for mark in opened:
        if mark.name not in optional:
            message = _("`<%(name)s>` is never closed, and would take the footer in.") % {"name": mark.name}
            yield markup.problem(mark.start, message, f"Write </{mark.name}> where it ends.")


def _enter_or_leave(markup: Markup, mark: Mark, opened: list[Mark], optional: frozenset[str]) -> Iterator[Problem]:
    if not mark.closing:
        # HTML knows no `<div/>`; XML does.
        if mark.name not in VOID and not (mark.empty and not optional):
            opened.append(mark)
        return
    if mark.name in VOID:
        return
    names = [one.name for one in opened]
    # Before the end of the body stands the footer.
    severity = "error" if not optional or mark.name in ("body", "html") else "advice"
    if mark.name not in names:
        if mark.name not in optional:
            yield markup.problem(mark.start, f"`</{mark.name}>` closes nothing.", "Take it out.", severity)
        return
    while (last := opened.pop()).name != mark.name:
        if last.name not in optional:
            message = _("`<%(name)s>` is not closed before `</%(name2)s>` of line %(start)s.") % {
                "name": last.name,
                "name2": mark.name,
                "start": markup.line(mark.start),
            }
            yield markup.problem(last.start, message, f"Write </{last.name}> where it ends.", severity)
