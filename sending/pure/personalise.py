"""Personal fields: a subset of Liquid, checked when a letter is saved and filled in once per recipient.

`check` finds everything wrong with a source; `compile_template` cuts it into literal text and dynamic pieces;
`prepare` makes those pieces callable. A piece that is only `{{ contact.x | filter: … }}` is looked up directly (about a
microsecond); anything else goes through Liquid under a meter. Both write the same text.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from liquid.ast import Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.expressions.arguments import KeywordArgument, PositionalArgument
from liquid.builtin.expressions.primitive import Literal as Constant
from liquid.builtin.output import OutputNode
from liquid.builtin.tags.comment_tag import CommentNode
from liquid.exceptions import LiquidError, LiquidInterrupt
from liquid.template import BoundTemplate
from liquid.undefined import Undefined

from words import gettext as _

from . import liquid_engine as engine
from .liquid_filters import FILTER_NAMES, Filter, filters_for, internal_filters, text_of
from .liquid_scan import Problem, did_you_mean, problem_at, scan

# Values every letter may use beside `contact.…`.
SYSTEM_NAMES = frozenset({"today", "unsubscribe_url", "preferences_url", "web_version_url", "forward_url"})
# Names only the compiler writes.
INTERNAL_NAMES = frozenset({"contact", "link", "open_url", "now"})
RESERVED_NAMES = SYSTEM_NAMES | INTERNAL_NAMES

_DIRECT_FILTERS = 4  # more than these, or a longer text than the next, and the meter has to watch
_DIRECT_TEXT = 500
_ROOM = 4  # how much larger than the author's source its frame, links and escaping may make it


class PersonalisationFailed(Exception):
    """This recipient's copy cannot be made; `reason` is a plain sentence for the report."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TemplateError(ValueError):
    """The source is not a letter we can send; `problems` say where and why."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class Literal(NamedTuple):
    text: str


class Dynamic(NamedTuple):
    source: str


Piece = Literal | Dynamic


# --- When a letter is saved -----------------------------------------------------------------------------------------


def check(source: str, known_fields: Collection[str]) -> list[Problem]:
    """All problems of a source, errors and advice, ordered by line. `known_fields` are the names after `contact.`."""
    _tags, problems = scan(source)
    if problems:
        return problems
    try:
        template = engine.parse(source, escape=True)
    except LiquidError as error:
        return [_syntax_problem(source, error)]
    problems = [
        *_wrong_filters(source, template),
        *_wrong_names(source, template, known_fields),
        *_taken_names(source, template),
    ]
    problems += _failures(template, known_fields) if not problems else []
    return sorted([*problems, *_missing_fallbacks(source, template)], key=lambda p: (p.line, p.column))


def _syntax_problem(source: str, error: LiquidError) -> Problem:
    index = error.token.start_index if error.token and error.token.start_index >= 0 else 0
    message = str(error.message or "this tag cannot be read").rstrip(".")
    return problem_at(source, min(index, len(source)), f"{message[:1].upper()}{message[1:]}.")


def _wrong_filters(source: str, template: BoundTemplate, known: Collection[str] = FILTER_NAMES) -> list[Problem]:
    return [
        problem_at(
            source,
            used.token.start_index,
            f"`{used.name}` is not a known filter.",
            did_you_mean(used.name, FILTER_NAMES),
        )
        for used in engine.filters_used(template.nodes)
        if used.name not in known
    ]


def _wrong_names(source: str, template: BoundTemplate, known_fields: Collection[str]) -> list[Problem]:
    local = engine.local_names(template.nodes)
    found = []
    for path in engine.paths(template.nodes):
        message, suggestion = _complaint(path, known_fields, local)
        if message:
            found.append(problem_at(source, path.token.start_index, message, suggestion))
    return found


def _complaint(path: Path, known_fields: Collection[str], local: Collection[str]) -> tuple[str, str]:
    root, *rest = path.path
    if any(isinstance(part, Path) for part in path.path):
        return _("A field's name cannot be computed."), _("Write `contact.` and the field's name.")
    if root == "contact":
        field = str(rest[0]) if rest else ""
        if not field:
            return _("`contact` needs a field's name."), _("For example `contact.first_name`.")
        return ("", "") if field in known_fields else _unknown(field, known_fields)
    if root in SYSTEM_NAMES or root in local:
        return "", ""
    name = str(path.head())
    if name in known_fields:
        return _("`%(name)s` is not a known field.") % {"name": name}, _("Did you mean `contact.%(name)s`?") % {
            "name": name
        }
    return _unknown(name, [*(f"contact.{field}" for field in known_fields), *SYSTEM_NAMES, *local])


def _unknown(name: str, known: Collection[str]) -> tuple[str, str]:
    bare = {word.rpartition(".")[2]: word for word in known}
    suggestion = did_you_mean(name, known) or did_you_mean(name, bare)
    for short, full in bare.items():
        suggestion = suggestion.replace(f"`{short}`", f"`{full}`")
    return _("`%(name)s` is not a known field.") % {"name": name}, suggestion


def _taken_names(source: str, template: BoundTemplate) -> list[Problem]:
    return [
        problem_at(source, token.start_index, f"`{name}` is a name of Letterpace.", "Choose another name.")
        for name, token in engine.local_names(template.nodes).items()
        if name in RESERVED_NAMES
    ]


def _missing_fallbacks(source: str, template: BoundTemplate) -> list[Problem]:
    # Inside an `if` the author has thought of it.
    bare = {node: _without_fallback(node) for node in template.nodes if isinstance(node, OutputNode)}
    return [
        problem_at(
            source,
            node.token.start_index,
            _("`%(path)s` has no fallback: people without one see a gap.") % {"path": path},
            _("Write %(instead)s.") % {"instead": f'{{{{ {path} | default: "…" }}}}'},
            severity="advice",
        )
        for node, path in bare.items()
        if path
    ]


def _without_fallback(node: OutputNode) -> Path | None:
    expression = node.expression
    if not isinstance(expression, FilteredExpression) or not isinstance(expression.left, Path):
        return None
    path = expression.left.path
    covered = "default" in {used.name for used in expression.filters or ()}
    return expression.left if path[0] == "contact" and path[1:] != ["email"] and not covered else None


def _failures(template: BoundTemplate, known_fields: Collection[str]) -> list[Problem]:
    """Render for somebody of whom we know everything and for somebody of whom we know nothing."""
    full = _failure(template, dict.fromkeys(known_fields, "1"))
    if full:
        return [Problem(1, 1, _("The letter cannot be filled in: %(full)s.") % {"full": full})]
    empty = _failure(template, {})
    message = _("People without some field are left out: %(empty)s.") % {"empty": empty}
    return [Problem(1, 1, message, _("Give the field a fallback."), "advice")] if empty else []


def _failure(template: BoundTemplate, fields: Mapping[str, object]) -> str:
    sample = dict.fromkeys(SYSTEM_NAMES, "https://example.org/") | {"contact": dict(fields)}
    context = engine.MeteredContext(template, globals=sample)
    try:
        for node in template.nodes:
            context.write(node)
    except (LiquidError, LiquidInterrupt, ArithmeticError, ValueError, TypeError, LookupError, RecursionError) as error:
        return _plain(error)
    return ""


def _plain(error: Exception) -> str:
    message = error.message if isinstance(error, LiquidError) else error
    return str(message or type(error).__name__).rstrip(".")[:200]


# --- When a letter is compiled --------------------------------------------------------------------------------------


def compile_template(source: str, *, escape: bool) -> tuple[Piece, ...]:
    """Cut a source into literal text and dynamic pieces, in order. Comments vanish. Raises TemplateError."""
    _tags, problems = scan(source, room=_ROOM)
    if problems:
        raise TemplateError(problems)
    try:
        template = engine.parse(source, escape=escape)
    except LiquidError as error:
        raise TemplateError([_syntax_problem(source, error)]) from error
    if problems := _wrong_filters(source, template, FILTER_NAMES | internal_filters().keys()):
        raise TemplateError(problems)
    return _merged(_piece(source, node, end) for node, end in _with_ends(source, template.nodes))


def _with_ends(source: str, nodes: Sequence[Node]) -> Iterable[tuple[Node, int]]:
    ends = [*(_opening(source, node) for node in nodes[1:]), len(source)][: len(nodes)]
    return zip(nodes, ends, strict=True)


def _opening(source: str, node: Node) -> int:
    """Where a node begins; the token of a `{% tag %}` begins at its name."""
    index = node.token.start_index
    if isinstance(node, (ContentNode, OutputNode)):
        return index
    if isinstance(node, CommentNode):
        index = source.rfind("comment", 0, index) if source[index : index + 7] != "comment" else index
    return source.rfind("{%", 0, index)


def _piece(source: str, node: Node, end: int) -> Piece:
    if isinstance(node, ContentNode):
        return Literal(node.text)
    if isinstance(node, CommentNode):
        return Literal("")
    if isinstance(node, OutputNode) and str(node.expression) == repr("{"):
        return Literal("{")  # how the compiler writes a brace that is not a tag
    return Dynamic(source[_opening(source, node) : end].rstrip())


def _merged(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    merged: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, Literal) and merged and isinstance(merged[-1], Literal):
            merged[-1] = Literal(merged[-1].text + piece.text)
        elif piece != Literal(""):
            merged.append(piece)
    return tuple(merged)


# --- When a letter is filled in -------------------------------------------------------------------------------------


class Scope:
    """What one recipient's copy is made of: plain data by name, and one metered context per template."""

    __slots__ = ("contexts", "data")

    def __init__(self, data: Mapping[str, object]) -> None:
        self.data = data
        self.contexts: dict[int, engine.MeteredContext] = {}

    def context(self, template: BoundTemplate) -> engine.MeteredContext:
        """The context shared by all blocks of one template, so that an `assign` lasts."""
        found = self.contexts.get(id(template))
        if found is None:
            found = self.contexts[id(template)] = engine.MeteredContext(template, globals=self.data)
        return found


Evaluator = Callable[[Scope], str]


def prepare(sources: Sequence[str], *, escape: bool, language: str = "en") -> tuple[Evaluator, ...]:
    """One evaluator per dynamic piece of one template, through Liquid; to be called in this order with one Scope.

    They raise whatever Liquid raises; `evaluate` turns that into PersonalisationFailed.
    """
    whole = engine.parse("", escape=escape, language=language)
    return tuple(
        _through_liquid(engine.parse(source, escape=escape, language=language).nodes, whole) for source in sources
    )


def _through_liquid(nodes: Sequence[Node], whole: BoundTemplate) -> Evaluator:
    def evaluate_block(scope: Scope) -> str:
        context = scope.context(whole)
        return "".join([context.write(node) for node in nodes])

    return evaluate_block


def prepare_direct(source: str, *, language: str = "en") -> Evaluator | None:
    """A direct look-up of `contact.field` or a name of ours, with constant filters; None where Liquid has to do it.

    It gives the unescaped text, which HTML-escaped is what Liquid would write into HTML, and needs no order: none of
    the names it reads can be assigned.
    """
    nodes = engine.parse(source, escape=False, language=language).nodes
    node = nodes[0] if len(nodes) == 1 else None
    expression = node.expression if isinstance(node, OutputNode) else None
    if node is None or not isinstance(expression, FilteredExpression) or not isinstance(expression.left, Path):
        return None
    steps = _constant_filters(expression, filters_for(language) | internal_filters())
    path = expression.left.path
    if steps is None or any(isinstance(part, Path) or part in ("size", "first", "last") for part in path):
        return None
    if path[0] == "contact" and len(path) == 2:
        return _look_up_field(path[1], steps, _through_liquid([node], engine.shared(language)))
    if path[0] == "link" and len(path) == 2 and isinstance(path[1], int) and not steps:
        return _look_up_link(path[1])
    if path[0] in RESERVED_NAMES and len(path) == 1 and not steps:
        return _look_up_name(str(path[0]))
    return None


Step = tuple[Filter, tuple[object, ...], dict[str, object]]


def _constant_filters(expression: FilteredExpression, known: Mapping[str, Filter]) -> list[Step] | None:
    steps: list[Step] = []
    for used in expression.filters or ():
        values = [_constant(argument) for argument in used.args]
        if any(value is None for value in values) or len(steps) == _DIRECT_FILTERS or used.name == "newline_to_br":
            return None
        named = {value.name: value.value for value in values if value and value.name}
        steps.append((known[used.name], tuple(v.value for v in values if v and not v.name), named))
    return steps


class _Argument(NamedTuple):
    name: str
    value: object


def _constant(argument: KeywordArgument | PositionalArgument) -> _Argument | None:
    if not isinstance(argument.value, Constant):
        return None
    return _Argument(argument.name if isinstance(argument, KeywordArgument) else "", argument.value.value)


def _look_up_field(key: object, steps: list[Step], slowly: Evaluator) -> Evaluator:
    missing = Undefined("contact")
    # `default` leaves a text that is not empty as it is: not called for it.
    skippable = not steps or (len(steps) == 1 and steps[0][0] is filters_for("en")["default"])

    def evaluate_field(scope: Scope) -> str:
        value = scope.data["contact"].get(key, missing)  # type: ignore[attr-defined]
        if type(value) is str:
            if len(value) > _DIRECT_TEXT:
                return slowly(scope)
            if skippable and value:
                return value
        elif isinstance(value, (list, dict)):
            return slowly(scope)
        for function, arguments, named in steps:
            value = function(value, *arguments, **named)
        return text_of(value)

    return evaluate_field


def _look_up_link(number: int) -> Evaluator:
    return lambda scope: scope.data["link"][number]  # type: ignore[index]


def _look_up_name(name: str) -> Evaluator:
    return lambda scope: text_of(scope.data.get(name))


def evaluate(evaluators: Sequence[Evaluator], scope: Scope) -> list[str]:
    """All dynamic pieces of one template for one recipient. Raises PersonalisationFailed with a plain reason."""
    try:
        return [evaluator(scope) for evaluator in evaluators]
    except PersonalisationFailed:
        raise
    except Exception as error:  # whatever a hostile letter or a strange value makes Python raise
        raise PersonalisationFailed(_plain(error)) from error
