"""What we install: every pin with its hash, no host of a registry in the repository, licences we may ship with."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(\[[^\]]*\])?==(?P<version>[^\s;]+)")
SAFE = re.compile(
    r"\b(mit|bsd|0bsd|apache|isc|psf|python software foundation|python-2\.0|mpl|mozilla|zpl|zope|unlicense|cc0"
    r"|public domain|mit-cmu|hpnd|historical permission|zlib|postgresql)\b",
    re.IGNORECASE,
)
# Used as they are, through their public interface, and replaceable by whoever installs: what the LGPL asks for.
LGPL = {"psycopg", "psycopg-binary", "psycopg-pool", "cssutils", "encutils", "chardet", "python-crontab"}
# What the licence file says where the metadata do not.
STATED_ELSEWHERE = {"dkimpy": "zlib", "axe-playwright-python": "MIT, with axe-core under MPL-2.0"}


def unhashed(text: str) -> Iterator[str]:
    """Pins of a requirements file that no hash follows, and lines that are no exact pin."""
    for entry in re.sub(r"\\\n", " ", text).splitlines():
        line = entry.strip()
        if not line or line.startswith("#"):
            continue
        if not PIN.match(line):
            yield f"{line.split()[0]}: not an exact pin"
        elif "--hash=sha256:" not in line:
            yield f"{line.split()[0]}: no hash"


def registry_hosts(text: str) -> Iterator[str]:
    """Addresses in a lock file: where a package comes from is the business of whoever installs it."""
    for found in re.finditer(r"(?:--(?:extra-)?index-url|--find-links|https?://)\S*", text):
        yield f"{found[0]}: a lock file names no host"


def pinned(text: str) -> list[str]:
    return [found["name"] for found in map(PIN.match, text.splitlines()) if found]


def licence(name: str) -> str:
    """What the installed package says of itself: the expression, the classifiers, else the first line of the text."""
    about = metadata.metadata(name)
    stated = [*(about.get_all("License-Expression") or []), *(about.get_all("Classifier") or [])]
    named = [part for part in stated if part.startswith("License ::") or "::" not in part]
    text = "".join(about.get_all("License") or []).strip()
    return STATED_ELSEWHERE.get(name) or "; ".join(named) or text.split("\n")[0]


def unwelcome(names: Sequence[str]) -> Iterator[str]:
    """Packages under a licence that is not on the list."""
    for name in names:
        try:
            stated = licence(name)
        except metadata.PackageNotFoundError:
            continue  # Pinned for another platform or Python.
        lesser = name in LGPL and re.search(r"lgpl|lesser general public", stated, re.IGNORECASE)
        if not lesser and not SAFE.search(stated):
            yield f"{name}: licence '{stated or 'not stated'}' is not on the list in config/lint/packages.py"


def check(root: Path) -> list[str]:
    """All findings about the lock files and what they name."""
    found = []
    for lock in ("requirements.txt", "requirements-dev.txt"):
        text = (root / lock).read_text()
        found += [f"{lock}: {problem}" for problem in (*unhashed(text), *registry_hosts(text))]
    return found + list(unwelcome(pinned((root / "requirements-dev.txt").read_text())))


def audit(root: Path) -> tuple[bool, str]:
    """Known vulnerabilities of what is pinned, asked of one service, else of the other.

    (passed, what to say): no service within reach is said plainly and is no failure of ours; a finding is.
    """
    for service in ("pypi", "osv"):
        answer = _ask(root, service)
        if answer and (judged := judge(answer)):
            return judged
    return True, "NOT CHECKED: no vulnerability service can be reached from here, or it knows none of the packages"


def judge(answer: str) -> tuple[bool, str] | None:
    """What pip-audit's JSON means; None when the service looked at nothing."""
    try:
        packages = json.loads(answer)["dependencies"]
    except (ValueError, KeyError):
        return None
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    if len(skipped) == len(packages):
        return None
    found = [
        f"{package['name']} {package['version']}: {hole['id']}, fixed in {hole['fix_versions'] or 'no version'}"
        for package in packages
        for hole in package.get("vulns", [])
    ]
    note = f"NOT CHECKED, because the service does not know them: {', '.join(skipped)}" if skipped else ""
    return not found, "\n".join([*found, note]).strip()


def _ask(root: Path, service: str) -> str | None:
    """pip-audit's JSON, or None when it ended without one."""
    argv = [sys.executable, "-m", "pip_audit", "--vulnerability-service", service, "--format", "json"]
    quiet = ["--timeout", "10", "--progress-spinner", "off", "--disable-pip", "--no-deps", "-r", "requirements-dev.txt"]
    try:
        done = subprocess.run([*argv, *quiet], cwd=root, capture_output=True, text=True, check=False, timeout=60)
    except subprocess.TimeoutExpired:
        return None
    return done.stdout or None
