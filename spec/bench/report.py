"""From samples to one table, and the page that keeps it."""
import os
import re
import time
from statistics import median

from works import SERVERS, WORKS, YARDSTICK

UNITS = {"cpu": ("us CPU", 2), "memory": ("bytes", 0), "start": ("ms", 2)}
HEADINGS = ("work", "server", "figure", "lowest to highest", "x bare C", "per second", "target", "reached")
WORDS = """\
The figure is the median over the rounds. For echo it is the server's CPU time (user and system, all threads)
for each message; "x bare C" is the median of each round's ratio to the bare C epoll server of the same round.
For idle connections it is the growth of the resident memory, divided by their number.
One CPU for the server, another for the load.
"""


class Outcome:
    """What came of one server at one work: a sample for each round, or the reason why there is none."""

    def __init__(self, reason=""):
        self.reason = reason
        self.samples = {}       # round: Sample

    def values(self):
        return [sample.value for sample in self.samples.values()]

    def held(self):
        return min(sample.held for sample in self.samples.values())

    def ratio(self, yardstick):
        pairs = [(sample.value, yardstick.samples[turn].value)
                 for turn, sample in self.samples.items() if turn in yardstick.samples]
        return median(ours / theirs for ours, theirs in pairs) if pairs else None


def row(work, server, outcome, yardstick):
    start = [work.title, server.name]
    if outcome.reason or not outcome.samples:
        return start + [outcome.reason or "not measured", "", "", "", target_text(work, server), ""]
    unit, digits = UNITS[work.measure]
    values = outcome.values()
    ratio = outcome.ratio(yardstick) if work.measure == "cpu" else None
    rate = median(sample.rate for sample in outcome.samples.values())
    held = outcome.held()
    return start + [
        f"{median(values):.{digits}f} {unit}" + (f" ({held:,} held)" if held else ""),
        f"{min(values):.{digits}f} to {max(values):.{digits}f}" if len(values) > 1 else "",
        f"{ratio:.2f}" if ratio else "",
        f"{rate:,.0f}" if rate else "",
        target_text(work, server),
        reached_text(work, server, ratio if work.measure == "cpu" else median(values), outcome),
    ]


def target_text(work, server):
    target = work.targets.get(server.id)
    if target is None:
        return ""
    if work.measure == "cpu":
        return f"at most {target:.2f} x bare C"
    held = f" with {work.count:,} held" if work.measure == "memory" else ""
    return f"at most {target} {UNITS[work.measure][0]}{held}"


def reached_text(work, server, value, outcome):
    target = work.targets.get(server.id)
    if target is None or value is None:
        return ""
    if value > target:
        return "NO"
    held = outcome.held()
    return f"only with {held:,} held" if held < work.count and work.measure == "memory" else "yes"


def table(results, works=WORKS):
    """The lines of one table in Markdown, its columns padded so that it reads as plain text too."""
    servers = {server.id: server for server in SERVERS}
    rows = [HEADINGS]
    for work in works:
        outcomes = results[work.id]
        yardstick = outcomes.get(YARDSTICK, Outcome())
        rows += [row(work, servers[name], outcomes[name], yardstick) for name in work.servers]
    widths = [max(len(line[i]) for line in rows) for i in range(len(HEADINGS))]
    rows.insert(1, ["-" * width for width in widths])
    return ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |" for line in rows]


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = re.search(r"^model name\s*: (.*)$", file.read(), re.MULTILINE)
    kernel = re.match(r"[\d.]+", os.uname().release).group().rstrip(".")
    name = model.group(1) if model else os.uname().machine
    return f"{os.cpu_count()} CPUs ({name}), Linux {kernel}"


def page(lines, about, versions):
    """The text of RESULTS.md. `about` tells of the run, `versions` maps a server's name to its version."""
    peers = "; ".join(f"{name}: {version}" for name, version in versions.items() if version)
    parts = ["# Results of `make bench`", "", f"- {time.strftime('%Y-%m-%d')}, {machine()}",
             f"- {peers}", *(f"- {line}" for line in about), "", WORDS, *lines]
    return "\n".join(parts) + "\n"
