// Charts: one frame for all of them (caption, canvas, legend of buttons, the numbers as a table), drawn again when the
// theme changes. Colours are told apart by people who see red and green alike, and lines by their points too.
const palettes = {
  light: ["#0072b2", "#d55e00", "#009e73", "#b5559a", "#c98a00", "#3aa0d8", "#6b4fbb", "#8a5a2b"],
  dark: ["#56b4e9", "#ff9d57", "#3fd6a6", "#f09fd0", "#f0c24b", "#a5dcff", "#b8a4ff", "#d9b08c"],
};
const shapes = ["circle", "triangle", "rect", "rectRot", "star", "crossRot", "rectRounded", "cross"];
const theme = { dark: false };
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const color = (i) => palettes[theme.dark ? "dark" : "light"][i % 8];
const clear = (c, alpha) => c + Math.round(alpha * 255).toString(16).padStart(2, "0");

const charts = [];
Chart.defaults.animation = false;
Chart.defaults.maintainAspectRatio = false;
Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;

function redraw() {
  Chart.defaults.color = css("--soft");
  Chart.defaults.borderColor = css("--line");
  charts.forEach((c) => c.draw());
}

// chart({id, title, height, summary, config: () => Chart.js config, table: () => element, legend: config => chips}).
// Returns the frame; frame.draw() after what config reads has changed.
function chart(options) {
  const canvas = h("canvas", { id: options.id, role: "img", "aria-label": options.title + ". " + (options.summary || "") });
  const holder = h("div", { class: "canvas" }, canvas);
  holder.style.height = (typeof options.height === "number" ? options.height : 340) + "px";
  const legend = h("ul", { class: "legend", "aria-label": "Lines of the chart" });
  const frame = h("figure", {}, h("figcaption", {}, options.title, options.def && def(options.def, options.title)), holder, legend);
  if (options.table) {
    const d = h("details", {}, h("summary", {}, "The numbers as a table"));
    d.addEventListener("toggle", () => d.open && d.childElementCount === 1 && d.append(options.table()), { once: true });
    frame.append(d);
  }
  const hidden = new Set(options.hidden || []);
  const entry = {
    id: options.id, frame, chart: null, hidden,
    // As drawn: labels and points, without what is only decoration.
    get series() {
      return this.chart.data.datasets.filter((d) => !d.decoration).map((d) => ({
        label: d.label, shown: !hidden.has(d.label), exact: d.exact,
        points: d.data.map((p, i) => (p && typeof p === "object" ? [p.x, p.y] : [this.chart.data.labels[i], p])),
      }));
    },
    focus(label) {
      this.chart.data.datasets.forEach((d) => {
        if (d.decoration && !d.band) return;
        const on = d.label === label || d.band === label;
        if (d.band) d.backgroundColor = clear(d.base, label === null ? d.alpha : on ? 0.3 : 0);
        else if (d.faint) { d.borderColor = on ? css("--ink") : css("--faint"); d.borderWidth = on ? 3 : 1; d.order = on ? -1 : 5; }
        else if (d.type !== "bar") d.borderWidth = on ? 4.5 : d.plainWidth || 2;
      });
      this.chart.update("none");
    },
    toggle(label) {
      hidden.has(label) ? hidden.delete(label) : hidden.add(label);
      this.apply();
    },
    apply() {
      this.chart.data.datasets.forEach((d, i) => this.chart.setDatasetVisibility(i, !hidden.has(d.band || d.label)));
      this.chart.update("none");
      legend.querySelectorAll("button").forEach((b) => b.setAttribute("aria-pressed", String(!hidden.has(b.dataset.label))));
    },
    draw() {
      if (this.chart) this.chart.destroy();
      if (typeof options.height === "function") holder.style.height = options.height() + "px";
      const config = options.config();
      config.options = config.options || {};
      config.options.plugins = Object.assign({ legend: { display: false } }, config.options.plugins);
      this.chart = new Chart(canvas, config);
      legend.replaceChildren(...(options.noLegend ? [] : config.data.datasets.filter((d) => !d.decoration).map((d) => h("li", {}, chip(this, d)))));
      this.apply();
    },
  };
  charts.push(entry);
  page.charts.push(entry);
  return entry;
}

function chip(entry, d) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 26 12");
  svg.setAttribute("aria-hidden", "true");
  const mark = document.createElementNS("http://www.w3.org/2000/svg", d.bar ? "rect" : "line");
  const set = (o) => Object.entries(o).forEach(([k, v]) => mark.setAttribute(k, v));
  if (d.bar) set({ x: 6, y: 1, width: 12, height: 10, fill: d.backgroundColor });
  else set({ x1: 0, y1: 6, x2: 26, y2: 6, stroke: d.faint ? css("--faint") : d.borderColor, "stroke-width": d.faint ? 2 : 3, "stroke-dasharray": (d.borderDash || []).join(" ") });
  svg.append(mark);
  const b = h("button", { type: "button", "aria-pressed": "true", "data-label": d.label, title: "Show or hide " + d.label }, svg, d.label);
  b.addEventListener("click", () => entry.toggle(d.label));
  if (!d.bar) {
    for (const [on, off] of [["mouseenter", "mouseleave"], ["focus", "blur"]]) {
      b.addEventListener(on, () => entry.focus(d.label));
      b.addEventListener(off, () => entry.focus(null));
    }
  }
  return b;
}

// Capacities on a logarithmic axis: blocks, and under them bytes where they are known. `marked`: capacities that get a
// tick if there is room; none: 1, 2 and 5 of each decade.
function capacityAxis(low, high, bytesPerBlock, marked) {
  const short = (n) => (n >= 1e7 ? n / 1e6 + "M" : count(n));
  return {
    type: "logarithmic", min: low, max: high,
    title: { display: true, text: bytesPerBlock ? "capacity: blocks, and KV bytes of them (logarithmic)" : "capacity in blocks (logarithmic)" },
    afterBuildTicks(axis) {
      let values = marked ? [...marked] : [];
      if (!marked) for (let d = 1; d <= high; d *= 10) for (const k of [1, 2, 5]) if (k * d >= low && k * d <= high) values.push(k * d);
      const width = axis.width || axis.chart.width || 800;
      const x = (v) => (Math.log(v / low) / Math.max(1e-9, Math.log(high / low))) * width;
      const rank = (v) => (marked ? (v === low || v === high ? 0 : 1) : /^10*$/.test(String(v)) ? 0 : 1);
      const kept = [];
      for (const v of [...values].sort((a, b) => rank(a) - rank(b) || a - b))
        if (kept.every((k) => Math.abs(x(k) - x(v)) >= (bytesPerBlock ? 62 : 52))) kept.push(v);
      axis.ticks = kept.sort((a, b) => a - b).map((value) => ({ value }));
    },
    ticks: {
      autoSkip: false, maxRotation: 0,
      callback: (v) => (bytesPerBlock ? [short(v), bytes(v * bytesPerBlock)] : short(v)),
    },
  };
}
const percentAxis = (title, max) => ({
  min: 0, max, title: { display: true, text: title }, ticks: { callback: (v) => Math.round(100 * v * 10) / 10 + " %" },
});

// At most `most` of the points of a curve that rises, for drawing: of those that share a pixel column the last.
function thinned(xs, ys, most = 1200) {
  const all = xs.map((x, i) => ({ x, y: ys[i] }));
  if (all.length <= most) return all;
  const low = Math.log(Math.max(1, xs[0])), step = (Math.log(xs[xs.length - 1]) - low) / (most - 2);
  return all.filter((p, i) => i === 0 || i + 1 === all.length ||
    Math.floor((Math.log(p.x) - low) / step) !== Math.floor((Math.log(all[i + 1].x) - low) / step));
}

// Words beside the points of data sets that have `texts`: above or below, right or left, where nothing else is written.
const pointTexts = {
  id: "pointTexts",
  afterDatasetsDraw(c) {
    const taken = [];
    c.ctx.save();
    c.ctx.fillStyle = css("--ink");
    c.ctx.font = "600 12px " + Chart.defaults.font.family;
    c.data.datasets.forEach((d, i) => {
      if (!d.texts || !c.isDatasetVisible(i)) return;
      c.getDatasetMeta(i).data.forEach((p, k) => {
        const w = c.ctx.measureText(d.texts[k]).width;
        const places = [[8, 16], [8, 30], [8, 44], [8, 58], [-8 - w, 16], [8, -7], [-8 - w, -7]].map(([x, y]) => ({ x: p.x + x, y: p.y + y, w }));
        const free = (b) => b.x > c.chartArea.left && b.x + w < c.chartArea.right && b.y - 10 > c.chartArea.top && b.y < c.chartArea.bottom &&
          taken.every((o) => b.x + w < o.x || o.x + o.w < b.x || Math.abs(b.y - o.y) > 12);
        const box = places.find(free) || places[0];
        taken.push(box);
        c.ctx.fillText(d.texts[k], box.x, box.y);
      });
    });
    c.ctx.restore();
  },
};
// Upright lines over bars: [name, value, dash].
const limits = {
  id: "limits",
  afterDatasetsDraw(c, _, options) {
    const { ctx, chartArea: area, scales } = c;
    ctx.save();
    ctx.strokeStyle = css("--ink");
    ctx.lineWidth = 1.5;
    for (const [, value, dash] of options.values || []) {
      const x = scales.x.getPixelForValue(value);
      ctx.setLineDash(dash);
      ctx.beginPath();
      ctx.moveTo(x, area.top);
      ctx.lineTo(x, area.bottom);
      ctx.stroke();
    }
    ctx.restore();
  },
};
Chart.register(pointTexts, limits);
