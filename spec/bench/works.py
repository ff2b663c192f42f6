"""What `make bench` measures: the servers, the works, the targets. To add to the benchmark, add an entry.

In a command {build}, {bench} and {port} are replaced; in a load {count}, {milliseconds} and {cpu} too.
"""
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Server:
    id: str
    name: str
    command: tuple
    version: tuple = ()     # prints the version; when it cannot be run, the server is "not installed"
    built: str = ""         # must exist, or the server is "not built"


@dataclass(frozen=True)
class Work:
    id: str
    title: str
    measure: str            # cpu: microseconds a message; memory: bytes a connection; start: milliseconds
    load: tuple
    servers: tuple
    warm_up: tuple = ()     # run once after the server listens, not measured
    targets: dict = field(default_factory=dict)     # server id: at most this; for cpu a ratio
    rounds: int = 0         # 0: as the command line says
    count: int = 0          # memory: connections to hold


YARDSTICK = "bare"
BARE = "{build}/bench/yardstick_echo"
GO = "{build}/bench/echo_go"
PYTHON = "/usr/bin/python3"
UVLOOP_VERSION = (PYTHON, "-c", "import platform as p, uvloop; print(p.python_version(), uvloop.__version__)")


def perigee(script, name):
    """One of our own services in spec/bench/perigee/."""
    listen = script + ".listen=tcp://127.0.0.1:{port}"
    command = ("{build}/perigee", "run", "{bench}/perigee/" + script + ".lua", "--set", listen)
    return Server("perigee-" + script, name, command, built="{build}/perigee")


SERVERS = (
    Server(YARDSTICK, "bare C epoll", (BARE, "{port}"), built=BARE),
    perigee("echo", "Perigee, strings"),
    perigee("echo_buffer", "Perigee, buffers"),
    Server("go", "Go", (GO, "{port}"), ("go", "version"), GO),
    Server("node", "Node.js", ("node", "{bench}/peers/echo.js", "{port}"), ("node", "--version")),
    Server("uvloop", "Python, uvloop", (PYTHON, "{bench}/peers/echo_uvloop.py", "{port}"), UVLOOP_VERSION),
)

ECHO_SERVERS = tuple(server.id for server in SERVERS)
ONE_HANDLER = tuple(name for name in ECHO_SERVERS if name != "perigee-echo_buffer")


def echo(id, connections, size, targets):
    """Echo of `size` bytes, one message in flight on each connection."""
    shape = ("-c", str(connections), "-s", str(size))
    load = ("{build}/bench/load_echo", *shape, "-t", "{milliseconds}", "{port}")
    label = f"{size // 1024} KiB" if size >= 1024 else f"{size} B"
    return Work(id, f"echo {label} x {connections}", "cpu", load, ECHO_SERVERS, load, targets)


WORKS = (
    echo("echo-small", 64, 64, {"perigee-echo": 1.10}),
    echo("echo-large", 16, 65536, {"perigee-echo": 1.30, "perigee-echo_buffer": 1.05}),
    Work("idle", "memory of an idle connection", "memory",
         ("{build}/bench/hold_idle", "{port}", "{count}"), ONE_HANDLER,
         warm_up=("{build}/bench/load_echo", "-c", "1", "-n", "10", "{port}"),
         targets={"perigee-echo": 1536}, rounds=1, count=100000),
    Work("start", "start to first byte served", "start",
         ("{build}/bench/first_byte", "{port}", "{cpu}", "{count}"), ONE_HANDLER,
         targets={"perigee-echo": 20}, count=5),
)
