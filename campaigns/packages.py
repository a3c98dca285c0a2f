"""A mail made elsewhere with its pictures, as one ZIP: the page is taken as it is, its pictures go into the library."""

import lzma
import posixpath
import re
import zipfile
import zlib
from dataclasses import dataclass
from io import BytesIO
from urllib.parse import unquote

from django.contrib.auth.models import User

from campaigns import media
from campaigns.pure.kinds import Kind
from campaigns.source_files import BadSource, read_source

MOST_FILES = 300
MOST_PICTURES = 60
# Unpacked, all that is read of it together: a small file must not fill the memory.
MOST_OCTETS = 40 * 1024 * 1024
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    UnicodeDecodeError,
    RuntimeError,
    NotImplementedError,
    EOFError,
    OSError,
)
_PAGES = (".html", ".htm", ".mjml")
_SHOWN = (".png", ".jpg", ".jpeg", ".gif", ".webp")
# Where pages name a picture: attributes of HTML and MJML, and styles.
_NAMED = re.compile(
    r"""(?P<before>\b(?:src|background|background-url)\s*=\s*["']|url\(\s*["']?)(?P<to>[^"')\s<>]+)""", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Package:
    """`source` names the library's pictures. `taken` came along; `missing` are named by the page and not there."""

    kind: Kind
    source: str
    taken: int
    missing: tuple[str, ...]


def is_package(raw: bytes) -> bool:
    return raw.startswith(b"PK\x03\x04")


def read_package(raw: bytes, *, by: User | None) -> Package:
    """Take the page and its pictures. Raises BadSource; pictures that came in before it did stay in the library."""
    try:
        with zipfile.ZipFile(BytesIO(raw)) as folder:
            return _read(folder, by)
    except _DAMAGED as error:
        raise BadSource("The ZIP file cannot be opened. Pack it again, without a password.") from error


def _read(folder: zipfile.ZipFile, by: User | None) -> Package:
    files = {name: info for info in folder.infolist() if not info.is_dir() and (name := _tidy(info.filename))}
    if len(files) > MOST_FILES:
        raise BadSource(f"The ZIP file has more than {MOST_FILES} files. Pack only the page and its pictures.")
    if sum(info.file_size for info in files.values()) > MOST_OCTETS:
        raise BadSource("Unpacked, the ZIP file is larger than 40 MB. Pack only the page and its pictures.")
    page = _page_of(list(files))
    kind, source = read_source(_unpacked(folder, files[page]))
    wanted = {to: posixpath.normpath(posixpath.join(posixpath.dirname(page), _path(to))) for to in _pictures_of(source)}
    there = {to: place for to, place in wanted.items() if place in files}
    if len(set(there.values())) > MOST_PICTURES:
        raise BadSource(f"The page shows more than {MOST_PICTURES} pictures. A letter needs far fewer.")
    urls = {place: _take(folder, files[place], place, by) for place in dict.fromkeys(there.values())}
    settled = _NAMED.sub(lambda found: found["before"] + _settled(found["to"], there, urls), source)
    return Package(kind, settled, len(urls), tuple(to for to in wanted if to not in there))


def _tidy(name: str) -> str:
    """The place of a file in the ZIP; empty for what systems add to it."""
    tidy = posixpath.normpath(name.replace("\\", "/"))
    hidden = any(part.startswith((".", "__MACOSX")) for part in tidy.split("/"))
    return "" if hidden or tidy.startswith("/") else tidy


def _page_of(names: list[str]) -> str:
    """The only page, or of several the one called index; the one that lies highest first."""
    pages = sorted((name for name in names if name.lower().endswith(_PAGES)), key=lambda name: (name.count("/"), name))
    named_so = [name for name in pages if posixpath.basename(name).lower().startswith("index.")]
    if not pages:
        raise BadSource("There is no .html or .mjml file in the ZIP file.")
    if len(pages) > 1 and not named_so:
        raise BadSource("There are several pages in the ZIP file. Leave one, or call the right one index.html.")
    return (named_so or pages)[0]


def _pictures_of(source: str) -> list[str]:
    """What the page names beside itself: no whole addresses, no tags, each once."""
    found = dict.fromkeys(match["to"] for match in _NAMED.finditer(source))
    return [
        to for to in found if _path(to).lower().endswith(_SHOWN) and not re.match(r"[a-z][\w+.-]*:|//|/|#|\{", to, re.I)
    ]


def _path(to: str) -> str:
    return unquote(to.split("?")[0].split("#")[0])


def _take(folder: zipfile.ZipFile, info: zipfile.ZipInfo, place: str, by: User | None) -> str:
    name = posixpath.basename(place)
    try:
        return str(media.add(file=BytesIO(_unpacked(folder, info)), name=name, by=by).file.url)
    except media.BadPicture as error:
        raise BadSource(f"{name}: {error}") from error


def _unpacked(folder: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """No more than was announced and allowed, whatever the header says."""
    with folder.open(info) as file:
        raw = file.read(MOST_OCTETS + 1)
    if len(raw) > MOST_OCTETS:
        raise BadSource("Unpacked, the ZIP file is larger than 40 MB. Pack only the page and its pictures.")
    return raw


def _settled(to: str, there: dict[str, str], urls: dict[str, str]) -> str:
    return urls[there[to]] if to in there else to
