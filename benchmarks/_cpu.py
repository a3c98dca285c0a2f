"""CPU seconds and memory of running processes, from /proc."""

import os
from collections import defaultdict
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def seconds(root: int) -> float:
    """User and system time of a process and all its children, living and reaped."""
    parents: defaultdict[int, list[int]] = defaultdict(list)
    used: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            after_name = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(after_name[1])].append(int(entry.name))
        used[int(entry.name)] = sum(map(int, after_name[11:15])) / _TICK
    total, waiting = 0.0, [root]
    while waiting:
        pid = waiting.pop()
        total += used.get(pid, 0.0)
        waiting += parents[pid]
    return total


def rss_mb(pid: int) -> float:
    """Resident memory now; 0 when the process is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), 0.0)


def pid_in(path: Path) -> int:
    """The process a pid file names."""
    return int(path.read_text().split()[0])
