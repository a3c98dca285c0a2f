"""The control API: HTTP and JSON on loopback, to look into a running lab and to change it."""

import asyncio
import base64
import contextlib
import json
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from lab.persona import BadPersona, as_values
from lab.zone import BadRecord

if TYPE_CHECKING:
    from lab.running import Lab

MAX_BODY = 4_000_000
REQUEST_SECONDS = 30


class NotThere(LookupError):
    """No such persona, page or address."""


class Control:
    def __init__(self, lab: "Lab") -> None:
        self._lab = lab
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        self._server = await asyncio.start_server(self._serve, host, port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(
            OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError
        ):
            async with asyncio.timeout(REQUEST_SECONDS):
                method, target, body = await _request(reader)
                status, answer = self._answer(method, target, body)
                writer.write(_response(status, answer))
                await writer.drain()
        writer.close()

    def _answer(self, method: str, target: str, body: bytes) -> tuple[HTTPStatus, Any]:
        try:
            return HTTPStatus.OK, self._act(method, target, json.loads(body or b"null"))
        except NotThere as error:
            return HTTPStatus.NOT_FOUND, {"error": str(error)}
        except (BadPersona, BadRecord) as error:
            return HTTPStatus.UNPROCESSABLE_ENTITY, {"error": str(error)}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return HTTPStatus.BAD_REQUEST, {"error": f"The request cannot be understood: {error}"}

    def _act(self, method: str, target: str, body: Any) -> Any:
        parts = urlsplit(target)
        head, _, rest = parts.path.strip("/").partition("/")
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        act = ROUTES.get((method, head))
        if act is None:
            raise NotThere(f"There is no {method} {parts.path}.")
        return act(self._lab, unquote(rest), asked, body)


def _healthz(lab: "Lab", rest: str, asked: dict[str, str], body: Any) -> Any:
    return {"state": "ok", **lab.addresses()}


def _ledger(lab: "Lab", rest: str, asked: dict[str, str], body: Any) -> Any:
    live = {key: dict(+reception.counts.connections) for key, reception in lab.receptions.items()}
    return {**lab.recorder.summary(), "connections_open": live, "reports_waiting": lab.courier.waiting}


def _personas(lab: "Lab", rest: str, asked: dict[str, str], body: Any) -> Any:
    if not rest:
        return {key: as_values(reception.declared) for key, reception in lab.receptions.items()}
    return as_values(_reception(lab, rest).declared)


def _change_persona(lab: "Lab", rest: str, asked: dict[str, str], body: Any) -> Any:
    _reception(lab, rest).change(dict(body))
    lab.recorder.write("changed", rest, values=body)
    return as_values(_reception(lab, rest).declared)


def _reception(lab: "Lab", key: str) -> Any:
    if key not in lab.receptions:
        raise NotThere(f"There is no persona {key!r}; there are {', '.join(lab.receptions)}.")
    return lab.receptions[key]


def _dns(lab: "Lab", rest: str, asked: dict[str, str], body: Any) -> Any:
    return {"records": [record.__dict__ for record in lab.zone.records()], "failures": lab.zone.failures()}


def _change_dns(lab: "Lab", rest: str, asked: dict[str, str], body: Any) -> Any:
    """POST /dns/records adds, PUT /dns/records replaces all of a name and type, POST /dns/failures sets or (mode
    null) lifts a failure.
    """
    items = body if isinstance(body, list) else [body]
    for item in items:
        _change_one(lab, rest, item)
    return {"changed": len(items)}


def _change_one(lab: "Lab", rest: str, item: dict[str, Any]) -> None:
    if rest == "failures":
        lab.zone.fail(item["name"], item.get("mode"))
    elif rest == "records" and "values" in item:
        lab.zone.put(item["name"], item["type"], list(item["values"]), int(item.get("ttl", 60)))
    elif rest == "records":
        lab.zone.add(item["name"], item["type"], item["value"], int(item.get("ttl", 60)))
    else:
        raise NotThere(f"There is no /dns/{rest}.")


def _messages(lab: "Lab", rest: str, asked: dict[str, str], body: Any) -> Any:
    if "to" not in asked:
        return {"addresses": lab.mailbox.addresses()}
    kept = lab.mailbox.of(asked["to"].lower())
    return {
        "to": asked["to"],
        "messages": [
            {"text": raw.decode("utf-8", "replace"), "base64": base64.b64encode(raw).decode()} for raw in kept
        ],
    }


def _advance(lab: "Lab", rest: str, asked: dict[str, str], body: Any) -> Any:
    if rest != "advance":
        raise NotThere(f"There is no /clock/{rest}.")
    lab.advance(float(body["seconds"]))
    return {"now": lab.clock.wall()}


ROUTES: dict[tuple[str, str], Callable[["Lab", str, dict[str, str], Any], Any]] = {
    ("GET", "healthz"): _healthz,
    ("GET", "ledger"): _ledger,
    ("GET", "personas"): _personas,
    ("PUT", "personas"): _change_persona,
    ("GET", "dns"): _dns,
    ("POST", "dns"): _change_dns,
    ("PUT", "dns"): _change_dns,
    ("GET", "messages"): _messages,
    ("POST", "clock"): _advance,
}


async def _request(reader: asyncio.StreamReader) -> tuple[str, str, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    size = int(headers.get("content-length", "0"))
    if not 0 <= size <= MAX_BODY:
        raise ValueError("body too large")
    return method, target, await reader.readexactly(size)


def _response(status: HTTPStatus, answer: Any) -> bytes:
    body = json.dumps(answer, indent=1).encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
