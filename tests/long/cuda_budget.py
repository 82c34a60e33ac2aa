#!/usr/bin/env python3
"""Compiles every CUDA kernel for every architecture and holds what the compiler says against a committed budget.

Usage: cuda_budget.py NVCC SOURCE_DIR ARCHITECTURES [--update | --only=STEM] [-- FLAGS...]

ARCHITECTURES as 80-real,90-real,100-virtual. Prints a table of registers, shared memory, blocks that fit on a
multiprocessor and 16-byte accesses of every kernel; fails if a kernel spills or has a stack, takes more registers or
shared memory than tests/kernels/cuda_budget.txt allows, has fewer 16-byte loads or stores than stand there, or is not
in that file. The numbers count for the nvcc
release they come from; with another, spills and stacks alone do. --update writes the file anew; --only=append looks at
that source alone. Without nvcc: exit code 77, skipped. Nothing is run on a GPU.
"""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile

BUDGET = "tests/kernels/cuda_budget.txt"
HEADER = """# What CUDA kernels may take, as nvcc {} -Xptxas -v says; written by tests/long/cuda_budget.py --update.
# architecture  registers  shared bytes  16-byte loads  16-byte stores  kernel
"""
# Of a multiprocessor: registers, shared memory, warps, blocks.
LIMITS = {"80": (65536, 164 << 10, 64, 32), "90": (65536, 228 << 10, 64, 32), "100": (65536, 228 << 10, 64, 32)}


def die(message, code=1):
    print("cuda_budget: " + message)
    sys.exit(code)


def short_names(mangled):
    """Readable names: RowKernel<Append, AppendTile, false, false>."""
    text = subprocess.run(["c++filt"], input="\n".join(mangled), capture_output=True, text=True, check=True).stdout
    names = {}
    for symbol, name in zip(mangled, text.splitlines()):
        inner = re.match(r"void kv::cuda::run<(.*)>\(", name)
        name = inner.group(1) if inner else re.sub(r"\(anonymous namespace\)::|\(.*\)$", "", name)
        names[symbol] = re.sub(r"kv::(device|cuda)::|kv::|\(kv::RowType\)", "", name).replace("> >", ">>").strip()
    return names


def version_of(nvcc):
    text = subprocess.run([nvcc, "--version"], capture_output=True, text=True, check=True).stdout
    return re.search(r"V(\d+\.\d+)\.", text).group(1)


def compile_one(nvcc, source, root, architectures, flags, work):
    """ptxas's messages, and the PTX of each architecture."""
    code = []
    for a in architectures:
        number, _, kind = a.partition("-")
        images = {"real": f"sm_{number}", "virtual": f"compute_{number}", "": f"[sm_{number},compute_{number}]"}
        code.append(f"--generate-code=arch=compute_{number},code={images[kind]}")
    keep = pathlib.Path(work) / source.stem
    keep.mkdir()
    command = [nvcc, "-std=c++20", "-O3", f"-I{root}", *flags, *code, "-Xptxas=-v", "--keep", f"--keep-dir={keep}",
               "-c", str(source), "-o", str(keep / "out.o")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=keep, env=os.environ | {"LC_ALL": "C"})
    ptx = {}
    for p in keep.glob("*.ptx"):  # of a single architecture the name does not say which
        named = re.search(r"compute_(\d+a?)", p.name)
        ptx[named.group(1) if named else architectures[0].partition("-")[0]] = p.read_text()
    return source.name, done.returncode, done.stdout + done.stderr, ptx


def kernels_of(messages):
    """(architecture, symbol) -> [registers, shared bytes], and complaints about stacks and spills."""
    found, complaints, entry, function = {}, [], None, None
    for line in messages.splitlines():
        if m := re.search(r"Compiling entry function '(\S+)' for 'sm_(\d+a?)'", line):
            entry = (m.group(2), m.group(1))
        elif m := re.search(r"Function properties for (\S+)", line):
            function = m.group(1)
        elif m := re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", line):
            if any(int(n) for n in m.groups()):
                complaints.append((entry, function, m.group(0).strip()))
        elif m := re.search(r"Used (\d+) registers", line):
            shared = re.search(r"(\d+) bytes smem", line)
            found[entry] = [int(m.group(1)), int(shared.group(1)) if shared else 0]
    return found, complaints


def accesses_of(ptx):
    """symbol -> (threads of a block, 16-byte loads, 16-byte stores); global memory only."""
    found = {}
    for body in re.split(r"\.entry ", ptx)[1:]:
        threads = re.search(r"\.maxntid (\d+)", body)
        sixteen = r"\.global(?:\.\w+)*\.(?:v4\.[ubf]32|v2\.[ubf]64)\b"
        wide = [len(re.findall(rf"\b{op}{sixteen}", body)) for op in ("ld", "st")]
        found[re.match(r"(\w+)", body).group(1)] = (int(threads.group(1)) if threads else 0, *wide)
    return found


def resident(architecture, threads, registers, shared):
    if architecture not in LIMITS or not threads:
        return 0
    all_registers, all_shared, warps, blocks = LIMITS[architecture]
    of_block = -(-threads // 32)
    by_registers = all_registers // (-(-registers * 32 // 256) * 256 * of_block)
    return min(by_registers, all_shared // (shared + 1024), warps // of_block, blocks)


def read_budget(path):
    rows = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        if line.strip() and not line.startswith("#"):
            architecture, *numbers, name = line.split(None, 5)
            rows[architecture, name] = [int(n) for n in numbers]
    return rows


def complaints_of(measured, budget, all_sources):
    for key, have in sorted(measured.items()):
        where = f"sm_{key[0]} {key[1]}"
        allowed = budget.get(key)
        if allowed is None:
            yield f"{where}: not in {BUDGET}"
            continue
        for what, now, most in zip(("registers", "bytes of shared memory"), have, allowed):
            if now > most:
                yield f"{where}: {now} {what}, the budget is {most}"
        for what, now, least in zip(("loads", "stores"), have[2:], allowed[2:]):
            if now < least:
                yield f"{where}: {now} {what} of 16 bytes, {least} stand in the budget"
    compiled = {a for a, _ in measured}
    for key in sorted(k for k in budget if all_sources and k[0] in compiled and k not in measured):
        yield f"sm_{key[0]} {key[1]}: in {BUDGET}, but there is no such kernel"


def main():
    arguments = sys.argv[1:]
    flags = arguments[arguments.index("--") + 1:] if "--" in arguments else []
    arguments = arguments[:arguments.index("--")] if "--" in arguments else arguments
    update = "--update" in arguments
    only = [a.partition("=")[2] for a in arguments if a.startswith("--only=")]
    arguments = [a for a in arguments if not a.startswith("--")]
    if len(arguments) != 3:
        die(__doc__.split("\n\n")[1], 2)
    nvcc, root, architectures = arguments[0], pathlib.Path(arguments[1]).resolve(), arguments[2].split(",")
    if not nvcc or not os.access(nvcc, os.X_OK):
        die("skipped: no nvcc, so no CUDA kernel was compiled", 77)
    sources = [s for s in sorted((root / "kernels/cuda").glob("*.cu")) if not only or s.stem in only]
    measured, problems = {}, []
    with tempfile.TemporaryDirectory() as work, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, code, messages, ptx in pool.map(
                lambda s: compile_one(nvcc, s, root, architectures, flags, work), sources):
            found, bad = kernels_of(messages)
            if code != 0:
                problems.append(f"{name}: nvcc failed:\n{messages}")
            names = short_names([symbol for _, symbol in found])
            problems += [f"sm_{e[0]} {names.get(f, f)}: {what}" for e, f, what in bad]
            accesses = {a: accesses_of(text) for a, text in ptx.items()}
            for (architecture, symbol), numbers in found.items():
                threads, loads, stores = accesses[architecture][symbol]
                measured[architecture, names[symbol]] = [*numbers, loads, stores]
                print(f"sm_{architecture:4} {numbers[0]:4} registers {numbers[1]:6} B shared "
                      f"{resident(architecture, threads, *numbers):3} blocks of {threads:4}  {loads:3} loads "
                      f"{stores:3} stores of 16 B  {names[symbol]}")
    if not measured:
        problems.append("no kernel was found in the messages of nvcc")
    if update and not only and not problems:
        rows = sorted(measured.items(), key=lambda r: (int(re.sub(r"\D", "", r[0][0])), r[0][1]))
        lines = [f"{a:4} {n[0]:4} {n[1]:6} {n[2]:3} {n[3]:3}  {name}" for (a, name), n in rows]
        (root / BUDGET).write_text(HEADER.format(version_of(nvcc)) + "\n".join(lines) + "\n")
        print(f"cuda_budget: wrote {len(lines)} rows")
        return
    if f"nvcc {version_of(nvcc)} " in (root / BUDGET).read_text():
        problems += complaints_of(measured, read_budget(root / BUDGET), not only)
    else:
        print(f"cuda_budget: {BUDGET} is not of nvcc {version_of(nvcc)}: only spills and stacks were looked at")
    print(f"cuda_budget: {len(measured)} kernels compiled for {', '.join(architectures)}; none was run")
    if problems:
        die("\n  ".join([f"{len(problems)} problems"] + problems))


main()
