// Slack's own text formats as DOM: mrkdwn, plain text with emoji, dates, mentions.

import { h } from "./dom.js";

const known = { emoji: {}, people: new Map(), channels: new Map(), me: null, zone: undefined, open: () => {} };

/** Tell this module who and what can be mentioned, and in which time zone the reader is. */
export function know(facts) { Object.assign(known, facts); }

const decode = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

/** Text in which `:names:` are shown as emoji. */
export function withEmoji(text) {
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(/:([a-z0-9_+'-]+):(?::skin-tone-[2-6]:)?/gi)) {
    const character = known.emoji[match[1].toLowerCase()];
    if (!character) continue;
    parts.push(text.slice(from, match.index), emojiNode(match[1], character));
    from = match.index + match[0].length;
  }
  parts.push(text.slice(from));
  return parts.filter((part) => part !== "");
}

export function emojiNode(name, character = known.emoji[name.toLowerCase()]) {
  if (!character) return `:${name}:`;
  return h("span", { class: "emoji", role: "img", aria: { label: name.replaceAll("_", " ") }, title: `:${name}:` }, character);
}

/** A text object (plain_text or mrkdwn) as nodes. */
export function textObject(object) {
  if (!object) return [];
  return object.type === "mrkdwn" ? mrkdwn(object.text) : lines(object.emoji === false ? [object.text] : withEmoji(object.text));
}

function lines(parts) {
  return parts.flatMap((part) =>
    typeof part === "string" ? part.split("\n").flatMap((line, index) => (index ? [h("br"), line] : [line])) : [part]);
}

/** mrkdwn as nodes: code first, then quotes, then everything inside a line. */
export function mrkdwn(text) {
  const nodes = [];
  text.split(/(```[\s\S]*?```)/).forEach((part) => {
    if (part.startsWith("```") && part.endsWith("```") && part.length > 6) {
      nodes.push(h("pre", { tabindex: "0" }, decode(part.slice(3, -3).replace(/^\n/, ""))));
    } else if (part) {
      nodes.push(...quotesAndLines(part));
    }
  });
  return nodes;
}

function quotesAndLines(text) {
  const nodes = [];
  let quote = null;
  text.split("\n").forEach((line, index, all) => {
    const quoted = /^(?:&gt;|>) ?/.exec(line);
    if (quoted) {
      if (!quote) nodes.push((quote = h("blockquote")));
      else quote.append(h("br"));
      quote.append(...inline(line.slice(quoted[0].length)));
      return;
    }
    const afterQuote = quote !== null;
    quote = null;
    if (index && !afterQuote) nodes.push(h("br"));
    const bullet = /^(\s*)[•◦▪-] (.*)$/.exec(line);
    if (bullet) nodes.push(h("span", { class: "bullet" }, "•"), ...inline(bullet[2]));
    else if (line || index < all.length - 1) nodes.push(...inline(line));
  });
  return nodes;
}

const STYLES = { "*": "strong", _: "em", "~": "s" };
const TOKEN = /`([^`\n]+)`|<([^<>\n]+)>|(?<![\w*_~])([*_~])(?=\S)([^\n]*?\S)\3(?![\w*_~])/;

function inline(text) {
  const nodes = [];
  let rest = text;
  for (;;) {
    const match = TOKEN.exec(rest);
    if (!match) break;
    nodes.push(...withEmoji(decode(rest.slice(0, match.index))));
    if (match[1] !== undefined) nodes.push(h("code", {}, ...codeContent(match[1])));
    else if (match[2] !== undefined) nodes.push(special(match[2]));
    else nodes.push(h(STYLES[match[3]], {}, ...inline(match[4])));
    rest = rest.slice(match.index + match[0].length);
  }
  return [...nodes, ...withEmoji(decode(rest))];
}

function codeContent(text) {
  return text.split(/(<[^<>]+>)/).filter(Boolean).map((part) => (/^<.+>$/.test(part) ? special(part.slice(1, -1)) : decode(part)));
}

/** What stands between angle brackets: a mention, a date, a link. */
function special(inside) {
  const [target, ...labels] = inside.split("|");
  const label = labels.length ? decode(labels.join("|")) : null;
  if (target.startsWith("@")) return mention(target.slice(1), label);
  if (target.startsWith("#")) return channelMention(target.slice(1), label);
  if (target.startsWith("!date^")) {
    const [, stamp, format, link] = target.split("^");
    return dateNode(Number(stamp), format, label, link);
  }
  if (target.startsWith("!subteam^")) return h("span", { class: "mention" }, label ?? "@group");
  if (target.startsWith("!")) return h("span", { class: "mention me" }, `@${label ?? target.slice(1)}`);
  return link(decode(target), label);
}

export function mention(id, label = null) {
  const person = known.people.get(id);
  return h("span", { class: id === known.me ? "mention me" : "mention" }, `@${person?.real_name ?? label ?? id}`);
}

export function channelMention(id, label = null) {
  const channel = known.channels.get(id);
  const name = `#${channel?.name ?? label ?? id}`;
  if (!channel) return h("span", { class: "mention" }, name);
  return h("button", { type: "button", class: "mention", onclick: () => known.open(id) }, name);
}

export function link(url, label = null) {
  const shown = label ?? url.replace(/^mailto:/, "");
  if (!/^(https?|mailto):/i.test(url)) return h("span", {}, shown);
  return h("a", { href: url, target: "_blank", rel: "noreferrer noopener" }, ...withEmoji(shown));
}

export function dateNode(stamp, format, fallback, url) {
  if (!Number.isFinite(stamp) || !format) return fallback ?? "";
  const moment = new Date(stamp * 1000);
  const node = h("time", { datetime: moment.toISOString(), title: show(moment, { dateStyle: "full", timeStyle: "long" }) },
    format.replace(/\{(\w+)\}/g, (token, name) => DATES[name]?.(moment) ?? token));
  return url && /^https?:/.test(url) ? h("a", { href: url, target: "_blank", rel: "noreferrer noopener" }, node) : node;
}

const show = (moment, options) => new Intl.DateTimeFormat("en-US", { timeZone: known.zone, ...options }).format(moment);
const day = (moment) => new Intl.DateTimeFormat("en-CA", { timeZone: known.zone }).format(moment);

function pretty(moment, otherwise) {
  const days = Math.round((Date.parse(day(moment)) - Date.parse(day(new Date()))) / 86_400_000);
  return { "-1": "yesterday", 0: "today", 1: "tomorrow" }[days] ?? otherwise(moment);
}

const ordinal = (n) => `${n}${n % 100 > 10 && n % 100 < 14 ? "th" : { 1: "st", 2: "nd", 3: "rd" }[n % 10] ?? "th"}`;
const thisYear = (moment) => day(moment).slice(0, 4) === day(new Date()).slice(0, 4);
const dated = (month, weekday) => (moment) => {
  const number = ordinal(Number(show(moment, { day: "numeric" })));
  const year = thisYear(moment) && !weekday ? "" : `, ${show(moment, { year: "numeric" })}`;
  return `${weekday ? `${show(moment, { weekday: "long" })}, ` : ""}${show(moment, { month })} ${number}${year}`;
};
const DATES = {
  date_num: day,
  date_slash: (moment) => show(moment, { year: "numeric", month: "2-digit", day: "2-digit" }),
  date: dated("long", false),
  date_short: (moment) => show(moment, { month: "short", day: "numeric", year: "numeric" }),
  date_long: dated("long", true),
  date_pretty: (moment) => pretty(moment, DATES.date),
  date_short_pretty: (moment) => pretty(moment, DATES.date_short),
  date_long_pretty: (moment) => pretty(moment, DATES.date_long),
  day_divider_pretty: (moment) => pretty(moment, DATES.date_long),
  time: (moment) => show(moment, { hour: "numeric", minute: "2-digit" }),
  time_secs: (moment) => show(moment, { hour: "numeric", minute: "2-digit", second: "2-digit" }),
  ago,
};

function ago(moment) {
  const seconds = (moment - Date.now()) / 1000;
  const steps = [["year", 31_536_000], ["month", 2_592_000], ["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];
  const [unit, size] = steps.find(([, length]) => Math.abs(seconds) >= length) ?? steps.at(-1);
  return new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(Math.trunc(seconds / size), unit);
}

export const clock = (ts) => show(new Date(Number(ts) * 1000), { hour: "numeric", minute: "2-digit" });
export const dayOf = (ts) => day(new Date(Number(ts) * 1000));
export const dayName = (ts) => {
  const words = pretty(new Date(Number(ts) * 1000), DATES.date_long);
  return words[0].toUpperCase() + words.slice(1);
};
