"""Bare TCP: echo, idle connections, the time to start."""
from plan import GO_VERSION, NODE_VERSION, AtMost, Server, Work, perigee

BARE = "{build}/bench/yardstick_echo"
GO = "{build}/bench/echo_go"
TCP = "listen=tcp://127.0.0.1:{port}"
PYTHON = "/usr/bin/python3"
UVLOOP_VERSION = (PYTHON, "-c", "import platform as p, uvloop; print(p.python_version(), uvloop.__version__)")

SERVERS = (
    Server("bare", "bare C epoll", (BARE, "{port}"), built=BARE),
    perigee("perigee-echo", "Perigee, strings", "echo", TCP),
    perigee("perigee-echo_buffer", "Perigee, buffers", "echo_buffer", TCP),
    Server("go", "Go", (GO, "{port}"), GO_VERSION, GO),
    Server("node", "Node.js", ("node", "{bench}/peers/echo.js", "{port}"), NODE_VERSION),
    Server("uvloop", "Python, uvloop", (PYTHON, "{bench}/peers/echo_uvloop.py", "{port}"), UVLOOP_VERSION),
)

ECHO_SERVERS = tuple(server.id for server in SERVERS)
ONE_HANDLER = tuple(name for name in ECHO_SERVERS if name != "perigee-echo_buffer")


def echo(id, connections, size, targets):
    """Echo of `size` bytes, one message in flight on each connection."""
    shape = ("-c", str(connections), "-s", str(size))
    load = ("{build}/bench/load_echo", *shape, "-t", "{milliseconds}", "{port}")
    label = f"{size // 1024} KiB" if size >= 1024 else f"{size} B"
    return Work(id, f"echo {label} x {connections}", "cpu", load, ECHO_SERVERS, load, targets, yardstick="bare")


WORKS = (
    echo("echo-small", 64, 64, {"perigee-echo": AtMost(1.10, "bare")}),
    echo("echo-large", 16, 65536, {"perigee-echo": AtMost(1.30, "bare"), "perigee-echo_buffer": AtMost(1.05, "bare")}),
    Work("idle", "memory of an idle connection", "memory",
         ("{build}/bench/hold_idle", "{port}", "{count}"), ONE_HANDLER,
         warm_up=("{build}/bench/load_echo", "-c", "1", "-n", "10", "{port}"),
         targets={"perigee-echo": AtMost(1536)}, rounds=1, count=100000),
    Work("start", "start to first byte served", "start",
         ("{build}/bench/first_byte", "{port}", "{cpu}", "{count}"), ONE_HANDLER,
         targets={"perigee-echo": AtMost(20)}, count=5),
)
