"""An organization's vault, as setting up shows it: which one it is, and describing an IT Glue account."""

from collections.abc import Mapping, Sequence
from typing import Any

from slack_sdk.models.blocks import InputBlock, PlainTextInputElement, PlainTextObject, StaticSelectElement

from blocks import ids, parts
from blocks.parts import Block, Element, escape
from storage.models import Connection, Organization

CONNECT, ITGLUE = "setup.vault", "setup.itglue"
"""The button that opens the form, and the form."""
NAME, REGION, THERE = "vault_name", "region", "there"
"""The fields."""

_REGIONS = {"us": "US: api.itglue.com", "eu": "EU: api.eu.itglue.com", "au": "AU: api.au.itglue.com"}
_VALUE_MOST = 75
_KINDS = {"embedded": "Rekey's own, embedded", "itglue": "IT Glue"}


def line(vault: Connection | None) -> Block:
    """Which vault the organization has."""
    if vault is None:
        return parts.section("It has no vault yet, so there is nothing to match its accounts with.")
    read = f"  ·  read {parts.moment(vault.synced_at)}" if vault.synced_at else ""
    return parts.section(
        f"Its vault: *{escape(vault.name, 100)}*  ·  {escape(_KINDS.get(vault.kind, vault.kind), 60)}{read}"
    )


def connect_button(organization: Organization) -> Element:
    """Offered while its vault is empty: records do not move between vaults."""
    return parts.button("Connect IT Glue", CONNECT, ids.value(organization.id))


def form(organization: Organization, addresses: Sequence[str], memo: Mapping[str, object]) -> dict[str, Any]:
    """Describe the IT Glue account. There is no field for its key, on purpose; the name there is proposed, and whoever
    submits confirms it. `addresses` are those the settings allow besides the regions.
    """
    places = {**_REGIONS, **{each: each for each in addresses if len(each) <= _VALUE_MOST}}
    regions = [parts.option(text, place) for place, text in places.items()]
    blocks: list[Block] = [
        parts.section(
            f"IT Glue as the vault of *{escape(organization.name, 150)}*. The API key is typed on Rekey's own page, in "
            "the next step, and never in Slack. Make one with *Password Access* in IT Glue: Account → Settings → API "
            "Keys."
        ),
        _input(NAME, "Name", PlainTextInputElement(action_id=NAME, max_length=100, initial_value="it-glue")),
        _input(REGION, "Region", StaticSelectElement(action_id=REGION, options=regions, initial_option=regions[0])),
        _input(
            THERE,
            "Organization in IT Glue",
            PlainTextInputElement(action_id=THERE, max_length=300, initial_value=organization.name),
            hint="Its exact name there, or its id. See that it is the same customer: this is where its passwords go.",
        ),
    ]
    return parts.modal("Connect IT Glue", blocks, callback_id=ITGLUE, submit="Go on", memo=memo)


def _input(
    block_id: str, label: str, element: PlainTextInputElement | StaticSelectElement, hint: str | None = None
) -> Block:
    return InputBlock(
        block_id=block_id,
        label=PlainTextObject(text=label),
        element=element,
        hint=PlainTextObject(text=hint) if hint else None,
    ).to_dict()
