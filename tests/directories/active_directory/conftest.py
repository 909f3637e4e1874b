"""Connectors to the real test domains."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from pydantic import SecretStr

from bot.directories.active_directory import ActiveDirectory, ActiveDirectorySettings
from tests.directories.active_directory.tls_servers import Listener
from tests.real.domain import Domain
from tests.real.proxy import Proxy

Connect = Callable[..., ActiveDirectory]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Connect to a domain: as the delegated account unless `bind_dn` says otherwise, by the controllers `through`."""
    with ExitStack() as stack:

        def make(
            domain: Domain,
            *,
            bind_dn: str | None = None,
            password: str | None = None,
            through: tuple[Proxy | Listener, ...] = (),
            receive_timeout: int = 10,
        ) -> ActiveDirectory:
            servers = [{"host": each.host, "port": each.port} for each in through or (domain,)]
            settings = {
                "servers": [{**server, "tls_name": domain.tls_name} for server in servers],
                "ca": domain.ca_file.read_text(),
                "bind_dn": bind_dn or domain.service_dn,
                "receive_timeout": receive_timeout,
            }
            secret = SecretStr(password or domain.service_password)
            return stack.enter_context(ActiveDirectory(ActiveDirectorySettings.parse(settings), secret))

        yield make


@pytest.fixture
def staff(corp: Domain, connect: Connect) -> ActiveDirectory:
    """The shared domain CORP as the delegated account sees it."""
    return connect(corp)


@pytest.fixture
def admin(corp: Domain, connect: Connect) -> ActiveDirectory:
    """The shared domain CORP as its administrator sees it."""
    return connect(corp, bind_dn=corp.admin_dn, password=corp.admin_password)
