"""A sending service's API on loopback: answers as recorded, and remembers every call."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

DATA = Path(__file__).resolve().parents[1] / "data" / "esp"


def exchanges(esp: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DATA / f"{esp}.json").read_text())
    return found


def filled(template: Any, **values: str) -> Any:
    """The recorded shape with these values in its places; numbers stay numbers."""
    if isinstance(template, dict):
        return {key: filled(value, **values) for key, value in template.items()}
    if isinstance(template, str):
        for name, value in values.items():
            template = template.replace("{" + name + "}", value)
    return template


@dataclass
class Call:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def fields(self) -> dict[str, Any]:
        """JSON as it is; a form as one value per name."""
        kind = self.headers.get("content-type", "")
        if "json" in kind:
            found: dict[str, Any] = json.loads(self.body)
            return found
        if "multipart" not in kind:
            return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}
        parts = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + self.body)
        return {
            str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True)
            for part in parts.walk()
            if not part.is_multipart()
        }


Answer = dict[str, Any] | Callable[[Call], dict[str, Any] | None]


@dataclass
class FakeApi:
    """`answer`: a recorded exchange, or a function of the call; None means that the connection is dropped."""

    answer: Answer
    url: str = ""
    calls: list[Call] = field(default_factory=list)

    def respond(self, call: Call) -> dict[str, Any] | None:
        self.calls.append(call)
        return self.answer(call) if callable(self.answer) else self.answer


@contextmanager
def answering(answer: Answer) -> Iterator[FakeApi]:
    api = FakeApi(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            call = Call(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            said = api.respond(call)
            if said is None:
                self.close_connection = True
                return
            text = (said["text"] if "text" in said else json.dumps(said.get("body", {}))).encode()
            self.send_response(said["status"])
            for name, value in {**said.get("headers", {}), "Content-Length": str(len(text))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST  # noqa: N815 - the name that http.server asks for

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    api.url = f"http://127.0.0.1:{server.server_address[1]}/v3/"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
