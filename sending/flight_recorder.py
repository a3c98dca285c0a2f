"""What each connection of this process has in hand, in a file that outlives the process: read after a crash.

The file is mapped memory: writing costs no system call, and what was written before a `kill -9` or a crash is there
afterwards. The process holds a lock on it for as long as it lives, stopped or not, so that nobody reads the file of a
living one; an orderly end removes it. What was written before this machine last started is not of a crash of ours.
"""

import fcntl
import logging
import mmap
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum
from pathlib import Path
from struct import Struct
from typing import NamedTuple

log = logging.getLogger(__name__)

SLOTS = 1024
_HEADER = Struct("<8s16s")
_MAGIC = b"lp-rec-2"
_SLOT = Struct("<qqqqiii4xqii")
_SLOT_SIZE = 64
_SIZE = _SLOT_SIZE * (SLOTS + 1)
_AHEAD = Struct("<q")
_STATE = Struct("<i")
_TAKEN = Struct("<qqqqii")
_AHEAD_AT, _STATE_AT, _DOTTED_AT, _DOTTED_ATTEMPT_AT, _CODE_AT = 24, 40, 48, 56, 60


class State(IntEnum):
    """How far the message in hand has come. Each is written before what it says is done, save `HEARD`."""

    NOTHING = 0
    IN_HAND = 1
    DOT = 2
    HEARD = 3


class LastSeen(NamedTuple):
    """What one connection had in hand. `ahead`: the delivery whose letter was being written meanwhile, else 0.

    `dotted`, `dotted_attempt`: the last of this batch whose final dot may have left, else 0; whoever is in hand by now
    may be another. `code`: of the answer to that dot, once it was heard.
    """

    mailing: int
    batch: int
    delivery: int
    ahead: int
    epoch: int
    attempt: int
    state: int
    dotted: int
    dotted_attempt: int
    code: int


class Slot:
    """One connection's place. Only its own thread writes it."""

    def __init__(self, memory: "mmap.mmap | bytearray", at: int) -> None:
        self._memory, self._at = memory, at
        self._in_hand = (0, 0)

    def takes(self, *, mailing: int, batch: int, epoch: int, delivery: int, attempt: int) -> None:
        """This delivery is in hand from now on."""
        self.lays_down()
        _TAKEN.pack_into(self._memory, self._at, mailing, batch, delivery, 0, epoch, attempt)
        self._in_hand = (delivery, attempt)
        _STATE.pack_into(self._memory, self._at + _STATE_AT, State.IN_HAND)

    def writes_ahead(self, delivery: int) -> None:
        """Its letter is being written while the receiver thinks; 0 when it is written."""
        _AHEAD.pack_into(self._memory, self._at + _AHEAD_AT, delivery)

    def writes_dot(self) -> None:
        """The final dot may leave from now on. What became of the one before is durable: the gate has seen to it."""
        delivery, attempt = self._in_hand
        _STATE.pack_into(self._memory, self._at + _CODE_AT, 0)
        _STATE.pack_into(self._memory, self._at + _DOTTED_ATTEMPT_AT, attempt)
        _AHEAD.pack_into(self._memory, self._at + _DOTTED_AT, delivery)
        _STATE.pack_into(self._memory, self._at + _STATE_AT, State.DOT)

    def hears(self, code: int) -> None:
        _STATE.pack_into(self._memory, self._at + _CODE_AT, code)
        _STATE.pack_into(self._memory, self._at + _STATE_AT, State.HEARD)

    def lays_down(self) -> None:
        """Nothing is in hand."""
        _STATE.pack_into(self._memory, self._at + _STATE_AT, State.NOTHING)

    def forgets(self) -> None:
        """The batch has ended: what was dotted is in the books."""
        self.lays_down()
        _AHEAD.pack_into(self._memory, self._at + _DOTTED_AT, 0)


class Recorder:
    """The file of one process. Where it cannot be written, the process works without: a crash then leaves no trace."""

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / f"{name}.flight"
        self._lock = threading.Lock()
        self._free = list(range(SLOTS, 0, -1))
        self._file = -1
        self._memory: mmap.mmap | bytearray = bytearray(_SIZE)
        try:
            self._make(folder)
        except OSError as error:
            log.warning("No record of what is in hand can be kept in %s: %s", folder, error.strerror)

    def _make(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self._path.with_suffix(".new")
        file = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Blocks of its own: a disk that is full later must not kill a process that writes into mapped memory.
            os.pwrite(file, bytes(_SIZE), 0)
            memory = mmap.mmap(file, _SIZE)
            _HEADER.pack_into(memory, 0, _MAGIC, _boot())
            new.rename(self._path)
        except OSError:
            os.close(file)
            raise
        self._file, self._memory = file, memory

    @contextmanager
    def slot(self) -> Iterator[Slot]:
        """A place for one connection, for the time of the block."""
        with self._lock:
            place = self._free.pop() if self._free else None
        slot = Slot(bytearray(_SLOT_SIZE), 0) if place is None else Slot(self._memory, place * _SLOT_SIZE)
        try:
            yield slot
        finally:
            slot.forgets()
            if place is not None:
                with self._lock:
                    self._free.append(place)

    def close(self) -> None:
        """The process ends in order: nothing is to be read afterwards."""
        if self._file >= 0:
            with suppress(FileNotFoundError):
                self._path.unlink()
            os.close(self._file)
            self._file = -1


@contextmanager
def of_the_dead(folder: Path) -> Iterator[list[LastSeen]]:
    """What processes of this machine had in hand when they died. Forgotten when the block ends without an error."""
    dead: list[tuple[Path, int]] = []
    found: list[LastSeen] = []
    try:
        for path in sorted(folder.glob("*.flight")):
            with suppress(FileNotFoundError):
                file = os.open(path, os.O_RDONLY)
                if not _is_free(file):
                    os.close(file)
                    continue
                dead.append((path, file))
                found += _read(os.pread(file, _SIZE, 0))
        yield found
        for path, _ in dead:
            path.unlink(missing_ok=True)
    finally:
        for _, file in dead:
            os.close(file)


def _is_free(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(octets: bytes) -> list[LastSeen]:
    """Nothing of a file that is damaged, or from before this machine was started."""
    if len(octets) != _SIZE or _HEADER.unpack_from(octets) != (_MAGIC, _boot()):
        return []
    slots = (LastSeen(*_SLOT.unpack_from(octets, place * _SLOT_SIZE)) for place in range(1, SLOTS + 1))
    return [slot for slot in slots if slot.state in (State.IN_HAND, State.DOT, State.HEARD)]


def _boot() -> bytes:
    """Which start of this machine this is; nothing where the system does not say."""
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    except OSError:
        return bytes(16)
    return bytes.fromhex(text.strip().replace("-", ""))
