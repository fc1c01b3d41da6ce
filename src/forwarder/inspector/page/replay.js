// Sending again: as it was or edited, once or often, and what came of it beside what was.

import { isJson, pretty, read, text } from "./body.js";
import * as diff from "./diff.js";
import { ask, attempt, byId, el, size, span, toast } from "./dom.js";

const SCHEMES = ["github", "stripe", "slack", "standard"];

const ofTunnel = ({ tunnel }) => new URLSearchParams({ tunnel: tunnel ?? "" });

async function knownSchemes(exchange) {
  return (await (await ask(`/api/secrets?${ofTunnel(exchange)}`)).json()).schemes;
}

/** Sends exchange again with what `order` changes, and shows both answers. */
async function send(exchange, order) {
  const place = byId("outcome");
  place.replaceChildren(el("p", { class: "note", role: "status" }, "sending …"));
  try {
    const { replays } = await (await ask(`/api/exchanges/${exchange.id}/replay`, { json: order })).json();
    await outcome(place, exchange, replays);
  } catch (error) {
    place.replaceChildren(el("p", { class: "problem", role: "alert" }, error.message));
  }
}

/** Replays at once, as it was; a signature whose secret is known is made anew, since a stale one would be refused. */
export async function replayNow(exchange, times = 1) {
  const known = await knownSchemes(exchange);
  const sign = known.includes(exchange.signature) ? exchange.signature : undefined;
  await send(exchange, { times, sign });
}

async function outcome(place, exchange, replays) {
  const compare = el("div", { class: "compare" });
  const list = el("ol", { class: "replays" });
  for (const replay of replays) {
    const open = () => attempt(() => beside(compare, exchange.id, replay.id));
    const words = `${replay.id}: ${replay.fault ?? replay.status}, ${span(replay.ms)}, ${size(replay.response_bytes)}`;
    list.append(el("li", {}, el("button", { type: "button", onclick: open }, words)));
  }
  const close = el("button", { type: "button", onclick: () => place.replaceChildren() }, "Close the comparison");
  place.replaceChildren(el("h3", {}, replays.length === 1 ? "Replayed" : `Replayed ${replays.length} times`), list, compare, close);
  await beside(compare, exchange.id, replays.at(-1).id);
}

/** An answer as lines of text. */
async function answerText(id) {
  const exchange = await (await ask(`/api/exchanges/${id}?bodies=false`)).json();
  if (!exchange.response) return [exchange, `${exchange.fault ?? "no answer"}\n${exchange.fault_detail ?? ""}`];
  const { bytes, whole } = await read(id, "response");
  const string = text(bytes, whole);
  const body = string === null ? hexLines(bytes) : isJson(string) ? pretty(string) : string;
  const headers = exchange.response.headers.map(([name, value]) => `${name}: ${value}`);
  return [exchange, [`status ${exchange.status}`, ...headers, "", body].join("\n")];
}

function hexLines(bytes) {
  const lines = [];
  for (let at = 0; at < Math.min(bytes.length, 65536); at += 32) {
    lines.push([...bytes.subarray(at, at + 32)].map((byte) => byte.toString(16).padStart(2, "0")).join(" "));
  }
  return lines.join("\n");
}

async function beside(place, before, after) {
  const [[was, left], [is, right]] = await Promise.all([answerText(before), answerText(after)]);
  place.replaceChildren(diff.table(left, right, [`${was.id} (${span(was.ms)})`, `${is.id} (${span(is.ms)})`]));
}

/** Copies the exchange as a curl command. */
export async function copyCurl(id) {
  const command = await (await ask(`/api/exchanges/${id}/curl`)).text();
  try {
    await navigator.clipboard.writeText(command);
    toast("Copied as curl");
  } catch {
    const dialog = byId("copy");
    dialog.querySelector("textarea").value = command;
    dialog.showModal();
    dialog.querySelector("textarea").select();
  }
}

const field = (name, control) => el("label", {}, el("span", {}, name), control);

/** The form in which a request is edited before it is sent again. */
async function editor(exchange) {
  const place = byId("outcome");
  const { bytes, whole } = await raw(exchange);
  const string = whole ? text(bytes, true) : null;
  const known = await knownSchemes(exchange);
  const controls = {
    method: el("input", { name: "method", value: exchange.method, size: "8", spellcheck: "false" }),
    target: el("input", { name: "target", value: exchange.target, class: "wide", spellcheck: "false" }),
    headers: el("textarea", { name: "headers", rows: "8", class: "wide", spellcheck: "false" }),
    body: el("textarea", { name: "body", rows: "8", class: "wide", spellcheck: "false", placeholder: string === null ? "The body is no text, or not kept whole; it stays as it is unless you write another one." : "" }),
    times: el("input", { name: "times", type: "number", min: "1", max: "100", value: "1" }),
    sign: el("select", { name: "sign" }, el("option", { value: "" }, "as it was"), ...SCHEMES.map((name) => el("option", { value: name, selected: name === exchange.signature && known.includes(name) }, name))),
    secret: el("input", { name: "secret", type: "password", autocomplete: "off", placeholder: known.length ? `known: ${known.join(", ")}` : "kept in memory only" }),
  };
  controls.headers.value = exchange.request.headers.map(([name, value]) => `${name}: ${value}`).join("\n");
  controls.body.value = string ?? "";
  const form = el("form", { class: "editor" },
    field("Method", controls.method), field("Path and query", controls.target), field("Headers", controls.headers),
    field("Body", controls.body), field("Times", controls.times), field("Sign", controls.sign), field("Secret", controls.secret),
    el("button", { type: "submit" }, "Send"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(() => submit(exchange, controls, string));
  });
  place.replaceChildren(el("h3", {}, "Edit and replay"), form);
  controls.target.focus();
}

async function raw(exchange) {
  const answer = await ask(`/api/exchanges/${exchange.id}/request/body`);
  return { bytes: new Uint8Array(await answer.arrayBuffer()), whole: answer.headers.get("x-whole") === "true" };
}

async function submit(exchange, controls, original) {
  const { method, target, headers, body, times, sign, secret } = controls;
  const order = { method: method.value.trim(), target: target.value.trim(), times: Number(times.value) };
  order.headers = headers.value.split("\n").filter((line) => line.trim()).map((line) => {
    const colon = line.indexOf(":");
    if (colon < 1) throw new Error(`a header is written name: value, not ${line}`);
    return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
  });
  // A text area makes line breaks its own; what was not touched is sent as it was.
  const untouched = original === null ? body.value === "" : body.value === original.replaceAll("\r\n", "\n").replaceAll("\r", "\n");
  if (!untouched) order.text = body.value;
  if (sign.value) {
    order.sign = sign.value;
    // Kept by the inspector, in memory, so that `r` can sign, too.
    if (secret.value) await ask(`/api/secrets/${sign.value}?${ofTunnel(exchange)}`, { method: "PUT", json: { secret: secret.value } });
  }
  await send(exchange, order);
}

/** What can be done with an exchange. */
export function actions(exchange) {
  const button = (id, name, action) => el("button", { type: "button", id, onclick: () => attempt(action) }, name);
  const har = el("a", { class: "button", href: `/api/exchanges/${exchange.id}/har`, download: `exchange-${exchange.id}.har` }, "HAR");
  if (exchange.websocket) return el("div", { class: "actions" }, har);
  return el("div", { class: "actions" },
    button("replay", "Replay (r)", () => replayNow(exchange)),
    button("edit", "Edit and replay (e)", () => editor(exchange)),
    button("curl", "Copy as curl (c)", () => copyCurl(exchange.id)),
    har);
}

export { editor };
