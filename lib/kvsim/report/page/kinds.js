// Reports of one run: replay and size; of a curve; of kernels; of gates.
function card(label, value, more, key) {
  return h("div", {}, h("dt", {}, label, def(key, label)), h("dd", {}, value, more && h("small", {}, more)));
}
function figures(r) {
  const get = (path) => at(r, path), cards = [];
  const add = (label, value, more, key) => value !== undefined && value !== "-" && cards.push(card(label, value, more, key));
  const rate = get("results.hits.token_hit_rate"), pinned = String(get("config.accounting") || "").startsWith("pinned");
  add("capacity", get("capacity.blocks") === undefined ? "unlimited" : plural(get("capacity.blocks"), "block"), [isNumber(get("capacity.tokens")) && plural(get("capacity.tokens"), "token"), isNumber(get("capacity.bytes")) && bytes(get("capacity.bytes"))].filter(Boolean).join(", "), "memory");
  add("prompt tokens hit", percent(rate), isNumber(rate) && count(get("results.hits.hit_tokens")) + " of " + count(get("results.hits.lookup_tokens")), "token_hit_rate");
  const best = ratio(get(pinned ? "bounds.optimal_admit.hit_tokens" : "bounds.optimal.hit_tokens"), get("results.hits.lookup_tokens"));
  if (isNumber(best) && isNumber(rate)) add("best possible", percent(best), points(Math.max(0, best - rate)) + " points away", "gap");
  const ceiling = ratio(get("bounds.unlimited.hit_tokens"), get("results.hits.lookup_tokens"));
  add("with unlimited room", percent(ceiling), undefined, "bounds.unlimited");
  add("blocks hit", percent(get("results.hits.block_hit_rate")), undefined, "block_hit_rate");
  add("prefill FLOPs saved", percent(get("results.hits.flop_hit_rate")), undefined, "flop_hit_rate");
  if (isNumber(get("results.value.prefill_seconds_saved"))) add("prefill time saved", plain(get("results.value.prefill_seconds_saved")) + " s", "modelled on " + get("results.value.gpu"), "value");
  if (isNumber(get("results.requests.total"))) add("requests", count(get("results.requests.total")), count(get("results.requests.rejected")) + " rejected", "requests");
  add("blocks evicted", count(get("results.evictions.blocks")), undefined, "evictions");
  if (isNumber(get("results.utilization.mean_active_fraction"))) add("in use, on average", percent(get("results.utilization.mean_active_fraction")), percent(get("results.utilization.mean_evictable_fraction")) + " evictable, " + percent(get("results.utilization.mean_free_fraction")) + " free", "utilization");
  add("bits a value", isNumber(get("results.compression.bits_per_value")) ? get("results.compression.bits_per_value").toFixed(2) : undefined, undefined, "compression");
  add("output error (NMSE)", isNumber(get("results.compression.output_nmse")) ? get("results.compression.output_nmse").toPrecision(3) : undefined, undefined, "compression.output");
  section("figures", "In figures", h("dl", { class: "cards" }, cards));
}
function oneRun(r) {
  figures(r);
  if (at(r, "results.misses")) {
    const name = (at(r, "config.engine") || at(r, "config.eviction") || at(r, "config.layout") || "run").split(":")[0];
    section("misses", "Causes of misses", h("p", { class: "lead" }, missWords), missChart("chart-misses", "Looked-up blocks: hit, or why not", () => [{ name, results: r.results }], missWords).frame);
  }
  if (r.series && Object.keys(r.series).length) section("series", "Over time", ...seriesCharts(() => r.series).map((f) => f.frame));
  const by = list(at(r, "results.by"));
  if (by.length) section("by", "By " + (at(r, "config.by") || "group"), objects("by-table", "Hits of each group", by, "results.by."));
  if (at(r, "explain")) section("explain", "Why no more was hit", h("p", {}, r.explain.text), r.explain.difference && h("p", {}, r.explain.difference), numbers("explain-table", "Request " + plain(r.explain.request), r.explain, "explain"));
  if (at(r, "engine.numbers")) section("engines", "The engine, in its own words", h("p", { class: "lead" }, "Rules of " + r.engine.upstream_commit + ", " + r.engine.rules_date + " (" + r.engine.verified + ")."), numbers("engine-table", r.engine.id, r.engine.numbers, "engine.numbers"));
  layers(r);
  kernels(r);
  const rest = Object.assign({}, r.results);
  delete rest.by;
  section("numbers", "All numbers", r.goal && numbers("goal-table", "Goal", r.goal, "goal"), numbers("results-table", "Results", rest, ""), r.bounds && numbers("bounds-table", "Bounds", r.bounds, "bounds"));
}
function layers(r) {
  const c = at(r, "results.compression");
  if (!c || !list(c.layers).length) return;
  section("compression", "Compression by layer", objects("layers-table", "Errors of each layer", c.layers, "compression."),
    list(c.visible).length > 0 && objects("visible-table", "Of tokens so far back, how many are still there", c.visible, "compression."));
}
function kernels(r) {
  const rows = list(r.kernels);
  if (!rows.length) return;
  const measured = rows.filter((k) => isNumber(k.gb_per_s) && isNumber(k.fraction_of_copy));
  const s = section("kernels", "Kernels", h("p", { class: "lead" }, "Times of one launch. What could not be measured here says so."));
  const shape = (k) => Object.entries(k.shape || {}).map(([key, v]) => (typeof v === "string" ? v : key + " " + plain(v))).join(", ");
  const number = (label, key, digits = 2) => ({ label, key, number: true, value: (k) => (isNumber(k[key]) ? k[key] : undefined), text: (k) => (isNumber(k[key]) ? k[key].toFixed(digits) : k[key] === undefined ? "" : plain(k[key])) });
  const ran = rows.filter((k) => (k.status || "ok") === "ok"), others = rows.filter((k) => !ran.includes(k));
  const table = (id, label, of) => sortable({ id, label, rows: of, columns: [
    { label: "kernel", key: "kernels", text: (k) => k.name }, { label: "backend", text: (k) => k.backend || "" }, { label: "shape", wordy: true, text: shape },
    { label: "status", text: (k) => (k.status || "ok") + (k.reason ? ": " + k.reason : "") },
    number("median us", "median_us"), number("95 % from", "ci_low_us"), number("to", "ci_high_us"), number("p95 us", "p95_us"), number("GB/s", "gb_per_s"),
    { label: "of copy", key: "fraction_of_copy", number: true, value: (k) => (isNumber(k.fraction_of_copy) ? k.fraction_of_copy : undefined), text: (k) => (isNumber(k.fraction_of_copy) ? percent(k.fraction_of_copy, 1) : "") },
    number("roofline us", "roofline_us")].filter((c) => c.label === "kernel" || of.some((k) => c.text(k) !== "" && c.text(k) !== "not measured" && c.text(k) !== "ok")) });
  if (ran.length) s.append(table("kernels-table", "Measured: " + plural(ran.length, "timing"), ran));
  if (others.length) s.append(h("details", { open: ran.length === 0 }, h("summary", {}, "Not measured: " + plural(others.length, "timing")), table("kernels-others", "Not measured", others)));
  if (measured.length < 2 || measured.length > 60) return;
  const label = (k) => k.name + " " + [at(k, "shape.kv_dtype"), at(k, "shape.context") && "context " + k.shape.context, at(k, "shape.batch") && "batch " + k.shape.batch].filter(Boolean).join(", ") + " (" + k.backend + ")";
  s.append(chart({
    id: "chart-kernels", title: "Memory speed, in 1e9 bytes a second", def: "gb_per_s", noLegend: true, height: 60 + 22 * measured.length, summary: "Its numbers are in the table of kernels.",
    config: () => ({ type: "bar", data: { labels: measured.map(label), datasets: [{ label: "GB/s", bar: true, data: measured.map((k) => k.gb_per_s), backgroundColor: color(0) }] },
      options: { indexAxis: "y", scales: { x: { min: 0, title: { display: true, text: "GB/s" } }, y: { ticks: { autoSkip: false } } },
        plugins: { tooltip: { callbacks: { label: (i) => " " + i.parsed.x + " GB/s, " + percent(measured[i.dataIndex].fraction_of_copy, 1) + " of " + (measured[i.dataIndex].ceiling || "copy") } } } } }),
  }).frame);
}

function curve(r) {
  const c = r.curve || {}, xs = list(c.blocks), all = r.lookup_tokens;
  if (xs.length === 0 || !all) return;
  const bytesPerBlock = list(r.points).concat(list(r.knees)).map((p) => ratio(p.bytes, p.blocks)).find(isNumber) || 0;
  const rate = (column) => list(column).map((n) => n / all);
  const drawn = thinned(xs, rate(c.hit_tokens)), exact = r.exact_from_blocks !== undefined;
  const pts = list(r.points), bound = (name) => pts.filter((p) => isNumber(at(p, "bounds." + name + ".hit_tokens"))).map((p) => ({ x: p.blocks, y: p.bounds[name].hit_tokens / all }));
  const name = String(at(r, "config.eviction") || "curve"), ceiling = ratio(at(r, "bounds.unlimited.hit_tokens"), all);
  const most = Math.max(...rate(c.hit_tokens)), low = Math.min(xs[0], ...pts.map((p) => p.blocks)), high = Math.max(xs[xs.length - 1], ...pts.map((p) => p.blocks));
  const knees = list(r.knees).map((k) => ({ x: k.blocks, y: drawn.length ? valueAt(xs, rate(c.hit_tokens), k.blocks) : NaN }));
  const t = r.tiers;
  const config = () => {
    const sets = [{ label: name, data: drawn, borderColor: color(0), backgroundColor: color(0), borderWidth: 2.5, plainWidth: 2.5, pointRadius: xs.length > 60 ? 0 : 3, stepped: exact ? true : false, order: 1, exact }];
    const line = (label, data, dash) => data.length && sets.push({ label, data, borderColor: css("--ink"), borderDash: dash, borderWidth: 1.5, plainWidth: 1.5, pointRadius: 0, order: 3 });
    line("optimal_admit", bound("optimal_admit"), [7, 4]);
    line("optimal", bound("optimal"), [2, 3]);
    if (isNumber(ceiling)) line("ceiling", [{ x: low, y: ceiling }, { x: high, y: ceiling }], [12, 3, 2, 3]);
    if (knees.length) sets.push({ label: "knees", data: knees, texts: r.knees.map((k) => Math.round(100 * k.share) + " %"), showLine: false, borderColor: color(1), backgroundColor: color(1), pointRadius: 6, pointHoverRadius: 8, order: 0 });
    if (t) sets.push({ label: "tiers", data: [t.fast, t.inclusive, t.exclusive].map((p) => ({ x: p.blocks, y: p.token_hit_rate })), texts: ["fast", "inclusive", "exclusive"], showLine: false, borderColor: color(2), backgroundColor: color(2), pointStyle: "rectRot", pointRadius: 7, order: 0 });
    return { type: "line", data: { datasets: sets }, options: {
      normalized: true, parsing: false, interaction: { mode: "nearest", axis: "x", intersect: false },
      scales: { x: capacityAxis(low, Math.max(high, low + 1), bytesPerBlock), y: percentAxis("prompt tokens hit") },
      plugins: { tooltip: { callbacks: { title: (i) => (i.length ? "from " + room({ blocks: i[0].parsed.x, bytes: bytesPerBlock ? bytesPerBlock * i[0].parsed.x : undefined }) + " on" : ""), label: (i) => " " + i.dataset.label + ": " + percent(i.parsed.y) } } } } };
  };
  const frame = chart({ id: "chart-curves", title: "Prompt tokens hit, by capacity", def: "curve", height: 460, config, summary: document.getElementById("headline").textContent, table: pts.length ? () => pointTable(pts) : undefined });
  section("curves", "Hit rate by capacity", h("p", { class: "lead" }, (exact ? "Exact at every capacity: " + plural(xs.length, "capacity", "capacities") + " where a value changes" +
    (drawn.length < xs.length ? ", of which " + count(drawn.length) + " are drawn and all are in the report within this page" : "") : "Replayed at " + plural(xs.length, "capacity", "capacities")) +
    ". The most is " + percent(most) + "."), frame.frame);
  if (knees.length) section("knees", "Knees", h("p", { class: "lead" }, defined("knees")), sortable({ id: "knees-table", label: "How much room for how much of the most", rows: r.knees, columns: [
    { label: "of the most", number: true, value: (k) => k.share, text: (k) => percent(k.share, 0) }, { label: "blocks", number: true, value: (k) => k.blocks, text: (k) => count(k.blocks) },
    { label: "tokens", number: true, value: (k) => k.tokens, text: (k) => count(k.tokens) }, bytesPerBlock && { label: "KV memory", number: true, value: (k) => k.bytes, text: (k) => bytes(k.bytes) }].filter(Boolean) }));
  if (t) section("tiers", "Two tiers", h("p", { class: "lead" }, defined("tiers")), sortable({ id: "tiers-table", label: "Fast tier of " + count(t.fast_blocks) + ", slow tier of " + count(t.slow_blocks) + " blocks",
    rows: ["fast", "inclusive", "exclusive"].map((key) => Object.assign({ key }, t[key])), columns: [{ label: "tiers", text: (x) => x.key }, { label: "curve at", number: true, value: (x) => x.blocks, text: (x) => room(x) },
      { label: "tokens hit", number: true, key: "token_hit_rate", value: (x) => x.token_hit_rate, text: (x) => percent(x.token_hit_rate) }] }));
  groups(r);
}
function valueAt(xs, ys, x) {
  let low = 0, high = xs.length;
  while (low < high) { const mid = (low + high) >> 1; xs[mid] <= x ? (low = mid + 1) : (high = mid); }
  return low ? ys[low - 1] : 0;
}
function pointTable(pts) {
  return objects("points-table", "At " + plural(pts.length, "capacity", "capacities"), pts, "points.");
}
function groups(r) {
  const by = list(r.by).filter((g) => g.lookup_tokens && list(at(g, "curve.blocks")).length);
  if (!by.length) return;
  const first = [...by].sort((a, b) => b.lookup_tokens - a.lookup_tokens).slice(0, 8), label = (g) => g.label || "(none)";
  const low = Math.min(...first.map((g) => g.curve.blocks[0])), high = Math.max(...first.map((g) => g.curve.blocks[g.curve.blocks.length - 1]));
  const frame = chart({ id: "chart-groups", title: "The groups with the most tokens", def: "curve", height: 380, summary: "Its last values are in the table below.", config: () => ({
    type: "line", data: { datasets: first.map((g, i) => ({ label: label(g), data: thinned(g.curve.blocks, g.curve.hit_tokens.map((n) => n / g.lookup_tokens), 600), borderColor: color(i), backgroundColor: color(i), borderWidth: 2, pointRadius: 0, stepped: true })) },
    options: { normalized: true, parsing: false, interaction: { mode: "nearest", axis: "x", intersect: false }, scales: { x: capacityAxis(low, Math.max(high, low + 1), 0), y: percentAxis("prompt tokens of the group hit") },
      plugins: { tooltip: { callbacks: { title: (i) => (i.length ? "from " + plural(i[0].parsed.x, "block") + " on" : ""), label: (i) => " " + i.dataset.label + ": " + percent(i.parsed.y) } } } } }) });
  section("groups", "By " + (at(r, "config.by") || "group"), frame.frame, sortable({ id: "groups-table", label: "All groups", rows: list(r.by), columns: [{ label: "group", text: label },
    { label: "requests", number: true, value: (g) => g.requests, text: (g) => count(g.requests) }, { label: "tokens", number: true, value: (g) => g.lookup_tokens, text: (g) => count(g.lookup_tokens) },
    { label: "most hit", number: true, value: (g) => ratio(Math.max(0, ...list(at(g, "curve.hit_tokens"))), g.lookup_tokens), text: (g) => percent(ratio(Math.max(0, ...list(at(g, "curve.hit_tokens"))), g.lookup_tokens)) }] }));
}
function bench(r) {
  kernels(r);
  for (const b of list(r.backends)) {
    section("backend-" + b.id, "Backend " + b.id, h("p", { class: "lead" }, b.status === "ok" ? [b.device, b.driver, b.clocks, b.vectors].filter(Boolean).join(", ") : (b.status || "") + ": " + (b.reason || "")),
      list(b.calibration).length > 0 && objects("calibration-" + b.id, "Calibration", b.calibration, "calibration."), list(b.fits).length > 0 && objects("fits-" + b.id, "Fits", b.fits, "fits."));
  }
}
// Gates: what the report lists, as it lists it.
function check(r) {
  for (const [key, value] of Object.entries(r))
    if (Array.isArray(value) && value.length && value.every((v) => v && typeof v === "object")) section("check-" + key, key[0].toUpperCase() + key.slice(1), objects("check-" + key + "-table", key, value, key + "."));
}
