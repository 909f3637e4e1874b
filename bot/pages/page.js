// What every page shares. Text from outside is only ever set as text.

export const at = (id) => document.getElementById(id);
export const stepUp = document.body.dataset.stepUp === "on";

export const token = () => location.hash.slice(1);
export const forgetToken = () => history.replaceState(null, "", location.pathname);

export function make(tag, text = "", className = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  element.className = className;
  return element;
}

export function show(id) {
  for (const part of document.querySelectorAll("main > section")) part.hidden = part.id !== id;
  const heading = at(id).querySelector("h1");
  heading.tabIndex = -1;
  heading.focus();
}

/** Posts texts by name; returns what the server says, always with `failed` and, where that is so, `reason`. */
export async function post(path, fields) {
  try {
    const answer = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(fields),
      credentials: "omit",
      cache: "no-store",
      referrerPolicy: "no-referrer",
    });
    return { ...(await answer.json()), failed: !answer.ok };
  } catch {
    return { failed: true, again: true, reason: "Rekey did not answer. Nothing was shown. Check your connection and try again." };
  }
}

/** Has a form call `work` when it is sent, with its button at rest meanwhile and what went wrong told below. */
export function onSend(form, work) {
  const told = form.querySelector(".told");
  const button = form.querySelector("button[type=submit]");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    told.textContent = "";
    const reason = await work();
    told.textContent = reason ?? "";
    button.disabled = false;
    if (reason) form.querySelector("input:not([hidden])")?.select();
  });
}

export function ended(reason) {
  forgetToken();
  at("ended-reason").textContent = reason;
  show("ended");
}

export async function copy(text, button) {
  const words = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Your browser forbids it: select it instead";
  }
  setTimeout(() => { button.textContent = words; }, 2000);
}
