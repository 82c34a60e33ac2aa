// Comparisons, continued: the table of strategies, causes of misses, engines, blame, compression.
function strategies(t) {
  if (!t.hits) return served(t);
  const extra = [];
  const bound = (name, key) => t.columns.some((k) => isNumber(k[key])) && extra.push({ name, bound: key, cells: new Map(), rowClass: "bound" });
  bound("(optimal_admit)", "admit");
  bound("(optimal)", "optimal");
  const value = (r, k) => (r.bound ? k[r.bound] : rateOf((finished(r.cells.get(k.given)) && r.cells.get(k.given)) || {}));
  const matrix = sortable({
    id: "strategies-table", label: "Token hit rate in percent. Bold: the best of a column; then +, \u2212 or =: better, worse, no difference shown" + (t.versus ? " against " + t.versus : ""),
    rows: [...t.rows.filter((r) => r.ran), ...extra],
    columns: [{ label: "strategy", text: (r) => r.name, cell: (r) => [r.name, r.future && h("span", { class: "sub" }, "knows the future")] },
      ...t.columns.map((k) => ({
        label: k.label, sub: isNumber(k.bytes) ? bytes(k.bytes) : undefined, number: true,
        value: (r) => value(r, k), text: (r) => (isNumber(value(r, k)) ? (100 * value(r, k)).toFixed(2) + " " + verdictSign(r.cells.get(k.given)) : "-"),
        best: (r) => k.winners.includes(r),
      }))],
  });
  let column = Math.min(t.columns.length - 1, Math.floor(t.columns.length / 2));
  const holder = h("div", {});
  const fill = () => holder.replaceChildren(details(t, t.columns[column]));
  fill();
  const seeds = t.cells.filter((c) => c.seeds);
  const skipped = t.cells.filter((c) => c.status !== "ok" && c.reason);
  return section("strategies", "Strategies", matrix,
    h("h3", {}, "More about one capacity"),
    t.columns.length > 1 && h("div", { class: "controls" }, choice("Capacity", t.columns.map((k) => room(k)), column, (i) => { column = i; fill(); })), holder,
    seeds.length > 0 && h("p", { class: "foot" }, "Medians over seeds, and their range: " + seeds.map((c) => t.name(c) + " at " + room(c.capacity) + " from " + percent(c.seeds.token_hit_rate_low) + " to " + percent(c.seeds.token_hit_rate_high)).join("; ") + ".", def("seeds", "a seed")),
    skipped.length > 0 && h("p", { class: "foot" }, "Not run: " + [...new Set(skipped.map((c) => t.name(c) + " (" + c.reason + ")"))].join("; ") + "."));
}
function details(t, k) {
  const of = (path) => (r) => at(r.cells.get(k.given), path);
  const number = (label, key, get, text) => ({ label, key, number: true, value: get, text: (r) => (isNumber(get(r)) ? text(get(r)) : "-") });
  const cell = (r) => r.cells.get(k.given);
  const share = (r) => { const c = cell(r), b = at(c, isPinned(c) ? "bounds.optimal_admit.hit_blocks" : "bounds.optimal.hit_blocks"); return ratio(at(c, "results.hits.hit_blocks"), b); };
  const columns = [
    { label: "strategy", text: (r) => r.name },
    number("tokens hit", "token_hit_rate", of("results.hits.token_hit_rate"), (x) => percent(x)),
    number("gap, points", "gap", (r) => gapOf(cell(r)), (x) => points(x)),
    number("of best possible", "of_bound", share, (x) => percent(x, 1)),
    t.versus && { label: "against " + t.versus, key: "versus", number: true, value: of("difference.token_hit_rate"), text: (r) => points(at(cell(r), "difference.token_hit_rate")), cell: (r) => versusWords(cell(r)) || "-" },
    t.versus && number("p, corrected", "difference", of("difference.p_holm"), (x) => x.toPrecision(2)),
    number("blocks hit", "block_hit_rate", of("results.hits.block_hit_rate"), (x) => percent(x)),
    number("FLOPs hit", "flop_hit_rate", of("results.hits.flop_hit_rate"), (x) => percent(x)),
    number("median request", "per_request", of("results.hits.per_request.p50"), (x) => percent(x)),
    number("requests without hit", "per_request", of("results.hits.per_request.zero_hit"), count),
    number("blocks evicted", "evictions", of("results.evictions.blocks"), count),
    number("rejected", "requests", of("results.requests.rejected"), count),
    number("in use", "utilization", of("results.utilization.mean_active_fraction"), (x) => percent(x)),
    number("free", "utilization", of("results.utilization.mean_free_fraction"), (x) => percent(x)),
    number("state", "state_bytes", of("timing.state_bytes"), bytes),
  ].filter(Boolean);
  const rows = t.rows.filter((r) => finished(cell(r)));
  const told = columns.filter((c, i) => i === 0 || rows.some((r) => { const v = c.value(r); return isNumber(v) && !(c.label === "rejected" && v === 0); }) || (c.label === "rejected" && rows.some((r) => c.value(r) > 0)));
  return sortable({ id: "details-table", label: "At " + room(k), rows, columns: told, sort: { column: 1, down: true } });
}
// Layouts that look nothing up.
function served(t) {
  const rows = t.cells.filter(finished);
  if (rows.length === 0 || rows.some((c) => at(c, "results.compression"))) return undefined;
  const number = (label, key, path) => ({ label, key, number: true, value: (c) => at(c, path), text: (c) => plain(at(c, path)) });
  return section("strategies", "Strategies", sortable({
    id: "strategies-table", label: "Requests served", rows,
    columns: [{ label: "strategy", text: (c) => t.name(c) }, { label: "capacity", number: true, value: (c) => at(c, "capacity.blocks"), text: (c) => room(c.capacity) },
      number("completed", "requests", "results.requests.completed"), number("rejected", "requests", "results.requests.rejected"), number("preempted", "requests", "results.requests.preempted"),
      number("computed again", "requests", "results.requests.recomputed_tokens"), number("sequences evicted", "evictions", "results.evictions.sequences"),
      number("peak blocks", "utilization", "results.utilization.peak_resident_blocks"), number("fill", "utilization", "results.utilization.mean_token_fill")],
  }));
}

// Looked-up blocks by what became of them; they sum to all. `rows`: [{name, results}].
// Beside the hits what would be hits with better choices.
const causes = [["hit", 2], ["regret", 1], ["stranded", 3], ["capacity", 4], ["compulsory", -1]];
function missChart(id, title, rowsOf, summary) {
  const parts = (results) => {
    const all = at(results, "hits.lookup_blocks"), m = results.misses;
    return causes.map(([label]) => ratio(label === "hit" ? at(results, "hits.hit_blocks") : m[label], all));
  };
  const config = () => {
    const rows = rowsOf(), of = rows.map((r) => parts(r.results));
    return {
      type: "bar",
      data: {
        labels: rows.map((r) => r.name),
        datasets: causes.map(([label, c], i) => ({ label, bar: true, data: of.map((p) => p[i]), backgroundColor: c < 0 ? css("--faint") : color(c), borderColor: css("--panel"), borderWidth: { left: 0, right: 1 } })),
      },
      options: {
        indexAxis: "y", interaction: { mode: "index", axis: "y", intersect: false },
        scales: { x: Object.assign(percentAxis("of looked-up blocks", 1), { stacked: true }), y: { stacked: true, ticks: { autoSkip: false } } },
        plugins: { tooltip: { callbacks: { label: (i) => { const n = i.datasetIndex === 0 ? at(rows[i.dataIndex].results, "hits.hit_blocks") : rows[i.dataIndex].results.misses[i.dataset.label]; return " " + i.dataset.label + ": " + percent(i.parsed.x) + ", " + plural(n, "block"); } } } },
      },
    };
  };
  const table = () => {
    const rows = rowsOf();
    return sortable({ id: id + "-table", label: "Looked-up blocks by what became of them", rows,
      columns: [{ label: "strategy", text: (r) => r.name }, ...causes.map(([label]) => ({ label, key: label === "hit" ? "hits" : "misses", number: true, value: (r) => (label === "hit" ? at(r.results, "hits.hit_blocks") : r.results.misses[label]), text: (r) => count(label === "hit" ? at(r.results, "hits.hit_blocks") : r.results.misses[label]) }))] });
  };
  return chart({ id, title, def: "misses", config, table, height: () => 90 + 24 * rowsOf().length, summary });
}
const missWords = "Compulsory: never seen before, no cache helps. Stranded: there, but behind a missing block. Capacity: the best possible cache " +
  "of this size misses it too. Regret: that one hits it, a better choice would have kept it.";
function misses(t) {
  const columns = t.columns.filter((k) => t.rows.some((r) => at(r.cells.get(k.given), "results.misses")));
  if (columns.length === 0) return;
  let column = Math.floor(columns.length / 2);
  const rowsOf = () => t.rows.map((r) => ({ name: r.name, results: at(r.cells.get(columns[column].given), "results") })).filter((r) => r.results && r.results.misses)
    .sort((a, b) => at(b.results, "hits.hit_blocks") - at(a.results, "hits.hit_blocks"));
  const frame = missChart("chart-misses", "Looked-up blocks: hit, or why not", rowsOf, missWords);
  section("misses", "Causes of misses", h("p", { class: "lead" }, missWords),
    columns.length > 1 && h("div", { class: "controls" }, choice("Capacity", columns.map((k) => room(k)), column, (i) => { column = i; frame.draw(); })), frame.frame);
}

function engines(t) {
  const rows = t.rows.filter((r) => [...r.cells.values()].some((c) => c.engine));
  if (rows.length === 0) return;
  const s = section("engines", "Engines, in their own words");
  for (const r of rows) {
    const cells = t.columns.map((k) => r.cells.get(k.given)).filter((c) => c && c.engine);
    const keys = [...new Set(cells.flatMap((c) => Object.keys(c.engine.numbers)))];
    const e = cells[0].engine;
    s.append(h("p", { class: "lead" }, "Rules of " + e.upstream_commit + ", " + e.rules_date + " (" + e.verified + "); blocks of " + plural(cells[0].axes.block_size, "token") + "."),
      sortable({ id: "engine-" + e.id, label: r.name, rows: keys,
        columns: [{ label: "number", text: (key) => key, cell: (key) => h("code", {}, key) },
          ...cells.map((c) => ({ label: room(c.capacity), number: true, value: (key) => c.engine.numbers[key], text: (key) => plain(c.engine.numbers[key]) })),
          { label: "what it is", wordy: true, text: (key) => defined("engine.numbers." + key) || "" }] }));
  }
}
function blame(t) {
  const rows = t.cells.flatMap((c) => ["prefixes", "sessions", "categories"].flatMap((kind) => list(at(c, "blame." + kind)).map((b) => Object.assign({ strategy: t.name(c), capacity: room(c.capacity), by: kind }, b))));
  if (rows.length) section("blame", "Who lost most", objects("blame-table", "Regretted blocks by prefix, session and category", rows, "blame."));
}

// Bytes against error.
function tradeOff(cells) {
  const rows = cells.filter((c) => finished(c) && at(c, "results.compression"));
  if (rows.length === 0) return;
  const of = (path) => (c) => at(c, "results.compression." + path);
  const name = (c) => { const k = of("keys.dtype")(c) || c.axes.kv_dtype, v = of("values.dtype")(c) || k; return (k === v ? k : k + "/" + v) + " " + (c.axes.eviction || ""); };
  const size = (c) => { const all = 2 * of("appended_values")(c); return ratio(of("data_bytes")(c) + of("metadata_bytes")(c) + (of("padding_bytes")(c) || 0), all) ?? ratio(1, of("ratio_vs_f16")(c)); };
  const kept = (c) => ratio(of("held_values")(c), of("appended_values")(c));
  const number = (label, key, get, text = plain) => ({ label, key, number: true, value: (c) => (isNumber(get(c)) ? get(c) : undefined), text: (c) => (isNumber(get(c)) ? text(get(c)) : get(c) || "-") });
  const drawn = rows.filter((c) => isNumber(of("output_nmse")(c)));
  const s = section("compression", "Bytes against error", h("p", { class: "lead" }, "Output error: of the attention output against full attention (NMSE). Marked: no other is both smaller and nearer."));
  if (drawn.length > 1) s.append(tradeOffChart(drawn, name, size, of("output_nmse")).frame);
  s.append(sortable({ id: "compression-table", label: "Compression, measured on the data where it says so", rows,
    columns: [{ label: "types, strategy", text: name }, { label: "capacity", number: true, value: (c) => at(c, "capacity.blocks"), text: (c) => room(c.capacity) },
      number("bits a value", "compression", of("bits_per_value"), (x) => x.toFixed(3)), number("tokens kept", "compression", kept, (x) => percent(x)),
      number("of f16 bytes", "compression", size, (x) => percent(x)), number("key NMSE", "compression.errors", of("key_nmse"), (x) => x.toPrecision(3)),
      number("value NMSE", "compression.errors", of("value_nmse"), (x) => x.toPrecision(3)),
      Object.assign(number("output NMSE", "compression.output", of("output_nmse"), (x) => x.toPrecision(3)), { best: (c) => c.pareto }),
      number("attention kept", "compression.output", of("retained_mass"), (x) => percent(x))].filter((c, i) => i < 2 || rows.some((r) => c.text(r) !== "-")) }));
}
function tradeOffChart(drawn, name, size, error) {
  const best = drawn.filter((c) => c.pareto).sort((a, b) => size(a) - size(b));
  const config = () => ({
    type: "scatter",
    data: { datasets: [
      { label: "no other is better in both", data: best.map((c) => ({ x: size(c), y: error(c) })), texts: best.map(name), borderColor: color(0), backgroundColor: color(0), showLine: true, borderWidth: 2, pointRadius: 6 },
      { label: "others", data: drawn.filter((c) => !c.pareto).map((c) => ({ x: size(c), y: error(c) })), borderColor: css("--soft"), backgroundColor: css("--soft"), pointStyle: "triangle", pointRadius: 5, borderWidth: 1 }] },
    options: {
      scales: { x: percentAxis("bytes, of those in f16"), y: { type: "logarithmic", title: { display: true, text: "output NMSE (logarithmic)" }, ticks: { callback: (v) => (/^[15]e/.test(v.toExponential()) ? v.toExponential() : "") } } },
      plugins: { tooltip: { callbacks: { label: (i) => { const c = drawn.find((d) => size(d) === i.parsed.x && error(d) === i.parsed.y); return " " + (c ? name(c) : "") + ": " + percent(i.parsed.x) + ", NMSE " + i.parsed.y.toPrecision(3); } } } },
    },
  });
  return chart({ id: "chart-compression", title: "What fewer bytes cost", def: "compression.output", config, summary: "Its numbers are in the table below." });
}
