"""A real PostgreSQL server of the tests' own, on a free loopback port, with a new database for whoever asks.

It runs without fsync: a test kills processes, not the machine. As root it runs as Debian's user `postgres`, for the
server refuses to be root.
"""

import os
import shutil
import socket
import subprocess
import uuid
from pathlib import Path

import psycopg
from psycopg import sql

PACKAGES = "postgresql"
_OPTIONS = "-c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c synchronous_commit=off"


class Postgres:
    """A running server: `url` is its maintenance database's, as the superuser `postgres`."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"postgresql://postgres@127.0.0.1:{port}/postgres"

    def fresh_database(self) -> str:
        """Make an empty database; its `postgresql://` URL."""
        name = f"rekey_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url.removesuffix("postgres") + name

    def drop_database(self, url: str) -> None:
        """Drop a database that `fresh_database` made, with whoever is still connected to it."""
        name = url.rpartition("/")[2]
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def why_not() -> str | None:
    """What this machine lacks for a PostgreSQL server, as a sentence; None if nothing."""
    return None if _programs() else f"PostgreSQL is not installed: apt-get install --no-install-recommends {PACKAGES}"


def start(folder: Path) -> None:
    """Make a cluster in the folder's `data`, start its server, and leave its port in the file `port`."""
    user = "postgres" if os.geteuid() == 0 else None
    data = folder / "data"
    data.mkdir(mode=0o700)
    if user:
        shutil.chown(data, user, user)
    port = _free_port()
    for command in (
        ["initdb", "--no-sync", "--auth=trust", "--username=postgres", "--locale=C.UTF-8", f"--pgdata={data}"],
        [
            "pg_ctl",
            "start",
            "--wait",
            f"--pgdata={data}",
            f"--log={data}/server.log",
            f"--options=-p {port} {_OPTIONS}",
        ],
    ):
        program = str(_programs() / command[0])  # type: ignore[operator]
        subprocess.run([program, *command[1:]], check=True, cwd=data, user=user, group=user, capture_output=True)
    (folder / "port").write_text(str(port))


def _programs() -> Path | None:
    """Where initdb is: on the path, or where Debian keeps the newest version's programs."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max((path.parent for path in versions), key=lambda path: int(path.parent.name), default=None)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
