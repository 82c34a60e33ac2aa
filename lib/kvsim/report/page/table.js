// Tables that sort: by click, and by keyboard since a heading is a button.
// columns: [{label, sub, key (of its definition), number, text(row), value(row), best(row)}]; the first names the row.
function sortable(options) {
  const { id, label, columns, rows, sort } = options;
  const head = h("tr", {});
  const body = h("tbody", {});
  let order = null;
  const value = (column, row) => (column.value ? column.value(row) : column.text(row));
  const fill = () => {
    const sorted = rows.map((row, i) => [row, i]);
    if (order) {
      const column = columns[order.column];
      sorted.sort(([a, i], [b, k]) => {
        const x = value(column, a), y = value(column, b);
        const gone = (v) => v === undefined || v === null || v === "" || (typeof v === "number" && isNaN(v));
        if (gone(x) || gone(y)) return gone(x) - gone(y) || i - k;  // what is missing stays last, whichever way
        const c = column.number ? x - y : String(x).localeCompare(String(y), "en", { numeric: true });
        return (order.down ? -c : c) || i - k;
      });
    }
    body.replaceChildren(...sorted.map(([row]) => line(row)));
    head.querySelectorAll("th").forEach((th, i) =>
      th.setAttribute("aria-sort", order && order.column === i ? (order.down ? "descending" : "ascending") : "none"));
  };
  const line = (row) => h("tr", { class: row.rowClass },
    columns.map((c, i) => h(i === 0 ? "th" : "td",
      { class: [c.number && "num", c.wordy && "words", c.best && c.best(row) && "best", c.mark && c.mark(row)].filter(Boolean).join(" ") || null, scope: i === 0 ? "row" : null, "data-value": c.number && isNumber(value(c, row)) ? value(c, row) : null },
      c.cell ? c.cell(row) : c.text(row))));
  columns.forEach((c, i) => {
    const button = h("button", { type: "button", class: "sort" }, c.label);
    button.addEventListener("click", () => {
      const down = order && order.column === i ? !order.down : !!c.number;  // numbers: the largest first
      order = { column: i, down };
      fill();
    });
    head.append(h("th", { scope: "col", class: c.number ? "num" : null, "aria-sort": "none" }, button, def(c.key || "", c.label), c.sub && h("span", { class: "sub" }, c.sub)));
  });
  if (sort) order = sort;
  fill();
  return h("div", {}, h("p", { class: "caption", id: id + "-caption" }, label), h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label },
    h("table", { id, "aria-labelledby": id + "-caption" }, h("thead", {}, head), body)));
}

// Objects of a report as they are: a column for every key that one of them has.
function objects(id, label, rows, prefix = "") {
  const flat = rows.map((row) => {
    const out = {};
    const walk = (object, path) => Object.entries(object).forEach(([key, v]) => {
      if (v && typeof v === "object" && !Array.isArray(v)) walk(v, path + key + ".");
      else if (!Array.isArray(v)) out[path + key] = v;
    });
    walk(row, "");
    return out;
  });
  const keys = [...new Set(flat.flatMap((row) => Object.keys(row)))];
  return sortable({
    id, label, rows: flat,
    columns: keys.map((key) => {
      const number = flat.every((row) => row[key] === undefined || typeof row[key] === "number" || row[key] === "not measured");
      return {
        label: key, key: prefix + key, number,
        value: (row) => (number && typeof row[key] !== "number" ? undefined : row[key]),
        text: (row) => (row[key] === undefined ? "" : /bytes$/.test(key) && isNumber(row[key]) ? count(row[key]) : plain(row[key])),
      };
    }),
  });
}

// Every number of an object with its definition beside it.
function numbers(id, label, object, path) {
  const rows = [];
  const walk = (value, key) => {
    if (Array.isArray(value)) {
      if (value.every((v) => typeof v !== "object") && value.length <= 12) rows.push({ key, value: value.map(plain).join(", ") });
    } else if (value && typeof value === "object") {
      Object.entries(value).forEach(([k, v]) => walk(v, key ? key + "." + k : k));
    } else {
      rows.push({ key, value });
    }
  };
  walk(object, "");
  const what = (r) => aboutKey(path ? path + "." + r.key : r.key) || "";
  return sortable({
    id, label, rows,
    columns: [
      { label: "name", text: (r) => r.key, cell: (r) => h("code", {}, r.key) },
      {
        label: "value", number: true, value: (r) => (typeof r.value === "number" ? r.value : undefined),
        text: (r) => (/(rate|fraction|share|mass|fill|fragmentation)$/.test(r.key) && isNumber(r.value) && r.value <= 1 ? percent(r.value)
          : /bytes$/.test(r.key) && isNumber(r.value) ? count(r.value) + " (" + bytes(r.value) + ")" : plain(r.value)),
      },
      { label: "what it is", wordy: true, text: what },
    ].filter((c) => c.text !== what || rows.some(what)),
  });
}
