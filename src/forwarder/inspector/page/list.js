// The list is what the filter admits, the newest first, and follows what comes in.

import { ask, byId, clock, el, size, span, throttled } from "./dom.js";

const MOST = 1000;
const rows = new Map();
let selected = null;
let onSelect = () => {};

const body = byId("rows");

function parameters() {
  const query = new URLSearchParams();
  for (const name of ["text", "method", "status", "tunnel"]) {
    const value = byId(name).value.trim();
    if (value) query.set(name, value);
  }
  const seconds = byId("since").value;
  if (seconds) query.set("since", Date.now() - seconds * 1000);
  return query;
}

const isFiltered = () => parameters().size > 0;

function statusText(exchange) {
  if (exchange.status === null) return exchange.open ? "open" : "–";
  return `${exchange.status}${exchange.open ? " …" : ""}`;
}

function marks(exchange) {
  const words = [];
  if (exchange.origin === "replay") words.push(`replay of ${exchange.replay_of}`);
  if (exchange.origin === "import") words.push("imported");
  if (exchange.websocket) words.push(`websocket, ${exchange.messages}`);
  if (exchange.fault) words.push(exchange.fault);
  if (exchange.cut) words.push("cut short");
  if (exchange.incomplete) words.push("not all captured");
  return words.map((word) => el("span", { class: "mark" }, word));
}

const tunnel = ({ tunnel }) => (tunnel === null ? null : el("span", { class: "tunnel" }, tunnel));

function row(exchange) {
  const failed = exchange.fault || exchange.cut || exchange.status >= 500;
  const kind = failed ? "bad" : `s${Math.floor((exchange.status ?? 0) / 100)}`;
  return el(
    "tr",
    { "data-id": exchange.id, tabindex: exchange.id === selected ? "0" : "-1", "aria-selected": String(exchange.id === selected) },
    el("td", {}, clock(exchange.started)),
    el("td", { class: "method" }, exchange.method),
    el("td", { class: "path", title: exchange.target }, tunnel(exchange), exchange.target.slice(0, 500), ...marks(exchange)),
    el("td", { class: `status ${kind}` }, statusText(exchange)),
    el("td", { class: "number" }, span(exchange.ms)),
    el("td", { class: "number" }, size(exchange.request_bytes)),
    el("td", { class: "number" }, size(exchange.response_bytes)),
    el("td", { class: "from" }, exchange.from ?? ""),
  );
}

function put(exchange) {
  const fresh = row(exchange);
  const old = rows.get(exchange.id);
  rows.set(exchange.id, fresh);
  if (old) {
    const focused = old === document.activeElement;
    old.replaceWith(fresh);
    if (focused) fresh.focus({ preventScroll: true });
    return;
  }
  const next = [...body.children].find((other) => Number(other.dataset.id) < exchange.id);
  body.insertBefore(fresh, next ?? null);
  while (body.children.length > MOST) {
    rows.delete(Number(body.lastChild.dataset.id));
    body.lastChild.remove();
  }
}

function settle() {
  // One row is on the way of the Tab key: the selected one, or else the first.
  if (!rows.has(selected)) body.firstElementChild?.setAttribute("tabindex", "0");
  byId("empty").hidden = body.children.length > 0;
  byId("empty").textContent = isFiltered() ? "Nothing fits the filter." : "Nothing has come in yet.";
}

async function load(before) {
  const query = parameters();
  byId("export").href = `/api/har?${query}`;
  if (before) query.set("before", before);
  const { exchanges, more, missed } = await (await ask(`/api/exchanges?${query}`)).json();
  if (!before) {
    const kept = new Set(exchanges.map((exchange) => exchange.id));
    for (const [id, old] of rows) {
      if (!kept.has(id)) {
        old.remove();
        rows.delete(id);
      }
    }
  }
  exchanges.forEach(put);
  byId("older").hidden = !more;
  byId("missed").hidden = missed === 0;
  byId("missed").textContent = `${missed.toLocaleString()} more were not captured: they came faster than anybody could look.`;
  settle();
}

export const reload = throttled(300, () => load());

/** An exchange that changed. */
export function changed(exchange) {
  // Only the inspector itself can look into bodies.
  if (isFiltered()) return reload();
  put(exchange);
  settle();
}

export function select(id, { quiet = false } = {}) {
  for (const row of body.querySelectorAll("[tabindex='0'], [aria-selected=true]")) {
    row.setAttribute("aria-selected", "false");
    row.setAttribute("tabindex", "-1");
  }
  selected = id;
  const chosen = rows.get(id);
  chosen?.setAttribute("aria-selected", "true");
  chosen?.setAttribute("tabindex", "0");
  if (!quiet) {
    chosen?.scrollIntoView({ block: "nearest" });
    chosen?.focus({ preventScroll: true });
  }
  onSelect(id);
}

/** Selects the next row, or with -1 the one before. */
export function step(by) {
  const all = [...body.children];
  if (all.length === 0) return;
  const at = all.indexOf(rows.get(selected));
  const to = at < 0 ? 0 : Math.min(Math.max(at + by, 0), all.length - 1);
  select(Number(all[to].dataset.id));
}

export const selectedId = () => selected;

export function start(listener) {
  onSelect = listener;
  body.addEventListener("click", (event) => {
    const chosen = event.target.closest("tr");
    if (chosen) select(Number(chosen.dataset.id));
  });
  body.addEventListener("keydown", (event) => {
    if (event.key === "Enter") select(Number(event.target.dataset.id));
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    event.preventDefault();
    step(event.key === "ArrowDown" ? 1 : -1);
  });
  byId("filter").addEventListener("input", reload);
  byId("filter").addEventListener("submit", (event) => event.preventDefault());
  byId("older").addEventListener("click", () => load(body.lastChild?.dataset.id));
}
