// Nothing that came in is ever made HTML of: nodes are made one by one, and texts are texts.

/** An element with properties and children; texts become text nodes. */
export function el(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "class") element.className = value;
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== undefined && value !== null) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** Asks the API; an error is thrown with the text that the API gives. */
export async function ask(path, options = {}) {
  const { json, ...rest } = options;
  if (json !== undefined) {
    rest.method ??= "POST";
    rest.headers = { "content-type": "application/json" };
    rest.body = JSON.stringify(json);
  }
  const answer = await fetch(path, rest);
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    throw new Error(problem.error ?? `the inspector answered ${answer.status}`);
  }
  return answer;
}

let fading;

/** Says something for a moment, also to screen readers. */
export function toast(text) {
  const place = byId("toast");
  place.textContent = text;
  clearTimeout(fading);
  fading = setTimeout(() => (place.textContent = ""), 4000);
}

/** Runs an action and tells of its error instead of dropping it. */
export async function attempt(action) {
  try {
    return await action();
  } catch (error) {
    toast(error.message);
  }
}

export function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  const units = ["KB", "MB", "GB", "TB"];
  let unit = -1;
  do {
    bytes /= 1000;
    unit += 1;
  } while (bytes >= 999.5 && unit < 3);
  return `${bytes.toPrecision(3)} ${units[unit]}`;
}

export function span(ms) {
  if (ms === null) return "…";
  if (ms < 1000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  return `${(ms / 1000).toFixed(ms < 10000 ? 2 : 0)} s`;
}

export const clock = (time) => new Date(time).toLocaleTimeString([], { hour12: false });

/** Calls at most once per pause, and once more at its end when asked in between. */
export function throttled(pause, action) {
  let waiting = false;
  let again = false;
  const run = async () => {
    waiting = true;
    again = false;
    await attempt(action);
    setTimeout(() => {
      waiting = false;
      if (again) run();
    }, pause);
  };
  return () => (waiting ? (again = true) : run());
}
