"""/rotate: what a word means where, and what is said to one that means nothing."""

from tests.handlers.office import Office


def test_help_names_every_word_where_it_was_typed(office: Office) -> None:
    office.alice.types("/rotate help", in_="#acme")
    assert office.alice.sees("What Rekey does", in_="#acme").is_ephemeral


def test_an_unknown_word_gets_the_nearest_command(office: Office) -> None:
    office.tina.types("/rotate hlep <!channel>", in_="#acme")
    card = office.tina.sees("Did you mean", in_="#acme")
    card.press("/rotate help <!channel>")
    office.tina.sees("What Rekey does", in_="#acme")


def test_somebody_without_a_role_is_told_so_and_it_is_on_record(office: Office) -> None:
    office.sid.types("/rotate help", in_="#acme")
    office.sid.sees("You have no role in Rekey", in_="#acme")
    (line,) = office.audit("slack.refused")
    assert (line.operator, line.result, line.subject) == (office.sid.id, "refused", "/rotate help")


def test_outside_of_a_channel_it_asks_which_organization_and_goes_on_there(office: Office) -> None:
    office.alice.types("/rotate", in_="#general")
    asks = office.alice.sees("Which one?", in_="#general")
    asks.fill("Choose an organization", "Globex", searching="glo")
    office.alice.sees("accounts are matched", in_="#general")


def test_whoever_has_one_organization_is_not_asked_which(office: Office) -> None:
    office.tina.types("/rotate", in_="#general")
    office.tina.sees("Acme Dental", in_="#general")
    office.tina.does_not_see("Which one?", in_="#general")


def test_only_my_organizations_are_offered(office: Office) -> None:
    office.alice.types("/rotate", in_="#general")
    asks = office.alice.sees("Which one?", in_="#general")
    assert asks.options("Choose an organization") == ["Acme Dental", "Globex"]
    forged = office.last("block_suggestion")
    forged["user"]["id"] = office.tina.id
    answer = office.deliver(forged)
    assert "Acme Dental" in answer.body
    assert "Globex" not in answer.body
    forged["user"]["id"] = office.sid.id
    assert office.deliver(forged).body == '{"options": []}'


def test_a_bare_rotate_shows_how_the_organization_stands_and_what_can_be_done(office: Office) -> None:
    office.tina.types("/rotate", in_="#acme")
    card = office.tina.sees("5 exact matches to approve.", in_="#acme")
    assert card.buttons == ["Review matches", "Rotate all…", "Status", "Sync"]
    assert card.is_ephemeral


def test_words_are_taken_whatever_their_case_and_spaces(office: Office) -> None:
    office.tina.types("/rotate   HELP  ", in_="#acme")
    office.tina.sees("What Rekey does", in_="#acme")


def test_a_word_like_no_other_is_told_where_all_words_are(office: Office) -> None:
    office.tina.types("/rotate xyzzy123", in_="#acme")
    office.tina.sees("/rotate help shows everything", in_="#acme")
