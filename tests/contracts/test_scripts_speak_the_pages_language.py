"""Scripts say what the page hands them, translated: none has a sentence of its own."""

import re
from pathlib import Path

import pytest

STATIC = Path(__file__).resolve().parents[2] / "static"
SCRIPTS = sorted(STATIC.glob("*.js"))
LITERAL = re.compile(r"""(["'`])((?:(?!\1)[^\\\n]|\\.)*)\1""")
# Two words of which the first is a sentence's beginning, or a word that goes on, stops or asks.
SENTENCE = re.compile(r"^[A-Z][a-z]+(?:[,:]? [\w’']+|.*[.…!?]$)")
# Whatever people read or hear is put there.
PUT = r"""(?:textContent|innerText|title|ariaLabel|placeholder)\s*=\s*["'`]\w"""
SHOWN = re.compile(PUT + r"""|\b(?:say|alert|confirm)\(["'`]""")


def sentences(script: str) -> list[str]:
    told = re.sub(r"^\s*//.*$|/\*.*?\*/", "", script, flags=re.MULTILINE | re.DOTALL)
    found = [match[2] for match in LITERAL.finditer(told) if SENTENCE.match(match[2])]
    return found + [match[0] for match in SHOWN.finditer(told)]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_has_no_sentence_of_its_own(path: Path) -> None:
    assert sentences(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "script",
    ['saved.textContent = "Not saved yet";', 'x = "Saving…";', "say('put back')", "tell(`Not saved: ${why}`)"],
)
def test_a_sentence_in_a_script_would_be_found(script: str) -> None:
    assert sentences(script)


def test_there_are_scripts() -> None:
    assert {"app.js", "compose.js"} <= {path.name for path in SCRIPTS}
