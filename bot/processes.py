"""This process and others of this machine, as lease rows name them."""

import os
import platform
from functools import cache

import psutil


@cache
def own_name() -> str:
    """This process, as lease rows name an owner: host, pid and start time."""
    return f"{platform.node()} {os.getpid()} {psutil.Process().create_time():.2f}"


def is_dead(owner: str) -> bool:
    """Whether this owner is known to have ended: a process of this host that is gone, or whose pid is another's now."""
    host, pid, started = owner.rsplit(" ", 2)
    if host != platform.node():
        return False
    try:
        process = psutil.Process(int(pid))
        return f"{process.create_time():.2f}" != started or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
