"""SMTP over one connection: the standard library's client with pipelining, whole-reply time limits and exact replies.

`smtplib` waits per read, so that a receiver who sends a byte a minute would hold a slot for ever; it takes any three
digits for a code, and it hides what is certain: was the dot written, and what exactly came back? Reading is therefore
done here; EHLO, STARTTLS and AUTH are the library's.
"""

import math
import smtplib
import socket
import ssl
import time

from sending import hub
from sending.pure.dialogue import (
    FINAL_DOT,
    LONGEST_LINE,
    Garbled,
    ReplyReader,
    SmtpReply,
    envelope_command,
    stuffed,
)
from sending.transports import ConnectionLost, CouldNotOpen, Letter, NoAnswer, Patience, Refusal

# More than this may block in the kernel; the dot is then written by itself, behind a grant that is still fresh.
GOES_IN_ONE_WRITE = 65536

_DATA = b"DATA\r\n"

_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Closed(OSError):
    """The receiver closed the connection."""


class Dialogue(smtplib.SMTP):
    """A connection that is already open. Raises OSError and Garbled; `getreply` keeps smtplib's own verbs working."""

    def __init__(self, sock: socket.socket, *, host: str, ehlo_name: str, patience: Patience) -> None:
        super().__init__(local_hostname=ehlo_name)
        self.sock = sock
        self._host = host
        self._patience = patience
        self._buffer = bytearray()
        self._tls_since: socket.socket | None = sock
        self._limited: tuple[socket.socket | None, int] = (None, 0)

    def getreply(self) -> tuple[int, bytes]:
        reply = self.read_reply(self._patience.command)
        return reply.code, reply.text.encode()

    def read_reply(self, seconds: float) -> SmtpReply:
        """One whole reply within so many seconds. Raises OSError (TimeoutError, Closed) and Garbled."""
        if self.sock is not self._tls_since:
            # What came in plain text after STARTTLS was not protected; a man in the middle may have put it there.
            self._buffer.clear()
            self._tls_since = self.sock
        deadline = time.monotonic() + seconds
        reader = ReplyReader()
        while True:
            if (reply := reader.take(self._line(deadline))) is not None:
                return reply

    def write(self, data: bytes, seconds: float) -> None:
        """All of `data`, within so many seconds. Raises OSError."""
        if (current := hub.strand()) is not None:
            self._write_in_hub(current, data, time.monotonic() + seconds)
        else:
            self._blocking(seconds).sendall(data)

    def close(self) -> None:
        if (current := hub.strand()) is not None:
            current.hub.forget(current)
        super().close()

    def _line(self, deadline: float) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > LONGEST_LINE:
                raise Garbled("a line without an end")
            self._buffer += self._receive(deadline)
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        if len(line) > LONGEST_LINE:
            raise Garbled("an endless line")
        return line.rstrip(b"\r")

    def _receive(self, deadline: float) -> bytes:
        if (current := hub.strand()) is not None:
            chunk = self._receive_in_hub(current, deadline)
        else:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("the receiver did not answer in time")
            chunk = self._blocking(left).recv(65536)
        if not chunk:
            raise Closed("the receiver closed the connection")
        return chunk

    def _receive_in_hub(self, current: hub.Strand, deadline: float) -> bytes:
        sock = self._limited_to(0)
        if not isinstance(sock, ssl.SSLSocket):
            # The answer is rarely there already; TLS may have read it ahead.
            current.hub.watch(current, sock, hub.READ, deadline)
        while True:
            try:
                return sock.recv(65536)
            except _WOULD_BLOCK as error:
                _watch(current, sock, error, hub.READ, deadline)

    def _write_in_hub(self, current: hub.Strand, data: bytes, deadline: float) -> None:
        sock = self._limited_to(0)
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[sock.send(rest) :]
            except _WOULD_BLOCK as error:
                _watch(current, sock, error, hub.WRITE, deadline)

    def _blocking(self, seconds: float) -> socket.socket:
        """The socket, with a time limit in whole seconds: each change is a system call, six for a message."""
        return self._limited_to(math.ceil(seconds))

    def _limited_to(self, seconds: int) -> socket.socket:
        if self.sock is None:
            raise Closed("the connection is closed")
        if self._limited != (self.sock, seconds):
            self.sock.settimeout(seconds)
            self._limited = (self.sock, seconds)
        return self.sock


def _watch(current: hub.Strand, sock: socket.socket, error: OSError, event: int, deadline: float) -> None:
    """Wait until the socket can do it; TLS may have to read before it can write, and the other way round."""
    if time.monotonic() >= deadline:
        raise TimeoutError("the receiver did not answer in time")
    if isinstance(error, ssl.SSLWantReadError):
        event = hub.READ
    elif isinstance(error, ssl.SSLWantWriteError):
        event = hub.WRITE
    current.hub.watch(current, sock, event, deadline)


class SmtpSession:
    """One connection on which messages are handed over (a `sending.transports.Session`)."""

    def __init__(self, dialogue: Dialogue, *, patience: Patience) -> None:
        self._dialogue = dialogue
        self._patience = patience
        self._pipelining = dialogue.has_extn("pipelining")
        self._rest: bytes | None = None
        # DATA was said, and perhaps answered with 354: only a message or the end of the connection gets out of that.
        self._data_said = False

    @property
    def tls_version(self) -> str:
        """`TLSv1.3`; empty where nothing is encrypted."""
        sock = self._dialogue.sock
        return (sock.version() or "") if isinstance(sock, ssl.SSLSocket) else ""

    def offer(self, letter: Letter, *, at_once: bool = False) -> None:
        self._rest = None
        self._mail = envelope_command("MAIL FROM", letter.mail_from)
        self._rcpt = envelope_command("RCPT TO", letter.rcpt_to)
        self._data_said = at_once and self._pipelining
        if self._pipelining:
            self._write("mail", self._mail + self._rcpt + (_DATA if self._data_said else b""))
        else:
            self._write("mail", self._mail)

    def hear_offer(self) -> Refusal | None:
        refusal = self._hear_envelope()
        if refusal is not None and self._data_said:
            self._leave_data(refusal)
        return refusal

    def _hear_envelope(self) -> Refusal | None:
        mail = self._read("mail")
        if not self._pipelining:
            if not mail.is_positive:
                return Refusal("mail", mail)
            self._write("rcpt", self._rcpt)
        rcpt = self._read("rcpt")
        if not mail.is_positive:
            return Refusal("mail", mail)
        return None if rcpt.is_positive else Refusal("rcpt", rcpt)

    def _leave_data(self, refusal: Refusal) -> None:
        """Hear what DATA came to after a refusal. A receiver that wants content for nobody gets a lone dot (RFC 2920,
        section 3.1); where it may still hold a recipient, that would be a message, and the connection ends instead."""
        try:
            asks_for_content = self._read("data").code == 354
            if asks_for_content and refusal.phase == "rcpt" and refusal.reply.code >= 400:
                self._write("data", FINAL_DOT)
                self._read("data")
            elif asks_for_content:
                self.drop()
        except ConnectionLost:
            pass  # what was refused is known all the same
        self._data_said = False

    def begin_content(self) -> Refusal | None:
        if not self._data_said:
            self._write("data", _DATA)
        reply = self._read("data")
        self._data_said = reply.code == 354
        return None if self._data_said else Refusal("data", reply)

    def send_ahead(self, letter: Letter) -> None:
        self._rest = _on_the_wire(letter)
        if len(self._rest) > GOES_IN_ONE_WRITE:
            self._write("data", self._rest)
            self._rest = b""

    def send_content(self, letter: Letter) -> None:
        rest = _on_the_wire(letter) if self._rest is None else self._rest
        self._write_dot(rest + FINAL_DOT)

    def hear_content(self) -> SmtpReply:
        try:
            reply = self._dialogue.read_reply(self._patience.dot)
            if reply.code < 400 and not reply.is_positive:
                raise Garbled(str(reply))
        except (OSError, Garbled) as error:
            self.drop()
            raise NoAnswer(str(error)) from error
        self._data_said = False
        return reply

    def take_back(self) -> None:
        if self._data_said:
            self.drop()
            raise ConnectionLost("data", "the receiver waits for a message that will not come")
        self._write("rset", b"RSET\r\n")
        self._read("rset")

    def quit(self) -> None:
        try:
            if not self._data_said:
                self._dialogue.write(b"QUIT\r\n", 2.0)
                self._dialogue.read_reply(2.0)
        except (OSError, Garbled):
            pass
        self.drop()

    def drop(self) -> None:
        self._dialogue.close()

    def _write(self, phase: str, data: bytes) -> None:
        try:
            self._dialogue.write(data, self._patience.command)
        except OSError as error:
            self.drop()
            raise ConnectionLost(phase, str(error)) from error

    def _write_dot(self, data: bytes) -> None:
        """A write that fails half-way may have taken the dot along: the kernel does not say."""
        try:
            self._dialogue.write(data, self._patience.command)
        except OSError as error:
            self.drop()
            raise NoAnswer(str(error)) from error

    def _read(self, phase: str) -> SmtpReply:
        try:
            return self._dialogue.read_reply(self._patience.command)
        except (OSError, Garbled) as error:
            self.drop()
            raise ConnectionLost(phase, str(error)) from error


def _on_the_wire(letter: Letter) -> bytes:
    return letter.content if letter.is_stuffed else stuffed(letter.content)


def greet(dialogue: Dialogue, patience: Patience) -> None:
    """Greeting and EHLO (HELO where EHLO is unknown). Raises CouldNotOpen."""
    try:
        greeting = dialogue.read_reply(patience.command)
        if not greeting.is_positive:
            raise CouldNotOpen(str(greeting), Refusal("connect", greeting))
        _say_hello(dialogue)
    except (OSError, Garbled, smtplib.SMTPException) as error:
        raise CouldNotOpen(f"The server did not greet properly: {error}") from error


def start_tls(dialogue: Dialogue, context: ssl.SSLContext) -> None:
    """STARTTLS and EHLO once more. Raises CouldNotOpen."""
    try:
        code, text = dialogue.starttls(context=context)
        if code != 220:
            raise CouldNotOpen("STARTTLS was refused", Refusal("starttls", SmtpReply(code, text.decode())))
        _say_hello(dialogue)
    except (OSError, Garbled, smtplib.SMTPException, ValueError) as error:
        raise CouldNotOpen(f"TLS could not be started: {error}") from error


def _say_hello(dialogue: Dialogue) -> None:
    code, text = dialogue.ehlo()
    if code >= 500:
        code, text = dialogue.helo()
    if not 200 <= code < 300:
        raise CouldNotOpen(f"{code} {text.decode()}", Refusal("ehlo", SmtpReply(code, text.decode())))
