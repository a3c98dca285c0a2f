"""A journal on this machine's disk, for what must not be lost while the database is away or when it is restored.

One file of lines, each a JSON object behind its checksum. Several processes append (a lock, then one write at the end,
then fsync); who carries the lines out first moves the file away, so that appending waits for nobody. A line torn by a
power cut, or damaged otherwise, is kept aside and holds up none of the others.
"""

import fcntl
import json
import logging
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.db import connection

log = logging.getLogger(__name__)

Entry = dict[str, Any]


class JournalFull(OSError):
    """There is no more room than this journal may take."""


class Unfit(Exception):
    """An entry that cannot be carried out, now or later; it is kept aside."""


def folder() -> Path:
    """Of this database: what is written down names rows of it."""
    return _folder(str(settings.VAR_DIR), str(connection.settings_dict["NAME"]))


@lru_cache(maxsize=8)
def _folder(var_dir: str, database: str) -> Path:
    # Gates ask with every statement.
    return Path(var_dir) / "journal" / quote(database, safe="")


class Journal:
    """`most`: octets the file may have. From half of that on the log says so, at every line."""

    def __init__(self, path: Path, *, most: int) -> None:
        self.path, self._most = path, most

    def append(self, *entries: Entry) -> None:
        """Durable when this returns. Raises OSError; JournalFull when there is no room."""
        lines = b"".join(map(_line, entries))
        with self._locked() as file:
            size = os.fstat(file).st_size
            if size + len(lines) > self._most:
                log.critical("%s is full (%s octets): what it should keep is refused", self.path, size)
                raise JournalFull(f"{self.path} is full")
            if size > self._most // 2:
                log.error("%s fills up: %s of %s octets", self.path, size, self._most)
            # A write that was torn must not take the next line along.
            torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
            _write(file, b"\n" + lines if torn else lines)
            os.fsync(file)

    def read(self) -> list[Entry]:
        """All whole entries, in order; what is damaged is left where it is."""
        try:
            return [entry for entry in map(_entry, self.path.read_bytes().splitlines()) if entry is not None]
        except FileNotFoundError:
            return []

    def is_waiting(self) -> bool:
        """Is there anything that was not carried out yet? Cheap: gates ask with every statement."""
        try:
            with os.scandir(self.path.parent) as found:
                return any(each.name == self.path.name or self._is_taken(each.name) for each in found)
        except (FileNotFoundError, NotADirectoryError):
            return False

    def carry_out(self, act: Callable[[Entry], None]) -> int:
        """Call `act` for every entry, oldest first; returns how many were carried out.

        What `act` raises ends it, and all of this file's entries come again next time, so `act` must bear being
        repeated; `Unfit` keeps the entry aside. Nothing happens while another process is at it.
        """
        self._move_away()
        return sum(self._carry_out_of(path, act) for path in self._taken())

    def _carry_out_of(self, path: Path, act: Callable[[Entry], None]) -> int:
        n = 0
        with suppress(FileNotFoundError), path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return 0
            for line in file.read().splitlines():
                if (entry := _entry(line)) is None:
                    self._keep_aside(line, "damaged")
                    continue
                try:
                    act(entry)
                    n += 1
                except Unfit as error:
                    self._keep_aside(line, str(error))
            path.unlink(missing_ok=True)
        return n

    def _move_away(self) -> None:
        if self.path.exists():
            with self._locked():
                numbers = [int(path.suffix[1:]) for path in self._taken()]
                self.path.rename(self.path.with_suffix(f".{max(numbers, default=0) + 1}"))

    def _taken(self) -> list[Path]:
        """Files that were moved away, oldest first."""
        found = [path for path in self.path.parent.glob(f"{self.path.stem}.*") if self._is_taken(path.name)]
        return sorted(found, key=lambda path: int(path.suffix[1:]))

    def _is_taken(self, name: str) -> bool:
        stem, _, number = name.rpartition(".")
        return stem == self.path.stem and number.isdecimal()

    def _keep_aside(self, line: bytes, why: str) -> None:
        if not line.strip():
            return
        log.error("A line of %s is kept aside: %s", self.path, why)
        with open(self.path.with_suffix(".aside"), "ab", opener=_private) as aside:
            aside.write(line + b"\n")
            aside.flush()
            os.fsync(aside.fileno())

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The file, open at its end and locked: the one that bears the name, not one that was moved away meanwhile."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                if _is_same(file, self.path):
                    _sync_folder(self.path.parent)
                    yield file
                    return
            finally:
                os.close(file)


def _line(entry: Entry) -> bytes:
    text = json.dumps(entry, ensure_ascii=True, separators=(",", ":"))
    return f"{zlib.crc32(text.encode()):08x} {text}\n".encode()


def _entry(line: bytes) -> Entry | None:
    checksum, _, text = line.partition(b" ")
    try:
        if int(checksum, 16) != zlib.crc32(text):
            return None
        entry = json.loads(text)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def _write(file: int, octets: bytes) -> None:
    while octets:
        octets = octets[os.write(file, octets) :]


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _is_same(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _sync_folder(folder: Path) -> None:
    """A new file's name is durable only with its folder."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
