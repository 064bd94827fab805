"""How much processor time a process tree has used, and on which core things run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

PROC = Path("/proc")


def used(pid: int) -> float:
    """Seconds on a core by this process and its children so far; to the nanosecond where the kernel tells."""
    if not (PROC / str(pid)).exists():
        return _by_ps(pid)
    return sum(_of(member) for member in _tree(pid))


def pin(core: int, pid: int = 0) -> bool:
    """Keep a process (0: this one) on one core; false where that is impossible or there is only one."""
    if not hasattr(os, "sched_setaffinity") or (os.cpu_count() or 1) < 2:
        return False
    os.sched_setaffinity(pid, {core})
    return True


def _tree(pid: int) -> list[int]:
    children = (PROC / str(pid) / "task").glob("*/children")
    below = [int(child) for listing in children for child in listing.read_text().split()]
    return [pid, *(member for child in below for member in _tree(child))]


def _of(pid: int) -> float:
    total = 0.0
    for task in (PROC / str(pid) / "task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0]) / 1e9
        except OSError:
            fields = (task / "stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def _by_ps(pid: int) -> float:
    clock = subprocess.run(
        ["ps", "-o", "time=", "-p", str(pid)], capture_output=True, text=True, check=True
    ).stdout.strip()
    seconds = 0.0
    for part in clock.replace("-", ":").split(":"):
        seconds = seconds * 60 + float(part)
    return seconds
