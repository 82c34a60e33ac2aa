#!/usr/bin/env python3
"""report_doc.py SCHEMA: writes docs/REPORT.md to standard output, from the descriptions in the schema of reports.

Exit 1 and one line each if a property has no description, or none of a kind reaches it."""
import json
import sys

KINDS = ["replay", "compare", "curve", "size", "bench", "check", "trace_info", "trace_validate", "list"]
# Parts that several kinds have, told once.
SHARED = ["tool", "trace", "capacity", "engine", "results", "compression", "bounds", "series", "difference", "blame", "knees",
          "curve_columns", "point", "kernels", "kernel", "spread"]

with open(sys.argv[1], encoding="utf-8") as f:
    schema = json.load(f)
definitions = schema["definitions"]
problems = []
told = set()


def escaped(text):
    return text.replace("|", "\\|").replace("<", "&lt;")


def shared(node):
    """The part that a property is, if it is one: its own name or its items'."""
    for n in [node, node.get("items", {})] + node.get("items", {}).get("allOf", []):
        name = n.get("$ref", "").rpartition("/")[2]
        if name in SHARED:
            return name
    return None


def unit(node):
    if "unit" in node:
        return node["unit"]
    if "$ref" in node:
        node = definitions[node["$ref"].rpartition("/")[2]]
    for n in [node] + node.get("anyOf", []):
        if n.get("type") in ("integer", "number"):
            return "number"
        if n.get("type") == "boolean" or n.get("const") is True:
            return "true or false"
        if n.get("type") == "string" or "enum" in n or "const" in n:
            return "text"
    if not set(node) - {"description"}:
        return "any"
    return "list" if node.get("type") == "array" else "object"


def words(node):
    text = escaped(node["description"])
    if "enum" in node:
        missing = [w for w in node["enum"] if w not in text]
        if missing:
            text += ": " + ", ".join(f"`{w}`" for w in node["enum"])
    if any(n.get("const") == "not measured" for n in node.get("anyOf", [])):
        text += '; or `"not measured"`'
    part = shared(node)
    return text + (f" ([{part}](#{part}))" if part else "")


def rows(node, path, where):
    for key, value in node.get("properties", {}).items():
        name = f"{path}.{key}" if path else key
        if "description" not in value:
            problems.append(f"{where}.{name}: no description")
            continue
        yield f"| `{name}` | {unit(value)} | {words(value)} |"
        if not shared(value):
            yield from rows(value, name, where)
            if isinstance(value.get("items"), dict):
                yield from rows(value["items"], name + "[]", where)


def table(name):
    told.add(name)
    node = definitions[name]
    lines = list(rows(node.get("items", node) if node.get("type") == "array" else node, "", name))
    return ["| key | unit | what it is |", "|---|---|---|"] + lines + [""]


out = ["# Reports", "",
       "Every key of every kind of report, in the order in which it is written. This page is made of the descriptions in",
       "`lib/kvsim/report/report.schema.json` by `tests/support/report_doc.py`, and a test holds both together.", "",
       "- Fractions are 0 to 1; percentages are for people and stand in tables and Markdown only. Bytes and counts are integers.",
       "- A key that does not apply is absent; what could have been measured and was not is `\"not measured\"`.",
       "- Counts and rates are of counted requests: those past `--warmup`.",
       "- The same inputs and seed give the same bytes except inside `timing` and `kernels`, whatever the number of threads.",
       "- `definitions` in a report says what its words mean in that very run, where layouts, strategies or engines differ.", "",
       "## Versions", "",
       f"`schema_version` is {definitions['replay']['properties']['schema_version']['const']}; {schema['properties']['schema_version']['description']}. "
       "A corrected number is no new version. `kvsim report` and `kvsim check` read reports of their own major version.", ""]
if not all(k in schema["properties"]["kind"]["enum"] for k in KINDS):
    problems.append("kinds differ")
out += ["## Kinds", ""]
for kind in KINDS:
    if kind in definitions:
        out += [f"### {kind}", ""] + table(kind)
out += ["## Parts", ""]
for part in SHARED:
    out += [f"### {part}", ""] + table(part)
out += ["""## Exports

Every export is made of the JSON report alone: `kvsim report REPORT --export-...` gives the same bytes as the command itself.
What they take of it:

| export | rows | left out |
|---|---|---|
| `csv` | compare: a row per cell; curve: per capacity, `list` telling `curve`, `points`, `tiers.*` and `knees` apart, `by` the group; bench: per kernel; check: per finding; replay and size: one, with `--by` one more per group | other lists (`blame`, `layers`, `series`, ...), `definitions` |
| `markdown` | all tables, hit rates by capacity as Mermaid charts | |
| `junit` | a test suite per table (compare), backend (bench) or run; a test case per cell, kernel or run | lists |
| `html` | everything; carries the report | |

CSV: columns are the dotted keys above (of a cell, a point or a kernel; of the whole report in replay and size), in report order; numbers
have the report's digits; an absent key is an empty field. UTF-8, lines end with LF, fields are quoted where RFC 4180 asks for it.
Of a curve's columns, `tokens` and the two rates are worked out from `trace.block_size`, `lookup_blocks` and `lookup_tokens`.
A text (never a number) that begins with `=`, `+`, `-`, `@`, a tab, a carriage return or an apostrophe has an apostrophe before it, so that no
spreadsheet takes a trace's name for a formula; who takes one leading apostrophe away has the text again. Of several reports the rows
stand under each other, with a first column `report`.

JUnit: a case passes if it ran; `skipped` and `"not measured"` are skipped with their reason, anything else is an error. Gates are
`kvsim check`'s. `time` is the simulation's or the launches' in seconds; the numbers stand in `system-out` as `key = value`, trace and
configuration in the suite's properties. Schema: `tests/support/junit.xsd`.

Markdown: rates are in percent; the chart of compare has the strategies that are best somewhere, the one compared with and the next best, at most
six, and the bound; that of a curve the bounds, the largest groups and the ceiling. Names are set as code."""]
for name in definitions:
    if name not in told and name not in ("definitions", "config", "columns"):
        problems.append(f"{name}: neither a kind nor a part")
for problem in problems:
    print(problem, file=sys.stderr)
if problems:
    sys.exit(1)
print("\n".join(out))
