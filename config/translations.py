"""Words in other languages: `locale/<language>/LC_MESSAGES/*.po` are what people write, programs read .mo files.

`django.po` has what recipients read, in every language of the settings; `site.po` what the team reads, in those of
SITE_LANGUAGES. `python -m config.translations` brings every .po file up to date with what templates and code say. The
.mo files are made from them under VAR_DIR when a process starts and finds them older; nothing made is kept with the
code.
"""

import io
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

BASE_DIR = Path(__file__).resolve().parent.parent
SOURCES = BASE_DIR / "locale"
APPS = ("config", "campaigns", "sending", "audiences", "reputation")
# What recipients read, and what the team reads: the file's name, and where its words stand. The first that has a file
# keeps it. Commands speak English.
SPOKEN = {
    "django": ("templates/recipient/*.html", "sending/doors/**/*.py", "campaigns/confirmations.py"),
    "site": ("templates/**/*.html", *(f"{app}/**/*.py" for app in APPS)),
}
SILENT = {"management", "demo", "lint", "migrations"}


class Said(NamedTuple):
    """One message as it stands in a template or in code. `plural` and `context` are mostly empty."""

    where: str
    message: str
    plural: str = ""
    context: str | None = None

    @property
    def id(self) -> str | tuple[str, str]:
        return (self.message, self.plural) if self.plural else self.message


_STRING = r"""u?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
_CALLS = re.compile(rf"""n?p?gettext\({_STRING}(?:,\s*{_STRING})*(?:,\s*count)?\)|_\({_STRING}\)""")
_KEYWORDS: dict[str, tuple[int | tuple[int, str], ...] | None] = {
    "_": None,
    "marked": None,
    "Place": (2,),
    "gettext_lazy": None,
    "gettext": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}


def made_of(po: Path, into: Path) -> Path:
    """Where the program's file of a .po file lies. Django reads `django.mo` alone, so the site's has its own folder."""
    folder = into if po.stem == "django" else into / po.stem
    return folder / po.parent.parent.name / "LC_MESSAGES" / "django.mo"


def compile_all(into: Path, sources: Path = SOURCES) -> list[str]:
    """Make what is missing or older than its .po file; returns the locales that were made."""
    made = []
    for po in sorted(sources.glob("*/LC_MESSAGES/*.po")):
        mo = made_of(po, into)
        if mo.exists() and mo.stat().st_mtime_ns == po.stat().st_mtime_ns:
            continue
        _compile(po, mo)
        made.append(po.parent.parent.name)
    return made


def _compile(po: Path, mo: Path) -> None:
    """Several processes may start at once: each puts a whole file in place."""
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    at = po.stat().st_mtime_ns
    with po.open("rb") as file:
        catalog = read_po(file, locale=po.parent.parent.name, abort_invalid=True)
    mo.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=mo.parent, delete=False) as out:
        write_mo(out, catalog)
    os.utime(out.name, ns=(at, at))
    Path(out.name).replace(mo)


def said(name: str = "django") -> Iterator[Said]:
    """All that can be translated for one of SPOKEN, as it stands in templates and code."""
    for path in files_of(name):
        yield from said_in(path)


def files_of(name: str) -> list[Path]:
    """Where the words of one of SPOKEN stand."""
    kept: set[Path] = set()
    for catalogue, patterns in SPOKEN.items():
        found = {path for pattern in patterns for path in BASE_DIR.glob(pattern)} - kept
        if catalogue == name:
            return sorted(path for path in found if SILENT.isdisjoint(path.relative_to(BASE_DIR).parts))
        kept |= found
    raise LookupError(name)


def said_in(path: Path) -> Iterator[Said]:
    from babel.messages.extract import extract
    from django.utils.translation.template import templatize

    text = path.read_text()
    if path.suffix == ".html":
        # The calls alone: all else of a template becomes filler there, which no parser of Python takes.
        text = "\n".join(_CALLS.findall(templatize(text)))
    for _line, message, _comments, context in extract("python", io.BytesIO(text.encode()), _KEYWORDS):
        one, many = message if isinstance(message, tuple) else (message, "")
        if one:
            yield Said(path.relative_to(BASE_DIR).as_posix(), str(one), str(many), context)


def update_all() -> None:
    """Add what is new to each .po file, in the order in which it is said, and drop what is gone."""
    from babel.messages.catalog import Catalog
    from babel.messages.pofile import read_po, write_po

    for name in SPOKEN:
        template = Catalog()
        for one in said(name):
            flags = ["python-format"] if "%(" in one.message else []
            template.add(one.id, locations=[(one.where, 0)], flags=flags, context=one.context)
        for po in sorted(SOURCES.glob(f"*/LC_MESSAGES/{name}.po")):
            with po.open("rb") as file:
                catalog = read_po(file, locale=po.parent.parent.name)
            catalog.update(template, no_fuzzy_matching=True)
            catalog.obsolete.clear()
            with po.open("wb") as out:
                write_po(out, catalog, omit_header=False, include_lineno=False, width=119)


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    update_all()
