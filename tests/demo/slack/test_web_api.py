"""The Web API refuses what Slack refuses, by Slack's own error names."""

from collections.abc import Callable
from typing import Any

import pytest
import requests
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.demo.slack.errors import SetupError
from bot.demo.slack.manifest import App
from bot.demo.slack.server import RunningSlack

from .conftest import SCOPES, Refused, World, manifest, populate, small_manifest


def post(world: World, path: str, body: bytes, content_type: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {world.running.app.bot_token}", "Content-Type": content_type}
    answer = requests.post(f"{world.running.api_url}{path}", data=body, headers=headers, timeout=10)
    assert answer.status_code == 200
    said: dict[str, Any] = answer.json()
    return said


# Who is calling


def test_an_unknown_method_is_named_so(refused: Refused) -> None:
    refused("rotations.start", "unknown_method")


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("xoxb-wrong", "invalid_auth"),
        ("", "not_authed"),
        ("xapp-1-A0PRETEND1-0000000000-pretend", "not_allowed_token_type"),
    ],
)
def test_only_the_right_token_opens_a_method(world: World, token: str, expected: str) -> None:
    with pytest.raises(SlackApiError, match=expected):
        WebClient(token, base_url=world.running.api_url).auth_test()


def test_the_bot_token_does_not_open_socket_mode(world: World) -> None:
    with pytest.raises(SlackApiError, match="not_allowed_token_type"):
        world.client.apps_connections_open(app_token=world.running.app.bot_token)
    assert world.client.apps_connections_open(app_token=world.running.app.app_token)["url"].startswith("ws://127.0.0.1")


def test_an_app_token_without_its_scope_does_not_open_socket_mode(world: World) -> None:
    world.running.app.app_token_scopes = frozenset()
    with pytest.raises(SlackApiError, match="missing_scope"):
        world.client.apps_connections_open(app_token=world.running.app.app_token)


def test_a_method_outside_the_manifests_scopes_is_refused_with_what_is_needed() -> None:
    with RunningSlack(small_manifest("chat:write")) as running:
        world = populate(running)
        calls: list[Callable[[], object]] = [
            lambda: world.client.users_list(),
            lambda: world.client.users_lookupByEmail(email="alice@example.test"),
            lambda: world.client.conversations_history(channel=world.general),
            lambda: world.client.conversations_open(users=world.alice),
            lambda: world.client.conversations_list(types="private_channel"),
            lambda: world.client.conversations_create(name="new"),
            lambda: world.client.conversations_join(channel=world.random),
            lambda: world.client.team_info(),
        ]
        for call in calls:
            with pytest.raises(SlackApiError) as caught:
                call()
            assert caught.value.response["error"] == "missing_scope"
            assert caught.value.response["needed"]
            assert caught.value.response["provided"] == "chat:write"
        assert world.client.chat_postMessage(channel=world.general, text="this I may")["ok"]


def test_the_email_is_only_for_those_with_its_scope(world: World) -> None:
    assert world.client.users_info(user=world.alice)["user"]["profile"]["email"] == "alice@example.test"
    with RunningSlack(small_manifest("users:read")) as running:
        other = populate(running)
        assert "email" not in other.client.users_info(user=other.alice)["user"]["profile"]


# What is sent


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b"{not json", "application/json", "invalid_json"),
        (b"[" * 100_000, "application/json", "invalid_json"),
        (b'{"text": NaN}', "application/json", "invalid_json"),
        (b"[1]", "application/json", "json_not_object"),
        (b"x", "", "missing_post_type"),
        (b"x", "text/plain", "invalid_post_type"),
        (b"no pairs here", "application/x-www-form-urlencoded", "invalid_form_data"),
        (b"channel=C1&blocks=%5Bnot", "application/x-www-form-urlencoded", "invalid_blocks_format"),
    ],
)
def test_a_body_that_cannot_be_read_is_named_so(world: World, body: bytes, content_type: str, expected: str) -> None:
    body = body.replace(b"C1", world.general.encode())
    assert post(world, "chat.postMessage", body, content_type)["error"] == expected


def test_arguments_may_come_as_a_form_with_json_inside(world: World) -> None:
    body = f"channel={world.general}&text=hi&blocks=%5B%7B%22type%22%3A%22divider%22%7D%5D".encode()
    answer = post(world, "chat.postMessage", body, "application/x-www-form-urlencoded; charset=utf-8")
    assert answer["message"]["blocks"][0]["type"] == "divider"


# chat.*

LONG = [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3_000}}]


def test_a_refused_message_says_where_and_posts_nothing(world: World, refused: Refused) -> None:
    bad = [{"type": "section", "text": {"type": "mrkdwn", "text": ""}}]
    answer = refused("chat.postMessage", "invalid_blocks", channel=world.general, text="x", blocks=bad)
    assert answer["response_metadata"]["messages"] == [
        "[ERROR] must be more than 0 characters [json-pointer:/blocks/0/text/text]"
    ]
    assert world.client.conversations_history(channel=world.general)["messages"] == []


def test_blocks_with_the_same_id_are_refused(world: World, refused: Refused) -> None:
    twice = [{"type": "divider", "block_id": "a"}, {"type": "divider", "block_id": "a"}]
    refused("chat.postMessage", "invalid_blocks", channel=world.general, text="x", blocks=twice)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, "no_text"),
        ({"text": ""}, "no_text"),
        ({"text": "x" * 40_001}, "msg_too_long"),
        ({"text": "x", "blocks": "nonsense"}, "invalid_blocks_format"),
        ({"text": "x", "blocks": {"type": "divider"}}, "invalid_blocks_format"),
        ({"text": "x", "blocks": [{"type": "divider"}] * 51}, "invalid_blocks"),
        ({"text": "x", "blocks": [{"type": "markdown", "text": "x" * 2_700}] * 4 + LONG}, "msg_blocks_too_long"),
        ({"text": "x", "thread_ts": "1.1"}, "cannot_reply_to_message"),
        ({"text": "x", "metadata": {"event_type": "a"}}, "invalid_metadata_format"),
        ({"text": "x", "metadata": {"event_type": "a b", "event_payload": {}}}, "invalid_metadata_schema"),
        ({"text": "x", "metadata": {"event_type": "a", "event_payload": {"b": "x" * 9_000}}}, "metadata_too_large"),
        ({"text": "x", "attachments": [{}] * 101}, "too_many_attachments"),
        ({"text": "x", "attachments": "[nonsense"}, "invalid_attachments"),
        ({"text": "x", "attachments": [{"text": 7}]}, "invalid_attachments"),
        ({"text": "x", "channel": "C404"}, "channel_not_found"),
        ({"text": "x", "channel": "#nowhere"}, "channel_not_found"),
        ({"text": "x", "channel": "#random"}, "not_in_channel"),
        ({"text": "x", "channel": "#secret"}, "channel_not_found"),
        ({"text": "x", "channel": None}, "invalid_arguments"),
    ],
)
def test_a_message_slack_would_not_post(
    world: World, refused: Refused, arguments: dict[str, Any], expected: str
) -> None:
    refused("chat.postMessage", expected, **{"channel": world.general, **arguments})


def test_an_archived_channel_takes_no_messages(world: World, refused: Refused) -> None:
    slack = world.running.slack
    ts = world.client.chat_postMessage(channel=world.general, text="before")["ts"]
    world.running.call(lambda: slack.archive(slack.workspace.channels[world.general], world.alice))
    refused("chat.postMessage", "is_archived", channel=world.general, text="x")
    refused("chat.update", "is_inactive", channel=world.general, ts=ts, text="x")
    refused("conversations.join", "is_archived", channel=world.general)


def test_ids_are_generated_and_options_kept(world: World) -> None:
    message = world.client.chat_postMessage(
        channel=world.general,
        text="x",
        blocks=[{"type": "actions", "elements": [{"type": "button", "text": {"type": "plain_text", "text": "Go"}}]}],
        metadata={"event_type": "made", "event_payload": {"id": 1}},
        client_msg_id="abc",
        unfurl_links=False,
    )["message"]
    assert message["blocks"][0]["block_id"]
    assert message["blocks"][0]["elements"][0]["action_id"]
    assert message["client_msg_id"] == "abc"
    history = world.client.conversations_history(channel=world.general)["messages"][0]
    assert "metadata" not in history
    history = world.client.conversations_history(channel=world.general, include_all_metadata=True)["messages"][0]
    assert history["metadata"] == {"event_type": "made", "event_payload": {"id": 1}}


def test_a_user_id_as_channel_opens_the_direct_message(world: World) -> None:
    answer = world.client.chat_postMessage(channel=world.alice, text="psst")
    assert answer["channel"].startswith("D")
    assert world.client.conversations_open(users=world.alice)["channel"]["id"] == answer["channel"]


def test_only_the_bots_own_messages_can_be_changed(world: World, refused: Refused) -> None:
    world.running.wait_for(world.running.interactions.types(world.alice, world.general, "mine"))
    theirs = world.client.conversations_history(channel=world.general)["messages"][0]["ts"]
    refused("chat.update", "cant_update_message", channel=world.general, ts=theirs, text="yours")
    refused("chat.delete", "cant_delete_message", channel=world.general, ts=theirs)
    refused("chat.update", "message_not_found", channel=world.general, ts="1.1", text="x")
    refused("chat.delete", "message_not_found", channel=world.general, ts="1.1")


def test_an_update_with_text_alone_removes_the_blocks(world: World) -> None:
    ts = world.client.chat_postMessage(channel=world.general, text="x", blocks=[{"type": "divider"}])["ts"]
    message = world.client.chat_update(channel=world.general, ts=ts, text="done")["message"]
    assert "blocks" not in message
    assert message["edited"]["user"] == world.running.app.bot_user_id
    world.client.chat_delete(channel=world.general, ts=ts)
    assert world.client.conversations_history(channel=world.general)["messages"] == []


def test_an_ephemeral_is_for_one_member_and_kept_nowhere(world: World, refused: Refused) -> None:
    ts = world.client.chat_postEphemeral(channel=world.general, user=world.alice, text="only you")["message_ts"]
    assert world.client.conversations_history(channel=world.general)["messages"] == []
    refused("chat.update", "message_not_found", channel=world.general, ts=ts, text="x")
    refused("chat.postEphemeral", "user_not_in_channel", channel=world.general, user=world.gone, text="x")
    refused("chat.postEphemeral", "user_not_in_channel", channel=world.general, user="U404", text="x")
    refused("chat.postEphemeral", "not_in_channel", channel=world.random, user=world.alice, text="x")


def test_a_permalink_leads_to_a_message_that_exists(world: World, refused: Refused) -> None:
    ts = world.client.chat_postMessage(channel=world.general, text="x")["ts"]
    link = world.client.chat_getPermalink(channel=world.general, message_ts=ts)["permalink"]
    assert link == f"{world.running.url}/archives/{world.general}/p{ts.replace('.', '')}"
    refused("chat.getPermalink", "message_not_found", channel=world.general, message_ts="1.1")


# conversations.*


def test_a_private_channel_without_the_bot_does_not_exist(world: World, refused: Refused) -> None:
    for method in ("conversations.info", "conversations.members", "conversations.history", "conversations.join"):
        refused(method, "channel_not_found", channel=world.secret)
    names = [c["name"] for c in world.client.conversations_list(types="public_channel,private_channel")["channels"]]
    assert names == ["general", "random"]


def test_the_direct_messages_of_others_do_not_exist(world: World, refused: Refused) -> None:
    workspace = world.running.slack.workspace
    theirs = world.running.call(lambda: workspace.direct(world.alice, world.bob).id)
    refused("conversations.history", "channel_not_found", channel=theirs)
    refused("chat.postMessage", "channel_not_found", channel=theirs, text="x")
    assert world.client.conversations_list(types="im")["channels"] == []


def test_history_needs_membership(world: World, refused: Refused) -> None:
    refused("conversations.history", "not_in_channel", channel=world.random)
    world.client.conversations_join(channel=world.random)
    assert world.client.conversations_history(channel=world.random)["messages"][0]["subtype"] == "channel_join"
    assert world.client.conversations_join(channel=world.random)["warning"] == "already_in_channel"


def test_lists_come_in_pages_whose_cursors_lead_on(world: World, refused: Refused) -> None:
    names: list[str] = []
    for page in world.client.users_list(limit=2):
        assert len(page["members"]) <= 2
        names += [member["name"] for member in page["members"]]
    assert names == ["robot", "alice", "bob", "gone"]
    refused("users.list", "invalid_cursor", cursor="bm9uc2Vuc2U=")
    refused("conversations.list", "invalid_limit", limit=1_001)
    refused("conversations.list", "invalid_types", types="everything")


def test_history_is_newest_first_and_pages_stay_right_while_messages_arrive(world: World, refused: Refused) -> None:
    sent = [world.client.chat_postMessage(channel=world.general, text=str(n))["ts"] for n in range(5)]
    first = world.client.conversations_history(channel=world.general, limit=2)
    world.client.chat_postMessage(channel=world.general, text="newer")
    cursor = first["response_metadata"]["next_cursor"]
    second = world.client.conversations_history(channel=world.general, limit=2, cursor=cursor)
    assert [m["text"] for m in [*first["messages"], *second["messages"]]] == ["4", "3", "2", "1"]
    between = world.client.conversations_history(channel=world.general, oldest=sent[1], latest=sent[3])
    assert [m["text"] for m in between["messages"]] == ["2"]
    between = world.client.conversations_history(channel=world.general, oldest=sent[1], latest=sent[3], inclusive=True)
    assert [m["text"] for m in between["messages"]] == ["3", "2", "1"]
    refused("conversations.history", "invalid_ts_oldest", channel=world.general, oldest="yesterday")
    refused("conversations.history", "invalid_cursor", channel=world.general, cursor="dHM6MTIz")


def test_replies_stay_in_their_thread_unless_broadcast(world: World, refused: Refused) -> None:
    root = world.client.chat_postMessage(channel=world.general, text="root")["ts"]
    reply = world.client.chat_postMessage(channel=world.general, text="reply", thread_ts=root)["ts"]
    world.client.chat_postMessage(channel=world.general, text="loud", thread_ts=root, reply_broadcast=True)
    history = world.client.conversations_history(channel=world.general)["messages"]
    assert [m["text"] for m in history] == ["loud", "root"]
    assert history[1]["reply_count"] == 2
    thread = world.client.conversations_replies(channel=world.general, ts=root)["messages"]
    assert [m["text"] for m in thread] == ["root", "reply", "loud"]
    refused("chat.postMessage", "cannot_reply_to_message", channel=world.general, text="x", thread_ts=reply)
    refused("conversations.replies", "thread_not_found", channel=world.general, ts="1.1")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", "invalid_name_required"),
        ("x" * 81, "invalid_name_maxlength"),
        ("With Space", "invalid_name_specials"),
        ("dot.ted", "invalid_name_specials"),
        ("---", "invalid_name_punctuation"),
        ("general", "name_taken"),
    ],
)
def test_a_channel_name_slack_would_not_take(refused: Refused, world: World, name: str, expected: str) -> None:
    refused("conversations.create", expected, name=name)
    refused("conversations.rename", expected, channel=world.general, name=name)


def test_the_life_of_a_channel(world: World, refused: Refused) -> None:
    channel = world.client.conversations_create(name="acme", is_private=True)["channel"]["id"]
    world.client.conversations_invite(channel=channel, users=[world.alice])
    refused("conversations.invite", "already_in_channel", channel=channel, users=world.alice)
    refused("conversations.invite", "cant_invite_self", channel=channel, users=world.running.app.bot_user_id)
    refused("conversations.invite", "user_not_found", channel=channel, users="U404")
    refused("conversations.invite", "cant_invite", channel=channel, users=world.gone)
    refused("conversations.invite", "no_user", channel=channel)
    refused("conversations.invite", "not_in_channel", channel=world.random, users=world.alice)
    assert world.client.conversations_members(channel=channel)["members"] == [
        world.running.app.bot_user_id,
        world.alice,
    ]
    world.client.conversations_rename(channel=channel, name="acme-2")
    assert world.client.conversations_info(channel=channel)["channel"]["previous_names"] == ["acme"]
    world.client.conversations_archive(channel=channel)
    refused("conversations.archive", "already_archived", channel=channel)
    refused("conversations.archive", "cant_archive_general", channel=world.general)
    refused("conversations.rename", "is_archived", channel=channel, name="acme-3")
    mine = world.client.users_conversations(types="private_channel", exclude_archived=True)["channels"]
    assert mine == []


def test_direct_messages_open_with_people_who_are_there(world: World, refused: Refused) -> None:
    refused("conversations.open", "users_list_not_supplied")
    refused("conversations.open", "user_not_found", users="U404")
    refused("conversations.open", "user_disabled", users=world.gone)
    refused("conversations.open", "too_many_users", users=",".join(["U1"] * 9))
    refused(
        "conversations.join",
        "method_not_supported_for_channel_type",
        channel=world.client.conversations_open(users=world.alice)["channel"]["id"],
    )
    group = world.client.conversations_open(users=[world.alice, world.bob], return_im=True)["channel"]
    assert group["is_mpim"]
    assert world.client.conversations_open(users=f"{world.bob},{world.alice}")["channel"]["id"] == group["id"]


# users.*, team.*, bots.*, usergroups.*


def test_people_are_found_by_id_and_by_email(world: World, refused: Refused) -> None:
    bob = world.client.users_info(user=world.bob)["user"]
    assert (bob["real_name"], bob["tz"]) == ("Bob Brown", "Europe/Berlin")
    assert bob["tz_offset"] in (3600, 7200)
    assert world.client.users_lookupByEmail(email="ALICE@example.test")["user"]["id"] == world.alice
    refused("users.info", "user_not_found", user="U404")
    refused("users.lookupByEmail", "users_not_found", email="gina@example.test")
    refused("users.conversations", "user_not_found", user="U404")


def test_guests_strangers_and_the_deactivated_are_recognizable(world: World) -> None:
    workspace = world.running.slack.workspace

    def add() -> tuple[str, str]:
        guest = workspace.add_person("guest", is_guest=True)
        return guest.id, workspace.add_person("stranger", team_id="T0STRANGER").id

    guest, stranger = world.running.call(add)
    assert world.client.users_info(user=guest)["user"]["is_restricted"]
    described = world.client.users_info(user=stranger)["user"]
    assert (described["is_stranger"], described["team_id"]) == (True, "T0STRANGER")
    assert world.client.users_info(user=world.gone)["user"]["deleted"]
    assert not world.running.call(lambda: workspace.may_see(workspace.channels[world.random], guest))


def test_team_bot_and_usergroups(world: World, refused: Refused) -> None:
    world.running.slack.workspace.usergroups["S1"] = [world.alice]
    assert world.client.usergroups_users_list(usergroup="S1")["users"] == [world.alice]
    refused("usergroups.users.list", "no_such_subteam", usergroup="S2")
    assert world.client.team_info()["team"]["id"] == world.running.slack.workspace.team_id
    refused("team.info", "team_not_found", team="T404")
    assert world.client.bots_info(bot=world.running.app.bot_id)["bot"]["user_id"] == world.running.app.bot_user_id
    refused("bots.info", "bot_not_found", bot="B404")


# blocks.validate


def test_blocks_validate_needs_no_token_and_points_at_the_offence(world: World) -> None:
    anybody = WebClient(base_url=world.running.api_url)
    assert anybody.api_call("blocks.validate", json={"blocks": [{"type": "divider"}]})["ok"]
    with pytest.raises(SlackApiError) as caught:
        anybody.api_call("blocks.validate", json={"blocks": [{"type": "header", "text": {"text": "x"}}]})
    assert caught.value.response["error"] == "invalid_blocks"
    assert caught.value.response["errors"][0]["pointer"] == "/0/text"
    with pytest.raises(SlackApiError, match="invalid_arguments"):
        anybody.api_call("blocks.validate", json={})


# Setting up


def test_a_manifest_that_contradicts_itself_is_explained() -> None:
    twice = manifest()
    twice["features"]["slash_commands"].append({"command": "/robot"})
    with pytest.raises(SetupError, match=r"'/robot' twice"):
        App.from_manifest(twice)
    for scope, words in (("commands", "need the scope commands"), ("im:history", "message.im, which needs")):
        lacking = manifest()
        lacking["oauth_config"]["scopes"]["bot"] = [one for one in SCOPES if one != scope]
        with pytest.raises(SetupError, match=words):
            App.from_manifest(lacking)
    with pytest.raises(SetupError, match="published form"):
        App.from_manifest({"features": []})
    with pytest.raises(SetupError, match="must start with a slash"):
        App.from_manifest({**manifest(), "features": {"slash_commands": [{"command": "robot"}]}})


def test_a_workspace_with_a_duplicate_id_is_explained(world: World) -> None:
    workspace = world.running.slack.workspace
    with pytest.raises(SetupError, match="Two people have the id"):
        workspace.add_person("somebody", id=world.alice)
    with pytest.raises(SetupError, match="name or email"):
        workspace.add_person("alice")
    with pytest.raises(SetupError, match="Two channels have the id"):
        workspace.add_channel("new", [], id=world.general)
    with pytest.raises(SetupError, match="called #general"):
        workspace.add_channel("general", [])
    with pytest.raises(SetupError, match="whom nobody has added"):
        workspace.add_channel("new", ["U404"])
