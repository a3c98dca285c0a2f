"""Limits of size, so that a reader keeps the thread. Waive one on its line with a reason: `# shape: <reason>`."""

import ast
from collections.abc import Iterator

from config.lint.source import Source

FUNCTION_LINES = 60
FILE_LINES = 500
VIEW_LINES = 20
TASK_LINES = 3
FORBIDDEN_NAMES = {"utils", "util", "helpers", "common", "core", "services", "managers", "misc", "signals"}

type_of_function = (ast.FunctionDef, ast.AsyncFunctionDef)


def find(source: Source) -> Iterator[str]:
    """Sentences, one per broken limit."""
    yield from _file(source)
    for node in ast.walk(source.tree):
        if isinstance(node, type_of_function) and not source.says(node.lineno, "shape:"):
            yield from _function(source, node)


def _file(source: Source) -> Iterator[str]:
    if source.path.stem in FORBIDDEN_NAMES:
        yield f"{source.path}: a file is named for what it does; '{source.path.stem}' says nothing"
    lines = source.lines
    if len(lines) > FILE_LINES and "migrations" not in source.path.parts and not source.says(1, "shape:"):
        yield f"{source.path}: {len(lines)} lines; a file has at most {FILE_LINES}"


def _function(source: Source, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    length = (node.end_lineno or node.lineno) - node.lineno + 1
    where = f"{source.path}:{node.lineno}: {node.name}"
    if length > FUNCTION_LINES:
        yield f"{where} has {length} lines; a function has at most {FUNCTION_LINES}"
    elif _is_view(source, node) and length > VIEW_LINES:
        yield f"{where} has {length} lines; a view has at most {VIEW_LINES}: parse, permission, render"
    elif _is_task(source, node) and _body_lines(node) > TASK_LINES:
        yield f"{where} has {_body_lines(node)} lines; a task has at most {TASK_LINES}: it calls a verb"


def _is_view(source: Source, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """A function in views.py or a views package whose first argument is the request."""
    in_views = source.path.stem == "views" or "views" in source.path.parts
    first = node.args.args[:1]
    return in_views and bool(first) and first[0].arg == "request" and "tests" not in source.path.parts


def _is_task(source: Source, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("task" in ast.unparse(decorator).split("(")[0].split(".")[-1] for decorator in node.decorator_list)


def _body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the body without its docstring."""
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
