"""From samples to one table, and the page that keeps it."""
import os
import re
import time
from statistics import median

from works import SERVERS, WORKS

NAMES = {server.id: server.name for server in SERVERS}
UNITS = {"cpu": ("us CPU", 2), "busiest": ("us CPU", 2), "fanout": ("us CPU", 2), "memory": ("bytes", 0),
         "start": ("ms", 2), "codec": ("MB/s", 1)}
HEADINGS = ("work", "server", "figure", "lowest to highest", "x bare C", "per second", "target", "reached")
WORDS = """\
The figure is the median over the rounds: the server's CPU time (user and system, all threads) for each message,
request or, in a fan-out, delivery to one member. "x bare C", and what follows "yes" or "NO", is the median of each
round's ratio to the bare C epoll server, or the server that the target names, in the same round.
For idle connections it is the growth of the resident memory, divided by their number.
Of workers, "the busiest process" is the CPU time of that one process for each request that all of them answered.
Of codecs, it is megabytes of what is encoded, decoded or written in a second of CPU time: more is better.
One CPU for the server, another for the load; several workers have both.
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


def row(work, server, outcomes):
    outcome = outcomes[server.id]
    start = [work.title, server.name]
    if outcome.reason or not outcome.samples:
        return start + [outcome.reason or "not measured", "", "", "", target_text(work, server), ""]
    unit, digits = UNITS[work.measure]
    values = outcome.values()
    ratio = outcome.ratio(outcomes[work.yardstick]) if work.yardstick else None
    rate = median(sample.rate for sample in outcome.samples.values())
    held = outcome.held()
    return start + [
        f"{median(values):.{digits}f} {unit}" + (f" ({held:,} held)" if held else ""),
        f"{min(values):.{digits}f} to {max(values):.{digits}f}" if len(values) > 1 else "",
        f"{ratio:.2f}" if ratio else "",
        f"{rate:,.0f}" if rate else "",
        target_text(work, server),
        reached_text(work, server, outcomes),
    ]


def targets_of(work, server):
    targets = work.targets.get(server.id, ())
    return targets if isinstance(targets, tuple) else (targets,)


def target_text(work, server):
    limits = []
    for target in targets_of(work, server):
        held = f" with {work.count:,} held" if work.measure == "memory" else ""
        limits.append(f"{target.most:.2f} x {NAMES[target.of]}" if target.of else
                      f"{target.most} {UNITS[work.measure][0]}{held}")
    return "at most " + " and ".join(limits) if limits else ""


def reached_text(work, server, outcomes):
    """One word for all targets; a ratio that has no column of its own is given with it."""
    outcome = outcomes[server.id]
    targets = targets_of(work, server)
    values = [outcome.ratio(outcomes[target.of]) if target.of else median(outcome.values()) for target in targets]
    if not targets:
        return ""
    if None in values:
        return f"{NAMES[targets[values.index(None)].of]} was not measured"
    ratios = [f"{value:.2f}" for target, value in zip(targets, values) if target.of not in ("", work.yardstick)]
    held = outcome.held()
    word = "yes" if all(value <= target.most for target, value in zip(targets, values)) else "NO"
    if word == "yes" and held < work.count and work.measure == "memory":
        word = f"only with {held:,} held"
    return f"{word}: {', '.join(ratios)}" if ratios else word


def table(results, works=WORKS):
    """The lines of one table in Markdown, its columns padded so that it reads as plain text too."""
    servers = {server.id: server for server in SERVERS}
    rows = [HEADINGS]
    for work in works:
        rows += [row(work, servers[name], results[work.id]) for name in work.servers]
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
