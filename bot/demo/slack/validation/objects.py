"""Composition objects: texts, options, confirm dialogs, filters.

Source: docs.slack.dev/reference/block-kit/composition-objects.

Limits come from `slack_sdk.models` wherever it publishes them, so that the two cannot disagree.
"""

from collections.abc import Iterator, Mapping

from slack_sdk.models.blocks import ConfirmObject, ImageElement, Option, OptionGroup

from .shapes import Check, Offence, array, boolean, both, by_type, enum, exactly_one, failed, record, string, url

TEXT_MOST = 3000


def plain_text(most: int = TEXT_MOST) -> Check:
    """A plain_text object of 1 to `most` characters."""
    return by_type({"plain_text": _plain(most)})


def any_text(most: int = TEXT_MOST) -> Check:
    """A plain_text or mrkdwn object of 1 to `most` characters."""
    return by_type({"plain_text": _plain(most), "mrkdwn": _mrkdwn(most)})


def mrkdwn_text(most: int = TEXT_MOST) -> Check:
    """A mrkdwn object of 1 to `most` characters."""
    return by_type({"mrkdwn": _mrkdwn(most)})


def _plain(most: int) -> Check:
    return record({"type": enum("plain_text"), "text": string(most)}, {"emoji": boolean})


def _mrkdwn(most: int) -> Check:
    return record({"type": enum("mrkdwn"), "text": string(most)}, {"verbatim": boolean})


def _option(text: Check, with_url: bool = False) -> Check:
    optional: dict[str, Check] = {"description": any_text(Option.label_max_length)}
    if with_url:
        optional["url"] = url()
    return record({"text": text, "value": string(Option.value_max_length)}, optional)


select_option = _option(plain_text(Option.label_max_length))
choice_option = _option(any_text(Option.label_max_length))  # radio buttons and checkboxes may use mrkdwn
overflow_option = _option(plain_text(Option.label_max_length), with_url=True)

option_group = record(
    {
        "label": plain_text(OptionGroup.label_max_length),
        "options": array(select_option, least=1, most=OptionGroup.options_max_length),
    }
)

confirm_dialog = record(
    {
        "title": plain_text(ConfirmObject.title_max_length),
        "text": any_text(ConfirmObject.text_max_length),
        "confirm": plain_text(ConfirmObject.confirm_max_length),
        "deny": plain_text(ConfirmObject.deny_max_length),
    },
    {"style": enum("primary", "danger")},
)

dispatch_config = record(
    {}, {"trigger_actions_on": array(enum("on_enter_pressed", "on_character_entered"), least=1, most=2)}
)


def _filters_something(value: Mapping[str, object], at: str) -> Iterator[Offence]:
    if not value:
        yield failed(at, "must provide at least one field of the filter")


conversation_filter = record(
    {},
    {
        "include": array(enum("im", "mpim", "private", "public"), least=1),
        "exclude_external_shared_channels": boolean,
        "exclude_bot_users": boolean,
    },
    [_filters_something],
)

slack_file = record({}, {"id": string(), "url": url()}, [exactly_one("id", "url")])

image_source: dict[str, Check] = {"image_url": url(ImageElement.image_url_max_length), "slack_file": slack_file}

image_element = both(
    by_type(
        {
            "image": record(
                {"type": enum("image"), "alt_text": string(ImageElement.alt_text_max_length, least=0)},
                image_source,
                [exactly_one("image_url", "slack_file")],
            )
        }
    )
)
