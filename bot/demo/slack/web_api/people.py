"""users.*, usergroups.*, bots.*, team.* and auth.*: who is who."""

from typing import Any

from ..errors import SlackError
from ..wire import person_json
from .call import Call


def auth_test(call: Call) -> dict[str, Any]:
    """auth.test."""
    return {
        "url": f"{call.slack.base_url}/",
        "team": call.workspace.name,
        "user": call.app.bot_name,
        "team_id": call.workspace.team_id,
        "user_id": call.app.bot_user_id,
        "bot_id": call.app.bot_id,
        "is_enterprise_install": False,
    }


def info(call: Call) -> dict[str, Any]:
    """users.info."""
    person = call.workspace.person(call.text("user"))
    return {"user": person_json(person, call.app, call.workspace, with_email=call.may("users:read.email"))}


def list_all(call: Call) -> dict[str, Any]:
    """users.list, paged; deactivated people are in it too."""
    page, metadata = call.page(list(call.workspace.people.values()))
    with_email = call.may("users:read.email")
    return {
        "members": [person_json(person, call.app, call.workspace, with_email=with_email) for person in page],
        "cache_ts": int(call.workspace.clock.now()),
        "response_metadata": metadata,
    }


def lookup_by_email(call: Call) -> dict[str, Any]:
    """users.lookupByEmail: nobody is found by a deactivated account's address."""
    email = call.text("email").lower()
    for person in call.workspace.people.values():
        if person.email.lower() == email and not person.deleted:
            return {"user": person_json(person, call.app, call.workspace, with_email=True)}
    raise SlackError("users_not_found")


def usergroup_users(call: Call) -> dict[str, Any]:
    """usergroups.users.list."""
    members = call.workspace.usergroups.get(call.text("usergroup"))
    if members is None:
        raise SlackError("no_such_subteam")
    return {"users": members}


def bot_info(call: Call) -> dict[str, Any]:
    """bots.info: there is one bot."""
    if call.optional("bot") not in (None, call.app.bot_id):
        raise SlackError("bot_not_found")
    return {
        "bot": {
            "id": call.app.bot_id,
            "deleted": False,
            "name": call.app.bot_name,
            "updated": 0,
            "app_id": call.app.id,
            "user_id": call.app.bot_user_id,
            "icons": {},
        }
    }


def team_info(call: Call) -> dict[str, Any]:
    """team.info: of one's own team."""
    if call.optional("team") not in (None, call.workspace.team_id):
        raise SlackError("team_not_found")
    return {
        "team": {
            "id": call.workspace.team_id,
            "name": call.workspace.name,
            "domain": call.workspace.domain,
            "email_domain": "",
            "icon": {"image_default": True},
        }
    }
