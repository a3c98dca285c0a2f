"""python-liquid with only the tags and filters of letters, and with a meter on everything that repeats or grows."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from io import StringIO
from typing import Any, TextIO

from liquid import Environment, Mode, RenderContext
from liquid.ast import Node
from liquid.builtin import content, illegal, output
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.expressions.filtered import Filter
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.builtin.tags import assign_tag, case_tag, comment_tag, for_tag, if_tag, unless_tag
from liquid.exceptions import LiquidError, LiquidSyntaxError
from liquid.expression import Expression
from liquid.output import LimitedStringIO
from liquid.template import BoundTemplate
from liquid.token import Token
from markupsafe import escape as escape_html

from .liquid_filters import Broken, filters_for, internal_filters, text_of

MAX_WORK = 20_000  # units of about one microsecond: a lookup, a filter, an iterated node, 100 characters filtered
MAX_OUTPUT = 300_000  # bytes a template may write for one recipient
LOOP_LIMIT = 500

SPECIAL = re.compile("[&<>\"']")


class Exhausted(LiquidError):
    """A template wants to work longer than any letter needs."""


def written(value: object, *, escape: bool) -> str:
    """A value as it is written into the message: escaped for HTML, or as plain text."""
    text = value if type(value) is str else text_of(value)
    if not escape:
        return text
    escaped = str(escape_html(text)) if SPECIAL.search(text) else text
    return escaped.replace("\r\n", "\n").replace("\n", "<br>\n") if type(text) is Broken else escaped


class _Output(output.OutputNode):
    """`{{ … }}`: strings an author writes inside a tag are escaped like any other value."""

    __slots__ = ()

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        escape: bool = context.env.escape  # type: ignore[attr-defined]
        return buffer.write(written(self.expression.evaluate(context), escape=escape))


class _OutputTag(output.Output):
    node_class = _Output


class _For(for_tag.ForNode):
    """`{% for %}` that tells the meter how much one iteration costs."""

    __slots__ = ()

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        if isinstance(context, MeteredContext):
            context.weight = 1 + sum(1 for _ in nodes_below(self.block))
        return super().render_to_output(context, buffer)


class _ForTag(for_tag.ForTag):
    node_class = _For


class LetterEnvironment(Environment):
    """The Liquid subset of letters. `escape`: outputs are HTML-escaped when they are written."""

    block_nesting_limit = 10
    context_depth_limit = 10
    loop_iteration_limit = LOOP_LIMIT
    local_namespace_limit = 50_000
    output_stream_limit = MAX_OUTPUT

    def __init__(self, *, escape: bool, language: str) -> None:
        self.escape = escape
        self.language = language
        super().__init__(tolerance=Mode.STRICT, strict_filters=True, autoescape=False)

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        for tag in (
            *(content.Literal, _OutputTag, illegal.Illegal, comment_tag.CommentTag, assign_tag.AssignTag),
            *(if_tag.IfTag, unless_tag.UnlessTag, case_tag.CaseTag),
            *(_ForTag, for_tag.BreakTag, for_tag.ContinueTag),
        ):
            self.add_tag(tag)
        self.filters = {**filters_for(self.language), **internal_filters()}


@lru_cache(maxsize=64)
def environment(*, escape: bool, language: str = "en") -> LetterEnvironment:
    """One environment per language and escaping; they hold no state of a letter."""
    return LetterEnvironment(escape=escape, language=language)


class MeteredContext(RenderContext):
    """What one recipient's rendering of one template may cost, over all its blocks."""

    def __init__(self, template: BoundTemplate, *, globals: Mapping[str, object]) -> None:
        super().__init__(template, globals=globals)
        self.work_left = MAX_WORK
        self.output_left = MAX_OUTPUT
        self.weight = 1

    def charge(self, units: int) -> None:
        """Take units from the budget; raise Exhausted when nothing is left."""
        self.work_left -= units
        if self.work_left < 0:
            raise Exhausted("this letter takes too long to fill in for one person", token=None)

    def get(self, path: list[object], *, token: Token | None, default: object = ...) -> object:
        self.charge(1)
        if default is ...:
            return super().get(path, token=token)
        return super().get(path, token=token, default=default)

    def filter(self, name: str, token: Token | None) -> Callable[..., object]:
        plain = super().filter(name, token)

        def metered(value: object, *args: object, **kwargs: object) -> object:
            self.charge(1 + (len(value) // 100 if isinstance(value, (str, list)) else 0))
            return plain(value, *args, **kwargs)

        return metered

    def raise_for_loop_limit(self, length: int = 1) -> None:
        self.charge(length * self.weight)
        super().raise_for_loop_limit(length)

    def write(self, node: Node) -> str:
        """What one top-level node writes."""
        buffer: StringIO = LimitedStringIO(limit=self.output_left, newline="")  # else a lone CR becomes LF
        self.charge(1)
        node.render(self, buffer)
        text = buffer.getvalue()
        self.output_left -= len(text.encode("utf-8", "replace"))
        return text


def parse(source: str, *, escape: bool, language: str = "en") -> BoundTemplate:
    """Parse a scanned source. Ranges and stray `break`/`continue` are syntax errors here; filters are not looked at."""
    template = environment(escape=escape, language=language).from_string(source)
    _refuse_stray_breaks(template.nodes)
    for expression in expressions(template.nodes):
        if isinstance(expression, RangeLiteral):
            raise LiquidSyntaxError("ranges such as (1..9) are not available in letters", token=expression.token)
    return template


@lru_cache(maxsize=64)
def shared(language: str) -> BoundTemplate:
    """The template whose context (and so whose meter) all direct look-ups of a recipient's copy share."""
    return parse("", escape=False, language=language)


def filters_used(roots: Iterable[Node]) -> Iterator[Filter]:
    """Every use of a filter in the nodes."""
    for expression in expressions(roots):
        if isinstance(expression, FilteredExpression):
            yield from expression.filters or ()


def _refuse_stray_breaks(nodes: Iterable[Node]) -> None:
    for node in nodes:
        if isinstance(node, (for_tag.BreakNode, for_tag.ContinueNode)):
            raise LiquidSyntaxError("this belongs inside a `for`", token=node.token)
        if not isinstance(node, for_tag.ForNode):
            _refuse_stray_breaks(_children(node))


def _children(node: Node) -> Iterable[Node]:
    # Children of our tags need no context: none of them loads another template.
    return node.children(None, include_partials=False)  # type: ignore[arg-type]


def nodes_below(*roots: Node) -> Iterator[Node]:
    """The nodes and all below them, in order of the source."""
    for node in roots:
        yield node
        yield from nodes_below(*_children(node))


def expressions(roots: Iterable[Node]) -> Iterator[Expression]:
    """Every expression in the nodes, with the parts it is made of."""
    for node in nodes_below(*roots):
        for expression in node.expressions():
            yield from _parts(expression)


def _parts(expression: Expression) -> Iterator[Expression]:
    yield expression
    for part in expression.children():
        yield from _parts(part)


def paths(roots: Iterable[Node]) -> Iterator[Path]:
    """Every variable named in the nodes."""
    return (part for part in expressions(roots) if isinstance(part, Path))


def local_names(roots: Iterable[Node]) -> dict[str, Any]:
    """Names the template itself gives (assign, for) with the token of their first use."""
    names: dict[str, Any] = {}
    for node in nodes_below(*roots):
        for name in (*node.template_scope(), *node.block_scope()):
            names.setdefault(str(name), name.token)
    return names
