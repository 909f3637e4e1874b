// Talking to the server: reading what one person sees, doing what they do, hearing when to look again.

export class Refused extends Error {}

export async function get(path, parameters = {}) {
  const answer = await fetch(`/client/${path}?${new URLSearchParams(parameters)}`);
  if (!answer.ok) throw new Refused((await answer.json()).error ?? answer.statusText);
  return answer.json();
}

let line = Promise.resolve();

/** Do something as somebody. Acts that change a form are sent in order; commands and clicks may overtake. */
export function act(me, what, inOrder = false) {
  const send = async () => {
    const answer = await fetch("/client/act", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ as: me, ...what }),
    });
    const said = await answer.json();
    if (!said.ok) throw new Refused(said.error);
    return said.answer;
  };
  if (!inOrder) return line.then(send, send);
  const sent = line.then(send, send);
  line = sent.catch(() => {});
  return sent;
}

/** Call `onChanges` with what has changed, for as long as the page is open; reconnects by itself. */
export function live(me, onChanges, onState) {
  let socket;
  let over = false;
  const open = () => {
    socket = new WebSocket(`ws://${location.host}/client/live?as=${encodeURIComponent(me)}`);
    socket.onopen = () => { onState(true); onChanges(null); };
    socket.onmessage = (event) => onChanges(JSON.parse(event.data));
    socket.onclose = () => {
      if (over) return;
      onState(false);
      setTimeout(open, 500);
    };
  };
  open();
  return () => { over = true; socket.close(); };
}
