#!/usr/bin/env python3
"""Computes the ratios of a published study again, from its raw data.

    reports/recount.py reports/2026-11-24-nagle

Every reference in notes.md to an effect, like {{nagle: off -> on | p50}}, is computed from the
reports in sweep.json: from their histograms and counts, and not from anything that the program
derived. Intervals are those of a plain bootstrap over whole runs; where the runs of two cells were
made in rounds of one run each, rounds are drawn, so that what a machine does slowly is no part of
a difference. Printed beside what README.md says; exits with 1 if a ratio differs by more than 2 %,
or an interval does not overlap.

Shares no code with echo-bench, and needs Python 3 alone.
"""

import base64
import json
import math
import random
import re
import struct
import sys
import zlib
from pathlib import Path

RESAMPLES = 2000
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}
TOLERANCE = 0.02


def histogram(encoded):
    """Pairs of a value in nanoseconds and its count, of an HDR histogram (V2, deflated)."""
    raw = base64.b64decode(encoded)
    payload = zlib.decompress(raw[8:])
    length, _, digits, lowest = struct.unpack(">iiiq", payload[4:24])
    body = payload[40 : 40 + length]
    unit = int(math.log2(max(lowest, 1)))
    magnitude = math.ceil(math.log2(2 * 10**digits)) - 1
    half = 1 << magnitude
    found, index, at = [], 0, 0
    while at < len(body):
        number, shift = 0, 0
        while True:
            byte = body[at]
            at += 1
            if shift == 56:
                number |= byte << shift
                break
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        count = (number >> 1) ^ -(number & 1)
        if count < 0:
            index += -count
            continue
        if count:
            bucket, sub = (index >> magnitude) - 1, (index & (half - 1)) + half
            if bucket < 0:
                bucket, sub = 0, sub - half
            width = 1 << (bucket + unit)
            found.append(((sub << (bucket + unit)) + width - 1, count))
        index += 1
    return found


def quantile(histograms, q):
    merged = {}
    for pairs in histograms:
        for value, count in pairs:
            merged[value] = merged.get(value, 0) + count
    rank, seen = max(1, math.ceil(q * sum(merged.values()))), 0
    for value in sorted(merged):
        seen += merged[value]
        if seen >= rank:
            return value
    return None


class Run:
    def __init__(self, report):
        self.start = report["started_at"]
        summary = report["summary"]
        self.answered, self.seconds = summary["answered_in_window"], summary["measured_s"]
        self.pairs = histogram(summary["latency"]["response"]["hdr"])
        cpu = summary["cpu"]
        self.cpu = {
            "generator cpu/message": cpu["client_us_per_message"],
            "server cpu/message": cpu["server_us_per_message"],
        }


def value(runs, metric):
    if metric in QUANTILES:
        return quantile([run.pairs for run in runs], QUANTILES[metric])
    if metric.endswith("/s"):
        return sum(run.answered for run in runs) / sum(run.seconds for run in runs)
    return sum(run.cpu[metric] * run.answered for run in runs) / sum(run.answered for run in runs)


def ratio(pairs, metric):
    """The geometric mean of the ratios of pairs of cells."""
    logs = [math.log(value(new, metric) / value(base, metric)) for base, new in pairs]
    return math.exp(sum(logs) / len(logs))


def in_rounds(base, new):
    """Whether each round of one run a side ended before the next one began."""
    rounds = [sorted((one.start, other.start)) for one, other in zip(base, new)]
    apart = all(before[1] < after[0] for before, after in zip(rounds, rounds[1:]))
    return len(base) == len(new) > 1 and apart


def bootstrap(pairs, metric, seed=1):
    drawn = random.Random(seed)
    again = lambda runs: [drawn.choice(runs) for _ in runs]

    def both(base, new):
        if in_rounds(base, new):
            return tuple(zip(*again(list(zip(base, new)))))
        return again(base), again(new)

    all_runs = []
    for _ in range(RESAMPLES if metric.endswith("/s") else 200):
        all_runs.append(ratio([both(base, new) for base, new in pairs], metric))
    all_runs.sort()
    return all_runs[int(0.025 * len(all_runs))], all_runs[int(0.975 * len(all_runs))]


def pairs_of(sweep, reference, only):
    axis, change = reference.split(": ", 1)
    base, level = change.split(" -> ")
    names = [known["name"] for known in sweep["plan"]["axes"]]
    place = names.index(axis)
    cells = {tuple(cell["levels"]): cell for cell in sweep["cells"]}
    found = []
    for levels, cell in cells.items():
        other = levels[:place] + (level,) + levels[place + 1 :]
        common = ", ".join(
            f"{name}={own}" for at, (name, own) in enumerate(zip(names, levels)) if at != place
        )
        if levels[place] == base and other in cells and only in (None, common):
            sides = [[Run(run) for run in side["runs"]] for side in (cell, cells[other])]
            if all(sides):
                found.append(tuple(sides))
    return found


def main(folder):
    sweep = json.loads((folder / "sweep.json").read_text())
    notes = (folder / "notes.md").read_text()
    readme = (folder / "README.md").read_text()
    # What made the sweep stands between the question and the findings.
    head = re.compile(r"## What it was made with\n\n(?:[^#\n].*\n)*\n?")
    readme = head.sub("", readme, count=1)
    # The text between references is the same in both, so the numbers are what lies between.
    texts = re.split(r"\{\{.*?\}\}", notes, flags=re.S)
    # A comma between two references is none of those inside an interval.
    number = r"((?:[^][]|\[[^]]*\])*?)"
    pattern = number.join(re.escape(text.rstrip() if text == texts[-1] else text) for text in texts)
    said = re.fullmatch(pattern + r"\s*", readme, flags=re.S)
    if said is None:
        sys.exit("README.md is not what notes.md gives: write it again")
    wrong = 0
    for reference, shown in zip(re.findall(r"\{\{(.*?)\}\}", notes, flags=re.S), said.groups()):
        parts = [" ".join(part.split()) for part in reference.split("|")]
        numbers = re.search(r"([\d.]+) x \[([\d.]+), >?([\d.]+)\]", shown)
        if " -> " not in parts[0] or parts[1] == "errors":
            print(f"left  {' | '.join(parts)}: not a ratio")
            continue
        if numbers is None:
            print(f"WRONG {' | '.join(parts)}: no ratio with an interval in README: {shown}")
            wrong += 1
            continue
        pairs = pairs_of(sweep, parts[0], parts[2] if len(parts) > 2 else None)
        own, (low, high) = ratio(pairs, parts[1]), bootstrap(pairs, parts[1])
        told, told_low, told_high = map(float, numbers.groups())
        # What is shown is rounded to two digits after the point or more.
        near = abs(own - told) <= TOLERANCE * told + 0.006
        good = near and low <= told_high and high >= told_low
        wrong += not good
        mark = "ok" if good else "WRONG"
        print(f"{mark:5} {' | '.join(parts)}: {own:.3f} [{low:.3f}, {high:.3f}], README: {shown}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
