"""Remote procedure calls: MessagePack-RPC, beside Python's and Redis's ECHO."""
from plan import AtMost, Server, Work, perigee

PYTHON = "/usr/bin/python3"
MSGPACK_VERSION = (PYTHON, "-c",
                   "import platform as p, msgpack, uvloop; print(p.python_version(), '.'.join(map(str, msgpack.version)))")
REDIS_VERSION = ("redis-server", "--version")
ADD = (r"\x94\x00\x07\xa3add\x92\x02\x03", r"\x94\x01\x07\xc0\x05")
ECHO = (r"*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\n", r"$5\r\nhello\r\n")

SERVERS = (
    perigee("perigee-msgpack", "Perigee", "calls", "msgpack=tcp://127.0.0.1:{port}"),
    Server("python-msgpack", "Python, uvloop", (PYTHON, "{bench}/peers/rpc_msgpack.py", "{port}"), MSGPACK_VERSION),
    Server("redis", "Redis, ECHO", ("redis-server", "--port", "{port}", "--save", "", "--appendonly", "no"), REDIS_VERSION),
)


def exchange(depth, texts):
    return ("{build}/bench/load_exchange", "-d", str(depth), "-q", texts[0], "-a", texts[1], "-t", "{milliseconds}",
            "{port}")


def calls(id, title, depth, targets):
    loads = {"redis": exchange(depth, ECHO)}
    load = exchange(depth, ADD)
    return Work(id, title, "cpu", load, tuple(server.id for server in SERVERS), load, targets, loads=loads)


WORKS = (
    calls("rpc-msgpack", "MessagePack-RPC x 64", 1, {}),
    calls("rpc-msgpack-16", "MessagePack-RPC x 64, pipelined by 16", 16,
          {"perigee-msgpack": (AtMost(0.2, "python-msgpack"), AtMost(2.0, "redis"))}),
)
