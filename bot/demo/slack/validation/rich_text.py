"""The rich_text block and its parts (docs.slack.dev/reference/block-kit/blocks/rich-text-block)."""

from re import fullmatch

from slack_sdk.models.blocks import Block

from .shapes import Check, array, boolean, by_type, enum, integer, matching, record, string, url

_STYLES = ("bold", "italic", "strike", "code", "underline", "highlight", "client_highlight", "unlink")
_style: dict[str, Check] = {"style": record({}, dict.fromkeys(_STYLES, boolean))}


def _part(name: str, required: dict[str, Check], optional: dict[str, Check] | None = None) -> Check:
    return record({"type": enum(name), **required}, {**(optional or {}), **_style})


_text = _part("text", {"text": string()})
_link = _part("link", {"url": url()}, {"text": string(), "unsafe": boolean})
_inline = array(
    by_type(
        {
            "text": _text,
            "link": _link,
            "user": _part("user", {"user_id": string()}),
            "channel": _part("channel", {"channel_id": string()}),
            "usergroup": _part("usergroup", {"usergroup_id": string()}),
            "team": _part("team", {"team_id": string()}),
            "emoji": _part(
                "emoji", {"name": string()}, {"unicode": string(), "skin_tone": integer(1, 6), "url": url()}
            ),
            "date": _part("date", {"timestamp": integer(), "format": string()}, {"url": url(), "fallback": string()}),
            "broadcast": _part("broadcast", {"range": enum("here", "channel", "everyone")}),
            "color": _part(
                "color",
                {"value": matching(lambda text: fullmatch("#[0-9A-Fa-f]{6}", text) is not None, "a hex color")},
            ),
        }
    )
)
_border: dict[str, Check] = {"border": integer(0, 1)}

rich_text_section = record({"type": enum("rich_text_section"), "elements": _inline})
_sections = array(by_type({"rich_text_section": rich_text_section}), least=1)

rich_text_block = by_type(
    {
        "rich_text": record(
            {
                "type": enum("rich_text"),
                "elements": array(
                    by_type(
                        {
                            "rich_text_section": rich_text_section,
                            "rich_text_list": record(
                                {
                                    "type": enum("rich_text_list"),
                                    "style": enum("bullet", "ordered"),
                                    "elements": _sections,
                                },
                                {**_border, "indent": integer(0, 8), "offset": integer(0)},
                            ),
                            "rich_text_quote": record({"type": enum("rich_text_quote"), "elements": _inline}, _border),
                            "rich_text_preformatted": record(
                                {
                                    "type": enum("rich_text_preformatted"),
                                    "elements": array(by_type({"text": _text, "link": _link})),
                                },
                                {**_border, "language": string()},
                            ),
                        }
                    ),
                    least=1,
                ),
            },
            {"block_id": string(Block.block_id_max_length)},
        )
    }
)
