// The traffic between Slack and the app, newest first.

import { h } from "./dom.js";
import { get } from "./server.js";

const SIGNS = { call: ["→", "called by the app"], delivery: ["←", "delivered to the app"], response_url: ["↪", "response url"] };
const SHOWN = 200;

export class Inspector {
  constructor(onClose) {
    this.last = 0;
    this.all = [];
    this.list = h("ol", { class: "traffic" });
    this.filter = h("input", { type: "search", class: "text", placeholder: "Filter, such as views.open", aria: { label: "Filter the traffic" }, oninput: () => this.draw() });
    this.node = h("section", { class: "panel", aria: { label: "Inspector" } },
      h("header", { class: "panel-head" }, h("h2", {}, "Inspector"), h("button", { type: "button", class: "quiet", aria: { label: "Close inspector" }, onclick: onClose }, "×")),
      h("div", { class: "panel-tools" }, this.filter), this.list);
  }

  async refresh() {
    const { exchanges } = await get("traffic", { after: this.last });
    if (!exchanges.length) return;
    this.last = exchanges.at(-1).number;
    this.all = [...exchanges.toReversed(), ...this.all].slice(0, 1000);
    this.draw();
  }

  draw() {
    const wanted = this.filter.value.trim().toLowerCase();
    const shown = this.all.filter((one) => !wanted || `${one.name} ${JSON.stringify(one.sent)}`.toLowerCase().includes(wanted)).slice(0, SHOWN);
    const open = new Set([...this.list.querySelectorAll("details[open]")].map((one) => one.dataset.number));
    this.list.replaceChildren(...shown.map((one) => this.row(one, open.has(String(one.number)))));
    if (!shown.length) this.list.append(h("li", { class: "empty" }, "Nothing yet."));
  }

  row(one, open) {
    const [sign, words] = SIGNS[one.direction];
    const failed = one.answer?.ok === false ? one.answer.error : one.answer?.not_acknowledged;
    const retry = one.answer?.retry ? ` retry ${one.answer.retry}` : "";
    return h("li", {}, h("details", { open, "data-number": String(one.number) },
      h("summary", {}, h("span", { class: `sign ${one.direction}`, role: "img", aria: { label: words } }, sign),
        h("span", { class: "traffic-name" }, one.name + retry),
        h("span", { class: failed ? "outcome bad" : "outcome" }, failed ?? "ok"),
        h("span", { class: "took" }, `${Math.round(one.seconds * 1000)} ms`)),
      h("p", { class: "traffic-label" }, "Sent"), h("pre", { tabindex: "0" }, JSON.stringify(one.sent, null, 2)),
      h("p", { class: "traffic-label" }, "Answer"), h("pre", { tabindex: "0" }, JSON.stringify(one.answer, null, 2))));
  }
}
