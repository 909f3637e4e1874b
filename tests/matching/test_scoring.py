"""Which record is an account's own: exact, or left to a person."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.matching.scoring import Entry, SignIn, claims, decide, elsewhere, is_exact, ranked
from storage.models import MatchState
from storage.names import fold, parse_username

CORP = frozenset({"corp", "corp.example.test"})
JANE = SignIn(1, "jane", "jane.doe@corp.example.test", "jane@acme.example", CORP)


def entry(username: str, number: int = 1, url: str | None = None, category: str | None = None) -> Entry:
    return Entry(number, parse_username(username), elsewhere(url, category, CORP))


@pytest.mark.parametrize(
    "username",
    [
        "jane",
        "JANE",
        " jane ",
        "CORP\\jane",
        "corp.example.test\\Jane",
        "jane@corp.example.test",
        "jane.doe@corp.example.test",
        "Jane@ACME.example",
    ],
)
def test_every_way_to_write_the_accounts_username_is_exact(username: str) -> None:
    assert is_exact(JANE, entry(username))


@pytest.mark.parametrize(
    "username",
    [
        "",
        "janet",
        "jan",
        "jane doe",
        "jane.doe",
        "LAB\\jane",
        ".\\jane",
        "\\jane",
        "jane@",
        "@jane",
        "jane@lab.example.test",
        "CORP\\jane.doe",
        "CORP\\jane@corp.example.test",
        "jane.doe@acme.example",
    ],
)
def test_a_similar_name_or_another_domain_is_not_exact(username: str) -> None:
    assert not is_exact(JANE, entry(username))


def test_a_mailbox_at_a_public_provider_is_the_providers_sign_in() -> None:
    account = SignIn(1, "jane", None, "jane@gmail.com", CORP)
    assert not is_exact(account, entry("jane@gmail.com"))


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "https://corp.example.test",
        "https://adfs.corp.example.test/adfs/ls",
        "dc1.corp.example.test:636",
        "ldaps://dc1.corp.example.test",
        "ldap://10.0.0.5",
        "rdp://server7",
        "https://login.microsoftonline.com/",
        "https://outlook.office365.com/owa",
        "\\\\corp.example.test\\home",
    ],
)
def test_a_record_of_the_organizations_own_sign_in_can_be_exact(url: str | None) -> None:
    assert is_exact(JANE, entry("jane", url=url))


@pytest.mark.parametrize(
    "url",
    [
        "https://bank.example/login",
        "shop.example",
        "https://corp.example.test.evil.example/",
        "https://notcorp.example.test",
        "https://corp.example.test@evil.example/",
        "http://192.168.1.1",
        "http://printer",
        "rdp://8.8.4.4",
        "ldap://directory.partner.example",
        "https://outlook.live.com",
        "http://[not-an-address",
        "ask Bob for the address",
    ],
)
def test_a_record_of_some_other_site_is_never_exact(url: str) -> None:
    assert not is_exact(JANE, entry("jane", url=url))
    assert entry("jane", url=url).elsewhere.endswith(".")


@pytest.mark.parametrize("category", ["Website", "web login", "Embedded", "network-device", "Wi-Fi", "Local Admin"])
def test_a_record_whose_category_names_a_site_or_a_device_is_never_exact(category: str) -> None:
    assert not is_exact(JANE, entry("jane", category=category))


@pytest.mark.parametrize("category", [None, "", "Active Directory", "Domain users", "Office 365", "Deviceful"])
def test_other_categories_do_not_speak_against_a_record(category: str | None) -> None:
    assert is_exact(JANE, entry("jane", category=category))


def test_one_exact_record_that_is_nobody_elses_is_suggested() -> None:
    assert decide([JANE], [entry("jane", 7), entry("bob", 8)]) == {1: (MatchState.SUGGESTED, 7)}


def test_several_exact_records_are_for_a_person_to_choose_from() -> None:
    assert decide([JANE], [entry("jane", 7), entry("CORP\\jane", 8)]) == {1: (MatchState.SEVERAL, None)}
    assert claims([JANE], [entry("jane", 7), entry("CORP\\jane", 8)]) == {1: [7, 8]}


def test_a_record_claimed_by_several_accounts_is_several_for_each() -> None:
    other = SignIn(2, "jane", None, None, frozenset({"lab"}))
    assert decide([JANE, other], [entry("jane", 7)]) == {
        1: (MatchState.SEVERAL, None),
        2: (MatchState.SEVERAL, None),
    }
    # A qualifier says whose it is.
    assert decide([JANE, other], [entry("CORP\\jane", 7), entry("LAB\\jane", 8)]) == {
        1: (MatchState.SUGGESTED, 7),
        2: (MatchState.SUGGESTED, 8),
    }


def test_one_accounts_username_that_is_anothers_upn_is_several_for_each() -> None:
    jd = SignIn(2, "jd", "jane@corp.example.test", None, CORP)
    assert {verdict.state for verdict in decide([JANE, jd], [entry("jane@corp.example.test")]).values()} == {
        MatchState.SEVERAL
    }


def test_a_record_approved_for_another_account_is_not_suggested_again() -> None:
    assert decide([JANE], [entry("jane", 7)], held={7: [2]}) == {1: (MatchState.SEVERAL, None)}


def test_what_one_person_claims_or_holds_in_two_directories_is_nobody_elses() -> None:
    ad, cloud = JANE._replace(person="p"), SignIn(2, "jane", None, None, CORP, "p")
    stranger = SignIn(3, "jane", None, None, CORP)

    assert decide([ad, cloud], [entry("jane", 7)]) == {1: (MatchState.SUGGESTED, 7), 2: (MatchState.SUGGESTED, 7)}
    assert decide([cloud], [entry("jane", 7)], held={7: ["p"]}) == {2: (MatchState.SUGGESTED, 7)}
    assert {each.state for each in decide([ad, cloud, stranger], [entry("jane", 7)]).values()} == {MatchState.SEVERAL}


def test_without_an_exact_record_there_is_none() -> None:
    assert decide([JANE], [entry("jane", 7, url="https://bank.example")]) == {1: (MatchState.NONE, None)}


names = st.sampled_from(["jane", "Jane", "bob", "jörg", "JÖRG", "administrator"])
domains = st.sampled_from(["corp", "lab", "corp.example.test"])


@st.composite
def sign_ins(draw: st.DrawFn) -> list[SignIn]:
    drawn = draw(st.lists(st.tuples(names, domains, st.none() | names), max_size=8))
    return [
        SignIn(number, fold(name), f"{fold(upn)}@{domain}" if upn else None, None, frozenset({domain}))
        for number, (name, domain, upn) in enumerate(drawn)
    ]


@st.composite
def records(draw: st.DrawFn) -> list[Entry]:
    forms = st.one_of(
        names,
        st.builds("{}\\{}".format, domains, names),
        st.builds("{}@{}".format, names, domains),
    )
    drawn = draw(st.lists(st.tuples(forms, st.sampled_from([None, "https://bank.example"])), max_size=8))
    return [entry(username, number, url) for number, (username, url) in enumerate(drawn)]


@given(sign_ins(), records(), st.sets(st.integers(0, 7)))
def test_nothing_is_suggested_that_anybody_else_could_claim(
    accounts: list[SignIn], entries: list[Entry], held: set[int]
) -> None:
    verdicts = decide(accounts, entries, {record_id: ["somebody"] for record_id in held})
    assert set(verdicts) == {account.id for account in accounts}
    for account in accounts:
        exact = [each.id for each in entries if is_exact(account, each)]
        state, record_id = verdicts[account.id]
        alone = len(exact) == 1 and exact[0] not in held
        alone = alone and not any(
            is_exact(other, each) for other in accounts if other is not account for each in entries if each.id in exact
        )
        assert (state, record_id) == (
            (MatchState.SUGGESTED, exact[0]) if alone else (MatchState.SEVERAL if exact else MatchState.NONE, None)
        )


@given(sign_ins(), records(), st.randoms(use_true_random=False))
def test_the_order_in_which_things_are_read_decides_nothing(
    accounts: list[SignIn], entries: list[Entry], random: Random
) -> None:
    before = decide(accounts, entries)
    random.shuffle(accounts)
    random.shuffle(entries)
    assert decide(accounts, entries) == before


RECORDS = [
    (1, "Reception PC", "reception"),
    (2, "Jane Doe (AD)", "jdoe"),
    (3, "Jane's bank", "jane.doe@bank.example"),
    (4, "Firewall", "admin"),
]


def test_the_search_finds_what_somebody_half_remembers() -> None:
    assert [hit.record_id for hit in ranked(["jane"], RECORDS, 2)] == [2, 3]
    assert ranked(["fierwall"], RECORDS, 1)[0].record_id == 4


def test_the_same_username_comes_first_and_nothing_far_off_comes_at_all() -> None:
    assert ranked(["JDOE", "Jane Doe"], RECORDS, 1) == [(2, 100)]
    assert ranked(["zzzzqqqq"], RECORDS, 5) == []
    assert ranked([""], RECORDS, 5) == []


@given(
    st.text(max_size=12), st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), max_size=8), st.integers(0, 5)
)
def test_a_ranking_is_in_order_and_never_longer_than_asked(text: str, drawn: list[tuple[str, str]], limit: int) -> None:
    rows = [(number, name, username) for number, (name, username) in enumerate(drawn)]
    hits = ranked([text], rows, limit)
    assert len(hits) <= limit
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    same = [number for number, name, username in rows if fold(text) and fold(text) in (fold(name), fold(username))]
    assert {hit.record_id for hit in hits if hit.score == 100} == set(same[: len(same)]) or len(same) > limit
