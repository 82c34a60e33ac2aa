#!/usr/bin/env python3
"""Holds the outputs shown in the documents against what the program prints now.

usage: examples.py [--update] KVSIM FILE.md...

In a fenced block a line "$ kvsim ..." (continued by a backslash) is a command; what follows it up to the next one is its
output. Which of its lines are shown is said in a comment before the fence, one list of ranges per command:

    <!-- example: 1-8 12 | 2-3 -->

Lines left out are shown as "  ...". No comment: all lines. "varies" instead of ranges: times differ from run to run, so
the command is run and must succeed, and its output is not compared; "not run": not even that. Traces are looked up in traces/ and under
KVSIM_SHARED; an example whose files are not there is skipped, with the reason.
"""
import os
import re
import shlex
import subprocess
import sys
import tempfile

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def find_shared():
    found = {}
    for root, _, files in os.walk(os.environ.get("KVSIM_SHARED") or os.devnull):
        for f in files:
            found.setdefault(f, os.path.join(root, f))
    return found


def parse_comment(line):
    m = re.fullmatch(r"<!-- example: (.*) -->", line)
    return [part.split() for part in m.group(1).split("|")] if m else None


def commands_of(block):
    """[(command lines, output lines)] of a block's lines."""
    out = []
    i = 0
    while i < len(block):
        command = [block[i]]
        while command[-1].endswith("\\"):
            i += 1
            command.append(block[i])
        i += 1
        output = []
        while i < len(block) and not block[i].startswith("$ "):
            output.append(block[i])
            i += 1
        out.append((command, output))
    return out


def words_of(command):
    text = " ".join(line.rstrip("\\").strip() for line in command)
    return shlex.split(text[1:])


def shown(lines, ranges):
    if not ranges:
        return lines
    out = []
    last = 0
    for r in ranges:
        first, _, end = r.partition("-")
        first, end = int(first), int(end or first)
        if first > last + 1:
            out.append("  ...")
        out += lines[first - 1:end]
        last = end
    if last < len(lines):
        out.append("  ...")
    return out


class Examples:
    def __init__(self, kvsim, folder):
        self.kvsim, self.folder = kvsim, folder
        self.shared = find_shared()
        self.ran = self.skipped = 0
        os.symlink(os.path.join(SOURCE, "traces"), os.path.join(folder, "traces"))
        os.symlink(os.path.join(SOURCE, "configs"), os.path.join(folder, "configs"))

    def missing(self, words):
        for w in words:
            if not re.search(r"\.(jsonl|zst|gz|csv|safetensors)$", w) or "=" in w:
                continue
            path = os.path.join(self.folder, w)
            if os.path.exists(path):
                continue
            if w not in self.shared:
                return w
            os.symlink(self.shared[w], path)
        return None

    def run(self, words, where):
        """The lines on standard output, or None if a file is not there."""
        absent = self.missing(words)
        if absent:
            print(f"{where}: skipped, {absent} is not here (KVSIM_SHARED)")
            self.skipped += 1
            return None
        self.ran += 1
        done = subprocess.run([self.kvsim] + words[1:], cwd=self.folder, capture_output=True, text=True, timeout=300)
        if done.returncode not in (0, 1):
            sys.exit(f"{where}: {shlex.join(words)}: exit code {done.returncode}: {done.stderr.strip()}")
        return done.stdout.rstrip("\n").split("\n")

    def document(self, path):
        lines = open(path, encoding="utf-8").read().split("\n")
        out = []
        i = 0
        while i < len(lines):
            out.append(lines[i])
            if not (lines[i].startswith("```") and i + 1 < len(lines) and lines[i + 1].startswith("$ kvsim ")):
                i += 1
                continue
            end = next(k for k in range(i + 1, len(lines)) if lines[k].startswith("```"))
            ranges = parse_comment(lines[i - 1]) or []
            for n, (command, output) in enumerate(commands_of(lines[i + 1:end])):
                here = ranges[n] if n < len(ranges) else []
                where = f"{os.path.relpath(path, SOURCE)}:{i + 1}"
                now = None if here == ["not", "run"] else self.run(words_of(command), where)
                out += command
                out += output if now is None or here == ["varies"] else shown(now, here)
            out.append(lines[end])
            i = end + 1
        return lines, out


def main():
    update = "--update" in sys.argv
    kvsim, *files = [a for a in sys.argv[1:] if a != "--update"]
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        examples = Examples(os.path.abspath(kvsim), folder)
        for path in files:
            lines, now = examples.document(path)
            if lines == now:
                continue
            if update:
                with open(path, "w", encoding="utf-8") as f:
                    f.write("\n".join(now))
                print(f"{path}: updated")
                continue
            import difflib
            print("\n".join(difflib.unified_diff(lines, now, path, "what kvsim prints now", lineterm="")))
            failed = True
        print(f"{examples.ran} commands run, {examples.skipped} skipped")
    if failed:
        sys.exit("documents show other outputs than kvsim prints; tests/support/examples.py --update KVSIM FILE... mends them")


main()
