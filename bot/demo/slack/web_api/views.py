"""views.*, blocks.validate and apps.connections.open."""

from typing import Any

from ..errors import SlackError
from ..validation import Offence, message_offences, validate, view_offences
from .call import Call, invalid


def open_modal(call: Call) -> dict[str, Any]:
    """views.open: within three seconds of the click that gave the trigger, once."""
    trigger = call.slack.triggers.exchange(call.text("trigger_id"))
    opened_from = call.slack.looking_at.get(trigger.person)
    view = call.slack.views.open(trigger.person, _view(call), opened_from)
    return {"view": call.slack.views.as_json(view)}


def push(call: Call) -> dict[str, Any]:
    """views.push: on top of the modal the trigger was clicked in; at most three."""
    trigger = call.slack.triggers.exchange(call.text("trigger_id"))
    if trigger.view_id is None:
        raise SlackError("not_found")
    view = call.slack.views.push(trigger.person, _view(call))
    return {"view": call.slack.views.as_json(view)}


def update(call: Call) -> dict[str, Any]:
    """views.update, by view_id or external_id."""
    views = call.slack.views
    if call.optional("view_id"):
        found = views.find(call.text("view_id"))
    elif call.optional("external_id"):
        found = views.find_external(call.text("external_id"))
    else:
        raise invalid("missing required field: view_id or external_id")
    return {"view": views.as_json(views.update(found, _view(call), call.optional("hash")))}


def publish(call: Call) -> dict[str, Any]:
    """views.publish: a person's own Home tab."""
    person = call.workspace.person(call.text("user_id"))
    if person.deleted:
        raise SlackError("user_not_found")
    view = call.slack.views.publish(person.id, _view(call), call.optional("hash"))
    return {"view": call.slack.views.as_json(view)}


def blocks_validate(call: Call) -> dict[str, Any]:
    """blocks.validate: needs no token; exactly one of blocks, message and view."""
    given = [name for name in ("blocks", "message", "view") if call.arguments.get(name)]
    if len(given) != 1:
        raise invalid("provide exactly one of blocks, view and message")
    value = call.structure(given[0], "invalid_arguments")
    offences: list[Offence]
    if given[0] == "blocks":
        offences = list(message_offences(value))
    elif given[0] == "message":
        blocks = value.get("blocks", []) if isinstance(value, dict) else value
        offences = list(message_offences(blocks, "/blocks"))
    else:
        offences = validate(value) if isinstance(value, dict) and "type" in value else list(view_offences(value))
    if offences:
        errors = [{"code": o.code, "message": o.message, "pointer": o.pointer} for o in offences]
        raise SlackError(f"invalid_{given[0]}", errors=errors)
    return {}


def connections_open(call: Call) -> dict[str, Any]:
    """apps.connections.open: the address of one new Socket Mode connection."""
    return {"url": call.slack.sockets.new_address()}


def _view(call: Call) -> Any:
    view = call.structure("view", "invalid_arguments")
    if view is None:
        raise invalid("missing required field: view")
    return view
