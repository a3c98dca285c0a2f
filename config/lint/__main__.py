"""make check: every check that is not a test. Runs all of them, then says which failed."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from config.lint import clock, packages, shape
from config.lint.source import ROOT, Source, read_all

Verdict = tuple[bool, str]


def main() -> int:
    started = time.monotonic()
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
        running = [(name, pool.submit(check)) for name, check in CHECKS.items()]
        failed = [name for name, future in running if not report(name, *future.result())]
    print(f"\n{len(CHECKS) - len(failed)} of {len(CHECKS)} checks passed in {time.monotonic() - started:.0f} s")
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def report(name: str, passed: bool, text: str) -> bool:
    print(f"{'ok    ' if passed else 'FAILED'} {name}", flush=True)
    if text and (not passed or "NOT CHECKED" in text):
        print("       " + text.replace("\n", "\n       "), flush=True)
    return passed


def tool(*argv: str) -> Callable[[], Verdict]:
    """A check that is a program: passes when it returns 0."""

    def run() -> Verdict:
        env = {**os.environ, "DEBUG": "yes", "DJANGO_SETTINGS_MODULE": "config.settings"}
        done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        return done.returncode == 0, (done.stdout + done.stderr).strip()

    return run


def module(*argv: str) -> Callable[[], Verdict]:
    return tool(sys.executable, *argv)


def lint(find: Callable[[Source], Iterator[str]]) -> Callable[[], Verdict]:
    """A check that reads every Python file of the project."""

    def run() -> Verdict:
        found = [sentence for source in read_all() for sentence in find(source)]
        return not found, "\n".join(found)

    return run


def _packages() -> Verdict:
    found = packages.check(ROOT)
    return not found, "\n".join(found)


def _program(name: str) -> str:
    return str(Path(sys.executable).parent / name)


CHECKS: dict[str, Callable[[], Verdict]] = {
    "types (mypy --strict)": module("-m", "mypy", "."),
    "style (ruff)": module("-m", "ruff", "check", "."),
    "floors and pure (import-linter)": tool(_program("lint-imports"), "--no-cache"),
    "sizes and names": lint(shape.find),
    "one clock": lint(clock.find),
    "settings and models (manage.py check)": module("manage.py", "check", "--fail-level", "WARNING"),
    "migrations": module("manage.py", "makemigrations", "--check", "--dry-run"),
    "foreign keys, doors, processes": module("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/contracts"),
    "docs (sphinx)": module("-m", "sphinx", "-E", "-W", "--keep-going", "-q", "-b", "html", "docs", "docs/_build"),
    "packages: pins, hashes, licences": _packages,
    "packages: known vulnerabilities": lambda: packages.audit(ROOT),
}


if __name__ == "__main__":
    sys.exit(main())
