"""App Home, and the overview of one organization that `/rotate` shows."""

from collections.abc import Sequence
from typing import Any

from blocks import ids, parts, settings
from blocks.parts import Block
from bot.overview import Health, HomeView, Setup, Waiting, Wishes, Work

_MOST_WORK = 8
_MOST_OTHERS = 5
_WAITS_FOR = {
    "rotate": "to rotate privileged or break-glass accounts",
    "reveal": "to be shown a protected password",
    "ceiling": "for more in an hour than one person may",
}


def home(view: HomeView) -> dict[str, Any]:
    """The Home tab."""
    blocks = _troubles(view.troubles)
    blocks += _switched_off(view) + _for_administrators(view)
    blocks += _organizations(view)
    blocks += _all_work(view)
    blocks += _settings(view.wishes) + _switch(view)
    blocks.append(parts.actions(parts.button("Look again", ids.HOME_LOOK, ids.value(0))))
    return parts.home(blocks)


def nobody(reason: str) -> dict[str, Any]:
    """The Home tab of somebody who may not use Rekey: why, and what to do."""
    return parts.home([parts.header("Rekey"), parts.section(parts.sentence(reason))])


def overview(health: Health) -> tuple[str, list[Block]]:
    """How one organization stands and what can be done there: the text and the blocks."""
    about = parts.context("Only you see this. `/rotate help` shows everything.")
    return parts.escape(health.name), [
        parts.header(health.name),
        parts.section(_stands(health)),
        _buttons(health),
        about,
    ]


def _organizations(view: HomeView) -> list[Block]:
    blocks = [parts.header("My organizations")]
    if not view.healths:
        return [*blocks, parts.section("There are none yet. An administrator adds one with `/rotate setup`.")]
    for number, each in enumerate(view.healths):
        if number:
            blocks.append(parts.divider())
        where = f" in <#{each.channel}>" if each.channel else ""
        blocks += [parts.section(f"*{parts.escape(each.name)}*{where}\n{_stands(each)}"), _buttons(each)]
    return blocks + parts.paging(ids.HOME_PAGE, view.page, view.pages)


def _stands(health: Health) -> str:
    lines = []
    if health.frozen_at:
        who = parts.person(health.frozen_by)
        lines.append(f"⛔ Stopped by {who} {parts.moment(health.frozen_at)}: nothing is written until it is started.")
    if health.stuck:
        lines.append(f"🔴 {parts.count(health.stuck, 'record')} stuck: a person has to decide.")
    if health.failing:
        lines.append(f"🟠 {parts.count(health.failing, 'record')} could not be rotated; the old passwords hold.")
    if health.stopped:
        names = ", ".join(f"`{parts.escape(name, 80)}`" for name in health.stopped[:5])
        lines.append(f"🟠 Work towards {names} stopped; `/rotate doctor` says why.")
    if health.under_way:
        lines.append(f"🔵 {parts.count(health.under_way, 'rotation')} under way.")
    if health.to_approve:
        lines.append(f"🟢 {parts.count(health.to_approve, 'exact match', 'exact matches')} to approve.")
    if health.unmatched:
        lines.append(f"⚪ {parts.count(health.unmatched, 'account')} without an exact record.")
    matched = parts.count(health.matched, "account is", "accounts are")
    if health.is_well:
        lines.append(f"✅ {matched} matched, and nothing waits for you." if health.matched else "Nothing here yet.")
    elif health.matched:
        lines.append(f"✅ {matched} matched.")
    return "\n".join(lines)


def _buttons(health: Health) -> Block:
    value = ids.value(health.organization_id)
    open_matches = health.to_approve + health.unmatched
    first = "primary" if open_matches else None
    buttons = [
        parts.button("Review matches", ids.word("match"), value, style=first),
        parts.button("Rotate all…", ids.word("all"), value),
        parts.button("Status", ids.word("status"), value),
        parts.button("Sync", ids.word("sync"), value),
    ]
    return parts.actions(*buttons)


def _all_work(view: HomeView) -> list[Block]:
    blocks = [parts.header("Under way")]
    blocks += [_work(each) for each in view.work[:_MOST_WORK]] or [parts.section("Nothing is under way.")]
    more = len(view.work) - _MOST_WORK
    if more > 0:
        blocks.append(parts.context(f"And {more:,} more, each in its organization's channel."))
    if view.results:
        blocks += [parts.header("Recent results"), *(_work(each) for each in view.results[:_MOST_OTHERS])]
    return blocks


def _work(work: Work) -> Block:
    where = f" in <#{work.channel}>" if work.channel else ""
    said = f"*{parts.escape(work.organization)}*{where}, asked for by {parts.person(work.requested_by)} "
    said += parts.moment(work.created_at)
    if work.waits:
        return parts.section(f"{said}\n{parts.count(work.total, 'password')}; waits for a second administrator.")
    failed = f", {work.failed:,} not" if work.failed else ""
    if work.ended_at is None:
        return parts.section(f"{said}\n{parts.bar(work.done + work.failed, work.total)}{failed and f'{failed} done'}")
    mark = "🟠" if work.failed else "✅"
    rotated = f"{work.done:,} of {parts.count(work.total, 'password')} rotated"
    return parts.section(f"{mark} {said}\n{rotated}{failed}; ended {parts.moment(work.ended_at)}.")


def _for_administrators(view: HomeView) -> list[Block]:
    if not view.administers:
        return []
    blocks: list[Block] = []
    if view.waiting:
        blocks += [parts.header("Waiting for you"), *(_approval(each) for each in view.waiting[:_MOST_OTHERS])]
        blocks.append(parts.context("Each has its card in your messages with Rekey: look there, then agree or refuse."))
    if view.setups:
        blocks += [parts.header("To set up"), *(_setup(each) for each in view.setups[:_MOST_OTHERS])]
        if len(view.setups) > _MOST_OTHERS:
            blocks.append(parts.context(f"And {len(view.setups) - _MOST_OTHERS:,} more."))
    return blocks


def _approval(waiting: Waiting) -> Block:
    what = _WAITS_FOR.get(waiting.what, "for a second administrator's word")
    until = parts.moment(waiting.expires_at)
    organization = parts.escape(waiting.organization)
    return parts.section(f"{parts.person(waiting.requested_by)} asks {what} at *{organization}*. Expires {until}.")


def _setup(setup: Setup) -> Block:
    button = parts.button("Set up", ids.word("setup"), ids.value(setup.organization_id))
    return parts.section(f"*{parts.escape(setup.name)}*\n{' '.join(setup.lacks)}", button)


def _troubles(troubles: Sequence[tuple[str, str]]) -> list[Block]:
    shown = [parts.section(f"⚠️ *{parts.escape(name)}*: {parts.sentence(why, 600)}") for name, why in troubles[:3]]
    more = len(troubles) - len(shown)
    return [*shown, *([parts.context(f"And {more:,} more like this.")] if more else [])]


def _switched_off(view: HomeView) -> list[Block]:
    if view.off is None:
        return []
    at, by = view.off
    text = f"⏸️ *Rotation is switched off everywhere* {parts.moment(at)} by {parts.person(by)}: no password is changed."
    on = parts.button("Switch on", ids.ROTATION_ON, ids.value(0), style="primary") if view.may_switch else None
    return [parts.section(text, on)]


def _switch(view: HomeView) -> list[Block]:
    if view.off is not None or not view.may_switch:
        return []
    sure = parts.confirm(
        "Switch rotation off everywhere?",
        "No password is changed in any organization until it is switched on; what is asked for meanwhile is refused.",
        "Switch off",
        danger=True,
    )
    button = parts.button("Switch off", ids.ROTATION_OFF, ids.value(0), confirm=sure)
    return [parts.header("For everybody"), parts.section("Rotation is on everywhere.", button)]


def _settings(wishes: Wishes) -> list[Block]:
    step_up = (
        "Your authenticator app is enrolled: its code lets you read a password once."
        if wishes.enrolled
        else "You have no authenticator app enrolled, so no password can be shown to you. Whoever runs Rekey gives you "
        "a one-time code with `rekey operators enrol`."
    )
    change = parts.button("Change…", ids.word("settings"), ids.value(0))
    return [
        parts.header("My settings"),
        parts.section("\n".join(settings.in_short(wishes)), change),
        parts.context(step_up),
    ]
