"""A port nobody listens on."""

import socket


def free_port() -> int:
    """A free TCP port of 127.0.0.1, as of now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
