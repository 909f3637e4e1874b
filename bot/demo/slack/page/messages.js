// Messages: one, a list of them that changes as little as it must, and the composer below.

import { attachment, blocks, plainMessage } from "./blocks.js";
import { h, keepFocus, newId } from "./dom.js";
import { moveInMenu } from "./elements.js";
import { clock, dayName, dayOf, mrkdwn } from "./mrkdwn.js";

const HUES = 12;

/** A colored square with somebody's initials. */
export function avatar(person, small = false) {
  const name = person?.real_name ?? "?";
  const hue = [...(person?.id ?? name)].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % HUES;
  const initials = name.split(/\s+/).map((word) => word[0]).slice(0, 2).join("").toUpperCase();
  return h("span", { class: `avatar hue-${hue}${small ? " small" : ""}${person?.is_bot ? " app" : ""}`, aria: { hidden: "true" } }, initials);
}

/** The list of a conversation or thread. `page` offers person(id), surface(message), openThread, shortcut, app. */
export class MessageList {
  constructor(page, { inThread, label }) {
    this.page = page;
    this.inThread = inThread;
    this.rows = new Map();
    this.list = h("ol", { class: "messages", aria: { label } });
  }

  show(messages) {
    const restore = keepFocus(this.list);
    const kept = new Map();
    const nodes = [];
    let last = null;
    for (const message of messages) {
      if (!this.inThread && (last === null || dayOf(last.ts) !== dayOf(message.ts))) {
        nodes.push(h("li", { class: "day" }, h("span", {}, dayName(message.ts))));
        last = null;
      }
      const follows = last !== null && last.user === message.user && !message.subtype && !last.subtype && !message.ephemeral && !last.ephemeral
        && Number(message.ts) - Number(last.ts) < 300 && !last.reply_count;
      const look = `${message.version}/${message.warning ?? ""}/${follows}/${message.reply_count ?? 0}`;
      const had = this.rows.get(message.ts);
      const row = had?.look === look ? had : { look, node: this.row(message, follows) };
      kept.set(message.ts, row);
      nodes.push(row.node);
      last = message;
    }
    this.rows = kept;
    const current = [...this.list.children];
    if (nodes.length !== current.length || nodes.some((node, at) => node !== current[at])) this.list.replaceChildren(...nodes);
    restore();
  }

  row(message, follows) {
    const { page } = this;
    const person = page.person(message.user);
    if (message.subtype === "channel_join" || message.subtype === "channel_leave") {
      return h("li", { class: "system" }, ...mrkdwn(message.text), " ", h("time", {}, clock(message.ts)));
    }
    const surface = page.surface(message);
    const body = message.blocks?.length ? blocks(surface, message.blocks) : message.text ? [plainMessage(message.text)] : [];
    const head = h("p", { class: "message-head" }, h("strong", { class: "author" }, person.real_name),
      person.is_bot ? h("span", { class: "badge" }, "APP") : null, h("time", { class: "at" }, clock(message.ts)));
    return h("li", { class: `message${follows ? " follows" : ""}${message.ephemeral ? " ephemeral" : ""}`, "data-ts": message.ts },
      follows ? h("time", { class: "at gutter" }, clock(message.ts)) : avatar(person),
      h("article", { class: "message-body", aria: { label: `${person.real_name}, ${clock(message.ts)}` } },
        message.ephemeral ? h("p", { class: "only-you" }, h("span", { aria: { hidden: "true" } }, "👁 "), "Only visible to you") : null,
        follows ? null : head, body, (message.attachments ?? []).map((one) => attachment(surface, one)),
        message.edited && !message.bot_id ? h("span", { class: "edited" }, "(edited)") : null,
        message.warning ? h("p", { class: "warning", role: "alert" }, h("span", { aria: { hidden: "true" } }, "⚠ "), message.warning) : null,
        !this.inThread && message.reply_count ? h("button", { type: "button", class: "replies", onclick: () => page.openThread(message.ts) },
          `${message.reply_count} ${message.reply_count === 1 ? "reply" : "replies"}`, h("span", { class: "last-reply" }, ` last at ${clock(message.latest_reply)}`)) : null),
      message.ephemeral ? null : this.tools(message));
  }

  tools(message) {
    const { page } = this;
    const shortcuts = page.app.shortcuts.filter((one) => one.kind === "message");
    const id = newId("menu");
    const toggle = (open) => {
      menu.hidden = !open;
      opener.setAttribute("aria-expanded", String(open));
      if (open) menu.querySelector("[role=menuitem]").focus();
    };
    const opener = h("button", { type: "button", class: "quiet", title: "More actions", aria: { label: "More actions", haspopup: "menu", expanded: "false", controls: id }, onclick: () => toggle(menu.hidden) }, "⋮");
    const menu = h("div", { id, role: "menu", class: "menu", hidden: true, aria: { label: "Message shortcuts" },
      onkeydown: (event) => moveInMenu(event, menu, () => { toggle(false); opener.focus(); }),
      onfocusout: (event) => { if (!menu.parentElement.contains(event.relatedTarget)) toggle(false); } },
      shortcuts.map((one) => h("button", { type: "button", role: "menuitem", tabindex: "-1", onclick: () => { toggle(false); page.shortcut(one, message.ts); } },
        one.name, h("span", { class: "option-more" }, page.app.name))));
    return h("div", { class: "tools" },
      this.inThread ? null : h("button", { type: "button", class: "quiet", title: "Reply in thread", aria: { label: "Reply in thread" }, onclick: () => page.openThread(message.thread_ts ?? message.ts) }, "↩"),
      shortcuts.length ? h("span", { class: "menu-box" }, opener, menu) : null);
  }
}

/** Where messages and slash commands are typed. `commands` are offered while the first word is typed. */
export function composer({ label, commands, onSend }) {
  const listId = newId("commands");
  let offered = [];
  let active = 0;
  const input = h("textarea", { rows: 1, class: "compose-text", placeholder: label, "data-key": `compose-${label}`,
    aria: commands.length ? { label, autocomplete: "list", controls: listId, expanded: "false" } : { label }, role: commands.length ? "combobox" : undefined,
    oninput: () => { grow(); offer(); }, onkeydown: onKey, onblur: () => setTimeout(hide, 100) });
  const list = h("div", { id: listId, role: "listbox", class: "options commands", hidden: true, aria: { label: "Commands" } });
  const send = h("button", { type: "submit", class: "button primary filled send", aria: { label: "Send" } }, "➤");
  const grow = () => { input.style.height = "auto"; input.style.height = `${Math.min(input.scrollHeight, 160)}px`; };

  function offer() {
    const first = /^\/\S*$/.test(input.value) ? input.value : null;
    offered = first === null ? [] : commands.filter((one) => one.name.startsWith(first));
    active = 0;
    list.replaceChildren(...offered.map((one, at) => h("div", { role: "option", id: `${listId}-${at}`, class: "option", aria: { selected: String(at === active) },
      onmousedown: (event) => { event.preventDefault(); take(at); } },
      h("strong", {}, one.name), " ", h("span", { class: "usage" }, one.usage_hint), h("span", { class: "option-more" }, one.description))));
    list.hidden = !offered.length;
    mark();
  }
  function mark() {
    if (commands.length) input.setAttribute("aria-expanded", String(!list.hidden));
    [...list.children].forEach((option, at) => { option.classList.toggle("active", at === active); option.setAttribute("aria-selected", String(at === active)); });
    if (list.hidden) input.removeAttribute("aria-activedescendant");
    else input.setAttribute("aria-activedescendant", `${listId}-${active}`);
  }
  function hide() { list.hidden = true; mark(); }
  function take(at) { input.value = `${offered[at].name} `; hide(); input.focus(); }
  function onKey(event) {
    if (!list.hidden && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      active = (active + (event.key === "ArrowDown" ? 1 : -1) + offered.length) % offered.length;
      mark();
    } else if (!list.hidden && (event.key === "Tab" || (event.key === "Enter" && input.value !== offered[active].name))) {
      event.preventDefault();
      take(active);
    } else if (!list.hidden && event.key === "Escape") {
      event.preventDefault();
      hide();
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      form.requestSubmit();
    }
  }
  const form = h("form", { class: "compose", onsubmit: (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (!text) return;
    input.value = "";
    hide();
    grow();
    onSend(text);
  } }, list, input, send);
  return form;
}
