import { at, onSend, post, show } from "./page.js";

let begun = null;

show("ask");
at("enrolment").focus();

onSend(at("form"), async () => {
  const answer = await post("/enrol", { enrolment: at("enrolment").value });
  if (answer.failed) return answer.reason;
  begun = { enrolment: at("enrolment").value, ticket: answer.ticket };
  at("picture").src = answer.picture;
  at("address").href = answer.address;
  at("operator").textContent = answer.operator;
  at("secret").textContent = answer.secret.match(/.{1,4}/g).join(" ");
  show("scan");
});

onSend(at("finish"), async () => {
  const answer = await post("/enrol/finish", { ...begun, code: at("code").value });
  if (answer.failed) return answer.reason;
  begun = null;
  at("picture").removeAttribute("src");
  at("address").removeAttribute("href");
  at("secret").textContent = "";
  show("done");
});
