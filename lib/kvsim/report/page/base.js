// What everything else stands on: the report, elements, numbers as people read them, definitions beside them.
const report = JSON.parse(document.getElementById("kvsim-report").textContent);
const main = document.getElementById("main");
// For tests and the curious: the charts as they are drawn, and what went wrong.
const page = (window.kvsimPage = { charts: [], errors: [], ready: false });
addEventListener("error", (e) => page.errors.push(String(e.message)));
addEventListener("unhandledrejection", (e) => page.errors.push(String(e.reason)));
addEventListener("securitypolicyviolation", (e) => page.errors.push("policy: " + e.violatedDirective + " " + e.blockedURI));

// h("p", {class: "lead"}, "text", element, ...): text is never read as markup.
function h(tag, attributes, ...children) {
  const e = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) e.addEventListener(key.slice(2), value);
    else e.setAttribute(key, value === true ? "" : value);
  }
  for (const child of children.flat()) if (child !== undefined && child !== null && child !== false) e.append(child);
  return e;
}

const isNumber = (x) => typeof x === "number" && isFinite(x);
const count = (n) => (isNumber(n) ? Math.round(n).toString().replace(/\B(?=(\d{3})+(?!\d))/g, ",") : "-");
const percent = (x, digits = 2) => (isNumber(x) ? (100 * x).toFixed(digits) + " %" : "-");
const points = (x, digits = 2) => (isNumber(x) ? (x < 0 ? "\u2212" : "") + Math.abs(100 * x).toFixed(digits) : "-");
function bytes(n) {
  if (!isNumber(n)) return "-";
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let unit = 0;
  for (; n >= 1024 && unit < 5; ++unit) n /= 1024;
  return (unit === 0 ? n.toFixed(0) : n.toFixed(1)) + " " + units[unit];
}
// Any number of a report: integers whole, others with four digits that mean something.
function plain(value) {
  if (value === null || value === undefined) return "-";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value)) return Math.abs(value) < 1e15 ? (value < 0 ? "\u2212" : "") + count(Math.abs(value)) : value.toExponential(3);
  const size = Math.abs(value);
  return size >= 1e6 || size < 1e-3 ? value.toExponential(3) : size >= 100 ? value.toFixed(1) : value.toPrecision(4);
}
// at(cell, "results.hits.hit_tokens"): undefined where something on the way is missing.
function at(object, path) {
  for (const key of path.split(".")) {
    if (object === null || typeof object !== "object") return undefined;
    object = object[key];
  }
  return object;
}
const ratio = (part, whole) => (isNumber(part) && isNumber(whole) && whole !== 0 ? part / whole : undefined);
const list = (x) => (Array.isArray(x) ? x : []);
const words = (parts) => (parts.length < 2 ? parts.join("") : parts.slice(0, -1).join(", ") + " and " + parts[parts.length - 1]);
const plural = (n, one, many) => count(n) + " " + (n === 1 ? one : many || one + "s");
const room = (c) =>
  !c || !isNumber(c.blocks) ? "unlimited" : plural(c.blocks, "block") + (isNumber(c.bytes) ? " (" + bytes(c.bytes) + ")" : "");

// Definitions: those of the report, and those of what this page works out of it.
const own = {
  gap: "token hit rate of the best possible minus the one reached, in percentage points; the best possible: hit tokens of the " +
    "cache that hits the most blocks and knows the future (bounds.optimal_admit under pinned, bounds.optimal under flat and tree)",
  of_bound: "hit_blocks in percent of those of the best possible (bounds.optimal_admit under pinned, else bounds.optimal)",
  versus: "token hit rate minus that of the strategy compared with, in percentage points, and its interval; see difference",
  band: "from the rate of the strategy compared with plus the lower end of the interval to the same plus the upper end: where the " +
    "band leaves its line, the trace shows a difference (before the correction for many comparisons)",
  "trace.requests": "in the trace, as it was read", "trace.counted_requests": "those past the warm-up", "trace.sha256": "of the decompressed bytes",
  "trace.prompt_tokens": "of all requests", "trace.output_tokens": "of all requests", "trace.block_size": "tokens in a block", "trace.blocks": "looked up by all requests",
  "trace.unique_blocks": "different blocks that the trace names",
  ceiling: "the hits of a cache with room for everything: what is missed then was never seen before",
};
const exact = /^(trace|config|confidence|timing|goal)\./;  // where a last word alone would name something else
function defined(key) {
  const all = report.definitions || {};
  if (exact.test(key)) return all[key] || own[key];
  for (let k = key; k; k = k.includes(".") ? k.slice(0, k.lastIndexOf(".")) : "") {
    if (typeof all[k] === "string") return all[k];
    const last = k.slice(k.lastIndexOf(".") + 1);
    if (typeof all[last] === "string") return all[last];
  }
  return own[key];
}
// The part of a definition that is about this key: definitions are lists of "name, name: what it is; ...".
function aboutKey(key) {
  const text = defined(key), last = key.slice(key.lastIndexOf(".") + 1);
  if (!text || !text.includes("; ")) return text;
  const parts = text.split("; ").filter((part) => new RegExp("(^|[^a-z_])" + last.replace(/[^a-z0-9_]/gi, ".") + "([^a-z_]|$)").test(part));
  return parts.length ? parts.join("; ") : text;
}
const note = h("div", { id: "note", role: "tooltip", hidden: true });
document.body.append(note);
function hideNote() {
  note.hidden = true;
  document.querySelectorAll(".def[aria-expanded=true]").forEach((b) => b.setAttribute("aria-expanded", "false"));
}
function showNote(button, text) {
  hideNote();
  note.textContent = text;
  note.hidden = false;
  button.setAttribute("aria-expanded", "true");
  const box = button.getBoundingClientRect();
  const below = box.bottom + note.offsetHeight + 12 < innerHeight;
  note.style.left = Math.max(8, Math.min(box.left - 8, innerWidth - note.offsetWidth - 16)) + "px";
  note.style.top = (below ? box.bottom + 6 : Math.max(8, box.top - note.offsetHeight - 6)) + "px";
}
addEventListener("keydown", (e) => e.key === "Escape" && hideNote());
addEventListener("scroll", hideNote, true);
addEventListener("resize", hideNote);
// A button that shows what a word means, or nothing where nobody says.
function def(key, name) {
  const text = defined(key);
  if (!text) return null;
  const b = h("button", { type: "button", class: "def", "aria-label": "What is " + (name || key) + "?", "aria-describedby": "note", "aria-expanded": "false" }, "?");
  b.addEventListener("click", () => (note.hidden || b.getAttribute("aria-expanded") === "false" ? showNote(b, text) : hideNote()));
  b.addEventListener("mouseenter", () => showNote(b, text));
  b.addEventListener("mouseleave", hideNote);
  b.addEventListener("blur", hideNote);
  return b;
}

const contents = [];
// A section with a heading of its own, listed in the contents.
function section(id, title, ...children) {
  const s = h("section", { id, "aria-labelledby": id + "-title" }, h("h2", { id: id + "-title" }, title), ...children);
  contents.push([id, title]);
  main.append(s);
  return s;
}
function choice(label, options, chosen, onchange) {
  const s = h("select", {}, ...options.map((o, i) => h("option", { value: i, selected: i === chosen }, o)));
  s.addEventListener("change", () => onchange(Number(s.value)));
  return h("label", {}, label + " ", s);
}
