// The standard markdown of `markdown` blocks, as far as messages use it.

import { h } from "./dom.js";
import { link, withEmoji } from "./mrkdwn.js";

const INLINE = /`([^`]+)`|!?\[([^\]]*)\]\(([^)\s]+)\)|(\*\*|__)(.+?)\4|(\*|_)(?=\S)(.+?\S?)\6|~~(.+?)~~/;

function inline(text) {
  const nodes = [];
  let rest = text;
  for (let match = INLINE.exec(rest); match; match = INLINE.exec(rest)) {
    nodes.push(...withEmoji(rest.slice(0, match.index)));
    if (match[1] !== undefined) nodes.push(h("code", {}, match[1]));
    else if (match[3] !== undefined) nodes.push(link(match[3], match[2] || match[3]));
    else if (match[5] !== undefined) nodes.push(h("strong", {}, ...inline(match[5])));
    else if (match[7] !== undefined) nodes.push(h("em", {}, ...inline(match[7])));
    else nodes.push(h("s", {}, ...inline(match[8])));
    rest = rest.slice(match.index + match[0].length);
  }
  return [...nodes, ...withEmoji(rest)];
}

const cells = (line) => line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());

/** A markdown text as block elements. Headings are shown as such but stay below the page's own. */
export function markdown(text) {
  const nodes = [];
  const lines = text.split("\n");
  while (lines.length) {
    const line = lines.shift();
    let match;
    if (!line.trim()) continue;
    if ((match = /^```/.exec(line))) {
      const end = lines.findIndex((one) => one.startsWith("```"));
      const code = lines.splice(0, end < 0 ? lines.length : end + 1);
      nodes.push(h("pre", { tabindex: "0" }, (end < 0 ? code : code.slice(0, -1)).join("\n")));
    } else if ((match = /^(#{1,6})\s+(.*)$/.exec(line))) {
      nodes.push(h("p", { class: `md-heading md-${match[1].length}` }, ...inline(match[2])));
    } else if (/^(-{3,}|\*{3,})\s*$/.test(line)) {
      nodes.push(h("hr"));
    } else if (/^\s*\|.*\|\s*$/.test(line) && /^[\s|:-]+$/.test(lines[0] ?? "")) {
      lines.shift();
      const rows = [];
      while (/^\s*\|.*\|\s*$/.test(lines[0] ?? "")) rows.push(cells(lines.shift()));
      nodes.push(h("table", { class: "grid" },
        h("thead", {}, h("tr", {}, cells(line).map((cell) => h("th", { scope: "col" }, ...inline(cell))))),
        h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell) => h("td", {}, ...inline(cell))))))));
    } else if ((match = /^\s*([-*+]|\d+\.)\s+(.*)$/.exec(line))) {
      const list = h(/\d/.test(match[1]) ? "ol" : "ul");
      const items = [match[2]];
      while ((match = /^\s*(?:[-*+]|\d+\.)\s+(.*)$/.exec(lines[0] ?? ""))) { items.push(match[1]); lines.shift(); }
      list.append(...items.map((item) => h("li", {}, ...inline(item))));
      nodes.push(list);
    } else if (/^>\s?/.test(line)) {
      const quoted = [line];
      while (/^>/.test(lines[0] ?? "")) quoted.push(lines.shift());
      nodes.push(h("blockquote", {}, ...quoted.flatMap((one, index) => [index ? h("br") : "", ...inline(one.replace(/^>\s?/, ""))])));
    } else {
      const paragraph = [line];
      while (lines.length && lines[0].trim() && !/^(#|>|```|\s*[-*+]\s|\s*\d+\.\s)/.test(lines[0])) paragraph.push(lines.shift());
      nodes.push(h("p", {}, ...paragraph.flatMap((one, index) => [index ? h("br") : "", ...inline(one)])));
    }
  }
  return nodes;
}
