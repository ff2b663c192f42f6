"""How each kind of work is measured. Every function takes one sample of one server and returns a Sample."""
import contextlib
import select
import subprocess
import time
from dataclasses import dataclass

from process import Failure, ServerProcess, free_port, lines_of_load, parse_line, run_load

WARM_UP_MILLISECONDS = 500
HOLD_SECONDS = 180
SETTLE_SECONDS = 15
SPARE_FILES = 512       # what a server may have open beside its connections


@dataclass(frozen=True)
class Sample:
    value: float
    rate: float = 0         # messages per second
    held: int = 0           # connections


@dataclass(frozen=True)
class Bench:
    """What one run of the benchmark has settled: places, CPUs, length."""
    build: str
    bench: str
    cpus: tuple             # the first are the servers', the last the load's
    milliseconds: int
    open_files: int
    quick: bool

    def fill(self, command, **values):
        return [part.format(build=self.build, bench=self.bench, **values) for part in command]

    def server(self, server, port):
        address = self.fill([server.path], port=port)[0] or ("127.0.0.1", port)
        cpus = set(self.cpus[:server.cpus])
        return ServerProcess(self.fill(server.command, port=port), address, cpus)


def sample_cpu(bench, work, server):
    """The server's CPU microseconds for each message."""
    return sample_used(bench, work, server, sum)


def sample_busiest(bench, work, server):
    """The CPU microseconds of the server's busiest process for each message that all of them served."""
    return sample_used(bench, work, server, max)


def sample_used(bench, work, server, of_processes):
    port = free_port()
    with bench.server(server, port) as process:
        warm_up = bench.fill(work.loads.get(server.id, work.warm_up), port=port, milliseconds=WARM_UP_MILLISECONDS)
        run_load(warm_up, timeout=30)
        before = process.cpu_seconds()
        load = bench.fill(work.loads.get(server.id, work.load), port=port, milliseconds=bench.milliseconds)
        done = run_load(load, timeout=30 + bench.milliseconds / 500)[-1]
        used = of_processes(seconds - before.get(pid, 0) for pid, seconds in process.cpu_seconds().items())
    return Sample(used * 1e6 / done["messages"], rate=done["messages"] / done["seconds"])


def sample_fanout(bench, work, server):
    """The server's CPU microseconds for each delivery, from when all members have joined."""
    port = free_port()
    with bench.server(server, port) as process:
        run_load(bench.fill(work.warm_up, port=port, milliseconds=WARM_UP_MILLISECONDS), timeout=30)
        with held_load(bench.fill(work.load, port=port, milliseconds=bench.milliseconds)) as load:
            wait_until_held(load)
            before = sum(process.cpu_seconds().values())
            output, errors = load.communicate(timeout=30 + bench.milliseconds / 500)
            used = sum(process.cpu_seconds().values()) - before
    done = lines_of_load(load.returncode, output, errors)[-1]
    return Sample(used * 1e6 / done["messages"], rate=done["messages"] / done["seconds"])


@contextlib.contextmanager
def held_load(command):
    """A load that opens its connections, says so, and goes on when its input ends; killed if it is still there."""
    load = subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)
    try:
        yield load
    except subprocess.TimeoutExpired as error:
        raise Failure("the load did not end") from error
    finally:
        load.kill()
        load.wait()


def sample_memory(bench, work, server):
    """How much the server's resident memory grows for each connection that is held open and silent."""
    count = min(work.count // 20 if bench.quick else work.count, bench.open_files - SPARE_FILES)
    port = free_port()
    with contextlib.ExitStack() as stack:
        holder = None
        process = stack.enter_context(bench.server(server, port))
        run_load(bench.fill(work.warm_up, port=port), timeout=30)
        before = settled_bytes(process)
        holder = subprocess.Popen(bench.fill(work.load, port=port, count=count), text=True,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        stack.callback(end_holder, holder, process)
        held = wait_until_held(holder)
        return Sample((settled_bytes(process) - before) / held, held=held)


def wait_until_held(holder):
    ready, _, _ = select.select([holder.stdout], [], [], HOLD_SECONDS)
    line = holder.stdout.readline() if ready else ""
    if not line:
        raise Failure("the connections were not held")
    report = parse_line(line)
    if report["errors"] > 0:
        raise Failure(f"held {report['held']:.0f}, failed {report['errors']:.0f}")
    return int(report["held"])


def end_holder(holder, process):
    """The server goes first: the holder's resets then leave no connection behind in the kernel."""
    process.stop()
    holder.communicate()


def settled_bytes(process):
    """Resident memory once it has stopped moving for a second; its last reading after SETTLE_SECONDS."""
    last, since = process.resident_bytes(), time.monotonic()
    end = since + SETTLE_SECONDS
    while time.monotonic() < min(end, since + 1):
        time.sleep(0.1)
        now = process.resident_bytes()
        if abs(now - last) > 0.002 * last:
            last, since = now, time.monotonic()
    return process.resident_bytes()


def sample_codec(bench, work, server):
    """Megabytes of encoded text for each second of CPU time, with the clock of the process that decodes or encodes."""
    what = bench.fill(work.load, milliseconds=bench.milliseconds // 4)[0]
    done = run_load(bench.fill(server.command, work=what), timeout=30 + bench.milliseconds / 500)[-1]
    rate = done["messages"] / done["seconds"]
    return Sample(rate * done["bytes"] / 1e6, rate=rate)


def sample_start(bench, work, server):
    """Milliseconds from before the fork until the first byte has come back: the median of a few runs."""
    port = free_port()
    load = bench.fill(work.load, port=port, cpu=bench.cpus[0], count=work.count)
    lines = run_load(load + bench.fill(server.command, port=port), timeout=30 + 10 * work.count)
    times = sorted(line["milliseconds"] for line in lines)
    return Sample(times[len(times) // 2])


MEASURES = {"cpu": sample_cpu, "busiest": sample_busiest, "fanout": sample_fanout, "memory": sample_memory,
            "codec": sample_codec, "start": sample_start}
