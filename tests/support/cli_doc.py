#!/usr/bin/env python3
"""docs/CLI.md, made of what the program says of itself.

usage: cli_doc.py KVSIM            the page, on standard output
       cli_doc.py KVSIM --check FILE   exit code 1, and a line that differs, unless FILE is that page
       cli_doc.py KVSIM --update FILE
"""
import re
import subprocess
import sys

HEAD = """# Command line

Every command, with its options, defaults and examples, as `kvsim COMMAND --help` prints them. This page is made by
`python3 tests/support/cli_doc.py build/test/apps/kvsim --update docs/CLI.md`, and a test holds it against the program.

stdout is data, stderr is narration. With `--report -` the JSON goes to stdout and the table to stderr. Exit codes: 0 ok,
1 a gate failed, 2 usage, configuration or trace invalid, 3 I/O or internal error, 130 interrupted. What has parameters is
written `id:key=value,key=value`; in a list a comma starts a new item unless the text up to the next comma has `=` before
any `:`. Option names are the keys of a configuration file (`--config`), in snake_case.
"""
SAME = "General"  # the group that every command has


def run(kvsim, *words):
    return subprocess.run([kvsim, *words], capture_output=True, text=True, check=True).stdout


def commands(kvsim, path=()):
    """Paths of the commands, ("trace", "info"), in the order of the program."""
    for line in run(kvsim, "__complete", *path, "").splitlines():
        word = line.split("\t")[0]
        if word.startswith(("-", ":")):
            continue
        if path and "Usage: kvsim " + " ".join((*path, word)) not in run(kvsim, *path, word, "--help"):
            return  # a value, not a command
        inner = list(commands(kvsim, (*path, word))) if word == "trace" else []
        yield (*path, word)
        yield from inner


def groups_of(text):
    """[(heading, [(name, text)])] of a help page; the examples apart."""
    body, _, examples = text.partition("\nExamples:\n")
    groups = []
    for line in body.splitlines():
        if re.match(r"\S.*:$", line):
            groups.append((line[:-1], []))
        elif groups and (m := re.match(r"  (\S.*?)(?:\s{2,}(.*))?$", line)):
            groups[-1][1].append([m[1], m[2] or ""])
        elif groups and groups[-1][1] and line.startswith("   "):  # a long name has its text below
            last = groups[-1][1][-1]
            last[1] = (last[1] + " " + line.strip()).strip()
    return [g for g in groups if g[1]], examples.strip("\n")


def cell(text):
    return text.replace("|", "\\|")


def table(rows):
    out = ["| option | what it does |", "|---|---|"]
    for name, text in rows:
        m = re.match(r"(.*?)(=[^ ]*)?$", name)
        default = "" if not m[2] or "default" in text else f" Default `{m[2][1:]}`."
        text = text.rstrip(".") + "." if default and text else text
        out.append(f"| `{cell(m[1])}` | {cell(text)}{cell(default)} |")
    return "\n".join(out)


def page(kvsim):
    out = [HEAD]
    top = run(kvsim, "--help")
    every = commands(kvsim)
    texts = [(path, run(kvsim, *path, "--help")) for path in every]
    out.append("| command | does |\n|---|---|")
    for path, text in texts:
        name = " ".join(path)
        out[-1] += f"\n| [`{name}`](#kvsim-{name.replace(' ', '-')}) | {cell(text.splitlines()[0])} |"
    shared = None
    for path, text in texts:
        groups, examples = groups_of(text)
        own = [rows for heading, rows in groups if heading == SAME]
        if own and shared is None:
            shared = own[0]
            out.append("\n## On every command\n\n" + table(shared + [["-h,--help", "print help and stop"]]))
        name = " ".join(path)
        out.append(f"\n## kvsim {name}\n\n{text.splitlines()[0][0].upper()}{text.splitlines()[0][1:]}.\n")
        out.append("```\n" + "\n".join(line[2:] if line.startswith("  ") else line for line in examples.split("\n\n")[0].splitlines()) + "\n```")
        for heading, rows in groups:
            if heading in ("Options", "Subcommands") or (heading == SAME and rows == shared):
                continue
            text = table(rows)
            if heading == "Positionals":
                heading, text = "Arguments", text.replace("| option |", "| argument |")
            out.append(f"\n**{heading}**\n\n{text}")
        more = examples.split("\n\n")[1:]
        if more:
            out.append("\n```\n" + "\n\n".join(more) + "\n```")
    return "\n".join(out) + "\n"


def main():
    if len(sys.argv) not in (2, 4):
        sys.exit(__doc__)
    made = page(sys.argv[1])
    if len(sys.argv) == 2:
        sys.stdout.write(made)
    elif sys.argv[2] == "--update":
        open(sys.argv[3], "w").write(made)
    else:
        there = open(sys.argv[3]).read().splitlines()
        for number, (a, b) in enumerate(zip(there + [None], made.splitlines() + [None]), 1):
            if a != b:
                sys.exit(f"{sys.argv[3]}:{number}: found {a!r}, the program says {b!r}; see the head of the page how to make it anew")


if __name__ == "__main__":
    main()
