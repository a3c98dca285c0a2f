"""One business clock: `now` is an argument. Only entry points read a clock, once, on a line marked `# clock: entry`.

Leases and audit columns use the database's clock: `clock_timestamp()` in SQL, `db_default=Now()` on a column. Anything
else is waived on its line with a reason: `# clock: <reason>`.
"""

import ast
import re
from collections.abc import Iterator

from config.lint.source import Source

CALLS = {
    "timezone.now",
    "timezone.localtime",
    "timezone.localdate",
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "date.today",
    "datetime.date.today",
    "time.time",
    "time.time_ns",
}
# clock_timestamp() is for leases and audit columns; these three are the transaction's time and nobody's business time.
SQL = re.compile(r"\bnow\s*\(\s*\)|\bcurrent_(?:timestamp|date|time)\b|\blocaltime(?:stamp)?\b", re.IGNORECASE)
SQL_WORDS = re.compile(r"\b(?:select|insert|update|delete|where|values|returning|set)\b", re.IGNORECASE)
# The receivers of the lab, the tests and the benchmarks have clocks of their own.
OUTSIDE = {"lab", "tests", "benchmarks", "migrations"}


def find(source: Source) -> Iterator[str]:
    """Sentences, one per place that reads a clock where it must not."""
    if OUTSIDE.intersection(source.path.parts):
        return
    allowed = _column_defaults(source.tree)
    docstrings = _docstrings(source.tree)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and id(node) not in allowed:
            yield from _call(source, node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield from _sql(source, node, node.value)


def is_entry_point(source: Source) -> bool:
    """Management commands, tasks, views and config may read the clock once."""
    path = source.path
    named = path.stem in {"tasks", "views"} or path.parts[0] == "config"
    return named or bool({"commands", "views"}.intersection(path.parts))


def _call(source: Source, node: ast.Call) -> Iterator[str]:
    name = ast.unparse(node.func)
    if name.split(".")[-1] == "Now" and not source.says(node.lineno, "clock:"):
        yield f"{source.path}:{node.lineno}: Now() reads the database's clock; pass `now` to the statement"
    elif name in CALLS and not _waived(source, node.lineno):
        yield f"{source.path}:{node.lineno}: {name}() reads a clock; take `now` as an argument"


def _waived(source: Source, number: int) -> bool:
    """`# clock: entry` counts at entry points only; another reason counts everywhere."""
    if source.says(number, "clock: entry"):
        return is_entry_point(source)
    return source.says(number, "clock:")


def _sql(source: Source, node: ast.Constant, text: str) -> Iterator[str]:
    if not SQL_WORDS.search(text):
        return
    for found in SQL.finditer(text):
        number = node.lineno + text.count("\n", 0, found.start())
        if not source.says(min(number, len(source.lines)), "clock:") and "-- clock:" not in _line(text, found.start()):
            yield f"{source.path}:{number}: SQL reads {found[0]}; pass `now` as a parameter"


def _line(text: str, position: int) -> str:
    start, end = text.rfind("\n", 0, position) + 1, text.find("\n", position)
    return text[start : end if end >= 0 else None]


def _column_defaults(tree: ast.Module) -> set[int]:
    """`db_default=Now()` on an audit column."""
    keywords = [word for node in ast.walk(tree) if isinstance(node, ast.Call) for word in node.keywords]
    return {id(word.value) for word in keywords if word.arg == "db_default"}


def _docstrings(tree: ast.Module) -> set[int]:
    holders = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, holders) and node.body]
    return {id(body[0].value) for body in bodies if isinstance(body[0], ast.Expr)}
