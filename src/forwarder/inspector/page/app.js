// The page: list, details and keyboard, and the stream that tells what changed.

import * as details from "./details.js";
import { ask, attempt, byId, el, toast } from "./dom.js";
import * as list from "./list.js";
import { copyCurl, editor, replayNow } from "./replay.js";

function listen() {
  const live = byId("live");
  const events = new EventSource("/api/events");
  events.addEventListener("ready", () => {
    live.textContent = "live";
    list.reload();
  });
  events.addEventListener("exchange", (event) => {
    const exchange = JSON.parse(event.data);
    list.changed(exchange);
    details.changed(exchange);
  });
  events.addEventListener("reset", list.reload);
  // The browser tries again by itself.
  events.addEventListener("error", () => (live.textContent = "the forwarder does not answer"));
}

const isTyping = (target) => target.closest("input, textarea, select") !== null;

function act(action) {
  const id = list.selectedId();
  const exchange = details.current();
  if (id === null || exchange?.id !== id) return toast("Select an exchange first");
  if (exchange.websocket) return toast("A WebSocket can be looked at only");
  attempt(() => action(exchange));
}

const KEYS = {
  j: () => list.step(1),
  k: () => list.step(-1),
  "/": () => byId("text").focus(),
  r: () => act(replayNow),
  e: () => act(editor),
  c: () => act((exchange) => copyCurl(exchange.id)),
  "?": () => byId("keys").showModal(),
  Escape: () => details.hide(),
};

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (isTyping(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const action = KEYS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

async function importFile() {
  const [file] = byId("file").files;
  if (!file) return;
  byId("file").value = "";
  let har;
  try {
    har = JSON.parse(await file.text());
  } catch {
    throw new Error(`${file.name} is no JSON`);
  }
  const { ids } = await (await ask(`/api/har?${new URLSearchParams({ tunnel: byId("tunnel").value })}`, { json: har })).json();
  toast(`${ids.length} requests imported`);
}

async function about() {
  const { tunnels } = await (await ask("/api")).json();
  const what = tunnels.map(({ name, service }) => name ?? service).join(", ");
  byId("service").textContent = what;
  document.title = `Inspector of ${what}`;
  if (tunnels.length < 2) return;
  byId("tunnel").append(...tunnels.map(({ name }) => el("option", { value: name }, name)));
  byId("tunnel").hidden = false;
}

list.start(details.show);
document.addEventListener("keydown", press);
byId("help").addEventListener("click", KEYS["?"]);
byId("import").addEventListener("click", () => byId("file").click());
byId("file").addEventListener("change", () => attempt(importFile));
byId("clear").addEventListener("click", () =>
  attempt(async () => {
    await ask("/api/exchanges", { method: "DELETE" });
    details.hide();
  }),
);
attempt(about);
listen();
