// Every block. What can be used in them is in elements.js.

import { h, newId } from "./dom.js";
import { element } from "./elements.js";
import { markdown } from "./markdown.js";
import { channelMention, dateNode, emojiNode, link, mention, mrkdwn, textObject, withEmoji } from "./mrkdwn.js";

/** A list of blocks as DOM; `surface` is described in elements.js. */
export function blocks(surface, list) {
  return list.map((block) => {
    const draw = BLOCKS[block.type];
    const drawn = draw ? draw(surface, block) : h("p", { class: "unknown" }, `(${block.type})`);
    drawn.classList?.add("block", `block-${block.type}`);
    return drawn;
  });
}

const image = (one, css) => {
  const url = one.image_url ?? one.slack_file?.url;
  const drawn = h("img", { class: css, src: url, alt: one.alt_text ?? "", loading: "lazy", referrerpolicy: "no-referrer" });
  drawn.addEventListener("error", () => drawn.replaceWith(h("span", { class: `${css} no-picture`, role: "img", aria: { label: one.alt_text || "picture" } }, "▨")), { once: true });
  return drawn;
};

function section(surface, block) {
  const accessory = block.accessory && (block.accessory.type === "image" ? image(block.accessory, "thumb")
    : element(surface, block, block.accessory, sectionLabel(block)));
  return h("div", { class: accessory ? "with-accessory" : "" },
    h("div", { class: "section-body" },
      block.text ? h("div", { class: "text-body" }, ...textObject(block.text)) : null,
      block.fields ? h("div", { class: "fields" }, block.fields.map((field) => h("div", { class: "field" }, ...textObject(field)))) : null),
    accessory ? h("div", { class: "accessory" }, accessory) : null);
}

/** A menu beside a section is named by its placeholder, else by the section's own text. */
function sectionLabel(block) {
  const one = block.accessory;
  if (one.placeholder || one.text || one.accessibility_label || one.type === "overflow") return undefined;
  const words = (block.text ?? block.fields?.[0])?.text ?? "";
  return { text: words.replace(/[*_~`]/g, "").slice(0, 80) || one.type.replaceAll("_", " ") };
}

function input(surface, block) {
  const forId = newId("field");
  const label = { id: `${forId}-label`, text: block.label.text, forId };
  const error = surface.errors?.[block.block_id];
  const grouped = ["checkboxes", "radio_buttons"].includes(block.element.type);
  return h("div", { class: error ? "input wrong" : "input" },
    h(grouped ? "span" : "label", { id: label.id, for: grouped ? undefined : forId, class: "label" }, ...textObject(block.label),
      block.optional ? h("span", { class: "optional" }, " (optional)") : null),
    element(surface, block, block.element, label),
    h("p", { class: "hint", id: `${forId}-hint` }, ...(block.hint ? textObject(block.hint) : [])),
    h("p", { class: "error", id: `${forId}-error` }, error ? [h("span", { aria: { hidden: "true" } }, "⚠ "), error] : null));
}

const context = (_, block) => h("div", {}, block.elements.map((one) =>
  one.type === "image" ? image(one, "tiny") : h("span", {}, ...textObject(one))));

const ALERTS = { default: "●", info: "ℹ", warning: "⚠", error: "✖", success: "✔" };
const alert = (_, block) => h("div", { class: `level-${block.level ?? "default"}`, role: "note", aria: { label: `${block.level ?? "notice"}` } },
  h("span", { class: "alert-icon", aria: { hidden: "true" } }, ALERTS[block.level ?? "default"]), h("div", {}, ...textObject(block.text)));

const card = (surface, block) => h("div", {},
  block.hero_image ? image(block.hero_image, "hero") : null,
  h("div", { class: "card-head" }, block.icon ? image(block.icon, "thumb small") : null,
    h("div", {}, block.title ? h("p", { class: "card-title" }, ...textObject(block.title)) : null,
      block.subtitle ? h("p", { class: "card-subtitle" }, ...textObject(block.subtitle)) : null)),
  block.body ? h("div", { class: "text-body" }, ...textObject(block.body)) : null,
  block.actions ? h("div", { class: "row" }, block.actions.map((one) => element(surface, block, one))) : null);

function container(surface, block) {
  const title = h("span", { class: "container-title" }, ...(block.rich_text_title ? richText(surface, block.rich_text_title).childNodes : textObject(block.title)));
  const head = [block.icon ? image(block.icon, "tiny") : null, title,
    block.subtitle ? h("span", { class: "card-subtitle" }, ...textObject(block.subtitle)) : null];
  const body = h("div", { class: "container-body" }, blocks(surface, block.child_blocks));
  if (block.is_collapsible) return h("details", { open: !block.default_collapsed }, h("summary", {}, head), body);
  return h("div", { class: block.has_header_divider ? "divided" : "" }, h("div", { class: "container-head" }, head), body);
}

const cell = (surface, one) => one.type === "rich_text" ? [...richText(surface, one).childNodes] : [String(one.text ?? one.value)];

const table = (surface, block) => scrolling(h("table", { class: "grid" }, h("tbody", {}, block.rows.map((row, at) => h("tr", {}, row.map((one, column) => {
  const settings = block.column_settings?.[column] ?? {};
  const css = `align-${settings.align ?? "left"}${settings.is_wrapped ? " wrapped" : ""}`;
  return at ? h("td", { class: css }, ...cell(surface, one)) : h("th", { scope: "col", class: css }, ...cell(surface, one));
}))))), "Table");

const scrolling = (grid, name) => h("div", { class: "scroll", tabindex: "0", role: "region", aria: { label: name } }, grid);

function dataTable(surface, block) {
  const [header, ...rows] = block.rows;
  const size = block.page_size ?? 5;
  const naming = block.row_header_column_index ?? 0;
  let page = 0;
  let sorted = null;
  const body = h("tbody");
  const where = h("span", { role: "status" });
  const value = (row, column) => row[column].value ?? cell(surface, row[column]).map((node) => node.textContent ?? node).join("");
  const draw = () => {
    const ordered = sorted === null ? rows : rows.toSorted((a, b) => {
      const [x, y] = [value(a, sorted.column), value(b, sorted.column)];
      return (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y))) * sorted.direction;
    });
    const pages = Math.ceil(rows.length / size);
    body.replaceChildren(...ordered.slice(page * size, (page + 1) * size).map((row) => h("tr", {}, row.map((one, column) =>
      column === naming ? h("th", { scope: "row" }, ...cell(surface, one)) : h("td", {}, ...cell(surface, one))))));
    where.textContent = `Page ${page + 1} of ${pages}`;
    before.disabled = page === 0;
    after.disabled = page >= pages - 1;
    pager.hidden = pages < 2;
    heads.forEach((head, column) => head.setAttribute("aria-sort",
      sorted?.column !== column ? "none" : sorted.direction > 0 ? "ascending" : "descending"));
  };
  const heads = header.map((one, column) => h("th", { scope: "col" }, h("button", { type: "button", class: "sort", onclick: () => {
    sorted = { column, direction: sorted?.column === column ? -sorted.direction : 1 };
    draw();
  } }, ...cell(surface, one))));
  const before = h("button", { type: "button", class: "button small", onclick: () => { page -= 1; draw(); } }, "Previous");
  const after = h("button", { type: "button", class: "button small", onclick: () => { page += 1; draw(); } }, "Next");
  const pager = h("div", { class: "pager" }, before, where, after);
  draw();
  return h("div", {}, scrolling(h("table", { class: "grid" }, h("caption", {}, block.caption), h("thead", {}, h("tr", {}, heads)), body), block.caption), pager);
}

const STATUS = { pending: ["○", "pending"], in_progress: ["◐", "in progress"], complete: ["✔", "complete"], error: ["✖", "failed"] };

function task(surface, block) {
  const [sign, words] = STATUS[block.status ?? "pending"];
  return h("div", { class: `task task-${block.status ?? "pending"}` },
    h("p", { class: "task-title" }, h("span", { class: "task-sign", role: "img", aria: { label: words } }, sign), block.title),
    block.details ? richText(surface, block.details) : null, block.output ? richText(surface, block.output) : null,
    block.sources?.length ? h("p", { class: "sources" }, "Sources: ", block.sources.flatMap((one, at) => [at ? ", " : "", link(one.url, one.text)])) : null);
}

const plan = (surface, block) => h("div", {}, h("p", { class: "card-title" }, block.title), (block.tasks ?? []).map((one) => task(surface, one)));

const video = (_, block) => h("div", {},
  block.author_name || block.provider_name ? h("p", { class: "card-subtitle" }, [block.provider_name, block.author_name].filter(Boolean).join(" · ")) : null,
  h("p", { class: "card-title" }, block.title_url ? link(block.title_url, block.title.text) : textObject(block.title)),
  block.description ? h("p", {}, ...textObject(block.description)) : null,
  h("a", { class: "video", href: block.video_url, target: "_blank", rel: "noreferrer noopener", aria: { label: `Play: ${block.alt_text}` } },
    image({ image_url: block.thumbnail_url, alt_text: block.alt_text }, "hero"), h("span", { class: "play", aria: { hidden: "true" } }, "▶")));

function styled(node, style = {}) {
  let inner = node;
  for (const [name, tag] of [["code", "code"], ["strike", "s"], ["underline", "u"], ["italic", "em"], ["bold", "strong"], ["highlight", "mark"]]) {
    if (style[name]) inner = h(tag, {}, inner);
  }
  return inner;
}

const PARTS = {
  text: (part) => h("span", {}, ...part.text.split("\n").flatMap((line, at) => [at ? h("br") : "", line])),
  link: (part) => link(part.url, part.text),
  user: (part) => mention(part.user_id),
  channel: (part) => channelMention(part.channel_id),
  usergroup: () => h("span", { class: "mention" }, "@group"),
  team: (part) => h("span", { class: "mention" }, part.team_id),
  broadcast: (part) => h("span", { class: "mention me" }, `@${part.range}`),
  emoji: (part) => emojiNode(part.name, part.unicode ? String.fromCodePoint(...part.unicode.split("-").map((code) => parseInt(code, 16))) : undefined),
  color: (part) => h("span", { class: "color" }, swatch(part.value), part.value),
  date: (part) => dateNode(part.timestamp, part.format, part.fallback, part.url),
};

function swatch(color) {
  const drawn = h("span", { class: "swatch", aria: { hidden: "true" } });
  drawn.style.background = color;
  return drawn;
}

const inlines = (parts) => parts.map((part) => styled(PARTS[part.type]?.(part) ?? "", part.style));

function richText(surface, block) {
  return h("div", {}, block.elements.map((part) => {
    if (part.type === "rich_text_list") {
      const list = h(part.style === "ordered" ? "ol" : "ul", { class: `indent-${part.indent ?? 0}`, start: part.offset ? part.offset + 1 : undefined });
      list.append(...part.elements.map((item) => h("li", {}, inlines(item.elements))));
      return list;
    }
    if (part.type === "rich_text_quote") return h("blockquote", {}, inlines(part.elements));
    if (part.type === "rich_text_preformatted") return h("pre", { tabindex: "0" }, inlines(part.elements));
    return h("p", {}, inlines(part.elements));
  }));
}

const BLOCKS = {
  section, input, context, alert, card, container, table, plan, video,
  data_table: dataTable, task_card: task, rich_text: richText,
  header: (_, block) => h("h3", { class: `level-${block.level ?? 1}` }, ...textObject(block.text)),
  divider: () => h("hr"),
  markdown: (_, block) => h("div", {}, markdown(block.text)),
  image: (_, block) => h("figure", {}, block.title ? h("figcaption", {}, ...textObject(block.title)) : null, image(block, "picture")),
  actions: (surface, block) => h("div", { class: "row" }, block.elements.map((one) => element(surface, block, one))),
  context_actions: (surface, block) => h("div", { class: "row" }, block.elements.map((one) => element(surface, block, one))),
  carousel: (surface, block) => h("div", { class: "carousel", tabindex: "0", role: "region", aria: { label: "Carousel" } }, blocks(surface, block.elements)),
};

/** The text of a message that has no blocks. */
export const plainMessage = (text) => h("div", { class: "block text-body" }, ...mrkdwn(text));

/** Legacy attachments: a colored bar, a few fields, or blocks. */
export function attachment(surface, one) {
  const box = h("div", { class: "attachment" },
    one.pretext ? h("p", {}, ...mrkdwn(one.pretext)) : null,
    one.title ? h("p", { class: "card-title" }, one.title_link ? link(one.title_link, one.title) : withEmoji(one.title)) : null,
    one.text ? h("div", { class: "text-body" }, ...mrkdwn(one.text)) : null,
    blocks(surface, one.blocks ?? []));
  const color = { good: "#2eb67d", warning: "#ecb22e", danger: "#e01e5a" }[one.color] ?? (/^#?[0-9a-f]{6}$/i.test(one.color ?? "") ? `#${one.color.replace("#", "")}` : null);
  if (color) box.style.borderLeftColor = color;
  return box;
}
