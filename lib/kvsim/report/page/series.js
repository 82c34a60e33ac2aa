// Charts over time, depth and age: `series` of a replay or of a cell.
function seriesCharts(get, prefix = "") {
  const series = () => get() || {};
  const frames = [];
  const t = at(series(), "timeline"), d = at(series(), "hit_depth"), a = at(series(), "eviction_age");
  if (t) {
    const x = (key) => list(at(series(), "timeline." + key)), pairs = (key) => x(key).map((y, i) => ({ x: x("requests")[i], y }));
    const areas = [["active", "active_blocks", 1], ["evictable", "evictable_blocks", 0], ["free", "free_blocks", -1]];
    frames.push(chart({
      id: prefix + "chart-utilization", title: "Blocks in use, evictable and free, over the requests", def: "utilization", height: 300,
      summary: "Stacked areas.", table: () => timelineTable(prefix, series().timeline),
      config: () => ({
        type: "line",
        data: { datasets: areas.filter(([, key]) => x(key).length).map(([label, key, c]) => ({ label, data: pairs(key), fill: "stack", borderWidth: 1, pointRadius: 0, borderColor: c < 0 ? css("--faint") : color(c), backgroundColor: clear(c < 0 ? css("--faint") : color(c), 0.55) })) },
        options: { interaction: { mode: "index", intersect: false }, scales: { x: requestAxis(), y: { stacked: true, min: 0, title: { display: true, text: "blocks" }, ticks: { callback: count } } }, plugins: { tooltip: { callbacks: { title: requestTitle, label: (i) => " " + i.dataset.label + ": " + plural(i.parsed.y, "block") } } } },
      }),
    }));
    if (x("window_token_hit_rate").length)
      frames.push(chart({
        id: prefix + "chart-window", title: "Token hit rate of the last " + plural(t.window_requests, "request"), def: "timeline", height: 260, summary: "A line over the requests.", noLegend: true,
        config: () => ({
          type: "line", data: { datasets: [{ label: "token hit rate", data: pairs("window_token_hit_rate").map((p) => ({ x: p.x, y: isNumber(p.y) ? p.y : NaN })), borderColor: color(0), borderWidth: 2, pointRadius: 0 }] },
          options: { interaction: { mode: "index", intersect: false }, scales: { x: requestAxis(), y: percentAxis("prompt tokens hit") }, plugins: { tooltip: { callbacks: { title: requestTitle, label: (i) => " " + percent(i.parsed.y) } } } },
        }),
      }));
  }
  if (d) {
    const from = () => list(at(series(), "hit_depth.from_tokens"));
    frames.push(histogram(prefix + "chart-depth", "Prompt tokens by their place in the prompt: looked up, and hit", "hit_depth", "place in the prompt, from token", from,
      () => [["looked up", list(at(series(), "hit_depth.lookup_tokens")), -1], ["hit", list(at(series(), "hit_depth.hit_tokens")), 0]], "tokens"));
  }
  if (a) {
    const from = () => list(at(series(), "eviction_age.from_requests"));
    frames.push(histogram(prefix + "chart-age", "Evicted blocks by the requests since they were last used", "eviction_age", "requests since the last use, from", from,
      () => [["blocks", list(at(series(), "eviction_age.blocks")), 1]], "blocks"));
  }
  return frames;
}
const requestAxis = () => ({ type: "linear", title: { display: true, text: "request, in replay order" }, ticks: { callback: count, maxRotation: 0 } });
const requestTitle = (items) => (items.length ? "up to request " + count(items[0].parsed.x) : "");
function timelineTable(prefix, t) {
  const keys = ["requests", "active_blocks", "evictable_blocks", "free_blocks", "window_token_hit_rate"].filter((k) => Array.isArray(t[k]));
  return objects(prefix + "timeline-table", "Over the requests", t.requests.map((_, i) => Object.fromEntries(keys.map((k) => [k, t[k][i]]))), "timeline.");
}
function histogram(id, title, definition, axis, from, sets, unit) {
  const labels = () => from().map((f, i, all) => (i + 1 < all.length ? (all[i + 1] - f === 1 ? count(f) : count(f) + "\u2013" + count(all[i + 1] - 1)) : count(f) + " and more"));
  return chart({
    id, title, def: definition, height: 280, summary: "Bars.",
    config: () => ({
      type: "bar",
      data: { labels: labels(), datasets: sets().map(([label, data, c]) => ({ label, bar: true, data, backgroundColor: c < 0 ? css("--faint") : color(c), grouped: false, barPercentage: c < 0 ? 1 : 0.75, categoryPercentage: 0.95, order: c < 0 ? 2 : 1 })) },
      options: {
        interaction: { mode: "index", intersect: false },
        scales: { x: { title: { display: true, text: axis }, ticks: { maxRotation: 60 } }, y: { min: 0, title: { display: true, text: unit }, ticks: { callback: (v) => (v >= 1e6 ? v / 1e6 + "M" : count(v)) } } },
        plugins: { tooltip: { callbacks: { label: (i) => { const all = sets(); const share = all.length === 2 && i.datasetIndex === 1 ? ratio(i.parsed.y, all[0][1][i.dataIndex]) : undefined; return " " + i.dataset.label + ": " + count(i.parsed.y) + " " + unit + (isNumber(share) ? " (" + percent(share, 1) + ")" : ""); } } } },
      },
    }),
    table: () => sortable({ id: id + "-table", label: title, rows: labels().map((label, i) => ({ label, i })),
      columns: [{ label: "from", number: true, value: (r) => from()[r.i], text: (r) => r.label }, ...sets().map(([label, data]) => ({ label, number: true, value: (r) => data[r.i], text: (r) => count(data[r.i]) }))] }),
  });
}

function compareSeries(t) {
  const cells = t.cells.filter((c) => finished(c) && c.series && Object.keys(c.series).length);
  if (cells.length === 0) return;
  const winner = (c) => t.columns.some((k) => k.given === c.axes.capacity && k.winners.some((r) => r.cells.get(k.given) === c));
  let chosen = Math.max(0, cells.findIndex(winner));
  const frames = seriesCharts(() => cells[chosen].series);
  section("series", "Over time", h("div", { class: "controls" }, choice("Strategy and capacity", cells.map((c) => t.name(c) + ", " + room(c.capacity)), chosen, (i) => { chosen = i; frames.forEach((f) => f.draw()); })),
    ...frames.map((f) => f.frame));
}
