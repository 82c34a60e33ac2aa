#!/usr/bin/env python3
"""Pages of `kvsim --export-html`, opened from file:// in headless Chromium and read back.

What a page shows is held against the report, worked out again here: the points of every chart, the tables, the first
sentence, the command that reproduces it. Usage: page.py KVSIM SOURCE_DIR [--keep DIR] (screenshots and pages stay there)
Exit 77: no Chromium here.
"""
import bisect
import json
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import browser  # noqa: E402

problems = []


def check(holds, *what):
    if not holds:
        problems.append(" ".join(str(w) for w in what))
        print("FAILED:", *what, file=sys.stderr)
    return holds


def near(a, b):
    if a is None or b is None:
        return a is None and b is None
    return math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-15)


def same(name, series, label, expected):
    """The points of one line: missing values are not numbers on the page, and null here."""
    found = [s for s in series if s["label"] == label]
    if not check(len(found) == 1, name, "has no line", label, [s["label"] for s in series]):
        return
    points = found[0]["points"]
    equal = len(points) == len(expected) and all(p[0] == e[0] and near(p[1], e[1]) for p, e in zip(points, expected))
    check(equal, name, label, "is", points[:4], len(points), "expected", expected[:4], len(expected))


def at(value, path):
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def rate(part, whole):
    return None if part is None or not whole else part / whole


# ---- what a page must show ------------------------------------------------------------------------------------------

def rows_of(cells):
    """Names of strategies and engines, as the page calls them."""
    own = [c["axes"] for c in cells if "engine" not in c["axes"]]
    layouts = len({a.get("layout") for a in own} - {None}) > 1
    accountings = len({a.get("accounting") for a in own} - {None}) > 1

    def name(cell):
        a = cell["axes"]
        if "engine" in a:
            return a["engine"]
        return " ".join(x for x in (a["layout"] if layouts else None, a.get("accounting") if accountings else None, a.get("eviction", a["layout"])) if x)

    rows = {}
    for c in cells:
        rows.setdefault(name(c), {})[c["axes"]["capacity"]] = c
    return rows


def ok(cell):
    return bool(cell) and cell["status"] == "ok"


def columns_of(rows):
    columns = {}
    for name, cells in rows.items():
        for given, c in cells.items():
            if ok(c) and (given not in columns or "engine" in columns[given]["axes"]):
                columns[given] = c
    return sorted(columns.items(), key=lambda item: item[1]["capacity"].get("blocks", math.inf))


def compare_charts(report, charts, table):
    rows = rows_of([c for c in report["cells"] if c["table"] == table])
    columns = columns_of(rows)
    limited = [(given, c) for given, c in columns if "blocks" in c["capacity"]]
    hits = lambda c: at(c, "results.hits.token_hit_rate") if ok(c) else None
    if not any(hits(c) is not None for r in rows.values() for c in r.values()):
        check("chart-curves" not in charts, "a curve of nothing")
    elif len(limited) > 1:
        series = charts["chart-curves"]
        xs = [c["capacity"]["blocks"] for _, c in limited]
        bounds = [b for b in ("optimal_admit", "optimal", "unlimited") if any(at(c, "bounds." + b + ".hit_tokens") is not None for r in rows.values() for c in r.values() if ok(c))]
        ran = [n for n, r in rows.items() if any(ok(c) for c in r.values())]
        check(len(series) == len(bounds) + len(ran), "chart-curves has", len(series), "lines, expected", len(bounds) + len(ran))
        for name in ran:
            same("chart-curves", series, name, [[x, hits(rows[name].get(given))] for x, (given, _) in zip(xs, limited)])
        for b in bounds:
            ys = []
            for given, _ in limited:
                of = [c for r in rows.values() for g, c in r.items() if g == given and ok(c) and at(c, "bounds." + b + ".hit_tokens") is not None and "engine" not in c["axes"]]
                ys.append(rate(of[0]["bounds"][b]["hit_tokens"], of[0]["results"]["hits"]["lookup_tokens"]) if of else None)
            same("chart-curves", series, "ceiling" if b == "unlimited" else b, [[x, y] for x, y in zip(xs, ys)])
    elif limited:
        given = limited[0][0]
        expected = sorted((hits(r.get(given)) for r in rows.values() if hits(r.get(given)) is not None), reverse=True)
        points = charts["chart-curves"][0]["points"]
        check([p[1] for p in points] == expected, "chart-curves: bars", points[:3], expected[:3])
        for name, value in points:
            check(hits(rows[name][given]) == value, "chart-curves: bar of", name, value)
    explained = [(given, c) for given, c in columns if any(ok(r.get(given)) and at(r.get(given), "results.misses") for r in rows.values())]
    if explained:
        given = explained[len(explained) // 2][0]
        miss_charts(charts, {n: r[given]["results"] for n, r in rows.items() if ok(r.get(given)) and at(r[given], "results.misses")})


def miss_charts(charts, results):
    series = charts["chart-misses"]
    check([s["label"] for s in series] == ["hit", "regret", "stranded", "capacity", "compulsory"], "chart-misses", [s["label"] for s in series])
    for s in series:
        check(len(s["points"]) == len(results), "chart-misses", s["label"], "has", len(s["points"]), "bars, expected", len(results))
        for name, value in s["points"]:
            r = results[name]
            blocks = r["hits"]["hit_blocks"] if s["label"] == "hit" else r["misses"][s["label"]]
            check(near(value, blocks / r["hits"]["lookup_blocks"]), "chart-misses", s["label"], name, value, blocks)


def curve_charts(report, charts):
    series, whole = charts["chart-curves"], report["lookup_tokens"]
    curve = report["curve"]
    name = report["config"]["eviction"]
    drawn = [s for s in series if s["label"] == name][0]["points"]
    exact = dict(zip(curve["blocks"], curve["hit_tokens"]))
    check(all(x in exact and near(y, exact[x] / whole) for x, y in drawn), "chart-curves: a point that the report does not have")
    check(drawn[0][0] == curve["blocks"][0] and drawn[-1][0] == curve["blocks"][-1], "chart-curves: the ends of the curve")
    check(len(drawn) == len(exact) if len(exact) <= 1200 else 200 <= len(drawn) <= 1202, "chart-curves:", len(drawn), "points of", len(exact))
    if len(exact) > 1200:  # what is drawn holds the value of the curve within a pixel column
        width = math.log(curve["blocks"][-1] / curve["blocks"][0]) / 1198
        there = [x for x, _ in drawn]
        furthest = max(math.log(there[bisect.bisect_left(there, x)] / x) for x in exact)
        check(furthest <= width * 1.001, "chart-curves: a point is", furthest / width, "pixel columns from the next that is drawn")
    for b in ("optimal_admit", "optimal"):
        expected = [[p["blocks"], p["bounds"][b]["hit_tokens"] / whole] for p in report["points"] if at(p, "bounds." + b + ".hit_tokens") is not None]
        if expected:
            same("chart-curves", series, b, expected)
    value = lambda blocks: max([t for x, t in exact.items() if x <= blocks]) / whole
    if report["knees"]:
        same("chart-curves", series, "knees", [[k["blocks"], value(k["blocks"])] for k in report["knees"]])
    if "tiers" in report:
        same("chart-curves", series, "tiers", [[report["tiers"][t]["blocks"], report["tiers"][t]["token_hit_rate"]] for t in ("fast", "inclusive", "exclusive")])
    if report.get("by"):
        check(len(charts["chart-groups"]) == min(8, len([g for g in report["by"] if g["curve"]["blocks"]])), "chart-groups", len(charts["chart-groups"]))


def series_charts(charts, series):
    t = series.get("timeline")
    if t:
        for label in ("active", "evictable", "free"):
            if label + "_blocks" in t:
                same("chart-utilization", charts["chart-utilization"], label, [[x, y] for x, y in zip(t["requests"], t[label + "_blocks"])])
        same("chart-window", charts["chart-window"], "token hit rate", [[x, y] for x, y in zip(t["requests"], t["window_token_hit_rate"])])
    if "hit_depth" in series:
        for label, key in (("looked up", "lookup_tokens"), ("hit", "hit_tokens")):
            found = [s for s in charts["chart-depth"] if s["label"] == label][0]
            check([p[1] for p in found["points"]] == series["hit_depth"][key], "chart-depth", label)
    if "eviction_age" in series:
        check([p[1] for p in charts["chart-age"][0]["points"]] == series["eviction_age"]["blocks"], "chart-age")


def expected_charts(report, charts):
    kind = report["kind"]
    if kind == "compare" and all("compression" not in c.get("results", {}) for c in report["cells"]):
        compare_charts(report, charts, 0)
    if kind == "compare":
        drawn = [c for c in report["cells"] if isinstance(at(c, "results.compression.output_nmse"), float)]
        if len(drawn) > 1:
            best, others = charts["chart-compression"]
            check(len(best["points"]) == sum(c["pareto"] for c in drawn) and len(best["points"]) + len(others["points"]) == len(drawn), "chart-compression")
            check(sorted(p[1] for p in best["points"] + others["points"]) == sorted(at(c, "results.compression.output_nmse") for c in drawn), "chart-compression: errors")
    if kind == "curve":
        curve_charts(report, charts)
    if kind in ("replay", "size") and at(report, "results.misses"):
        miss_charts(charts, {charts["chart-misses"][0]["points"][0][0]: report["results"]})
    if report.get("series"):
        series_charts(charts, report["series"])
    if kind == "bench":
        measured = [k["gb_per_s"] for k in report["kernels"] if isinstance(k.get("gb_per_s"), (int, float)) and isinstance(k.get("fraction_of_copy"), (int, float))]
        if 2 <= len(measured) <= 60:
            check([p[1] for p in charts["chart-kernels"][0]["points"]] == measured, "chart-kernels")


def first_sentence(report, text):
    """Names and rounded numbers that must stand in it."""
    if report["kind"] == "compare" and not any("compression" in c.get("results", {}) for c in report["cells"]):
        for table in range(min(3, len(report["traces"]))):
            rows = rows_of([c for c in report["cells"] if c["table"] == table])
            for given, column in columns_of(rows):
                real = {n: at(r[given], "results.hits.token_hit_rate") for n, r in rows.items() if ok(r.get(given)) and not r[given].get("knows_future")}
                real = {n: v for n, v in real.items() if v is not None}
                if not real:
                    continue
                best = [n for n, v in real.items() if v == max(real.values())]
                for name in best[:2] if len(best) <= 3 or len(best) < len(real) else []:
                    check(name in text, "first sentence: no", name, "in", text)
                if "blocks" in column["capacity"] and len(columns_of(rows)) <= 3:
                    check("{:,}".format(column["capacity"]["blocks"]) in text, "first sentence: no", column["capacity"], "in", text)
                    shown = "{:.1f} %".format(100 * max(real.values()))
                    check(shown in text, "first sentence: no", shown, "in", text)
    elif at(report, "results.hits.token_hit_rate") is not None:
        check("{:.1f} %".format(100 * report["results"]["hits"]["token_hit_rate"]) in text, "first sentence:", text)


# ---- a page in the browser -------------------------------------------------------------------------------------------

def quiet(tab, path, what):
    check(tab.run("window.kvsimPage && kvsimPage.ready") is True, path, what, "did not get ready")
    check(tab.run("kvsimPage.errors") == [], path, what, tab.run("kvsimPage.errors"))
    check(tab.console == [] and tab.errors == [], path, what, tab.console, tab.errors)
    check([r for r in tab.requests if not r.startswith("file://" + os.path.abspath(path))] == [], path, what, "loads", tab.requests)


def sorts(tab, table):
    """Click and keyboard; returns False where there is nothing to sort."""
    column = tab.run(f"""(() => {{ const t = document.getElementById("{table}"); if (!t || t.tBodies[0].rows.length < 2) return -1;
        return [...t.tHead.rows[0].cells].findIndex(c => c.classList.contains("num")); }})()""")
    if column < 0:
        return False
    values = f"""[...document.getElementById("{table}").tBodies[0].rows].map(r => {{ const x = r.cells[{column}].dataset.value; return x === undefined ? null : Number(x); }})"""
    head = f"""document.getElementById("{table}").tHead.rows[0].cells[{column}]"""
    before = tab.run(values)

    def sorted_as(down, how):
        now = tab.run(values)
        there = [v for v in now if v is not None]
        check(now == there + [None] * (len(now) - len(there)) and there == sorted(there, reverse=down), table, how, now[:6])
        check(sorted(there) == sorted(v for v in before if v is not None), table, "lost rows")
        check(tab.run(head + ".getAttribute('aria-sort')") == ("descending" if down else "ascending"), table, "aria-sort", how)

    was = tab.run(head + ".getAttribute('aria-sort')")
    first = was != "descending"
    tab.run(head + ".querySelector('button.sort').click()")
    sorted_as(first, "by click")
    tab.run(head + ".querySelector('button.sort').focus()")
    tab.key("Enter", number=13, text="\r")
    sorted_as(not first, "by Enter")
    tab.key(" ", "Space", 32, " ")
    sorted_as(first, "by Space")
    return True


def keyboard(tab, path):
    """Everything that can be pressed is reached by Tab and shows that it is."""
    tab.run("document.activeElement.blur(), window.scrollTo(0, 0)")
    seen = set()
    for _ in range(12):
        tab.key("Tab", number=9)
        what = tab.run("""(() => { const e = document.activeElement, s = getComputedStyle(e);
            return [e.id || e.className || e.textContent.slice(0, 20), s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2]; })()""")
        check(what[1], path, "focus does not show on", what[0])
        seen.add(what[0])
    check("theme" in seen and "print" in seen and len(seen) >= 5, path, "Tab reaches", seen)
    unnamed = tab.run("""[...document.querySelectorAll("button, select, input, canvas, [role=region]")].filter(e =>
        !(e.textContent.trim() || e.getAttribute("aria-label") || e.closest("label"))).map(e => e.outerHTML.slice(0, 80))""")
    check(unnamed == [], path, "without a name:", unnamed)


def switches(tab, path):
    background = "getComputedStyle(document.body).backgroundColor"
    was = tab.run(background)
    tab.run("document.getElementById('theme').focus()")
    tab.key("Enter", number=13, text="\r")
    check(tab.run(background) != was, path, "the theme button changes nothing")
    tab.key("Enter", number=13, text="\r")
    check(tab.run(background) == was, path, "the theme button does not change back")
    chart = tab.run("kvsimPage.charts.findIndex(c => c.frame.querySelector('.legend button'))")
    if chart >= 0:
        state = f"(() => {{ const c = kvsimPage.charts[{chart}]; const b = c.frame.querySelector('.legend button'); return [b.getAttribute('aria-pressed'), c.chart.isDatasetVisible(0)]; }})()"
        check(tab.run(state) == ["true", True], path, "legend", tab.run(state))
        tab.run(f"kvsimPage.charts[{chart}].frame.querySelector('.legend button').click()")
        check(tab.run(state) == ["false", False], path, "legend after a press", tab.run(state))
        tab.run(f"kvsimPage.charts[{chart}].frame.querySelector('.legend button').click()")
    if tab.run("!!document.querySelector('.def')"):
        tab.run("document.querySelector('.def').scrollIntoView({block: 'center'})")
        tab.run("new Promise(r => setTimeout(r, 100))")
        tab.run("document.querySelector('.def').focus()")
        tab.key("Enter", number=13, text="\r")
        check(tab.run("!document.getElementById('note').hidden && document.getElementById('note').textContent.length > 10"), path, "no definition opens")
        tab.key("Escape", number=27)
        check(tab.run("document.getElementById('note').hidden"), path, "Escape does not close the definition")


def tables(tab, report, path):
    if report["kind"] == "compare" and tab.run("!!document.getElementById('strategies-table') && !!document.getElementById('answer-table')"):
        rows = rows_of([c for c in report["cells"] if c["table"] == 0])
        columns = columns_of(rows)
        shown = tab.run("[...document.getElementById('strategies-table').tBodies[0].rows].map(r => [...r.cells].map(c => c.firstChild ? c.firstChild.textContent : ''))")
        for line in shown:
            if line[0] not in rows:
                continue
            for text, (given, _) in zip(line[1:], columns):
                c = rows[line[0]].get(given)
                want = "{:.2f}".format(100 * at(c, "results.hits.token_hit_rate")) if ok(c) else "-"
                # ties of rounding go up in one language and to even in the other
                check(text.split()[0] == want or abs(float(text.split()[0]) - float(want)) < 0.0101, path, "strategies-table", line[0], given, text, want)
    for details in range(tab.run("document.querySelectorAll('details').length")):  # tables inside are made when they open
        tab.run(f"document.querySelectorAll('details')[{details}].open = true")
    tab.run("new Promise(r => setTimeout(r, 200))")
    sorted_ones = [t for t in tab.run("[...document.querySelectorAll('table')].filter(t => t.querySelector('button.sort')).map(t => t.id)") if sorts(tab, t)]
    check(len(sorted_ones) > 0, path, "has no table that sorts")


def pictures(tab, path, keep):
    for width, dark in ((1280, False), (1280, True), (400, False), (400, True)):
        tab.open(path, width=width, dark=dark, phone=width < 500)
        quiet(tab, path, f"at {width}")
        check(tab.run("document.documentElement.scrollWidth") <= width, path, "is wider than", width, tab.run("document.documentElement.scrollWidth"))
        check(tab.run("document.documentElement.dataset.theme") == ("dark" if dark else "light"), path, "theme")
        blank = tab.run("""kvsimPage.charts.filter(c => { const d = c.chart.ctx.getImageData(0, 0, c.chart.canvas.width, c.chart.canvas.height).data;
            for (let i = 3; i < d.length; i += 4) if (d[i]) return false; return true; }).map(c => c.id)""")
        check(blank == [], path, "draws nothing in", blank)
        if keep:
            tab.screenshot(os.path.join(keep, os.path.basename(path)[:-5] + f"-{width}-{'dark' if dark else 'light'}.png"))
    pdf = path[:-5] + ".pdf"
    tab.pdf(pdf)
    with open(pdf, "rb") as file:
        check(file.read(5) == b"%PDF-" and os.path.getsize(pdf) > 20000, path, "prints", os.path.getsize(pdf), "bytes")
    check(tab.run("document.documentElement.dataset.theme") == "dark", path, "printing left the theme changed")


# ---- reports ---------------------------------------------------------------------------------------------------------

def run(command, **more):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


def comparable(report):
    """Without what differs from run to run and from command to command."""
    out = {k: v for k, v in report.items() if k not in ("timing", "config", "kernels")}
    return json.loads(json.dumps(out), object_hook=lambda o: {k: v for k, v in o.items() if k not in ("timing", "table")})


def reproduces(kvsim, tab, report, path, folder):
    if report["kind"] == "bench" or "kv_data" in report["config"]:
        return
    words = shlex.split(tab.run("document.getElementById('command').textContent"))
    again = os.path.join(folder, "again.json")
    result = run([kvsim] + words[1:] + ["--quiet", "--report", again], cwd=folder)
    if check(result.returncode == 0, path, words, result.stderr):
        with open(again) as file:
            found = json.load(file)
        check(comparable(found) == comparable(report), path, "another report by", " ".join(words))


def hostile(report):
    name = "</script><img src=x onerror=\"window.hacked=1\"><b>'&"
    text = json.dumps(report)
    for trace in {at(report, "trace.name")} | {t["name"] for t in report.get("traces", [])} | {"sieve", "lru"}:
        if trace:
            text = text.replace(json.dumps(trace), json.dumps(trace + name))
    out = json.loads(text)
    out["definitions"] = {k: v + name for k, v in out["definitions"].items()}
    return out


def made_up_series():
    n = 50
    active = [100 + (37 * i) % 60 for i in range(n)]
    return {"timeline": {"points": n, "window_requests": 12, "requests": [12 * i + 11 for i in range(n)], "active_blocks": active,
                         "evictable_blocks": [min(300, 10 * i) for i in range(n)], "free_blocks": [700 - active[i] - min(300, 10 * i) for i in range(n)],
                         "window_token_hit_rate": [((i * 7) % 11) / 11 for i in range(n)]},
            "hit_depth": {"from_tokens": [0, 64, 128, 256, 512, 1024], "lookup_tokens": [900, 800, 700, 650, 300, 20], "hit_tokens": [800, 500, 300, 200, 30, 0]},
            "eviction_age": {"from_requests": [0, 1, 2, 4, 8, 16], "blocks": [0, 4, 9, 30, 12, 3]}}


def make_reports(kvsim, source, folder):
    traces = os.path.join(source, "traces")
    for name in ("chat", "rag", "beam"):
        shutil.copy(os.path.join(traces, name + ".jsonl"), folder)
    commands = {
        "compare": ["compare", "chat.jsonl", "--blocks", "1%,5%,10%,25%,50%", "--model", "llama-3.1-8b"],
        "one": ["compare", "chat.jsonl", "--blocks", "200", "--eviction", "lru,sieve,s3_fifo,belady"],
        "accountings": ["compare", "chat.jsonl", "--accounting", "flat,tree,pinned", "--eviction", "lru,sieve", "--blocks", "100,1000"],
        "engines": ["compare", "chat.jsonl", "rag.jsonl", "--engine", "vllm,sglang", "--eviction", "lru,sieve", "--blocks", "10%,50%"],
        "served": ["compare", "beam.jsonl", "--layout", "paged", "--blocks", "10,20"],
        "replay": ["replay", "chat.jsonl", "--blocks", "300", "--model", "llama-3.1-8b", "--gpu", "h100-sxm", "--by", "session"],
        "unlimited": ["replay", "chat.jsonl"],
        "engine": ["replay", "chat.jsonl", "--engine", "vllm", "--blocks", "200"],
        "paged": ["replay", "beam.jsonl", "--layout", "paged", "--blocks", "30"],
        "size": ["size", "chat.jsonl", "--goal", "ceiling=0.9", "--model", "llama-3.1-8b"],
        "curve": ["curve", "chat.jsonl", "--tiers", "100,1000", "--by", "session", "--model", "llama-3.1-8b"],
        "replayed": ["curve", "chat.jsonl", "--eviction", "s3_fifo"],
        "bench": ["bench", "append", "gather", "--backend", "cpu", "--context", "128", "--min-time", "0.001", "--samples", "6"],
    }
    shared = os.environ.get("KVSIM_SHARED")
    conversation = shared and os.path.join(shared, "traces/mooncake/conversation_trace.jsonl.zst")
    if conversation and os.path.exists(conversation):
        os.symlink(conversation, os.path.join(folder, "conversation_trace.jsonl.zst"))
        commands["conversation"] = ["compare", "conversation_trace.jsonl.zst", "--model", "llama-3.1-8b", "--blocks", "1000,5000,10000,20000,30000,50000,100000"]
        commands["conversation_curve"] = ["curve", "conversation_trace.jsonl.zst", "--model", "llama-3.1-8b"]
        data = os.path.join(shared, "kvdata/stories260k.safetensors")
        commands["compression"] = ["compare", "--kv-data", data, "--layout", "quantized", "--kv-dtype", "f16,int8,int4", "--eviction", "h2o,streaming_llm", "--blocks", "20"]
    else:
        print("page: KVSIM_SHARED is unset: without the pages of real traces")
    for name, command in commands.items():
        result = run([kvsim] + command + ["--quiet", "--report", name + ".json"], cwd=folder)
        if not check(result.returncode == 0, name, command, result.stderr):
            commands = {k: v for k, v in commands.items() if k != name}
    return list(commands)


def main():
    arguments = sys.argv[1:]
    keep = None
    if "--keep" in arguments:
        keep = arguments[arguments.index("--keep") + 1]
        os.makedirs(keep, exist_ok=True)
        arguments = [a for a in arguments if a not in ("--keep", keep)]
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    kvsim, source = (os.path.abspath(a) for a in arguments)
    program = browser.find()
    if not program:
        print("page: skipped: no Chromium here (Debian: chromium)")
        return 77
    folder = tempfile.mkdtemp(prefix="kvsim-page.")
    tab = None
    try:
        names = make_reports(kvsim, source, folder)
        load = lambda n: json.load(open(os.path.join(folder, n + ".json")))
        for name, of in (("series", "replay"), ("hostile", "compare"), ("hostile_replay", "series")):
            report = load(of)
            if name == "series":
                report["series"] = made_up_series()
            else:
                report = hostile(report)
            with open(os.path.join(folder, name + ".json"), "w") as file:
                json.dump(report, file)
            names.append(name)
        tab = browser.Browser(program)
        for name in names:
            path, report = os.path.join(folder, name + ".html"), load(name)
            result = run([kvsim, "report", name + ".json", "--export-html", name + ".html"], cwd=folder)
            if not check(result.returncode == 0, name, result.stderr):
                continue
            result = run([kvsim, "report", name + ".html", "--report", "back.json"], cwd=folder)
            check(result.returncode == 0 and json.load(open(os.path.join(folder, "back.json"))) == report, name, "does not come back from its page", result.stderr)
            tab.open(path)
            quiet(tab, path, "opened")
            check(tab.run("window.hacked") is None and tab.run("document.images.length") == 0, path, "runs names of a trace")
            charts = {c["id"]: c["series"] for c in tab.run("kvsimPage.charts.map(c => ({id: c.id, series: c.series}))")}
            print(f"page: {name}: {os.path.getsize(path)} bytes, {len(charts)} charts, {sum(len(s['points']) for c in charts.values() for s in c)} points")
            if not name.startswith("hostile"):
                expected_charts(report, charts)
                first_sentence(report, tab.run("document.getElementById('headline').textContent"))
                if name != "series":
                    reproduces(kvsim, tab, report, path, folder)
            tables(tab, report, path)
            tab.open(path)
            keyboard(tab, path)
            switches(tab, path)
            quiet(tab, path, "after use")
            pictures(tab, path, keep)
            if keep:
                shutil.copy(path, keep)
    finally:
        if tab:
            tab.close()
        shutil.rmtree(folder)
    print("page:", "FAILED: " + str(len(problems)) if problems else "passed")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
