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
  at("organization").textContent = about.organization;
  at("servers").textContent = about.servers.join("\n");
  at("signs-in-as").textContent = about.signs_in_as;
  at("credential-part").hidden = !about.needs_credential;
  for (const part of document.querySelectorAll(".signs-in")) part.hidden = !about.needs_credential;
  show("ask");
  at(about.needs_credential ? "credential" : "code").focus();
}

onSend(at("form"), async () => {
  at("problems").replaceChildren();
  const fields = { token: token(), code: at("code").value, credential: at("credential").value };
  const answer = await post("/credential", fields);
  at("code").value = "";
  if (answer.failed && !answer.again) ended(answer.reason);
  if (answer.failed) return answer.reason;
  if (!answer.saved) {
    at("problems").replaceChildren(...answer.findings.filter((each) => each.level !== "ok").map(drawn));
    return "Nothing was stored: the directory does not agree yet. Mend it and try again with your app's next code.";
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
  return line;
}
