"""Words in other languages: `locale/<language>/LC_MESSAGES/django.po` are what people write, programs read .mo files.

`python -m config.translations` brings every .po file up to date with what templates and code say. The .mo files are
made from them under VAR_DIR when a process starts and finds them older; nothing made is kept with the code.
"""

import io
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
SOURCES = BASE_DIR / "locale"
# What recipients read. The site itself is in English.
SPOKEN = ("templates/recipient/*.html", "sending/doors/**/*.py")

_CALLS = re.compile(r"""gettext\(u?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\)|_\("(?:[^"\\]|\\.)*"\)""")


def compile_all(into: Path, sources: Path = SOURCES) -> list[str]:
    """Make what is missing or older than its .po file; returns the locales that were made."""
    made = []
    for po in sorted(sources.glob("*/LC_MESSAGES/django.po")):
        mo = into / po.relative_to(sources).with_suffix(".mo")
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


def said() -> Iterator[tuple[str, str]]:
    """(where, message) of all that can be translated, as it stands in templates and code."""
    from babel.messages.extract import extract
    from django.utils.translation.template import templatize

    for pattern in SPOKEN:
        for path in sorted(BASE_DIR.glob(pattern)):
            text = path.read_text()
            if path.suffix == ".html":
                # The calls alone: all else of a template becomes filler there, which no parser of Python takes.
                text = "\n".join(_CALLS.findall(templatize(text)))
            for _line, message, _comments, _context in extract("python", io.BytesIO(text.encode())):
                yield path.relative_to(BASE_DIR).as_posix(), str(message)


def update_all() -> None:
    """Add what is new to each .po file, in the order in which it is said, and drop what is gone."""
    from babel.messages.catalog import Catalog
    from babel.messages.pofile import read_po, write_po

    template = Catalog()
    for where, message in said():
        flags = ["python-format"] if "%(" in message else []
        template.add(message, locations=[(where, 0)], flags=flags)
    for po in sorted(SOURCES.glob("*/LC_MESSAGES/django.po")):
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
