"""RESP, the protocol of Redis: fan-out and ECHO, beside redis-server."""
from plan import AtMost, Server, Work, perigee

MEMBERS = 1000
PUBSUB = "{bench}/../../scripts/pubsub.lua"
ECHO = (r"*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\n", r"$5\r\nhello\r\n")
REDIS_VERSION = ("redis-server", "--version")

SERVERS = (
    perigee("perigee-pubsub", "Perigee", PUBSUB, "listen=tcp://127.0.0.1:{port}", "page=http://127.0.0.1:0"),
    Server("redis-pubsub", "Redis", ("redis-server", "--port", "{port}", "--save", "", "--appendonly", "no"),
           REDIS_VERSION),
)
IDS = tuple(server.id for server in SERVERS)


def fanout(id, title, window, most):
    """Texts of 64 bytes to MEMBERS subscribers; the figure is for one delivery to one of them."""
    load = ("{build}/bench/load_fanout", "-c", str(MEMBERS), "-d", str(window), "-t", "{milliseconds}", "resp", "news",
            "{port}")
    return Work(id, title, "fanout", load, IDS, load, {"perigee-pubsub": AtMost(most, "redis-pubsub")})


def echo(id, title, depth):
    load = ("{build}/bench/load_exchange", "-d", str(depth), "-q", ECHO[0], "-a", ECHO[1], "-t", "{milliseconds}",
            "{port}")
    return Work(id, title, "cpu", load, IDS, load)


WORKS = (
    fanout("publish", f"RESP fan-out to {MEMBERS:,}", 1, 1.0),
    fanout("publish-pipelined", f"RESP fan-out to {MEMBERS:,}, 16 under way", 16, 0.8),
    echo("resp-echo", "RESP ECHO x 64", 1),
    echo("resp-echo-16", "RESP ECHO x 64, pipelined by 16", 16),
)
