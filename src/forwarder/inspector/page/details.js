// Everything about one exchange; what still goes on is followed.

import * as bodies from "./body.js";
import { ask, attempt, byId, clock, el, size, span, throttled } from "./dom.js";
import { actions } from "./replay.js";

const place = byId("details");
let shown = null;
let seen = 0;

const header = (side, name) => side?.headers.find(([theirs]) => theirs === name)?.[1] ?? "";

function section(name, ...children) {
  return el("details", { open: true, class: "part" }, el("summary", {}, name), ...children);
}

function overview(exchange) {
  const words = [
    ["Started", new Date(exchange.started).toLocaleString()],
    ["Tunnel", exchange.tunnel],
    ["From", exchange.from ?? "unknown"],
    ["Agent", header(exchange.request, "user-agent")],
    ["Status", exchange.status === null ? "open" : `${exchange.status}${exchange.open ? ", still open" : ""}`],
  ];
  if (exchange.fault) words.push(["Fault", `${exchange.fault}: ${exchange.fault_detail ?? ""}`]);
  if (exchange.signature) words.push(["Signed by", exchange.signature]);
  if (exchange.replay_of !== null) words.push(["Replay of", String(exchange.replay_of)]);
  if (exchange.cut) words.push(["Cut short", "the answer ended before it was complete"]);
  if (exchange.incomplete) words.push(["Incomplete", "not everything was captured: it came faster than it could be taken up"]);
  return bodies.fields(words.filter(([, value]) => value));
}

function timing({ timing, ms }) {
  const hops = [
    ["gate", "gate", timing.gate_ms],
    ["link", "link", timing.link_ms],
    ["forwarder", "wait", timing.wait_ms],
    ["service", "service", timing.service_ms],
    ["answer", "receive", timing.receive_ms],
  ].filter(([, , time]) => time !== null);
  const total = hops.reduce((sum, [, , time]) => sum + time, 0) || 1;
  const bar = el("div", { class: "bar", "aria-hidden": "true" });
  for (const [, kind, time] of hops) {
    const piece = el("span", { class: kind });
    piece.style.width = `${(100 * time) / total}%`;
    bar.append(piece);
  }
  const lines = hops.map(([name, , time]) => [name, span(time)]);
  return el("div", {}, bar, bodies.fields([...lines, [timing.gate_ms === null ? "all" : "all at the forwarder", span(ms)]]));
}

function side(name, part, exchange) {
  const body = el("div", { class: "body", "data-side": name }, el("p", { class: "note" }, "reading …"));
  const sections = [];
  if (name === "request" && exchange.query.length > 0) sections.push(section("Query", bodies.fields(exchange.query)));
  if (part.cookies.length > 0) sections.push(section("Cookies", bodies.fields(part.cookies)));
  sections.push(section("Headers", bodies.fields(part.headers)), section("Body", body));
  const title = name === "request" ? "Request" : "Answer";
  return el("section", { class: "side", "aria-label": title }, el("h3", {}, title), ...sections);
}

async function fill(exchange, name) {
  const part = exchange[name];
  const body = place.querySelector(`.body[data-side=${name}]`);
  if (!part || !body) return;
  const read = await bodies.read(exchange.id, name).catch((error) => error);
  if (shown !== exchange.id) return;
  const view = read instanceof Error
    ? el("p", { class: "note" }, read.message)
    : bodies.show(read, part.body, header(part, "content-type"));
  body.replaceChildren(view);
}

function message(one) {
  const data = one.text ?? hexOf(one.base64);
  const what = one.kind === "close" ? `closed with ${one.code} ${data}` : data;
  const arrow = one.from === "visitor" ? "→" : "←";
  return el("tr", { class: one.from },
    el("td", {}, clock(one.time)),
    el("td", { "aria-label": `from the ${one.from}` }, arrow),
    el("td", {}, el("pre", {}, what.slice(0, 10000))),
    el("td", { class: "number" }, size(one.size)));
}

const hexOf = (base64) => Array.from(atob(base64 ?? ""), (c) => c.charCodeAt(0).toString(16).padStart(2, "0")).join(" ");

async function messages(exchange) {
  const { messages: fresh, dropped } = await (await ask(`/api/exchanges/${exchange.id}/messages?since=${seen}`)).json();
  if (shown !== exchange.id) return;
  const table = byId("messages");
  // The last one may have more to come, and is read again.
  table.querySelectorAll("tr").forEach((row) => Number(row.dataset.n) >= seen && row.remove());
  for (const one of fresh) {
    const row = message(one);
    row.dataset.n = one.n;
    table.append(row);
    seen = one.n;
  }
  byId("dropped").textContent = dropped ? `${dropped} older messages made room` : "";
}

function draw(exchange) {
  const open = new Map([...place.querySelectorAll("details")].map((part) => [part.textContent.slice(0, 8), part.open]));
  const close = el("button", { type: "button", id: "close", "aria-label": "Close the details", onclick: hide }, "Close");
  const title = el("h2", {}, `${exchange.method} `, el("span", { class: "target" }, exchange.target));
  const parts = [
    el("div", { class: "bar-top" }, title, close),
    actions(exchange),
    el("div", { id: "outcome" }),
    overview(exchange),
    section("Timing", timing(exchange)),
  ];
  if (exchange.websocket) {
    const table = el("table", { class: "messages" }, el("tbody", { id: "messages" }));
    parts.push(section("Messages", el("p", { id: "dropped", class: "note" }), table));
  }
  const answer = exchange.response ? side("response", exchange.response, exchange) : el("section", { class: "side" }, el("h3", {}, "Answer"), el("p", { class: "note" }, exchange.open ? "not yet" : "none"));
  parts.push(el("div", { class: "sides" }, side("request", exchange.request, exchange), answer));
  place.replaceChildren(...parts);
  if (open.size === 0) return;
  place.querySelectorAll("details").forEach((part) => (part.open = open.get(part.textContent.slice(0, 8)) ?? part.open));
}

async function fetchShown() {
  return (await ask(`/api/exchanges/${shown}?bodies=false`)).json();
}

/** Shows an exchange. */
export async function show(id) {
  shown = id;
  seen = 0;
  await attempt(async () => {
    const exchange = await fetchShown();
    if (shown !== id) return;
    place.hidden = false;
    document.body.classList.add("open");
    draw(exchange);
    place.scrollTop = 0;
    // On a narrow screen the list makes room, and the focus in it is lost.
    if (!byId("list").checkVisibility()) place.focus();
    await Promise.all([fill(exchange, "request"), fill(exchange, "response"), exchange.websocket && messages(exchange)]);
    follow = exchange;
  });
}

let follow = null;

/** What goes on is read again, without losing what the user opened. */
const refresh = throttled(250, async () => {
  if (shown === null || follow?.id !== shown) return;
  const before = follow;
  const exchange = await fetchShown();
  if (shown !== exchange.id) return;
  follow = exchange;
  const headOnly = (one) => JSON.stringify([one.status, one.open, one.fault, one.response === null]);
  if (headOnly(before) !== headOnly(exchange)) {
    const outcome = byId("outcome");
    const kept = [...outcome.childNodes];
    seen = 0;
    draw(exchange);
    byId("outcome").append(...kept);
    await Promise.all([fill(exchange, "request"), fill(exchange, "response")]);
  } else if (before.response_bytes !== exchange.response_bytes && !exchange.websocket) await fill(exchange, "response");
  if (exchange.websocket) await messages(exchange);
});

/** An exchange changed; it may be the one that is shown. */
export function changed(exchange) {
  if (exchange.id === shown) refresh();
}

export function hide() {
  shown = null;
  place.hidden = true;
  document.body.classList.remove("open");
  document.querySelector("#rows tr[aria-selected=true]")?.focus();
}

export const current = () => follow;
