// Every interactive element. A `surface` is where it stands: a message, a modal or the Home tab.

import { combobox } from "./combobox.js";
import { h, newId } from "./dom.js";
import { textObject } from "./mrkdwn.js";

/**
 * One element of a block. `surface` offers values (state.values), errors, people, channels, act(block, element,
 * value, typing), suggest(block, element, query) and ask(confirm dialog) → promise of yes or no.
 * `label` is {id, text, forId} of what names the element.
 */
export function element(surface, block, one, label = naming(one)) {
  const draw = ELEMENTS[one.type];
  if (!draw) return h("span", { class: "unknown" }, `(${one.type})`);
  return draw(new Field(surface, block, one, label));
}

/** How an element without a label of its own is called. */
function naming(one) {
  const text = one.placeholder?.text ?? one.text?.text ?? NAMES[one.type] ?? one.type.replaceAll("_", " ");
  return { text: one.accessibility_label ?? text };
}

const NAMES = {
  overflow: "More options", datepicker: "Date", timepicker: "Time", datetimepicker: "Date and time",
  checkboxes: "Choices", radio_buttons: "Choices",
};

class Field {
  constructor(surface, block, one, label) { Object.assign(this, { surface, block, one, label }); }

  get key() { return `${this.block.block_id}/${this.one.action_id}`; }
  get state() { return this.surface.values?.[this.block.block_id]?.[this.one.action_id] ?? {}; }
  get error() { return this.block.type === "input" ? this.surface.errors?.[this.block.block_id] : undefined; }
  get described() { return this.block.type === "input" ? `${this.label.forId}-hint ${this.label.forId}-error` : undefined; }

  get aria() {
    return { label: this.label.id ? undefined : this.label.text, labelledby: this.label.id, describedby: this.described,
             invalid: this.error ? "true" : undefined, required: this.block.type === "input" && !this.block.optional ? "true" : undefined };
  }

  /** Use the element, after asking for confirmation if it wants that. */
  async use(value, typing = false) {
    if (this.one.confirm && !typing && !(await this.surface.ask(this.one.confirm))) { this.surface.redraw?.(); return; }
    await this.surface.act(this.block, this.one, value, typing);
  }
}

function button(field) {
  const { one } = field;
  const drawn = h("button", {
    type: "button", class: `button ${one.style ?? ""}`, "data-key": field.key, aria: { label: one.accessibility_label },
    onclick: () => {
      if (one.url) window.open(one.url, "_blank", "noopener,noreferrer");
      drawn.classList.add("busy");
      field.use(null).finally(() => drawn.classList.remove("busy"));
    },
  }, ...textObject(one.text), one.url ? h("span", { class: "out", aria: { hidden: "true" } }, "↗") : null);
  return drawn;
}

function feedback(field) {
  const choice = (part, sign) => h("button", {
    type: "button", class: "button small", aria: { label: part.accessibility_label ?? part.text.text },
    onclick: () => field.use(part.value),
  }, h("span", { aria: { hidden: "true" } }, sign), ` ${part.text.text}`);
  return h("span", { class: "feedback", role: "group", aria: { label: "Feedback" } },
    choice(field.one.positive_button, "👍"), choice(field.one.negative_button, "👎"));
}

function iconButton(field) {
  const { one, surface } = field;
  if (one.visible_to_user_ids && !one.visible_to_user_ids.includes(surface.me)) return "";
  return h("button", { type: "button", class: "button small", "data-key": field.key, title: one.text.text,
    aria: { label: one.accessibility_label ?? one.text.text }, onclick: () => field.use(null) },
    h("span", { aria: { hidden: "true" } }, "🗑"));
}

function overflow(field) {
  const id = newId("menu");
  const toggle = (open) => {
    menu.hidden = !open;
    opener.setAttribute("aria-expanded", String(open));
    if (open) menu.querySelector("[role=menuitem]").focus();
  };
  const opener = h("button", { type: "button", class: "button small", "data-key": field.key,
    aria: { label: "More options", haspopup: "menu", expanded: "false", controls: id }, onclick: () => toggle(menu.hidden) }, "⋯");
  const menu = h("div", { id, role: "menu", class: "menu", hidden: true, aria: { label: "More options" },
    onkeydown: (event) => moveInMenu(event, menu, () => { toggle(false); opener.focus(); }),
    onfocusout: (event) => { if (!box.contains(event.relatedTarget)) toggle(false); } },
    field.one.options.map((option) => h("button", { type: "button", role: "menuitem", tabindex: "-1",
      onclick: () => {
        toggle(false);
        opener.focus();
        if (option.url) window.open(option.url, "_blank", "noopener,noreferrer");
        field.use(option);
      } }, ...textObject(option.text), option.description ? h("span", { class: "option-more" }, option.description.text) : null)));
  const box = h("span", { class: "menu-box" }, opener, menu);
  return box;
}

/** Arrow keys, Home, End and Escape in a menu. */
export function moveInMenu(event, menu, close) {
  const items = [...menu.querySelectorAll("[role=menuitem]")];
  const at = items.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
  if (event.key === "Escape") { event.preventDefault(); event.stopPropagation(); close(); }
  else if (to !== undefined) { event.preventDefault(); items[(to + items.length) % items.length].focus(); }
}

function boxes(field, type, chosen, toValue) {
  const group = newId("choice");
  const inputs = field.one.options.map((option) => {
    const id = newId("box");
    const input = h("input", { type, id, name: group, "data-key": `${field.key}/${option.value}`,
      checked: chosen.includes(option.value), onchange: () => field.use(toValue()) });
    return [input, h("div", { class: "box" }, input, h("label", { for: id }, ...textObject(option.text),
      option.description ? h("span", { class: "option-more" }, ...textObject(option.description)) : null))];
  });
  const toValueOf = () => field.one.options.filter((_, index) => inputs[index][0].checked);
  toValue = type === "radio" ? () => toValueOf()[0] : toValueOf;
  return h("div", { class: "boxes", role: type === "radio" ? "radiogroup" : "group",
    aria: { label: field.label.id ? undefined : field.label.text, labelledby: field.label.id, describedby: field.described } },
    inputs.map(([, box]) => box));
}

const checkboxes = (field) => boxes(field, "checkbox", (field.state.selected_options ?? []).map((option) => option.value));
const radios = (field) => boxes(field, "radio", field.state.selected_option ? [field.state.selected_option.value] : []);

const asOption = (option) => ({ key: option.value, text: option.text.text, description: option.description?.text, option });

function menu(field, { several, chosen, groups, onChange, note }) {
  return combobox({
    key: field.key, label: field.label, described: field.described, placeholder: field.one.placeholder?.text, several,
    most: field.one.max_selected_items, chosen, groups, onChange, note, invalid: Boolean(field.error),
  });
}

const matching = (query) => (option) => option.text.toLowerCase().includes(query.toLowerCase());

function options(field, several) {
  const held = several ? field.state.selected_options ?? [] : [field.state.selected_option].filter(Boolean);
  const groups = field.one.option_groups ?? [{ label: null, options: field.one.options ?? [] }];
  return menu(field, {
    several,
    chosen: held.map(asOption),
    groups: (query) => groups
      .map((group) => ({ label: group.label?.text, options: group.options.map(asOption).filter(matching(query)) }))
      .filter((group) => group.options.length),
    onChange: (picked) => field.use(several ? picked.map((one) => one.option) : picked[0]?.option ?? null),
  });
}

function external(field, several) {
  const held = several ? field.state.selected_options ?? [] : [field.state.selected_option].filter(Boolean);
  const least = field.one.min_query_length ?? 3;
  return menu(field, {
    several,
    chosen: held.map(asOption),
    note: least ? `Type at least ${least} character${least === 1 ? "" : "s"} to search` : "No results",
    groups: async (query) => (await field.surface.suggest(field.block, field.one, query))
      .map((group) => ({ label: group.label?.text, options: group.options.map(asOption) })),
    onChange: (picked) => field.use(several ? picked.map((one) => one.option) : picked[0]?.option ?? null),
  });
}

function known(field, several, slot, all) {
  const named = new Map(all.map((one) => [one.key, one]));
  const held = several ? field.state[`${slot}s`] ?? [] : [field.state[slot]].filter(Boolean);
  return menu(field, {
    several,
    chosen: held.map((id) => named.get(id) ?? { key: id, text: id }),
    groups: (query) => [{ label: null, options: all.filter(matching(query)) }].filter((group) => group.options.length),
    onChange: (picked) => field.use(several ? picked.map((one) => one.key) : picked[0]?.key ?? null),
  });
}

const users = (field, several) => known(field, several, "selected_user",
  field.surface.people.filter((one) => !one.deleted).map((one) => ({ key: one.id, text: one.real_name, description: `@${one.name}` })));
const channels = (field, several) => known(field, several, "selected_channel",
  field.surface.channels.filter((one) => one.kind === "public" && !one.archived).map((one) => ({ key: one.id, text: `#${one.name}` })));

function conversations(field, several) {
  const filter = field.one.filter ?? {};
  const wanted = filter.include ?? ["public", "private", "im", "mpim"];
  const all = field.surface.channels
    .filter((one) => wanted.includes(one.kind) && !one.archived && (one.mine || one.kind === "public"))
    .filter((one) => !(filter.exclude_external_shared_channels && one.shared_outside))
    .filter((one) => !(filter.exclude_bot_users && one.kind === "im" && one.members.some((id) => field.surface.people.find((p) => p.id === id)?.is_bot)))
    .map((one) => ({ key: one.id, text: one.title }));
  return known(field, several, "selected_conversation", all);
}

/** A text input; `read` turns what was typed into the element's value. */
function typed(field, attributes, held, read = (text) => text) {
  const multiline = attributes.rows !== undefined;
  const { rows, ...rest } = attributes;
  const input = h(multiline ? "textarea" : "input", {
    ...(multiline ? { rows } : { type: "text" }), ...rest, id: field.label.forId, class: "text", "data-key": field.key, value: held ?? "",
    placeholder: field.one.placeholder?.text, aria: field.aria, autocomplete: "off",
    oninput: () => field.use(read(input.value), true),
    onkeydown: (event) => {
      const confirms = field.block.dispatch_action || field.block.type !== "input";
      if (event.key === "Enter" && !event.shiftKey && confirms && (!multiline || event.metaKey || event.ctrlKey)) {
        event.preventDefault();
        event.stopPropagation();
        field.use(read(input.value), false);
      }
    },
  });
  return input;
}

const text = (field) => typed(field, field.one.multiline ? { rows: 4 } : {}, field.state.value);
const email = (field) => typed(field, { inputmode: "email" }, field.state.value);
const number = (field) => typed(field, { inputmode: "decimal" }, field.state.value);
const address = (field) => typed(field, { inputmode: "url" }, field.state.value);

function picker(field, type, held, read = (value) => value || null) {
  const input = h("input", { type, id: field.label.forId, class: "text narrow", "data-key": field.key, value: held ?? "",
    aria: field.aria, onchange: () => field.use(read(input.value)) });
  const zone = field.one.timezone ? h("span", { class: "zone" }, field.one.timezone) : null;
  return zone ? h("span", { class: "picker" }, input, zone) : input;
}

const two = (n) => String(n).padStart(2, "0");
const local = (stamp) => {
  const d = new Date(stamp * 1000);
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}T${two(d.getHours())}:${two(d.getMinutes())}`;
};
const moment = (field) => picker(field, "datetime-local", field.state.selected_date_time && local(field.state.selected_date_time),
  (value) => (value ? Math.floor(new Date(value).getTime() / 1000) : null));

const MARKS = /\*([^*\n]+)\*|_([^_\n]+)_|~([^~\n]+)~|`([^`\n]+)`/g;

/** What was typed, with *bold*, _italic_, ~strike~ and `code`, as a rich_text block. */
function asRichText(typedText) {
  if (!typedText) return null;
  const elements = [];
  let from = 0;
  const plain = (to) => { if (to > from) elements.push({ type: "text", text: typedText.slice(from, to) }); };
  for (const match of typedText.matchAll(MARKS)) {
    plain(match.index);
    const at = [1, 2, 3, 4].find((index) => match[index] !== undefined);
    elements.push({ type: "text", text: match[at], style: { [["bold", "italic", "strike", "code"][at - 1]]: true } });
    from = match.index + match[0].length;
  }
  plain(typedText.length);
  return { type: "rich_text", elements: [{ type: "rich_text_section", elements }] };
}

function fromRichText(block) {
  const mark = { bold: "*", italic: "_", strike: "~", code: "`" };
  return (block?.elements ?? []).flatMap((part) => part.elements ?? []).map((part) => {
    const sign = Object.keys(part.style ?? {}).map((style) => mark[style] ?? "").join("");
    return `${sign}${part.text ?? part.url ?? (part.name ? `:${part.name}:` : "")}${[...sign].reverse().join("")}`;
  }).join("");
}

const rich = (field) => h("span", { class: "rich" },
  typed(field, { rows: field.one.min_lines ?? 4 }, fromRichText(field.state.rich_text_value), asRichText),
  h("span", { class: "zone" }, "*bold*  _italic_  ~strike~  `code`"));

function file(field) {
  const input = h("input", { type: "file", id: field.label.forId, class: "text", "data-key": field.key, aria: field.aria,
    multiple: (field.one.max_files ?? 10) > 1, accept: field.one.filetypes?.map((kind) => `.${kind}`).join(","),
    onchange: () => field.use([...input.files].map((one, index) => ({ id: `F0P${Date.now()}${index}`, name: one.name, size: one.size, mimetype: one.type }))) });
  const held = (field.state.files ?? []).map((one) => one.name).join(", ");
  return h("span", { class: "picker" }, input, held ? h("span", { class: "zone" }, held) : null);
}

const ELEMENTS = {
  button, workflow_button: button, feedback_buttons: feedback, icon_button: iconButton, overflow, checkboxes,
  radio_buttons: radios, rich_text_input: rich, file_input: file, plain_text_input: text, email_text_input: email,
  url_text_input: address, number_input: number, datetimepicker: moment,
  static_select: (f) => options(f, false), multi_static_select: (f) => options(f, true),
  external_select: (f) => external(f, false), multi_external_select: (f) => external(f, true),
  users_select: (f) => users(f, false), multi_users_select: (f) => users(f, true),
  channels_select: (f) => channels(f, false), multi_channels_select: (f) => channels(f, true),
  conversations_select: (f) => conversations(f, false), multi_conversations_select: (f) => conversations(f, true),
  datepicker: (f) => picker(f, "date", f.state.selected_date),
  timepicker: (f) => picker(f, "time", f.state.selected_time),
};
