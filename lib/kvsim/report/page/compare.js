// Comparisons: which strategy at which capacity, how far from the best possible, and why.
const isPinned = (cell) => String(at(cell, "axes.accounting") || "").startsWith("pinned");
const rateOf = (cell) => at(cell, "results.hits.token_hit_rate");
const finished = (cell) => cell && cell.status === "ok";

// The cells of one trace, block size, model and dtype: rows are strategies and engines, columns capacities.
function tablesOf() {
  const tables = [];
  for (const cell of list(report.cells)) {
    const place = isNumber(cell.table) ? cell.table : 0;
    let t = tables.find((x) => x.place === place);
    if (!t) tables.push((t = { place, trace: list(report.traces)[place] || {}, cells: [], rows: [], columns: [] }));
    t.cells.push(cell);
  }
  for (const t of tables) {
    const own = t.cells.filter((c) => !at(c, "axes.engine"));
    const several = (axis) => new Set(own.map((c) => at(c, "axes." + axis)).filter(Boolean)).size > 1;
    const layouts = several("layout"), accountings = several("accounting");
    t.name = (c) => at(c, "axes.engine") || [layouts && c.axes.layout, accountings && c.axes.accounting, c.axes.eviction || c.axes.layout].filter(Boolean).join(" ");
    for (const c of t.cells) {
      const name = t.name(c);
      let row = t.rows.find((r) => r.name === name);
      if (!row) t.rows.push((row = { name, engine: at(c, "axes.engine"), cells: new Map() }));
      row.future = row.future || c.knows_future === true;
      row.cells.set(c.axes.capacity, c);
      if (!t.columns.some((k) => k.given === c.axes.capacity)) t.columns.push({ given: c.axes.capacity });
    }
    t.rows.forEach((r) => (r.ran = [...r.cells.values()].some(finished)));
    t.columns.forEach((k) => fillColumn(t, k));
    t.columns.sort((a, b) => (isNumber(a.blocks) ? a.blocks : Infinity) - (isNumber(b.blocks) ? b.blocks : Infinity));
    t.hits = t.cells.some((c) => isNumber(rateOf(c)));
    const c = t.cells[0].axes;
    t.title = [c.trace, plural(t.trace.block_size || c.block_size, "token") + " a block", c.model, c.kv_dtype, c.k_dtype && "keys " + c.k_dtype, c.v_dtype && "values " + c.v_dtype].filter(Boolean).join(", ");
    t.bytesPerBlock = t.columns.map((k) => (isNumber(k.bytes) && k.blocks ? k.bytes / k.blocks : 0)).find(Boolean) || 0;
    t.versus = t.cells.map((c) => at(c, "difference.versus")).find(Boolean);
  }
  return tables;
}
// Room, bounds and winners of a column. Capacity in blocks of the table: an engine may have others.
function fillColumn(t, k) {
  const cells = t.rows.map((r) => r.cells.get(k.given)).filter(finished);
  const usual = cells.find((c) => !at(c, "axes.engine")) || cells[0];
  Object.assign(k, (usual && usual.capacity) || {});
  const bound = (name, of) => {
    const c = cells.find((c) => isNumber(at(c, "bounds." + name + ".hit_tokens")) && (!of || of(c)));
    return c && ratio(c.bounds[name].hit_tokens, at(c, "results.hits.lookup_tokens"));
  };
  k.admit = bound("optimal_admit");
  k.optimal = bound("optimal");
  k.ceiling = bound("unlimited", (c) => !at(c, "axes.engine"));
  k.label = isNumber(k.blocks) ? count(k.blocks) : "unlimited";
  const real = t.rows.filter((r) => !r.future && isNumber(rateOf(r.cells.get(k.given) || {})) && finished(r.cells.get(k.given)));
  k.best = Math.max(-1, ...real.map((r) => rateOf(r.cells.get(k.given))));
  k.winners = real.filter((r) => rateOf(r.cells.get(k.given)) === k.best);
  k.of = real.length;
}
// The rate that a cell is held against, as the first sentence does.
function boundOf(cell) {
  const b = at(cell, isPinned(cell) ? "bounds.optimal_admit" : "bounds.optimal");
  return b && isNumber(b.hit_tokens) && !at(cell, "axes.engine") ? ratio(b.hit_tokens, at(cell, "results.hits.lookup_tokens")) : undefined;
}
const gapOf = (cell) => (isNumber(boundOf(cell)) ? Math.max(0, boundOf(cell) - rateOf(cell)) : undefined);
function versusWords(cell) {
  const d = cell && cell.difference;
  if (!d) return null;
  const mark = { better: "better", worse: "worse" }[d.verdict];
  return h("span", { class: mark || "quiet" },
    (d.token_hit_rate >= 0 ? "+" : "") + points(d.token_hit_rate) + " " + (mark || "no difference shown"),
    h("span", { class: "sub" }, points(d.low) + " to " + points(d.high)));
}
// The cell that this one was compared with: engines with the first of the column.
function baseline(t, cell) {
  const is = (c) => finished(c) && (at(c, "axes.engine") || at(c, "axes.eviction")) === at(cell, "difference.versus") && c.axes.capacity === cell.axes.capacity;
  const alike = (c) => c.axes.layout === cell.axes.layout && c.axes.accounting === cell.axes.accounting;
  return t.cells.find((c) => is(c) && alike(c)) || t.cells.find(is);
}
const isBaseline = (t, r) => t.cells.some((c) => t.name(c) === r.name && t.versus && (at(c, "axes.engine") || at(c, "axes.eviction")) === t.versus);
const verdictSign = (cell) => ({ better: "+", worse: "\u2212", no_difference: "=" })[at(cell, "difference.verdict")] || "";

function answer(t) {
  if (!t.hits) return;
  const most = Math.max(...t.columns.flatMap((k) => [k.best, k.optimal || 0, k.admit || 0])) || 1;
  const head = ["blocks", t.bytesPerBlock && "KV memory", "best strategy", "prompt tokens hit", "", "best possible", "gap, points", t.versus && "against " + t.versus].filter((x) => x !== 0 && x !== undefined);
  const keys = { "prompt tokens hit": "token_hit_rate", "best possible": "gap", "gap, points": "gap", ["against " + t.versus]: "versus" };
  const row = (k) => {
    const who = k.winners.map((r) => r.name), cell = k.winners.length ? k.winners[0].cells.get(k.given) : null;
    const names = who.length === k.of && k.of > 1 ? "all " + k.of + " the same" : who.length > 3 ? who.slice(0, 2).join(", ") + " and " + (who.length - 2) + " others" : words(who);
    const bound = cell && boundOf(cell), bar = h("i"), tick = h("b");
    bar.style.width = (100 * k.best) / most + "%";
    if (isNumber(bound)) tick.style.left = (100 * bound) / most + "%";
    const compared = k.winners.map((r) => r.cells.get(k.given)).find((c) => c.difference);
    const cells = [
      ["blocks", k.label], t.bytesPerBlock && ["KV memory", bytes(k.bytes)],
      ["best strategy", h("span", { class: "who" }, names || "-")], ["prompt tokens hit", cell ? percent(k.best, 1) : "-"],
      ["", h("span", { class: "meter", "aria-hidden": "true" }, bar, isNumber(bound) && tick)],
      ["best possible", percent(bound, 1)], ["gap, points", cell ? points(gapOf(cell), 1) : "-"],
      t.versus && ["against " + t.versus, k.winners.some((r) => isBaseline(t, r)) ? h("span", { class: "quiet" }, "the baseline") : versusWords(compared) || "-"],
    ].filter(Boolean);
    return h("tr", {}, cells.map(([label, content], i) => h(i ? "td" : "th", { "data-label": label, scope: i ? null : "row", class: /hit|possible|gap|memory|blocks/.test(label) ? "num" : null }, content)));
  };
  return section("answer", "Which strategy at which capacity",
    h("p", { class: "lead" }, "The bar is what the best strategy hits, the tick what the best possible cache of that size would" +
      (t.rows.some((r) => r.future) ? "; strategies that know the future are left out." : ".")),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "The best strategy at each capacity" },
      h("table", { class: "answer", id: "answer-table" }, h("thead", {}, h("tr", {}, head.map((x) => h("th", { scope: "col", class: /hit|possible|gap|memory|blocks/.test(x) ? "num" : null }, x, def(keys[x] || "", x))))),
        h("tbody", {}, t.columns.map(row)))));
}

// Who gets a colour: those that are best somewhere, and the one compared with; the others are drawn faint.
function emphasized(t) {
  const wins = new Map();
  for (const k of t.columns) k.winners.slice(0, 1).forEach((r) => wins.set(r, (wins.get(r) || 0) + 1));
  const versus = t.rows.find((r) => r.ran && isBaseline(t, r));
  const out = [...wins.entries()].sort((a, b) => b[1] - a[1]).map(([r]) => r).filter((r) => r !== versus).slice(0, 7);
  if (versus) out.push(versus);
  for (const r of t.rows) if (t.rows.length <= 8 && r.ran && !r.future && !out.includes(r)) out.push(r);
  return t.rows.filter((r) => out.slice(0, 8).includes(r));
}

function curves(t) {
  const columns = t.columns.filter((k) => isNumber(k.blocks));
  if (!t.hits || columns.length < 2) return t.hits && columns.length === 1 ? bars(t, columns[0]) : undefined;
  const strong = emphasized(t), state = { bands: true };
  const xs = columns.map((k) => k.blocks), cellAt = (r, k) => { const c = r.cells.get(k.given); return finished(c) ? c : undefined; };
  const line = (label, ys, more) => Object.assign({ label, data: columns.map((k, i) => ({ x: k.blocks, y: isNumber(ys[i]) ? ys[i] : NaN })), borderWidth: 2, pointRadius: 0, fill: false, tension: 0 }, more);
  const faint = t.rows.filter((r) => r.ran && !strong.includes(r));
  const config = () => {
    const sets = [];
    const bound = (name, key, dash) => columns.some((k) => isNumber(k[key])) && sets.push(line(name, columns.map((k) => k[key]), { borderColor: css("--ink"), borderDash: dash, borderWidth: 1.5, plainWidth: 1.5, bound: true, order: 3 }));
    bound("optimal_admit", "admit", [7, 4]);
    bound("optimal", "optimal", [2, 3]);
    bound("ceiling", "ceiling", [12, 3, 2, 3]);
    strong.forEach((r, i) => sets.push(line(r.name, columns.map((k) => rateOf(cellAt(r, k) || {})), { borderColor: color(i), backgroundColor: color(i), pointStyle: shapes[i % 8], pointRadius: 4.5, pointHoverRadius: 7, borderWidth: 2.5, plainWidth: 2.5, order: 1 })));
    faint.forEach((r) => sets.push(line(r.name, columns.map((k) => rateOf(cellAt(r, k) || {})), { borderColor: css("--faint"), backgroundColor: css("--faint"), borderWidth: 1, pointRadius: 2, faint: true, order: 5 })));
    strong.forEach((r, i) => sets.push(...bandsOf(t, columns, r, color(i), state.bands ? 0.16 : 0)));
    return {
      type: "line", data: { datasets: sets },
      options: {
        normalized: true, interaction: { mode: "index", intersect: false },
        scales: { x: capacityAxis(xs[0], xs[xs.length - 1], t.bytesPerBlock, xs), y: percentAxis("prompt tokens hit") },
        plugins: { tooltip: tooltip(columns, t) },
      },
    };
  };
  const frame = chart({
    id: "chart-curves", title: "Prompt tokens hit, by capacity", def: "token_hit_rate", height: 460, config,
    summary: "Its numbers are those of the table of strategies. " + document.getElementById("headline").textContent,
  });
  const box = h("input", { type: "checkbox", id: "bands", checked: state.bands });
  box.addEventListener("change", () => { state.bands = box.checked; frame.draw(); });
  const only = (hide) => () => { faint.forEach((r) => (hide ? frame.hidden.add(r.name) : frame.hidden.delete(r.name))); frame.apply(); };
  const level = at(report, "confidence.level");
  const s = section("curves", "Hit rate by capacity",
    h("p", { class: "lead" }, "Coloured: strategies that are the best at some capacity" + (t.versus ? ", and " + t.versus + ", which all are compared with" : "") +
      ". Dashed: the best possible. Lines only join the capacities that were replayed. Point at, or move with Tab to, a name under the chart to follow its line; press it to hide it."),
    h("div", { class: "controls" },
      t.versus && isNumber(level) && h("label", {}, box, " " + Math.round(100 * level) + " % intervals as bands", def("band", "a band")),
      faint.length > 0 && h("button", { type: "button", onclick: only(true) }, "Only the best"),
      faint.length > 0 && h("button", { type: "button", onclick: only(false) }, "All")),
    frame.frame);
  if (t.versus && isNumber(level))
    s.append(h("p", { class: "foot" }, "A band reaches from the rate of " + t.versus + " plus the lower end of the interval of the difference to the same plus its upper end (" +
      at(report, "confidence.method") + "). Where " + t.versus + "\u2019s line is outside a band, the difference is more than chance would make it, before the correction for many comparisons that the verdicts have."));
  return s;
}
// Two invisible lines with the room between them filled.
function bandsOf(t, columns, row, base, alpha) {
  const ends = ["low", "high"].map((end) => columns.map((k) => {
    const c = row.cells.get(k.given), against = finished(c) && c.difference && baseline(t, c);
    return { x: k.blocks, y: against ? rateOf(against) + c.difference[end] : NaN };
  }));
  if (!ends[0].some((p) => isNumber(p.y))) return [];
  const common = { decoration: true, band: row.name, base, alpha, borderWidth: 0, pointRadius: 0, pointHitRadius: 0, pointHoverRadius: 0, order: 8, tension: 0 };
  return [Object.assign({ label: row.name + " high", data: ends[1], fill: "+1", backgroundColor: clear(base, alpha) }, common),
    Object.assign({ label: row.name + " low", data: ends[0], fill: false, backgroundColor: clear(base, alpha) }, common)];
}
function tooltip(columns, t) {
  return {
    filter: (item, i, items) => !item.dataset.decoration && isNumber(item.parsed.y) &&
      (!item.dataset.faint || items.filter((o) => !o.dataset.decoration && !o.dataset.bound && o.parsed.y > item.parsed.y).length < 4),
    itemSort: (a, b) => b.parsed.y - a.parsed.y,
    callbacks: {
      title: (items) => (items.length ? room(columns[items[0].dataIndex]) : ""),
      label: (item) => {
        const k = columns[item.dataIndex], row = t.rows.find((r) => r.name === item.dataset.label), cell = row && row.cells.get(k.given);
        const d = cell && cell.difference;
        return " " + item.dataset.label + ": " + percent(item.parsed.y) + (d ? " (" + { better: "better", worse: "worse", no_difference: "no difference shown" }[d.verdict] + ")" : "");
      },
    },
  };
}
// One capacity: bars, the best first.
function bars(t, k) {
  const rows = t.rows.filter((r) => isNumber(rateOf(r.cells.get(k.given) || {}))).sort((a, b) => rateOf(b.cells.get(k.given)) - rateOf(a.cells.get(k.given)));
  const config = () => ({
    type: "bar",
    data: {
      labels: rows.map((r) => r.name),
      datasets: [{ label: "token hit rate", bar: true, data: rows.map((r) => rateOf(r.cells.get(k.given))), backgroundColor: rows.map((r) => (k.winners.includes(r) ? color(0) : r.future ? css("--line") : css("--faint"))) }],
    },
    options: {
      indexAxis: "y", scales: { x: Object.assign(percentAxis("prompt tokens hit"), { suggestedMax: Math.max(k.optimal || 0, k.admit || 0, k.ceiling || 0) * 1.02 }), y: { ticks: { autoSkip: false } } },
      plugins: { limits: { values: [["optimal_admit", k.admit, [7, 4]], ["optimal", k.optimal, [2, 3]], ["ceiling", k.ceiling, [12, 3, 2, 3]]].filter((l) => isNumber(l[1])) }, tooltip: { callbacks: { label: (i) => { const c = rows[i.dataIndex].cells.get(k.given); return " " + percent(i.parsed.x) + (isNumber(gapOf(c)) ? ", " + points(gapOf(c)) + " points below the best possible" : ""); } } } },
    },
  });
  const frame = chart({ id: "chart-curves", title: "Prompt tokens hit at " + room(k), def: "token_hit_rate", noLegend: true, height: 60 + 24 * rows.length, config,
    summary: document.getElementById("headline").textContent });
  return section("curves", "Hit rate by strategy", h("p", { class: "lead" }, "Dashed: the best possible at this capacity, " +
    [isNumber(k.admit) && percent(k.admit) + " (optimal_admit)", isNumber(k.optimal) && percent(k.optimal) + " (optimal)"].filter(Boolean).join(", ") + "; with unlimited room " + percent(k.ceiling) + "."), frame.frame);
}
