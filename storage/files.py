"""Files that are there whole or not at all, also after a crash or a power cut; readable by us alone."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def whole_file(path: Path, *, over: bool) -> Iterator[IO[bytes]]:
    """Write a file that appears at `path` (mode 0600) only once it is complete and flushed to the disk.

    `over`: it takes the place of an earlier one; otherwise an earlier one stays and this raises FileExistsError.
    """
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    try:
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if over:
            os.replace(new, path)
        else:
            os.link(new, path)
        flush_directory(path.parent)
    finally:
        new.unlink(missing_ok=True)


def flush_directory(directory: Path) -> None:
    """Make new names in a directory survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
