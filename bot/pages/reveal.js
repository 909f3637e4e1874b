import { at, copy, ended, forgetToken, make, onSend, post, show, stepUp, token } from "./page.js";
import { kind, spoken } from "./aloud.js";

const SECONDS = 120;
let password = null;
let ends = null;

at("code-part").hidden = !stepUp;
if (token()) {
  show("ask");
  if (stepUp) at("code").focus();
} else {
  ended("Open this page by the link Rekey gave you in Slack: type /rotate show and a name there.");
}

onSend(at("form"), async () => {
  const answer = await post("/reveal", { token: token(), code: at("code").value });
  if (answer.failed && !answer.again) ended(answer.reason);
  if (answer.failed) return answer.reason;
  forgetToken();
  draw(answer);
});

function draw(answer) {
  at("record").textContent = answer.record;
  at("username").textContent = answer.username || "none";
  at("organization").textContent = answer.organization;
  password = answer.password;
  at("current").hidden = password === null;
  if (password !== null) {
    spell(at("password"), password);
    at("aloud").replaceChildren(...[...password].map((character) => {
      const line = make("li");
      line.append(make("b", character), make("span", spoken(character)));
      return line;
    }));
  }
  at("others").hidden = answer.alternatives.length === 0;
  for (const other of answer.alternatives) {
    const line = make("div", "", "password other");
    spell(line, other);
    at("others").append(line);
  }
  at("form").reset();
  show("shown");
  ends = Date.now() + SECONDS * 1000;
  tick();
}

function spell(place, text) {
  place.replaceChildren(...[...text].map((character) => make("span", character, kind(character))));
}

function tick() {
  if (ends === null) return;
  const left = Math.ceil((ends - Date.now()) / 1000);
  if (left <= 0) return hide("Two minutes are over, so the password is gone from this page.");
  at("left").value = left;
  at("seconds").textContent = left >= 60 ? `Hidden in ${Math.floor(left / 60)} min ${left % 60} s.` : `Hidden in ${left} s.`;
  setTimeout(tick, 250);
}

function hide(reason) {
  if (ends === null) return;
  ends = password = null;
  for (const part of document.querySelectorAll("#password, #aloud, #others .other")) part.replaceChildren();
  for (const part of document.querySelectorAll("#others .other")) part.remove();
  for (const id of ["record", "username", "organization"]) at(id).textContent = "";
  at("ended").querySelector("h1").textContent = "The password is hidden";
  ended(`${reason} To see it once more, ask for a new link in Slack.`);
}

at("copy").addEventListener("click", () => password !== null && copy(password, at("copy")));
at("read").addEventListener("click", () => {
  const open = at("aloud").hidden;
  at("aloud").hidden = !open;
  at("read").setAttribute("aria-expanded", String(open));
  at("read").textContent = open ? "Close" : "Read it aloud";
});
at("done").addEventListener("click", () => hide("You hid the password: it is gone from this page."));
addEventListener("pagehide", () => hide("You left this page, so the password is gone from it."));
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "hidden") hide("You left this page, so the password is gone from it.");
});
