"""This process and others of this machine, as lease rows name them."""

import os
import platform
from functools import cache

import psutil


@cache
def own_name() -> str:
    """This process, as lease rows name an owner: host, pid and start time."""
    return f"{platform.node()} {os.getpid()} {_started(psutil.Process())}"


def is_dead(owner: str) -> bool:
    """Whether this owner is known to have ended: a process of this host that is gone, or whose pid is another's now."""
    host, pid, started = owner.rsplit(" ", 2)
    if host != platform.node():
        return False
    try:
        process = psutil.Process(int(pid))
        return _started(process) != started or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _started(process: psutil.Process) -> str:
    """Seconds after this machine's start: unlike a time of day it stays the same when the clock is put right."""
    return f"{process.create_time() - psutil.boot_time():.2f}"
