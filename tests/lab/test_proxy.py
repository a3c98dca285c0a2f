"""The proxy does to connections what it says, and only to those that were drawn."""

import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from lab.proxy import Proxy, Trouble, Upstream, Way, running_proxies


class Echo(socketserver.StreamRequestHandler):
    heard: list[bytes] = []

    def handle(self) -> None:
        while data := self.request.recv(65536):
            self.heard.append(data)
            self.request.sendall(data.upper())


@pytest.fixture
def upstream() -> Iterator[int]:
    Echo.heard = []
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def proxy(upstream: int) -> Iterator[Proxy]:
    with running_proxies(seed=3) as start:
        yield start("echo", [Way("127.0.0.1", 0, Upstream("127.0.0.1", upstream))])


def connected(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.ports[0]), 5)


def wait_until(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < until, Echo.heard
        time.sleep(0.01)


def hears(sock: socket.socket, wanted: bytes) -> bool:
    found = b""
    while len(found) < len(wanted) and (more := sock.recv(100)):
        found += more
    return found == wanted


def test_without_trouble_everything_passes(proxy: Proxy) -> None:
    with connected(proxy) as sock:
        sock.sendall(b"hello")
        assert hears(sock, b"HELLO")


def test_a_cut_after_so_many_bytes_lets_exactly_these_pass(proxy: Proxy) -> None:
    proxy.trouble(Trouble("cut", towards="server", after_bytes=3))
    with connected(proxy) as sock:
        sock.sendall(b"hello")
        while sock.recv(100):
            pass
    # The server may hear of it a moment after the client.
    wait_until(lambda: b"".join(Echo.heard) == b"hel")
    assert proxy.n_troubled == 1


def test_a_reply_is_lost_where_its_bytes_pass_though_the_server_has_acted(proxy: Proxy) -> None:
    with connected(proxy) as sock:
        sock.sendall(b"begin ")
        assert hears(sock, b"BEGIN ")
        proxy.trouble(Trouble("reset", towards="client", at=b"COMMIT"))
        sock.sendall(b"commit")
        with pytest.raises(ConnectionResetError):
            sock.recv(100)
    assert Echo.heard[-1] == b"commit"


def test_what_is_held_arrives_when_the_trouble_is_over(proxy: Proxy) -> None:
    proxy.trouble(Trouble("hold", towards="client"))
    with connected(proxy) as sock:
        sock.sendall(b"hello")
        sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            sock.recv(100)
        proxy.trouble(None)
        sock.settimeout(5)
        assert hears(sock, b"HELLO")


def test_what_is_dropped_never_arrives(proxy: Proxy) -> None:
    with connected(proxy) as sock:
        proxy.trouble(Trouble("drop", towards="server"))
        sock.sendall(b"lost")
        wait_until(lambda: proxy.n_troubled)
        proxy.trouble(None)
        sock.sendall(b"found")
        assert hears(sock, b"FOUND")
    assert b"".join(Echo.heard) == b"found"


def test_at_most_so_many_connections_are_troubled(proxy: Proxy) -> None:
    proxy.trouble(Trouble("cut", towards="server", most=1))
    answers = []
    for _ in range(3):
        with connected(proxy) as sock:
            sock.sendall(b"hello")
            answers.append(sock.recv(100))
    assert answers == [b"", b"HELLO", b"HELLO"]


def test_the_clients_own_address_is_kept(upstream: int) -> None:
    seen: list[str] = []

    class Whose(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            seen.append(self.client_address[0])
            self.request.sendall(b"x")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Whose) as server, running_proxies(seed=1) as start:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        way = Way("127.0.0.1", 0, Upstream("127.0.0.1", server.server_address[1]), keep_source=True)
        proxy = start("whose", [way])
        with socket.create_connection(("127.0.0.1", proxy.ports[0]), 5, ("127.0.0.77", 0)) as sock:
            assert sock.recv(1) == b"x"
        server.shutdown()
    assert seen == ["127.0.0.77"]


def test_a_trouble_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="no trouble"):
        Trouble("explode")
