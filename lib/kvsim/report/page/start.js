// Which sections a report has, what all of them end with, and what the page does as a whole.
function facts() {
  const traces = list(report.traces).concat(report.trace ? [report.trace] : []);
  const seen = new Set();
  const rows = traces.filter((t) => { const key = JSON.stringify(t); return !seen.has(key) && seen.add(key); });
  if (rows.length) section("traces", rows.length > 1 ? "Traces" : "The trace", rows.length > 1 ? objects("traces-table", "Traces", rows, "trace.") : numbers("traces-table", "The trace", rows[0], "trace"));
}
// As a shell takes it.
const quoted = (word) => (/^[A-Za-z0-9_.,:=%+@/-]+$/.test(word) ? word : "'" + String(word).replace(/'/g, "'\\''") + "'");
function command() {
  const c = report.config || {};
  const parts = ["kvsim", report.kind];
  for (const trace of Array.isArray(c.trace) ? c.trace : c.trace !== undefined ? [c.trace] : []) parts.push(quoted(trace));
  for (const [key, value] of Object.entries(c)) {
    if (key === "trace" || value === null || value === false) continue;
    if (report.kind === "bench" && key === "kernel") { parts.splice(2, 0, ...[].concat(value).map(quoted)); continue; }
    parts.push("--" + key.replace(/_/g, "-"));
    if (value === true) continue;
    parts.push(quoted(Array.isArray(value) ? value.join(",") : String(value)));
  }
  return parts.join(" ");
}
function ending() {
  facts();
  const tool = report.tool || {};
  if (report.config && Object.keys(report.config).length)
    section("reproduce", "How to do this again",
      h("p", { class: "lead" }, "In the folder of the trace, with kvsim " + [tool.version, tool.git && "(" + tool.git + ")"].filter(Boolean).join(" ") + ". The report is a configuration file too: kvsim " + report.kind + " --config REPORT TRACE."),
      h("pre", { class: "command", id: "command", tabindex: "0" }, command()),
      h("details", {}, h("summary", {}, "Configuration, key by key"), numbers("config-table", "Configuration", Object.fromEntries(Object.entries(report.config).map(([k, v]) => [k, Array.isArray(v) ? v.join(", ") : v])), "config")),
      report.confidence && h("details", {}, h("summary", {}, "Confidence intervals"), numbers("confidence-table", "Confidence", report.confidence, "confidence")),
      report.timing && h("details", {}, h("summary", {}, "How long it took"), numbers("timing-table", "Timing", report.timing, "timing")));
  const all = Object.entries(report.definitions || {});
  if (all.length) section("definitions", "Definitions", h("p", { class: "lead" }, "What the numbers mean here; keys as in the JSON report. Blocks hold " + [...new Set(list(report.traces).concat(report.trace || []).map((t) => t.block_size).filter(isNumber))].join(" or ") + " tokens."),
    h("dl", { class: "words" }, all.flatMap(([key, text]) => [h("dt", {}, key), h("dd", {}, String(text))])));
}

function comparison() {
  const tables = tablesOf();
  let chosen = 0;
  const shared = h("div", { class: "controls" });
  const draw = () => {
    charts.forEach((c) => c.chart && c.chart.destroy());
    charts.length = 0;
    page.charts.length = 0;
    contents.length = 0;
    main.replaceChildren();
    if (tables.length > 1 && tables.some((t) => t.hits || !t.cells.some((c) => at(c, "results.compression")))) {
      shared.replaceChildren(choice("Table", tables.map((t) => t.title), chosen, (i) => { chosen = i; draw(); shared.querySelector("select").focus(); }));
      main.append(shared);
    }
    const t = tables[chosen];
    tradeOff(list(report.cells));
    if (t) for (const part of [answer, curves, strategies, misses, compareSeries, engines, blame]) part(t);
    ending();
    finish();
  };
  draw();
}
function finish() {
  document.getElementById("contents").replaceChildren(h("ul", {}, contents.map(([id, title]) => h("li", {}, h("a", { href: "#" + id }, title)))));
  redraw();
}

function setTheme(dark) {
  theme.dark = dark;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  document.getElementById("theme").textContent = dark ? "Light" : "Dark";
  document.getElementById("theme").setAttribute("aria-label", "Switch to " + (dark ? "light" : "dark") + " colours");
  redraw();
}
function start() {
  const preferred = matchMedia("(prefers-color-scheme: dark)");
  theme.dark = preferred.matches;
  document.documentElement.dataset.theme = theme.dark ? "dark" : "light";
  const kinds = { replay: oneRun, size: oneRun, curve, bench, check };
  if (report.kind === "compare") {
    comparison();
  } else {
    (kinds[report.kind] || check)(report);
    ending();
    finish();
  }
  setTheme(preferred.matches);
  preferred.addEventListener("change", (e) => setTheme(e.matches));
  document.getElementById("theme").addEventListener("click", () => setTheme(!theme.dark));
  document.getElementById("print").addEventListener("click", () => print());
  let before = false;
  addEventListener("beforeprint", () => {
    before = theme.dark;
    if (before) setTheme(false);
    charts.forEach((c) => c.chart.resize(Math.min(c.chart.width, 680), c.chart.height));
  });
  addEventListener("afterprint", () => { charts.forEach((c) => c.chart.resize()); if (before) setTheme(true); });
  page.ready = true;
}
start();
