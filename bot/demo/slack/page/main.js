// The page: who acts, what they look at, and keeping all of it current.

import { ask, ModalDialog } from "./dialogs.js";
import { blocks } from "./blocks.js";
import { h, keepFocus } from "./dom.js";
import { Inspector } from "./inspector.js";
import { avatar, composer, MessageList } from "./messages.js";
import { know } from "./mrkdwn.js";
import { act, get, live } from "./server.js";

const $ = (id) => document.getElementById(id);
const facts = { me: "", people: [], channels: [], app: null };
let place = { kind: "channel", id: null };
let thread = null;
let stopLive = () => {};
let inspector = null;
let shown = { list: null, messages: [], more: false, oldest: null };
let threadList = null;

// Facts

const person = (id) => facts.people.find((one) => one.id === id) ?? { id, real_name: id === facts.slackbot ? "Slackbot" : id, is_bot: id === facts.slackbot };
const channel = (id) => facts.channels.find((one) => one.id === id);
const others = (one) => one.members.filter((id) => id !== facts.me);
const titleOf = (one) => (one.kind === "im" ? person(others(one)[0] ?? facts.me).real_name : one.kind === "mpim" ? others(one).map((id) => person(id).real_name).join(", ") : `#${one.name}`);

async function loadFacts() {
  Object.assign(facts, await get("boot", facts.me ? { as: facts.me } : {}));
  facts.channels.forEach((one) => { one.title = titleOf(one); });
  know({ me: facts.me, zone: person(facts.me).tz, people: new Map(facts.people.map((one) => [one.id, one])),
         channels: new Map(facts.channels.map((one) => [one.id, one])), open: (id) => go({ kind: "channel", id }) });
  drawTop();
  drawSide();
}

// Doing things

const say = (words) => {
  $("status").textContent = words;
  $("status").classList.add("shown");
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { $("status").classList.remove("shown"); $("status").textContent = ""; }, 6000);
};
const attempt = (promise) => promise.catch((error) => { say(error.message); });
const confirmDialog = (confirm) => ask($("confirm"), confirm);

function surfaceOf(where, state, errors, redraw) {
  return {
    me: facts.me, people: facts.people, channels: facts.channels, values: state, errors, redraw, ask: confirmDialog,
    act: (block, element, value, typing) => attempt(act(facts.me, { do: "act", ...where, block: block.block_id, action: element.action_id, value, typing }, typing || element.type !== "button")),
    suggest: (block, element, query) => act(facts.me, { do: "suggest", ...where, block: block.block_id, action: element.action_id, query }),
  };
}

const modal = new ModalDialog($("modal"), {
  surface: (view) => surfaceOf({ view: view.id }, view.state.values, view.errors, () => { modal.drawn = ""; modal.show(modal.view, modal.depth); }),
  submit: (view) => attempt(act(facts.me, { do: "submit", view: view.id })),
  close: (view, everything) => attempt(act(facts.me, { do: "close", view: view.id, everything })),
});

// The frame

function drawTop() {
  $("team").textContent = facts.team.name;
  $("who").replaceChildren(...facts.people.filter((one) => !one.is_bot).map((one) =>
    h("option", { value: one.id, selected: one.id === facts.me, disabled: one.deleted }, one.deleted ? `${one.real_name} (deactivated)` : one.real_name)));
}

function drawSide() {
  const restore = keepFocus($("side"));
  const current = (kind, id) => (place.kind === kind && place.id === id ? "page" : undefined);
  const line = (one, sign) => h("li", {}, h("button", {
    type: "button", class: `side-line${one.unread ? " unread" : ""}`, "data-key": `side-${one.id}`, aria: { current: current("channel", one.id) },
    onclick: () => go({ kind: "channel", id: one.id }) }, sign, h("span", { class: "side-name" }, one.title.replace(/^#/, "")),
    one.unread ? h("span", { class: "count" }, String(one.unread), h("span", { class: "away" }, " unread")) : null));
  const mine = facts.channels.filter((one) => one.mine && !one.archived);
  const rest = facts.channels.filter((one) => !one.mine && one.kind === "public" && !one.archived);
  const hash = (one) => h("span", { class: "side-sign", aria: { hidden: "true" } }, one.kind === "private" ? "🔒" : "#");
  const group = (name, lines) => (lines.length ? [h("h2", { class: "side-title" }, name), h("ul", {}, lines)] : []);
  const direct = mine.filter((one) => ["im", "mpim"].includes(one.kind) && !one.members.includes(facts.app.user));
  const appIm = mine.find((one) => one.kind === "im" && one.members.includes(facts.app.user));
  const appLine = h("li", {}, h("button", { type: "button", class: `side-line${appIm?.unread ? " unread" : ""}`, "data-key": "side-app",
    aria: { current: place.kind === "app" ? "page" : undefined }, onclick: () => go({ kind: "app", tab: facts.app.home ? "home" : "messages" }) },
    avatar(person(facts.app.user), true), h("span", { class: "side-name" }, facts.app.name),
    appIm?.unread ? h("span", { class: "count" }, String(appIm.unread), h("span", { class: "away" }, " unread")) : null));
  const noDmYet = facts.people.filter((one) => !one.is_bot && !one.deleted && one.id !== facts.me && !direct.some((dm) => dm.kind === "im" && dm.members.includes(one.id)));
  const newDm = noDmYet.map((one) => h("li", {}, h("button", { type: "button", class: "side-line faint", "data-key": `dm-${one.id}`,
    onclick: () => attempt(act(facts.me, { do: "direct", person: one.id }).then(async (id) => { await loadFacts(); go({ kind: "channel", id }); })) },
    avatar(one, true), h("span", { class: "side-name" }, one.real_name))));
  const unread = facts.channels.reduce((sum, one) => sum + one.unread, 0);
  document.title = `${unread ? `(${unread}) ` : ""}${facts.team.name} – Pretend Slack`;
  $("side").replaceChildren(
    ...group("Channels", mine.filter((one) => ["public", "private"].includes(one.kind)).map((one) => line(one, hash(one)))),
    ...group("Not joined", rest.map((one) => line(one, hash(one)))),
    ...group("Direct messages", [...direct.map((one) => line(one, avatar(person(others(one)[0] ?? facts.me), true))), ...newDm]),
    ...group("Apps", facts.app.revoked ? [] : [appLine]));
  restore();
}

// The main part

async function go(where) {
  place = where;
  shown = { list: null, messages: [], more: false, oldest: null };
  if (thread && (where.kind !== "channel" || thread.channel !== where.id)) closeAside();
  history.replaceState(null, "", where.kind === "channel" ? `/#${where.id}` : `/#app-${where.tab}`);
  drawSide();
  if (where.kind === "app") await openApp(where.tab);
  else await openChannel(where.id);
  // As in Slack, choosing a conversation leads to its composer; whoever has moved on meanwhile stays where they are.
  const active = document.activeElement;
  if (active === document.body || $("side").contains(active)) ($("main").querySelector(".compose-text") ?? $("main")).focus({ preventScroll: true });
}

async function openApp(tab) {
  const tabs = [["home", "Home"], ["messages", "Messages"]].filter(([kind]) => kind !== "home" || facts.app.home);
  const body = h("div", { class: tab === "home" ? "home scroller" : "conversation", id: "app-body", role: "tabpanel", "aria-label": tab === "home" ? "Home" : "Messages" });
  $("main").replaceChildren(
    h("header", { class: "main-head" }, h("h1", {}, facts.app.name), h("div", { role: "tablist", class: "tabs", aria: { label: facts.app.name } },
      tabs.map(([kind, name]) => h("button", { type: "button", role: "tab", "data-key": `tab-${kind}`, aria: { selected: String(kind === tab), controls: "app-body" }, onclick: () => go({ kind: "app", tab: kind }) }, name)))),
    body);
  if (tab === "messages") {
    const id = await act(facts.me, { do: "direct", person: facts.app.user });
    await loadFacts();
    place = { kind: "app", tab, id };
    await fillConversation(body, id);
  }
  await attempt(act(facts.me, { do: "home", tab }));
  if (tab === "home") await drawViews();
}

async function openChannel(id) {
  const one = channel(id);
  if (!one) return;
  const body = h("div", { class: "conversation" });
  $("main").replaceChildren(
    h("header", { class: "main-head" }, h("h1", {}, one.kind === "private" ? h("span", { role: "img", aria: { label: "private" } }, "🔒 ") : null, one.title),
      h("p", { class: "about" }, [one.kind.includes("im") ? null : `${one.members.length} members`, one.topic || null, one.shared_outside ? "shared with another company" : null].filter(Boolean).join(" · "))),
    body);
  await fillConversation(body, id);
}

async function fillConversation(body, id) {
  const one = channel(id);
  const list = new MessageList(pageFor(id), { inThread: false, label: `Messages in ${one.title}` });
  const earlier = h("button", { type: "button", class: "button small earlier", hidden: true, onclick: () => loadEarlier(id) }, "Load earlier messages");
  const scroller = h("div", { class: "scroller", tabindex: "0", role: "region", aria: { label: "Conversation" } }, earlier, list.list);
  const allowed = one.mine && !one.archived;
  const foot = allowed
    ? composer({ label: `Message ${one.title}`, commands: facts.app.commands, onSend: (text) => attempt(act(facts.me, { do: "type", channel: id, text })) })
    : h("div", { class: "join" }, one.archived ? "This channel is archived." : h("button", { type: "button", class: "button primary filled", onclick: () => attempt(act(facts.me, { do: "join", channel: id }).then(async () => { await loadFacts(); go(place); })) }, `Join ${one.title}`));
  const shortcuts = facts.app.shortcuts.filter((each) => each.kind === "global");
  const bar = allowed && shortcuts.length ? h("div", { class: "shortcuts", role: "group", aria: { label: "Shortcuts" } }, shortcuts.map((each) =>
    h("button", { type: "button", class: "button small", title: each.description, onclick: () => attempt(act(facts.me, { do: "shortcut", callback_id: each.callback_id })) }, h("span", { aria: { hidden: "true" } }, "⚡ "), each.name))) : null;
  body.replaceChildren(scroller, foot, bar ?? "");
  shown = { id, list, scroller, earlier, messages: [], more: false, atEnd: true };
  const mine = shown;
  scroller.addEventListener("scroll", () => { mine.atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80; });
  // Whoever was reading the newest message goes on doing so when something opens beside or below it.
  const staying = new ResizeObserver(() => { if (mine.atEnd) scroller.scrollTop = scroller.scrollHeight; });
  staying.observe(scroller);
  staying.observe(list.list);
  await refreshMessages(true);
}

const pageFor = (id) => ({
  person, app: facts.app,
  surface: (message) => surfaceOf({ channel: id, ts: message.ts }, message.state, undefined, () => { shown.list?.rows.delete(message.ts); threadList?.rows.delete(message.ts); refreshMessages(); }),
  openThread: (ts) => openThread(id, ts),
  shortcut: (one, ts) => attempt(act(facts.me, { do: "shortcut", callback_id: one.callback_id, channel: id, ts })),
});

async function refreshMessages(first = false) {
  const { id, list, scroller } = shown;
  if (!id || !list) return;
  const { messages, more } = await get(`channel/${id}`, { as: facts.me });
  if (shown.id !== id || shown.list !== list) return;
  const atEnd = first || shown.atEnd;
  const from = messages[0]?.ts ?? "~";
  const earlier = shown.messages.filter((one) => one.ts < from);
  shown.messages = [...earlier, ...messages];
  if (!earlier.length) shown.more = more;
  shown.earlier.hidden = !shown.more;
  list.show(shown.messages);
  if (atEnd) scroller.scrollTop = scroller.scrollHeight;
  if (document.visibilityState === "visible" && channel(id)?.mine) await attempt(act(facts.me, { do: "look", channel: id }));
}

async function loadEarlier(id) {
  const { scroller, list } = shown;
  const answer = await get(`channel/${id}`, { as: facts.me, before: shown.messages[0].ts });
  const height = scroller.scrollHeight;
  shown.messages = [...answer.messages, ...shown.messages];
  shown.more = answer.more;
  shown.earlier.hidden = !answer.more;
  list.show(shown.messages);
  scroller.scrollTop += scroller.scrollHeight - height;
}

/** What a permalink leads to: the message, however far back, and its thread. */
async function showMessage(ts, threadTs) {
  const root = threadTs ?? ts;
  while (shown.more && !shown.messages.some((one) => one.ts <= root)) await loadEarlier(shown.id);
  shown.atEnd = false;
  const row = shown.list.list.querySelector(`[data-ts="${CSS.escape(root)}"]`);
  row?.classList.add("linked");
  row?.scrollIntoView({ block: "center" });
  if (threadTs) await openThread(shown.id, threadTs);
}

// Beside it: a thread or the inspector

function closeAside() {
  thread = null;
  threadList = null;
  inspector = null;
  $("aside").hidden = true;
  $("aside").replaceChildren();
  $("inspect").setAttribute("aria-expanded", "false");
  document.body.classList.remove("with-aside");
}

function openAside(node) {
  $("aside").replaceChildren(node);
  $("aside").hidden = false;
  document.body.classList.add("with-aside");
}

async function openThread(id, ts) {
  closeAside();
  thread = { channel: id, ts };
  threadList = new MessageList(pageFor(id), { inThread: true, label: "Thread" });
  openAside(h("section", { class: "panel", aria: { label: "Thread" } },
    h("header", { class: "panel-head" }, h("h2", {}, "Thread"), h("p", { class: "about" }, channel(id).title),
      h("button", { type: "button", class: "quiet", aria: { label: "Close thread" }, onclick: closeAside }, "×")),
    h("div", { class: "scroller", tabindex: "0", role: "region", aria: { label: "Thread messages" } }, threadList.list),
    composer({ label: "Reply…", commands: [], onSend: (text) => attempt(act(facts.me, { do: "type", channel: id, thread: ts, text })) })));
  await refreshThread();
  $("aside").querySelector("textarea").focus();
}

async function refreshThread() {
  if (!thread) return;
  const { messages } = await get(`thread/${thread.channel}/${thread.ts}`, { as: facts.me });
  threadList?.show(messages);
}

function toggleInspector() {
  if (inspector) { closeAside(); return; }
  closeAside();
  inspector = new Inspector(() => { closeAside(); $("inspect").focus(); });
  $("inspect").setAttribute("aria-expanded", "true");
  openAside(inspector.node);
  inspector.draw();
  inspector.refresh();
}

// Modals and Home

let homeDrawn = "";

async function drawViews() {
  const { modal: view, depth, home } = await get("views", { as: facts.me });
  modal.depth = depth;
  modal.show(view, depth);
  const body = $("app-body");
  if (place.kind !== "app" || place.tab !== "home" || !body) { homeDrawn = ""; return; }
  const look = home ? `${home.id}/${home.version}` : "none";
  if (look === homeDrawn && body.childElementCount) return;
  homeDrawn = look;
  const restore = keepFocus(body);
  const surface = home && surfaceOf({ view: home.id }, home.state.values, home.errors, () => { homeDrawn = ""; drawViews(); });
  body.replaceChildren(...(home ? [home.trouble ? h("p", { class: "trouble", role: "alert" }, home.trouble) : "", ...blocks(surface, home.blocks)]
    : [h("p", { class: "empty" }, `${facts.app.name} has not put anything here yet.`)]));
  restore();
}

// Staying current

let waiting = null; // changes that have not been shown yet, "all" meaning everything
let refreshing = false;

async function onChanges(changes) {
  if (changes === null || waiting === "all") waiting = "all";
  else waiting = [...(waiting ?? []), ...changes];
  if (refreshing) return; // whoever is at it looks again
  refreshing = true;
  try {
    while (waiting) {
      const now = waiting;
      waiting = null;
      await refresh(now);
    }
  } catch (error) {
    say(`Could not refresh: ${error.message}`);
  } finally {
    refreshing = false;
  }
}

async function refresh(changes) {
  const what = (name) => changes === "all" || changes.some((one) => one.what === name);
  const here = (id) => changes === "all" || changes.some((one) => one.what === "messages" && one.channel === id);
  if (what("people") || what("channels") || what("messages")) await loadFacts();
  if (shown.id && here(shown.id)) await refreshMessages();
  if (thread && here(thread.channel)) await refreshThread();
  if (what("views") || what("home")) await drawViews();
  if (inspector && what("traffic")) await inspector.refresh();
}

async function become(id) {
  facts.me = id ?? "";
  stopLive();
  closeAside();
  await loadFacts();
  sessionStorage.setItem("me", facts.me);
  const linked = /^\/archives\/(\w+)\/p(\d+)(\d{6})$/.exec(location.pathname);
  const linkedThread = new URLSearchParams(location.search).get("thread_ts");
  const wanted = linked?.[1] ?? decodeURIComponent(location.hash.slice(1));
  const visible = facts.channels.find((one) => one.id === (place.id ?? wanted)) ?? facts.channels.find((one) => one.mine) ?? facts.channels[0];
  if (place.kind === "app" || (!place.id && wanted.startsWith("app-"))) await go({ kind: "app", tab: place.tab ?? wanted.slice(4) });
  else if (visible) await go({ kind: "channel", id: visible.id });
  if (linked && visible?.id === linked[1]) await showMessage(`${linked[2]}.${linked[3]}`, linkedThread);
  stopLive = live(facts.me, onChanges, (connected) => document.body.classList.toggle("offline", !connected));
}

function showTheme(theme) {
  document.documentElement.dataset.theme = theme;
  $("theme").textContent = theme === "dark" ? "Light" : "Dark";
  $("theme").setAttribute("aria-label", `Switch to ${theme === "dark" ? "light" : "dark"} colors`);
}

$("who").addEventListener("change", () => attempt(become($("who").value)));
$("inspect").addEventListener("click", toggleInspector);
$("theme").addEventListener("click", () => {
  const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  localStorage.setItem("theme", theme);
  showTheme(theme);
});
document.addEventListener("visibilitychange", () => { if (document.visibilityState === "visible") refreshMessages(); });

showTheme(localStorage.getItem("theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
fetch("/client/emoji").then((answer) => answer.json()).then((emoji) => know({ emoji })).then(() => become(sessionStorage.getItem("me")))
  .catch((error) => say(`The pretend Slack cannot be reached: ${error.message}`));
