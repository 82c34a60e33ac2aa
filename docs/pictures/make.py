#!/usr/bin/env python3
"""Makes the pictures of the README: the page and a terminal, photographed by headless Chromium.

usage: docs/pictures/make.py KVSIM        (needs chromium, and KVSIM_SHARED for the conversation trace)
"""
import html
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TRACE = "conversation_trace.jsonl.zst"
COMPARE = ("compare", TRACE, "--model", "llama-3.1-8b", "--memory", "160GiB,640GiB,2560GiB")
REPLAY = ("replay", TRACE, "--memory", "640GiB", "--model", "llama-3.1-8b")


def photograph(page, picture, width, height):
    subprocess.run(["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                    "--virtual-time-budget=3000", f"--window-size={width},{height}", f"--screenshot={picture}",
                    "file://" + page], check=True, stderr=subprocess.DEVNULL)


def terminal_page(command, output):
    text = html.escape(output)
    text = re.sub("\x1b\\[1m(.*?)\x1b\\[0m", r"<b>\1</b>", text)
    return ("<!doctype html><meta charset='utf-8'><style>body{background:#1b1e23;color:#d5d8de;margin:18px 22px;"
            "font:14px/1.38 'DejaVu Sans Mono',monospace}b{color:#fff}i{color:#7fb2ff;font-style:normal}</style>"
            f"<pre><i>$ {html.escape(command)}</i>\n{text}</pre>")


def main():
    kvsim = os.path.abspath(sys.argv[1])
    traces = [os.path.join(root, TRACE) for root, _, files in os.walk(os.environ["KVSIM_SHARED"]) if TRACE in files]
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(traces[0], os.path.join(folder, TRACE))
        subprocess.run([kvsim, *COMPARE, "--quiet", "--export-html", "page.html"], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL)
        photograph(os.path.join(folder, "page.html"), os.path.join(HERE, "page.png"), 1200, 1240)
        done = subprocess.run([kvsim, *REPLAY, "--color", "always"], cwd=folder, check=True, capture_output=True, text=True)
        with open(os.path.join(folder, "terminal.html"), "w", encoding="utf-8") as f:
            f.write(terminal_page("kvsim " + " ".join(REPLAY), done.stdout))
        photograph(os.path.join(folder, "terminal.html"), os.path.join(HERE, "terminal.png"), 1200, 470)


main()
