"""A receiver of mail in threads, scripted per recipient: the truth that our rows are compared with."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Reply = str | Callable[["Receiver", str], str | None]


@dataclass
class Script:
    """Replies by phase; a callable gets the receiver and the recipient, and may return None for "say nothing"."""

    greeting: Reply = "220 mx.test ESMTP"
    mail: Reply = "250 2.1.0 Ok"
    rcpt: Reply = "250 2.1.5 Ok"
    data: Reply = "354 Go ahead"
    dot: Reply = "250 2.0.0 Ok: queued as Q1"
    # Close the connection instead of answering, in these phases.
    close_in: frozenset[str] = frozenset()
    pipelining: bool = True
    # Ask for content even where every recipient was refused.
    data_for_nobody: bool = False
    dot_delay: float = 0.0


@dataclass
class Receiver:
    script: Script
    accepted: Counter[str] = field(default_factory=Counter)
    dots: list[tuple[float, str]] = field(default_factory=list)
    messages: dict[str, bytes] = field(default_factory=dict)
    # Content that came although no recipient was taken.
    for_nobody: list[bytes] = field(default_factory=list)
    connections: int = 0
    commands: list[str] = field(default_factory=list)
    sources: set[str] = field(default_factory=set)
    port: int = 0

    def serve(self, connection: socket.socket) -> None:
        self.connections += 1
        self.sources.add(connection.getpeername()[0])
        try:
            with connection, connection.makefile("rb") as lines:
                self._talk(connection, lines)
        except OSError:
            pass

    def _talk(self, connection: socket.socket, lines) -> None:
        recipient = ""
        is_taken = False
        if not self._say(connection, "greeting", recipient):
            return
        for raw in lines:
            line = raw.decode().strip()
            self.commands.append(line)
            verb = line.upper()
            if verb.startswith(("EHLO", "HELO")):
                extensions = (
                    "250-mx.test\r\n250-PIPELINING\r\n250 8BITMIME" if self.script.pipelining else "250 mx.test"
                )
                connection.sendall(f"{extensions}\r\n".encode())
            elif verb.startswith("MAIL"):
                if not self._say(connection, "mail", recipient):
                    return
            elif verb.startswith("RCPT"):
                recipient = line[line.index("<") + 1 : line.index(">")]
                if not self._say(connection, "rcpt", recipient):
                    return
                is_taken = str(self._reply("rcpt", recipient)).startswith("2")
            elif verb == "DATA" and not is_taken:
                self._nobodys(connection, lines)
            elif verb == "DATA":
                is_taken = False
                if not self._say(connection, "data", recipient):
                    return
                if str(self._reply("data", recipient)).startswith("354") and not self._content(
                    connection, lines, recipient
                ):
                    return
            elif verb == "QUIT":
                connection.sendall(b"221 Bye\r\n")
                return
            else:
                connection.sendall(b"250 Ok\r\n")

    def _nobodys(self, connection: socket.socket, lines) -> None:
        if self.script.data_for_nobody:
            connection.sendall(b"354 Go ahead\r\n")
            self.for_nobody.append(b"".join(iter(lines.readline, b".\r\n")))
        connection.sendall(b"554 5.5.1 No valid recipients\r\n")

    def _content(self, connection: socket.socket, lines, recipient: str) -> bool:
        content = []
        for raw in lines:
            if raw == b".\r\n":
                break
            content.append(raw[1:] if raw.startswith(b".") else raw)
        else:
            return False
        self.dots.append((time.time(), recipient))
        self.messages[recipient] = b"".join(content)
        time.sleep(self.script.dot_delay)
        said = self._reply("dot", recipient)
        if said is not None and said.startswith("2"):
            self.accepted[recipient] += 1
        if "dot" in self.script.close_in:
            return False
        if said is not None:
            connection.sendall(f"{said}\r\n".encode())
        return True

    def _say(self, connection: socket.socket, phase: str, recipient: str) -> bool:
        said = self._reply(phase, recipient)
        if phase in self.script.close_in or said is None:
            return False
        connection.sendall(f"{said}\r\n".encode())
        return True

    def _reply(self, phase: str, recipient: str) -> str | None:
        reply = getattr(self.script, phase)
        said: str | None = reply(self, recipient) if callable(reply) else reply
        return said


@contextmanager
def receiving(script: Script | None = None, ip: str = "127.0.0.1", port: int = 0) -> Iterator[Receiver]:
    """A receiver listening on an address of its own for the time of the block."""
    receiver = Receiver(script or Script())
    listener = socket.create_server((ip, port), backlog=128)
    receiver.port = listener.getsockname()[1]

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.settimeout(30)
            threading.Thread(target=receiver.serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield receiver
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
