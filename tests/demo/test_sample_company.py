"""Promises of the sample company: its vault is right where it says so, and it has what the tour shows."""

import csv
import io

import yaml

from bot.demo.practice_directory import PracticeDirectory
from bot.demo.sample_company import WORLD_FILE, sample_company
from storage.models import Tier


def test_the_vaults_entries_hold_the_passwords_that_the_domains_take() -> None:
    company = sample_company()
    entries = list(csv.DictReader(io.StringIO(company.records_csv)))
    assert list(entries[0]) == ["name", "username", "password", "url", "notes"]
    by_name = {entry["name"]: entry["password"] for entry in entries}
    for name, username in (("Alice O'Brien", "alice.obrien"), ("Jürgen Müller", "j.müller"), ("Li Wei", "wei.li")):
        assert company.head_office.signs_in(username, by_name[name])
    for domain in (company.head_office, company.branch):
        assert domain.signs_in("frontdesk", by_name["Front desk"])
    assert company.branch.signs_in("sam.okafor", by_name["Sam Okafor"])


def test_it_has_every_kind_of_account_that_needs_care() -> None:
    company = sample_company()
    seen = {account.username: account for account in PracticeDirectory(company.head_office).accounts(None).accounts}
    assert seen["tom.baker"].tier is seen["emergency"].tier is Tier.PRIVILEGED
    assert seen["svc-backup"].tier is Tier.SERVICE
    assert seen["priya.patel"].locked
    assert not seen["leaver"].enabled
    assert [name for name, account in seen.items() if account.guard] == ["leaver", "rekey", "krbtgt"]
    marks = yaml.safe_load(WORLD_FILE)["organizations"][0]["tiers"]
    assert {name for names in marks.values() for name in names} <= set(seen)


def test_its_passwords_are_not_in_its_repr() -> None:
    company = sample_company()
    assert not [line for line in company.records_csv.splitlines()[1:] if line.split(",")[2] in repr(company)]
