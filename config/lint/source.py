"""The project's Python files, read and parsed once for all lints."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("config", "audiences", "reputation", "sending", "campaigns", "words", "lab", "benchmarks", "tests", "docs")


@dataclass(frozen=True, slots=True)
class Source:
    """One file: its path below the root, its lines and its tree."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    def says(self, number: int, marker: str) -> bool:
        """Whether line `number` (from 1) carries the comment `# <marker>`."""
        return f"# {marker}" in self.lines[number - 1]


def parse(path: Path, text: str) -> Source:
    return Source(path, text, ast.parse(text, str(path)))


def read_all(root: Path = ROOT) -> list[Source]:
    """Every Python file of the project (not of its environment), ordered by path."""
    return [parse(path.relative_to(root), path.read_text()) for path in sorted(_paths(root))]


def _paths(root: Path) -> Iterator[Path]:
    yield from root.glob("*.py")
    for folder in FOLDERS:
        yield from (root / folder).rglob("*.py")
