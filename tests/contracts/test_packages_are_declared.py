"""What is imported is declared: a package that merely happens to be installed is missing on the next machine."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

from config.lint.source import FOLDERS, ROOT, read_all

DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text())


def names(requirements):
    return {re.split(r"[\[<>=;!~ ]", text)[0].lower().replace("_", "-").replace(".", "-") for text in requirements}


def imported(*, tests):
    """The distributions behind the imports of the application, or of its tests, lab and benchmarks too."""
    owners = packages_distributions()
    for source in read_all():
        if tests or source.path.parts[0] not in {"tests", "benchmarks", "docs"}:
            for module in modules(source.tree):
                if module not in sys.stdlib_module_names and module not in FOLDERS:
                    yield str(source.path), names(owners.get(module, [module]))


def modules(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def test_the_application_imports_only_what_it_declares():
    declared = names(DECLARED["project"]["dependencies"])
    assert [(path, owners) for path, owners in imported(tests=False) if not owners & declared] == []


def test_the_tests_import_only_what_is_declared():
    declared = names(DECLARED["project"]["dependencies"]) | names(DECLARED["dependency-groups"]["dev"])
    assert [(path, owners) for path, owners in imported(tests=True) if not owners & declared] == []


def test_what_is_declared_is_pinned_for_running_and_for_developing():
    declared = names(DECLARED["project"]["dependencies"])
    for lock in ("requirements.txt", "requirements-dev.txt"):
        pinned = names(line for line in (ROOT / lock).read_text().splitlines() if re.match(r"[A-Za-z]", line))
        assert declared <= pinned
