#!/usr/bin/env python3
"""exports.py csv REPORT CSV: the file, read by Python's csv module, has the values of the JSON report.
exports.py junit FILE: well formed, and its sums are those of its parts. Exit 1 and one line each if not."""
import csv
import json
import sys
import xml.etree.ElementTree as tree

problems = []


def fields(value, path):
    """Scalars by dotted key, numbers as they stand in the file."""
    if isinstance(value, dict):
        return {k: v for key in value for k, v in fields(value[key], f"{path}.{key}" if path else key).items()}
    return {} if isinstance(value, list) or value is None else {path: value}


def text(value):
    if value is True or value is False:
        return str(value).lower()
    return ("'" if value[:1] in tuple("=+-@\t\r'") and value else "") + value


class Number(str):
    """A number as it is written."""


def shown(value):
    return str(value) if isinstance(value, Number) else text(value)


def expected(report):
    kind = report["kind"]
    if kind == "compare":
        return [fields(cell, "") for cell in report["cells"]]
    if kind == "bench":
        return [fields(kernel, "") for kernel in report["kernels"]]
    if kind == "curve":
        rows = []
        for of, by in [(report, None)] + [(g, g["label"]) for g in report.get("by", [])]:
            columns = of["curve"]
            rows += [{"list": "curve", "blocks": b, "hit_blocks": h, "hit_tokens": t, **({} if by is None else {"by": by})}
                     for b, h, t in zip(columns["blocks"], columns["hit_blocks"], columns["hit_tokens"])]
        for name in ("points", "knees"):
            rows += [{"list": name, **fields(p, "")} for p in report.get(name, [])]
            if name == "points" and "tiers" in report:
                rows += [{"list": "tiers." + t, **fields(report["tiers"][t], "")} for t in ("fast", "inclusive", "exclusive")]
        return rows
    return [fields({k: v for k, v in report.items() if k not in ("schema_version", "definitions", "bytes", "kernels", "series")}, "")]


def check_csv(report, file):
    with open(report, encoding="utf-8") as f:
        report = json.load(f, parse_int=Number, parse_float=Number)
    with open(file, encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f, strict=True))
    want = expected(report)
    if len(rows) != len(want) + len(report["results"].get("by", []) if "results" in report else []):
        problems.append(f"{len(rows)} rows instead of {len(want)}")
    for row, cell in zip(rows, want):
        for key, value in cell.items():
            if key not in ("by", "blame") and row.get(key) != shown(value).replace("\0", "\ufffd"):
                problems.append(f"{key}: {row.get(key)!r} instead of {shown(value)!r}")
        derived = {"by", "tokens", "block_hit_rate", "token_hit_rate", "trace.name", "config.eviction", "config.accounting"}
        for key, value in row.items():
            if value and key not in cell and not (report["kind"] == "curve" and key in derived):
                problems.append(f"{key}: {value!r} is not in the report")
        if report["kind"] == "curve" and row["list"] == "curve" and row["token_hit_rate"] and not row["by"]:
            if float(row["token_hit_rate"]) != int(row["hit_tokens"]) / int(report["lookup_tokens"]):
                problems.append("token_hit_rate")


def check_junit(file):
    root = tree.parse(file).getroot()
    total = {"tests": 0, "errors": 0}
    for suite in root:
        cases = suite.findall("testcase")
        sums = {"tests": len(cases), "errors": len([c for c in cases if c.find("error") is not None]),
                "skipped": len([c for c in cases if c.find("skipped") is not None]), "failures": 0}
        for key, value in sums.items():
            if int(suite.get(key)) != value:
                problems.append(f"{suite.get('name')}: {key} {suite.get(key)} instead of {value}")
        for key in total:
            total[key] += sums[key]
    for key, value in total.items():
        if int(root.get(key)) != value:
            problems.append(f"{key} {root.get(key)} instead of {value}")


if sys.argv[1] == "csv":
    check_csv(sys.argv[2], sys.argv[3])
else:
    check_junit(sys.argv[2])
for problem in problems[:20]:
    print(problem)
sys.exit(bool(problems))
