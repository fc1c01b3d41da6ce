// Two texts side by side, line by line.

import { el } from "./dom.js";

/** Beyond this many steps two texts count as different from the first difference to the last. */
const STEPS = 1000;

/** Pairs of lines: [left, right], null where a side has none. */
export function lines(left, right) {
  const [a, b] = [left.split("\n"), right.split("\n")];
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a.at(-1 - tail) === b.at(-1 - tail)) tail += 1;
  const middle = changes(a.slice(head, a.length - tail), b.slice(head, b.length - tail));
  const same = (line) => [line, line];
  return [...a.slice(0, head).map(same), ...middle, ...a.slice(a.length - tail).map(same)];
}

/** Myers' algorithm: the shortest way from one list to the other. */
function changes(a, b) {
  const trail = [];
  let reach = new Map([[1, 0]]);
  for (let d = 0; d <= Math.min(a.length + b.length, STEPS); d += 1) {
    trail.push(new Map(reach));
    for (let k = -d; k <= d; k += 2) {
      const down = k === -d || (k !== d && reach.get(k - 1) < reach.get(k + 1));
      let x = down ? reach.get(k + 1) : reach.get(k - 1) + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x += 1;
      reach.set(k, x);
      if (x >= a.length && x - k >= b.length) return paired(walk(a, b, trail));
    }
  }
  return paired([...a.map((line) => [line, null]), ...b.map((line) => [null, line])]);
}

function walk(a, b, trail) {
  const steps = [];
  let [x, y] = [a.length, b.length];
  for (let d = trail.length - 1; d >= 0; d -= 1) {
    const reach = trail[d];
    const k = x - y;
    const down = k === -d || (k !== d && reach.get(k - 1) < reach.get(k + 1));
    const before = down ? k + 1 : k - 1;
    const fromX = reach.get(before);
    const fromY = fromX - before;
    while (x > fromX && y > fromY && x > 0 && y > 0) steps.push([a[--x], b[--y]]);
    if (d > 0) steps.push(down ? [null, b[--y]] : [a[--x], null]);
  }
  return steps.reverse();
}

/** Lines that went and lines that came stand beside each other. */
function paired(steps) {
  const out = [];
  let [gone, come] = [[], []];
  const flush = () => {
    for (let i = 0; i < Math.max(gone.length, come.length); i += 1) out.push([gone[i] ?? null, come[i] ?? null]);
    [gone, come] = [[], []];
  };
  for (const [left, right] of steps) {
    if (left !== null && right !== null) {
      flush();
      out.push([left, right]);
    } else if (left !== null) gone.push(left);
    else come.push(right);
  }
  flush();
  return out;
}

const SHOWN = 5000;

/** A table of both texts. Long stretches without a difference are left out. */
export function table(left, right, names) {
  const pairs = lines(left, right);
  const differs = pairs.map(([a, b]) => a !== b);
  const near = differs.map((_, i) => differs.slice(Math.max(0, i - 3), i + 4).some(Boolean));
  const rows = [];
  let skipped = 0;
  const flush = () => {
    if (skipped) rows.push(el("tr", { class: "gap" }, el("td", { colspan: "2" }, `${skipped} equal lines`)));
    skipped = 0;
  };
  pairs.slice(0, SHOWN).forEach(([a, b], i) => {
    if (!near[i] && pairs.length > 40) {
      skipped += 1;
      return;
    }
    flush();
    const cell = (line, kind) => el("td", { class: differs[i] ? (line === null ? "none" : kind) : "" }, line ?? "");
    rows.push(el("tr", {}, cell(a, "gone"), cell(b, "come")));
  });
  flush();
  const heads = names.map((name) => el("th", { scope: "col" }, name));
  const summary = differs.some(Boolean) ? `${differs.filter(Boolean).length} lines differ` : "no difference";
  return el("div", {}, el("p", { class: "note", role: "status" }, summary),
    el("table", { class: "diff" }, el("thead", {}, el("tr", {}, ...heads)), el("tbody", {}, ...rows)));
}
