"""What the fixtures promise to the tests that build on them."""

import psycopg
import pytest

from tests.real import witness


@pytest.mark.samba
def test_a(corp, branch, private_domain):
    a = corp.create_user("alice")
    assert witness.signs_in(corp, a.dn, a.password)
    assert not witness.signs_in(corp, a.dn, "x")
    print(corp, branch, private_domain)
    print(witness.refusal(branch, branch.service_dn, branch.service_password))


def test_p(postgres_url):
    with psycopg.connect(postgres_url) as c:
        assert c.execute("select 1").fetchone() == (1,)
