// A select menu with type-ahead, for one or several choices, from a list or from the app.

import { h, newId } from "./dom.js";

const WAIT_MS = 150; // between the last keystroke and asking the app

/**
 * `groups(query)` returns (a promise of) [{label, options: [{key, text, description}]}]; `chosen` is a list of
 * {key, text}; `onChange` gets the new list. Follows the ARIA combobox pattern with a listbox popup.
 */
export function combobox({ key, label, described, placeholder, chosen, several, most, groups, onChange, note, invalid }) {
  const listId = newId("options");
  let picked = [...chosen];
  let offered = [];
  let active = -1;
  let asked = 0;
  let timer;

  const input = h("input", {
    type: "text", role: "combobox", autocomplete: "off", spellcheck: "false", "data-key": key,
    placeholder: placeholder ?? "Choose an option",
    aria: { label: label.id ? undefined : label.text, labelledby: label.id, describedby: described, expanded: "false",
            controls: listId, autocomplete: "list", invalid: invalid ? "true" : undefined },
    id: label.forId,
    onfocus: () => input.select(),
    oninput: () => search(input.value),
    onkeydown: onKey,
    onblur: () => setTimeout(() => { if (!box.contains(document.activeElement)) { close(); show(); } }, 0),
    onclick: () => { if (list.hidden) search(""); },
  });
  const list = h("div", { id: listId, role: "listbox", class: "options", hidden: true, tabindex: "-1",
                          aria: { label: `Options for ${label.text}`, multiselectable: several ? "true" : undefined } });
  const chips = h("span", { class: "chips" });
  const hint = h("p", { class: "options-note", hidden: true, role: "status" });
  const clear = h("button", { type: "button", class: "combo-clear", aria: { label: `Clear ${label.text}` }, onclick: () => { pick([]); input.focus(); } }, "×");
  const box = h("div", { class: several ? "combo several" : "combo" }, several ? chips : null, input, clear, list, hint);

  function show() {
    input.value = several ? "" : picked[0]?.text ?? "";
    clear.hidden = several || !picked.length;
    chips.replaceChildren(...picked.map((one) =>
      h("span", { class: "chip" }, one.text,
        h("button", { type: "button", aria: { label: `Remove ${one.text}` }, onclick: () => { pick(picked.filter((other) => other.key !== one.key)); input.focus(); } }, "×"))));
  }

  function pick(next) {
    picked = next;
    show();
    onChange(picked);
  }

  async function search(query) {
    clearTimeout(timer);
    const mine = ++asked;
    await new Promise((resolve) => { timer = setTimeout(resolve, note ? WAIT_MS : 0); });
    if (mine !== asked) return;
    let found;
    try {
      found = await groups(query.trim());
    } catch (error) {
      found = [];
      tell(`Could not load options: ${error.message}`);
    }
    if (mine !== asked || !input.isConnected) return;
    draw(found);
  }

  function draw(found) {
    offered = found.flatMap((group) => group.options);
    active = offered.length ? 0 : -1;
    let index = 0;
    list.replaceChildren(...found.map((group) => {
      const options = group.options.map((option) => {
        const at = index++;
        return h("div", { role: "option", id: `${listId}-${at}`, class: "option",
                          aria: { selected: picked.some((one) => one.key === option.key) ? "true" : "false" },
                          onmousedown: (event) => { event.preventDefault(); choose(at); } },
          option.text, option.description ? h("span", { class: "option-more" }, option.description) : null);
      });
      if (!group.label) return options;
      const id = newId("group");
      return h("div", { role: "group", aria: { labelledby: id } }, h("span", { id, class: "group" }, group.label), options);
    }).flat());
    if (offered.length) hint.hidden = true;
    else if (hint.hidden) tell(note ?? "No results");
    list.hidden = !offered.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
    mark();
  }

  function tell(words) { hint.textContent = words; hint.hidden = false; }

  function mark() {
    [...list.querySelectorAll(".option")].forEach((option, at) => option.classList.toggle("active", at === active));
    if (active >= 0) {
      input.setAttribute("aria-activedescendant", `${listId}-${active}`);
      document.getElementById(`${listId}-${active}`)?.scrollIntoView({ block: "nearest" });
    } else input.removeAttribute("aria-activedescendant");
  }

  function choose(at) {
    const option = offered[at];
    if (!option) return;
    if (!several) { close(); pick([option]); return; }
    const had = picked.some((one) => one.key === option.key);
    if (!had && most && picked.length >= most) { tell(`You can choose at most ${most}.`); return; }
    close();
    pick(had ? picked.filter((one) => one.key !== option.key) : [...picked, option]);
  }

  function close() {
    asked++;
    list.hidden = hint.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function onKey(event) {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) { search(""); return; }
      active = (active + (event.key === "ArrowDown" ? 1 : -1) + offered.length) % offered.length;
      mark();
    } else if (event.key === "Enter" && !list.hidden) {
      event.preventDefault();
      event.stopPropagation();
      choose(active);
    } else if (event.key === "Enter") {
      event.preventDefault();
      search("");
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      event.stopPropagation();
      close();
      show();
    } else if (event.key === "Backspace" && several && !input.value && picked.length) {
      pick(picked.slice(0, -1));
    }
  }

  show();
  return box;
}
