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
