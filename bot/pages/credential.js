import { at, ended, forgetToken, make, onSend, post, show, stepUp, token } from "./page.js";

const LOOKS = { ok: "told well", warning: "told warning", problem: "told" };

at("code-part").hidden = !stepUp;
if (token()) {
  const about = await post("/credential/about", { token: token() });
  if (about.failed) ended(about.reason);
  else ask(about);
} else {
  ended("Open this page by the link Rekey gave you in Slack: type /rotate setup there.");
}

function ask(about) {
  at("directory").textContent = about.directory;
  for (const [name, value] of [["Organization", about.organization], ...about.facts])
    at("facts").append(make("dt", name), make("dd", value));
  at("fields").append(...about.fields.map(field));
  show("ask");
  (at("fields").querySelector("input, textarea") ?? at("code")).focus();
}

/** One field: a secret on one line, a day, or text that may also be chosen as files. */
function field(asked) {
  const part = make("div");
  const label = make("label", asked.optional ? `${asked.label} (optional)` : asked.label);
  label.htmlFor = asked.name;
  const entry = document.createElement(asked.looks === "file" ? "textarea" : "input");
  Object.assign(entry, { id: asked.name, name: asked.name, autocomplete: "off", spellcheck: false });
  if (asked.looks !== "file") Object.assign(entry, { type: asked.looks === "day" ? "date" : "password", maxLength: 8000 });
  part.append(label, entry);
  if (asked.looks === "file") part.append(chooser(asked, entry));
  if (asked.hint) {
    const hint = make("p", asked.hint, "faint");
    hint.id = `${asked.name}-hint`;
    entry.setAttribute("aria-describedby", hint.id);
    part.append(hint);
  }
  return part;
}

function chooser(asked, entry) {
  const choose = document.createElement("input");
  Object.assign(choose, { type: "file", multiple: true, accept: ".pem,.crt,.cer,.key" });
  choose.setAttribute("aria-label", `Choose the files: ${asked.label}`);
  choose.addEventListener("change", async () => {
    const texts = await Promise.all([...choose.files].map((file) => file.text()));
    entry.value = texts.join("\n");
    choose.value = "";
  });
  return choose;
}

onSend(at("form"), async () => {
  at("problems").replaceChildren();
  const fields = { token: token(), code: at("code").value };
  for (const entry of at("fields").querySelectorAll("[name]")) fields[entry.name] = entry.value;
  const answer = await post("/credential", fields);
  at("code").value = "";
  if (answer.failed && !answer.again) ended(answer.reason);
  if (answer.failed) return answer.reason;
  if (!answer.saved) {
    at("problems").replaceChildren(...answer.findings.filter((each) => each.level !== "ok").map(drawn));
    return `Nothing was stored: the directory does not agree yet. Mend it and try again${stepUp ? " with your app's next code" : ""}.`;
  }
  forgetToken();
  at("form").reset();
  at("saved-words").textContent =
    `${answer.directory} of ${answer.organization} is connected, and its accounts are being read now. You can close this page.`;
  at("findings").replaceChildren(...answer.findings.map(drawn));
  show("saved");
});

function drawn(finding) {
  const line = make("li", finding.what, LOOKS[finding.level]);
  if (finding.mend) line.append(make("p", finding.mend));
  if (finding.link) {
    const link = make("a", "Open the page that mends it");
    Object.assign(link, { href: finding.link, target: "_blank", rel: "noreferrer noopener" });
    line.append(link);
  }
  if (finding.paste) line.append(make("p", `To paste there: ${finding.paste}`, "faint"));
  return line;
}
