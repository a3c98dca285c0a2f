"""What kind of file is this? Encoding, delimiter and header of a CSV that nobody described."""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from itertools import islice

from charset_normalizer import from_bytes

from audiences.pure.addresses import BadAddress, bare_address, normalise
from words import gettext as _

DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_ROWS = 60

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# The letters that names have in the encodings of Latin script that office programs write where UTF-8 is not usual.
# A few with an accent don't make a Western file of a Polish one: nine in ten must belong. Most common first.
_SIGNS = "’‘“”„–—…€«»°ºª·´§&©®™\u00a0"
_LETTERS = {
    "cp1252": "äöüßéèêëàâáãåæçíìîïñóòôõøœúùûýÿðþšžÄÖÜÉÈÊËÀÂÁÃÅÆÇÍÌÎÏÑÓÒÔÕØŒÚÙÛÝŸÐÞŠŽ¿¡",
    "cp1250": "ąćęłńóśźżáčďéěíňřšťúůýžäöüßőűľĺŕôâăîşţđĄĆĘŁŃÓŚŹŻÁČĎÉĚÍŇŘŠŤÚŮÝŽÄÖÜŐŰĽĹŔÔÂĂÎŞŢĐ",
    "cp1254": "çğıöşüâîûÇĞİÖŞÜÂÎÛ",
}
# Other scripts, told apart by how often their letters follow each other.
_OTHER_SCRIPTS = ["cp1251", "cp1253", "cp1255", "cp1256", "cp932", "gb18030", "euc_kr", "big5", "koi8_r"]
_RUN = re.compile(r"[^\x00-\x7f]{3,}")

# The first bytes of files that people upload in place of CSV.
_NOT_TEXT = (
    (b"PK\x03\x04", "This is a ZIP archive. Unpack it and upload the CSV or XLSX inside."),
    (b"PK\x05\x06", "This is an empty ZIP archive."),
    (b"\xd0\xcf\x11\xe0", "This is an old Excel workbook (XLS). Save the sheet as CSV and upload that."),
    (b"\x1f\x8b", "This file is compressed (gzip). Unpack it and upload the CSV inside."),
    (b"BZh", "This file is compressed (bzip2). Unpack it and upload the CSV inside."),
    (b"\xfd7zXZ", "This file is compressed (xz). Unpack it and upload the CSV inside."),
    (b"7z\xbc\xaf", "This is a 7-Zip archive. Unpack it and upload the CSV inside."),
    (b"Rar!", "This is a RAR archive. Unpack it and upload the CSV inside."),
    (b"%PDF", "This is a PDF. Export the people as CSV from where it was made."),
    (b"\x89PNG", "This is a picture."),
    (b"\xff\xd8\xff", "This is a picture."),
    (b"{\\rtf", "This is a text document (RTF). Save the people as CSV."),
    (b"SQLite format 3", "This is a database file. Export the people as CSV."),
)


def refusal(head: bytes) -> str:
    """Why a file with these first bytes can't be a CSV, in a sentence, or an empty string."""
    if not head.strip(b"\r\n\t \x00"):
        return _("The file is empty.")
    return next((sentence for magic, sentence in _NOT_TEXT if head.startswith(magic)), "")


def encoding_of(sample: bytes) -> str:
    """The name of a Python codec, from a sample that holds the file's beginning and some of its non-ASCII lines."""
    for bom, name in _BOMS:
        if sample.startswith(bom):
            return name
    wide = _utf16_without_bom(sample)
    if wide:
        return wide
    if _mostly_utf8(sample):
        return "utf-8"
    latin = next((codec for codec in _LETTERS if _looks_latin(sample, codec)), "")
    return latin or _other_script(sample)


def _utf16_without_bom(sample: bytes) -> str:
    """Text of mostly Latin letters has a zero in every second byte."""
    head = sample[: 2 * (min(len(sample), 4000) // 2)]
    if len(head) < 4:
        return ""
    half = len(head) // 2
    if head[1::2].count(0) > 0.4 * half and head[0::2].count(0) < 0.1 * half:
        return "utf-16-le"
    if head[0::2].count(0) > 0.4 * half and head[1::2].count(0) < 0.1 * half:
        return "utf-16-be"
    return ""


def _mostly_utf8(sample: bytes) -> bool:
    """A few broken bytes in a UTF-8 file are a few bad rows, not another encoding."""
    text = sample.decode("utf-8", "surrogateescape")
    broken = sum("\udc80" <= character <= "\udcff" for character in text)
    whole = sum(character > "\x7f" for character in text) - broken
    return broken == 0 or whole > 4 * broken


def _looks_latin(sample: bytes, codec: str) -> bool:
    """Read in this encoding: letters that names have there, and seldom three of them in a row."""
    text = sample.decode(codec, "replace")
    strange = [character for character in text if character > "\x7f"]
    known = sum(character in _LETTERS[codec] or character in _SIGNS for character in strange)
    in_runs = sum(len(run) for run in _RUN.findall(text))
    return known >= 0.9 * len(strange) and in_runs <= 0.5 * len(strange)


def _other_script(sample: bytes) -> str:
    best = from_bytes(sample, cp_isolation=_OTHER_SCRIPTS).best()
    return best.encoding if best is not None else "cp1252"


def delimiter_of(text: str) -> str:
    """Which of `, ; tab |` splits the beginning of a file into the steadiest columns; a comma when there is one."""
    said = re.match(r"sep=([,;\t|])\r?\n", text)
    if said:
        return said[1]
    return max(DELIMITERS, key=lambda delimiter: _steadiness(text, delimiter))


def _steadiness(text: str, delimiter: str) -> tuple[float, int]:
    rows = [row for row in _rows(text, delimiter) if any(row)]
    # The last row of a sample may be cut.
    widths = Counter(len(row) for row in (rows[:-1] if len(rows) > 2 else rows))
    if not widths:
        return 0.0, 0
    width, count = max(widths.items(), key=lambda item: (item[1], item[0]))
    return (0.0, 0) if width < 2 else (count / widths.total(), width)


def _rows(text: str, delimiter: str) -> list[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        return list(islice(reader, _SAMPLE_ROWS))
    except csv.Error:
        return []


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Is the first row names of columns? Yes, unless it holds an address itself, or nothing but numbers and blanks."""
    if not rows:
        return False
    first = [cell.strip() for cell in rows[0]]
    return any(cell and not cell.replace(".", "").isdigit() for cell in first) and not any(map(is_address, first))


def is_address(cell: str) -> bool:
    try:
        normalise(bare_address(cell))
    except BadAddress:
        return False
    return True
