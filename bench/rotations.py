"""Whole rotations on a real domain controller, against a bare `ldapmodify` run resetting the same accounts there."""

import tempfile
from pathlib import Path
from statistics import median

from bench._domain import Company, bare_resets, domain, passwords
from tests.real import samba

COUNT = 1000
ROUNDS = 3


def run(count: int = COUNT, rounds: int = ROUNDS) -> list[str]:
    """The rate of `rekey rotate --all` (start-up, proof, vault, audit and escrow included) over that of `ldapmodify`.

    The two take turns, so that a machine whose speed drifts is fair to both; the middle ratio is the one to quote.
    """
    people = passwords(count)
    ratios, lines = [], []
    with tempfile.TemporaryDirectory(prefix="rekey-bench-") as temporary:
        folder = Path(temporary)
        with domain(samba.CORP, folder / "corp-domain") as corp:
            corp.create_users(people)
            company = Company(folder)
            company.set_up({"corp": corp}, {"corp": people})
            for _ in range(rounds):
                bare = bare_resets(corp, list(people), folder)
                ours = company.rotate_all()
                ratios.append(bare / ours)
                lines.append(
                    f"{count / ours:.1f} rotations/s; ldapmodify {count / bare:.1f} resets/s; ratio {bare / ours:.2f}"
                )
    return [*lines, f"ratio to ldapmodify, median of {rounds}: {median(ratios):.2f} (goal: 0.90 or more)"]
