"""The accepted messages themselves: the last few of each address, in memory or in a folder."""

import hashlib
from collections import OrderedDict, deque
from pathlib import Path


class Mailbox:
    """In memory at most `max_bytes` in all, the oldest addresses forgotten first; with a `folder`, on disk and all of
    them.
    """

    def __init__(self, *, per_address: int, max_bytes: int, folder: Path | None) -> None:
        self._per_address = per_address
        self._max_bytes = max_bytes
        self._folder = folder
        self._kept: OrderedDict[str, deque[bytes]] = OrderedDict()
        self._bytes = 0

    def keep(self, address: str, raw: bytes) -> None:
        if self._folder:
            self._store(self._folder_of(address), raw)
            return
        if not self._per_address:
            return
        box = self._kept.setdefault(address, deque())
        self._kept.move_to_end(address)
        box.append(raw)
        self._bytes += len(raw)
        if len(box) > self._per_address:
            self._bytes -= len(box.popleft())
        while self._bytes > self._max_bytes and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= sum(map(len, oldest))

    def of(self, address: str) -> list[bytes]:
        """Kept messages of an address, oldest first."""
        if self._folder:
            return [path.read_bytes() for path in sorted(self._folder_of(address).glob("*.eml"))]
        return list(self._kept.get(address, ()))

    def addresses(self) -> list[str]:
        """Addresses with messages in memory, the latest last."""
        return list(self._kept)

    def _folder_of(self, address: str) -> Path:
        assert self._folder is not None
        return self._folder / hashlib.blake2b(address.encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()

    def _store(self, folder: Path, raw: bytes) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{len(list(folder.iterdir())):06d}.eml").write_bytes(raw)
