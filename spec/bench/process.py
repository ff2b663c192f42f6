"""Server processes under measurement: started on a CPU of their own, read through /proc, always ended."""
import os
import pathlib
import random
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time

READY_SECONDS = 10
STOP_SECONDS = 2


class Failure(Exception):
    """A measurement that could not be taken; its text becomes the row's."""


def raise_open_files(wanted):
    """Lets this process and its children open `wanted` files, or as many as allowed; returns how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(wanted, hard)))
    except (ValueError, OSError):
        wanted = min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def free_port():
    """A port below the ephemeral range: a client that tries too early cannot connect to itself."""
    while True:
        port = random.randint(20000, 29999)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def output_of(command):
    """The first line that a command prints, or None when it cannot be run."""
    if not shutil.which(command[0]):
        return None
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    lines = done.stdout.strip().splitlines()
    return lines[0] if done.returncode == 0 and lines else None


def run_load(command, timeout):
    """Runs a load to its end; returns the lines of key=value pairs that it prints, as dictionaries."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout,
                              check=False)
    except subprocess.TimeoutExpired as error:
        raise Failure("the load did not end") from error
    return lines_of_load(done.returncode, done.stdout, done.stderr)


def lines_of_load(status, output, errors):
    lines = [parse_line(line) for line in output.splitlines()]
    if status != 0 or not lines:
        raise Failure((errors.strip() or output.strip() or "the load failed").splitlines()[-1])
    return lines


def parse_line(line):
    return {key: float(value) for key, value in (pair.split("=") for pair in line.split())}


class ServerProcess:
    """A server in a session of its own, so that whatever it starts is counted and ended with it."""

    def __init__(self, command, address, cpus):
        """`address` is where it will listen: a pair for TCP, the path of a Unix socket; `cpus` a set of CPUs."""
        self.command, self.address, self.cpus = command, address, cpus
        self.log = tempfile.TemporaryFile()
        self.process = None

    def __enter__(self):
        try:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                start_new_session=True, preexec_fn=lambda: os.sched_setaffinity(0, self.cpus))
            self.wait_until_listening()
        except OSError as error:
            raise Failure(f"does not start: {error}") from error
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *unused):
        self.stop()

    def wait_until_listening(self):
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            with socket.socket(socket.AF_UNIX if isinstance(self.address, str) else socket.AF_INET) as probe:
                if probe.connect_ex(self.address) == 0:
                    return
            time.sleep(0.005)
        raise Failure("does not listen: " + self.last_words())

    def last_words(self):
        self.log.seek(0)
        text = self.log.read().decode(errors="replace")
        lines = text.partition("stack traceback:")[0].strip().splitlines()    # Lua's message comes before it
        return lines[-1][:80] if lines else "it says nothing"

    def members(self):
        """The ids of every process of the session."""
        found = []
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.getsid(int(entry)) == self.process.pid:
                    found.append(int(entry))
            except ProcessLookupError:
                continue
        return found

    def cpu_seconds(self):
        """User and system time of all threads, for each process of the session by its id."""
        return self.each(cpu_seconds)

    def resident_bytes(self):
        return sum(self.each(resident_bytes).values())

    def each(self, read):
        if self.process.poll() is not None:
            raise Failure("ended early: " + self.last_words())
        try:
            return {pid: read(pid) for pid in self.members()}
        except OSError as error:
            raise Failure("one of its processes ended early") from error

    def stop(self):
        if not self.process:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            self.send(number)
            try:
                self.process.wait(STOP_SECONDS)
                break
            except subprocess.TimeoutExpired:
                continue
        self.send(signal.SIGKILL)
        self.log.close()
        if isinstance(self.address, str):
            pathlib.Path(self.address).unlink(missing_ok=True)

    def send(self, number):
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass


def cpu_seconds(pid):
    """From the process's CPU clock: it has nanoseconds where /proc/PID/stat has ticks of 10 ms."""
    return time.clock_gettime((~pid << 3) | 2)


def resident_bytes(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for line in file:
            if line.startswith("Rss:"):
                return int(line.split()[1]) * 1024
    return 0
