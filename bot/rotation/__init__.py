"""Rotations: giving one record, and every account matched to it, one new password, once.

A rotation is a row; its steps are task rows, one per account, worked in the lane of that account's directory. Nothing
else has to be right for work to go on: whatever died, the rows say what may have been written and what to look at.

A rotation
                                     ┌──────────────> refused      nothing was changed anywhere
    planned ──stage──> rotating ───[recording]──────> successful   every directory and the vault hold the new one
       │                  │  └───────┼──────────────> stuck        a person must look; every revision is kept
       └─> cancelled      └─> putting_back ─┬───────> put_back     the earlier one is back everywhere, proved
                                            └───────> stuck

A step (an -ing state is committed before the call: after a crash or a lost reply, look before acting)

    waiting ─check─> checked ─its turn─> ready ─commit─> applying ─taken─> (applied) ─proved─> confirmed
                        │                  ^  │              │ not taken         │
                        │                  └──┼──────────────┘                   │ another refused for good
                        │ refused             │ refused                          v
                        └──────> refused <────┘             put_back_ready ─> putting_back ─proved─> put_back

A rotation of one account skips `waiting` and `checked`: its check is made right before its write. A rotation of
several is checked in every directory before anything is staged; its accounts are then written one after the other,
those that can be put back first. Any look that finds a password which is neither ours nor older ends in `unknown`, and
the rotation `stuck`.

`recording` is there where the vault is an outside system: every directory holds the new password, the vault is next.
Its task has states of its own, drawn in `recording`; from here on nothing is put back, whatever the vault says. A
rotation that restores has an earlier password instead of a new one; one in the vault only has no steps at all.

`states` decides (pure), `planning` previews and requests, `steps` makes the outside calls, `engine` keeps what came of
them, `recovery` deals with what was interrupted and with systems that are away. What people ask for in Slack is a
request of several rotations: `requests` shows, confirms and starts it, `aftermath` cancels and retries, `progress` says
how it stands.
"""
