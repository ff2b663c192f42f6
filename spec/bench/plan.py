"""What a benchmark is made of. In a command {build}, {bench} and {port} are replaced; in a load {count},
{milliseconds} and {cpu} too.
"""
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Server:
    id: str
    name: str
    command: tuple
    version: tuple = ()     # prints the version; when it cannot be run, the server is "not installed"
    built: str = ""         # must exist, or the server is "not built"
    path: str = ""          # of the Unix socket that it listens at, if it is not a TCP port
    cpus: int = 1           # that it may have


@dataclass(frozen=True)
class AtMost:
    """A target: the figure itself, or its ratio to that of another server in the same round."""
    most: float
    of: str = ""            # the other server's id


@dataclass(frozen=True)
class Work:
    id: str
    title: str
    measure: str            # of MEASURES in measure.py. cpu, busiest, fanout: microseconds a message; memory: bytes
                            # a connection; start: milliseconds; codec: megabytes a second
    load: tuple
    servers: tuple
    warm_up: tuple = ()     # run once after the server listens, not measured
    targets: dict = field(default_factory=dict)     # server id: AtMost, or a tuple of them
    rounds: int = 0         # 0: as the command line says
    count: int = 0          # memory: connections to hold
    yardstick: str = ""     # the id of the bare C server that does the same
    loads: dict = field(default_factory=dict)       # server id: the load of a server that speaks another protocol


def perigee(id, name, script, *settings, flags=(), **rest):
    """One of our own services in spec/bench/perigee/, or a path; `settings` are its options, "listen=ADDRESS" first."""
    path = script if "/" in script else "{bench}/perigee/" + script + ".lua"
    service = path.rpartition("/")[2].removesuffix(".lua")
    command = ["{build}/perigee", "run", *flags, path]
    for setting in settings:
        command += ["--set", f"{service}.{setting}"]
    return Server(id, name, tuple(command), built="{build}/perigee", **rest)


NODE_VERSION = ("node", "--version")
GO_VERSION = ("go", "version")
