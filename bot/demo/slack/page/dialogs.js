// The modal in front of somebody, and the dialog that asks whether they are sure.

import { blocks } from "./blocks.js";
import { h, keepFocus } from "./dom.js";
import { textObject } from "./mrkdwn.js";

/** Keeps the modal dialog as the server says it should be. */
export class ModalDialog {
  constructor(dialog, hands) {
    this.dialog = dialog;
    this.hands = hands; // {surface(view), submit(view), close(view, everything)}
    this.drawn = "";
    dialog.addEventListener("cancel", (event) => { event.preventDefault(); if (this.view) hands.close(this.view, false); });
  }

  show(view, depth) {
    this.view = view;
    if (!view) {
      this.drawn = "";
      if (this.dialog.open) this.dialog.close();
      return;
    }
    const look = `${view.id}/${view.version}/${depth}`;
    if (look === this.drawn) return;
    const another = !this.drawn.startsWith(`${view.id}/`);
    this.drawn = look;
    const restore = keepFocus(this.dialog);
    const scrolled = this.dialog.querySelector(".modal-body")?.scrollTop ?? 0;
    const body = h("div", { class: "modal-body" }, blocks(this.hands.surface(view), view.blocks));
    this.dialog.replaceChildren(
      h("header", { class: "modal-head" },
        depth > 1 ? h("button", { type: "button", class: "quiet", aria: { label: "Back" }, onclick: () => this.hands.close(view, false) }, "←") : null,
        h("h2", { id: "modal-title" }, ...textObject(view.title)),
        h("button", { type: "button", class: "quiet", aria: { label: "Close all" }, onclick: () => this.hands.close(view, true) }, "×")),
      ...(view.trouble ? [h("p", { class: "trouble", role: "alert" }, view.trouble)] : []),
      h("form", { class: "modal-form", novalidate: true, onsubmit: (event) => { event.preventDefault(); if (view.submit) this.hands.submit(view); } },
        body,
        h("footer", { class: "modal-foot" },
          h("button", { type: "button", class: "button", onclick: () => this.hands.close(view, false) }, ...(view.close ? textObject(view.close) : ["Close"])),
          view.submit ? h("button", { type: "submit", class: "button primary", disabled: view.waiting }, view.waiting ? "Sending…" : textObject(view.submit)) : null)));
    if (!this.dialog.open) this.dialog.showModal();
    restore();
    if (another) this.focusFirst(view);
    else this.dialog.querySelector(".modal-body").scrollTop = scrolled;
    if (Object.keys(view.errors).length && !another) this.dialog.querySelector("[aria-invalid=true]")?.focus();
  }

  focusFirst(view) {
    const wanted = view.blocks.find((block) => block.element?.focus_on_load);
    const key = wanted && `${wanted.block_id}/${wanted.element.action_id}`;
    const field = key ? this.dialog.querySelector(`[data-key="${CSS.escape(key)}"]`) : this.dialog.querySelector(".modal-body input, .modal-body textarea, .modal-body button, [type=submit]");
    field?.focus();
  }
}

/** Ask with an app's confirm dialog; a promise of whether it was confirmed. */
export function ask(dialog, confirm) {
  return new Promise((resolve) => {
    const before = document.activeElement;
    const answer = (yes) => { dialog.close(); before?.focus?.(); resolve(yes); };
    const yes = h("button", { type: "button", class: `button ${confirm.style === "danger" ? "danger" : "primary"} filled`, onclick: () => answer(true) }, ...textObject(confirm.confirm));
    const no = h("button", { type: "button", class: "button", onclick: () => answer(false) }, ...textObject(confirm.deny));
    dialog.replaceChildren(h("h2", { id: "confirm-title" }, ...textObject(confirm.title)), h("div", { id: "confirm-text" }, ...textObject(confirm.text)),
      h("div", { class: "modal-foot" }, no, yes));
    dialog.oncancel = (event) => { event.preventDefault(); answer(false); };
    dialog.showModal();
    no.focus();
  });
}
