// A body is shown as what it is: fields, JSON, a picture, events, text or bytes. Whatever is in it stays text.

import { ask, el, size } from "./dom.js";

const MOST = 4 * 1024 * 1024;
const HEX_ROWS = 4096;
const MARKS = 500;
const IMAGES = /^image\/(png|jpeg|gif|webp|avif|bmp|x-icon|vnd\.microsoft\.icon|svg\+xml)$/;

/** Reads a body as far as it is shown. The browser unpacks what the inspector cannot; both stop at a limit. */
export async function read(id, side) {
  const answer = await ask(`/api/exchanges/${id}/${side}/body?decoded=true`);
  const whole = answer.headers.get("x-whole") === "true";
  const reader = answer.body.getReader();
  const parts = [];
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return { bytes: joined(parts, length), whole };
      parts.push(value);
      length += value.length;
      if (length >= MOST) break;
    }
  } catch (error) {
    if (length === 0) throw new Error("the body is not packed as it says");
  }
  await reader.cancel().catch(() => {});
  return { bytes: joined(parts, length), whole: false };
}

function joined(parts, length) {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** The text of bytes, or null where they are none. A cut may have gone through the last character. */
export function text(bytes, whole) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: !whole });
  } catch {
    return null;
  }
}

/** JSON with line breaks; numbers and names stay as they were written. */
export function pretty(json) {
  const out = [];
  let depth = 0;
  const indent = () => out.push("\n", "  ".repeat(depth));
  const tokens = json.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? [];
  tokens.forEach((token, i) => {
    const [previous, next] = [tokens[i - 1], tokens[i + 1]];
    if (token === "}" || token === "]") {
      depth -= 1;
      if (previous !== "{" && previous !== "[") indent();
    }
    out.push(token);
    if (token === ":") out.push(" ");
    if (token === ",") indent();
    if (token === "{" || token === "[") {
      depth += 1;
      if (next !== "}" && next !== "]") indent();
    }
  });
  return out.join("");
}

export function isJson(string) {
  try {
    JSON.parse(string);
    return true;
  } catch {
    return false;
  }
}

/** The views that fit a body, the best one first: names and what makes them. */
function views(bytes, whole, type) {
  const kind = type.split(";")[0].trim().toLowerCase();
  const string = text(bytes, whole);
  const found = [];
  if (IMAGES.test(kind)) found.push(["Picture", () => picture(bytes, kind)]);
  if (string !== null) {
    if (kind === "application/x-www-form-urlencoded") found.push(["Form", () => fields([...new URLSearchParams(string)])]);
    if (kind === "text/event-stream") found.push(["Events", () => events(string)]);
    if (/^\s*[[{"\d\-tfn]/.test(string) && isJson(string)) found.push(["JSON", () => searchable(pretty(string), "json")]);
  }
  const boundary = kind === "multipart/form-data" && /boundary="?([^";]+)/i.exec(type)?.[1];
  if (boundary) found.push(["Form", () => fields(parts(bytes, boundary))]);
  if (string !== null) found.push(["Text", () => searchable(string, "text")]);
  found.push(["Hex", () => hex(bytes)]);
  return found;
}

/** A body with a choice of views. */
export function show({ bytes, whole }, info, type) {
  if (info.size === 0) return el("p", { class: "note" }, "no body");
  const place = el("div", { class: "view" });
  const choice = el("div", { class: "choice", role: "group", "aria-label": "View" });
  for (const [name, make] of views(bytes, whole, type)) {
    const open = () => {
      for (const other of choice.children) other.setAttribute("aria-pressed", String(other === button));
      place.replaceChildren(make());
    };
    const button = el("button", { type: "button", "aria-pressed": "false", onclick: open }, name);
    choice.append(button);
  }
  choice.firstChild.click();
  const notes = [size(info.size)];
  if (info.encoding) notes.push(info.encoding);
  if (!info.whole) notes.push("not complete");
  if (info.kept < info.size) notes.push(`only the first ${size(info.kept)} were kept`);
  else if (!whole && info.whole) notes.push(`only the first ${size(bytes.length)} are shown`);
  return el("div", {}, choice, el("span", { class: "note" }, notes.join(", ")), place);
}

function picture(bytes, kind) {
  const url = URL.createObjectURL(new Blob([bytes], { type: kind }));
  const image = el("img", { src: url, alt: "the body as a picture" });
  const done = () => URL.revokeObjectURL(url);
  image.addEventListener("load", done);
  image.addEventListener("error", () => {
    done();
    image.replaceWith(el("p", { class: "note" }, "this is no picture that the browser can show"));
  });
  return image;
}

/** Names and values, in a table. */
export function fields(pairs) {
  if (pairs.length === 0) return el("p", { class: "note" }, "none");
  const line = ([name, value]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, value));
  return el("table", { class: "fields" }, el("tbody", {}, ...pairs.map(line)));
}

/** The fields of a multipart form; files are named, not shown. */
function parts(bytes, boundary) {
  const latin = new TextDecoder("latin1").decode(bytes);
  const utf8 = (string) => new TextDecoder().decode(Uint8Array.from(string, (c) => c.charCodeAt(0) & 255));
  const found = [];
  for (const part of latin.split(`--${boundary}`).slice(1)) {
    const gap = part.indexOf("\r\n\r\n");
    if (part.startsWith("--") || gap < 0) continue;
    const head = utf8(part.slice(0, gap));
    const value = part.slice(gap + 4).replace(/\r\n$/, "");
    const name = /\bname="([^"]*)"/i.exec(head)?.[1] ?? "";
    const file = /\bfilename="([^"]*)"/i.exec(head)?.[1];
    found.push([name, file === undefined ? utf8(value) : `file ${file}, ${size(value.length)}`]);
  }
  return found;
}

function events(string) {
  const found = [];
  const blocks = string.split(/\r\n\r\n|\n\n|\r\r/);
  blocks.forEach((block, i) => {
    if (!block || (i === blocks.length - 1 && block === "")) return;
    const event = { event: "message", data: [], id: "" };
    for (const line of block.split(/\r\n|\n|\r/)) {
      const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line);
      if (name === "data") event.data.push(value);
      else if (name === "event" || name === "id") event[name] = value;
    }
    if (event.data.length > 0) found.push([`${event.event}${event.id && ` (${event.id})`}`, event.data.join("\n")]);
  });
  const table = fields(found);
  table.classList.add("events");
  return table;
}

/** Text with a search: matches are marked, and counted. */
function searchable(string, kind) {
  const place = el("pre", { class: kind, tabindex: "0" }, string);
  const count = el("span", { class: "note", role: "status" });
  const search = () => {
    const wanted = input.value.toLowerCase();
    if (!wanted) {
      count.textContent = "";
      return place.replaceChildren(string);
    }
    const lower = string.toLowerCase();
    const nodes = [];
    let [from, found, at] = [0, 0, -1];
    // Lower case may be longer than the text in a few scripts; there nothing is marked at the wrong place, but nothing at all.
    while (lower.length === string.length && found < MARKS && (at = lower.indexOf(wanted, from)) >= 0) {
      nodes.push(string.slice(from, at), el("mark", {}, string.slice(at, at + wanted.length)));
      from = at + wanted.length;
      found += 1;
    }
    count.textContent = `${found}${found === MARKS ? " or more" : ""} found`;
    place.replaceChildren(...nodes, string.slice(from));
    place.querySelector("mark")?.scrollIntoView({ block: "nearest" });
  };
  const input = el("input", { type: "search", class: "find", placeholder: "Find", "aria-label": "Find in body", oninput: search });
  return el("div", {}, input, count, place);
}

function hex(bytes) {
  const rows = [];
  const most = Math.min(bytes.length, HEX_ROWS * 16);
  for (let at = 0; at < most; at += 16) {
    const row = [...bytes.subarray(at, Math.min(at + 16, most))];
    const digits = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const shown = row.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : ".")).join("");
    rows.push(`${at.toString(16).padStart(8, "0")}  ${digits.padEnd(47)}  ${shown}`);
  }
  if (most < bytes.length) rows.push(`… ${size(bytes.length - most)} more`);
  return el("pre", { class: "hex", tabindex: "0" }, rows.join("\n"));
}
