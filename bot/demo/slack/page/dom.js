// Building DOM without markup strings: nothing an app sends can ever become HTML.

/** An element: `h("button", {class: "x", onclick: f, aria: {label: "y"}}, child, …)`. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "aria") {
      for (const [key, text] of Object.entries(value)) {
        if (text !== undefined && text !== null) element.setAttribute(`aria-${key}`, text);
      }
    } else if (name.startsWith("on")) {
      element.addEventListener(name.slice(2), value);
    } else if (name === "value" || name === "checked" || name === "disabled" || name === "selected") {
      element[name] = value;
    } else {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

let made = 0;

/** A fresh id, to tie labels to what they label. */
export const newId = (prefix) => `${prefix}-${++made}`;

/** Remember which keyed field has the focus and where its caret is; returns how to put both back. */
export function keepFocus(root) {
  const active = document.activeElement;
  const key = root.contains(active) ? active.dataset.key : undefined;
  if (!key) return () => {};
  const text = "value" in active && active.selectionStart !== undefined ? active.value : undefined;
  const caret = text !== undefined && active.selectionStart !== null ? [active.selectionStart, active.selectionEnd] : null;
  return () => {
    const again = root.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (!again) return;
    again.focus();
    if (text !== undefined && again.value !== undefined && again.type !== "checkbox" && again.type !== "radio") {
      again.value = text; // what is being typed is ahead of what the server knows
      if (caret) again.setSelectionRange(...caret);
    }
  };
}
