"""The real parts as pytest fixtures. Each shared one is started once per run, whichever worker asks first.

`corp` and `branch` are for tests that bring accounts of their own and leave the domain's policy alone; a test that
changes a policy, counts accounts or stops a controller takes `private_domain`.
"""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.real import postgres as postgres_server
from tests.real import samba, templates, witness
from tests.real.domain import Domain
from tests.real.parts import missing, once, run_folder
from tests.real.postgres import Postgres
from tests.real.proxy import Proxy


@pytest.fixture(scope="session")
def domain_templates(pytestconfig: pytest.Config) -> Path:
    """The folder of the domains to copy (see `templates`); asking for it makes sure this machine can run them."""
    lacking = samba.why_not() or witness.why_not()
    if lacking:
        missing(lacking)
    assert pytestconfig.cache is not None
    return pytestconfig.cache.mkdir("domains")


@pytest.fixture(scope="session")
def shared_domains(domain_templates: Path) -> Path:
    """The folder beneath which the two domains run that all tests of a run share."""

    def start_both(folder: Path) -> None:
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda realm: templates.start_shared(realm, domain_templates, folder), samba.REALMS))

    return once("domains", start_both)


@pytest.fixture(scope="session")
def corp(shared_domains: Path) -> Domain:
    """The shared domain CORP.EXAMPLE.TEST."""
    return templates.shared(samba.CORP, shared_domains)


@pytest.fixture(scope="session")
def branch(shared_domains: Path) -> Domain:
    """The shared domain BRANCH.EXAMPLE.TEST."""
    return templates.shared(samba.BRANCH, shared_domains)


@pytest.fixture
def private_domain(domain_templates: Path) -> Iterator[Domain]:
    """A domain CORP.EXAMPLE.TEST of the test's own, as good as new (half a second)."""
    with templates.private_copy(samba.CORP, domain_templates, _new_folder()) as domain:
        yield domain


@pytest.fixture
def private_branch(domain_templates: Path) -> Iterator[Domain]:
    """A domain BRANCH.EXAMPLE.TEST of the test's own, beside `private_domain`."""
    with templates.private_copy(samba.BRANCH, domain_templates, _new_folder()) as domain:
        yield domain


@pytest.fixture(scope="session")
def postgres() -> Postgres:
    """The run's PostgreSQL server."""
    lacking = postgres_server.why_not()
    if lacking:
        missing(lacking)
    folder = once("postgres", postgres_server.start)
    return Postgres(int((folder / "port").read_text()))


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """The `postgresql://` URL of an empty database of the test's own."""
    url = postgres.fresh_database()
    yield url
    postgres.drop_database(url)


@pytest.fixture
def proxy(corp: Domain) -> Iterator[Proxy]:
    """A wire to the shared domain CORP that the test can cut (see `Proxy`)."""
    with Proxy(corp.host, corp.port) as wire:
        yield wire


def _new_folder() -> Path:
    return run_folder() / f"private-{uuid.uuid4().hex[:8]}"
