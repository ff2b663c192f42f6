#!/usr/bin/python3
"""Runs the benchmark: every server at every work in turn; prints one table and writes RESULTS.md.

    /usr/bin/python3 spec/bench/run.py [--only WORK]... [--rounds N] [--seconds S] [--quick] [--build DIRECTORY]

Only a full run writes RESULTS.md; --only and --quick print and leave it alone.
"""
import argparse
import os
import signal
import sys

sys.dont_write_bytecode = True

from measure import MEASURES, SPARE_FILES, Bench
from process import Failure, output_of, raise_open_files
from report import Outcome, page, table
from works import GROUPS, SERVERS, WORKS

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def arguments():
    parser = argparse.ArgumentParser(description="Runs Perigee's benchmark.")
    names = [*(work.id for work in WORKS), *GROUPS]
    parser.add_argument("--only", action="append", choices=names, metavar="WORK",
                        help="this work, or those of one table; may be repeated: " + ", ".join(names))
    parser.add_argument("--rounds", type=int, default=5, help="how often each server is measured (default 5)")
    parser.add_argument("--seconds", type=float, default=2.0, help="the length of a measurement (default 2)")
    parser.add_argument("--quick", action="store_true", help="one short round, fewer idle connections")
    parser.add_argument("--build", default=os.path.join(ROOT, "build"), help="where perigee and bench/ were built")
    options = parser.parse_args()
    if options.rounds < 1 or not 0.1 <= options.seconds <= 600:
        parser.error("--rounds is at least 1, --seconds from 0.1 to 600")
    options.only = sum((list(GROUPS.get(name, [name])) for name in options.only or ()), [])
    if options.quick:
        options.rounds, options.seconds = 1, 0.5
    return options


def prepare(options):
    """Takes the last CPU for the load and this script, leaves the first to the servers; raises the limits."""
    cpus = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cpus[-1]})
    files = raise_open_files(max(work.count for work in WORKS) + SPARE_FILES)
    return Bench(build=os.path.abspath(options.build), bench=HERE, cpus=tuple(cpus),
                 milliseconds=int(options.seconds * 1000), open_files=files, quick=options.quick)


def find_servers(bench):
    """For each server why it cannot run, or an empty text; and the versions of those that can."""
    reasons, versions = {}, {}
    for server in SERVERS:
        version = output_of(server.version) if server.version else ""
        built = not server.built or os.path.exists(bench.fill([server.built])[0])
        reasons[server.id] = "not installed" if version is None else "" if built else "not built"
        versions[server.name] = version
    return reasons, versions


def run_work(bench, work, rounds, reasons):
    outcomes = {name: Outcome(reasons[name]) for name in work.servers}
    servers = [server for server in SERVERS if server.id in outcomes]
    for turn in range(work.rounds or rounds):
        start = turn % len(servers)     # another server begins each round
        for server in servers[start:] + servers[:start]:
            outcome = outcomes[server.id]
            if not outcome.reason:
                take_sample(bench, work, server, outcome, turn)
    return outcomes


def take_sample(bench, work, server, outcome, turn):
    try:
        sample = MEASURES[work.measure](bench, work, server)
    except Failure as failure:
        outcome.reason = f"failed: {failure}".replace(ROOT + os.sep, "")
    else:
        outcome.samples[turn] = sample
    said = outcome.reason or f"{sample.value:.2f}"
    print(f"{work.title}, round {turn + 1}, {server.name}: {said}", file=sys.stderr, flush=True)


def main():
    signal.signal(signal.SIGTERM, lambda *unused: sys.exit(1))
    options = arguments()
    bench = prepare(options)
    reasons, versions = find_servers(bench)
    load = os.getloadavg()[0]
    works = [work for work in WORKS if not options.only or work.id in options.only]
    results = {work.id: run_work(bench, work, options.rounds, reasons) for work in works}
    lines = table(results, works)
    print("\n".join(lines))
    if options.only or options.quick:
        return
    about = [f"{options.rounds} rounds of {options.seconds:g} s; the machine's load before: {load:.2f}; "
             f"a process may open {bench.open_files:,} files"]
    with open(os.path.join(HERE, "RESULTS.md"), "w", encoding="utf-8") as file:
        file.write(page(lines, about, versions))


if __name__ == "__main__":
    main()
