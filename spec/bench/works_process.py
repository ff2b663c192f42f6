"""Memory, descriptors and processes: a large array, descriptors over Unix sockets, workers."""
from plan import AtMost, Server, Work, perigee

BARE_ARRAY = "{build}/bench/yardstick_array"
BARE_DESCRIPTORS = "{build}/bench/yardstick_descriptors"
ARRAYS = "{bench}/../../scripts/arrays.lua"
COUNT = "50000000"      # 400 MB
SOCKET = "{build}/bench/{port}.sock"
HTTP = "listen=http://127.0.0.1:{port}"


def bare_descriptors(what):
    return Server(f"bare-{what}", "bare C", (BARE_DESCRIPTORS, what, SOCKET), built=BARE_DESCRIPTORS, path=SOCKET)


SERVERS = (
    Server("bare-array", "bare C epoll", (BARE_ARRAY, COUNT, "{port}"), built=BARE_ARRAY),
    perigee("perigee-array", "Perigee", ARRAYS, "listen=tcp://127.0.0.1:{port}", "count=" + COUNT),
    bare_descriptors("send"),
    bare_descriptors("receive"),
    perigee("perigee-send", "Perigee", "descriptors", "send=unix:" + SOCKET, path=SOCKET),
    perigee("perigee-receive", "Perigee", "descriptors", "receive=unix:" + SOCKET, path=SOCKET),
    perigee("no-workers", "Perigee, no workers", "workers", HTTP),
    perigee("one-worker", "Perigee, 1 worker", "workers", HTTP, flags=("--workers", "1"), cpus=2),
    perigee("two-workers", "Perigee, 2 workers", "workers", HTTP, flags=("--workers", "2"), cpus=2),
)


def array(id, title, most):
    """From one buffer to one client after the other; the figure is for a whole array."""
    load = ("{build}/bench/load_array", "-t", "{milliseconds}", COUNT, "{port}")
    return Work(id, title, "cpu", load, ("bare-array", "perigee-array"), load,
                {"perigee-array": AtMost(most, "bare-array")}, yardstick="bare-array")


def descriptors(id, title, what, load_what):
    load = ("{build}/bench/load_descriptors", load_what, "-t", "{milliseconds}", SOCKET)
    return Work(id, title, "cpu", load, (f"bare-{what}", f"perigee-{what}"), load, yardstick=f"bare-{what}")


def workers(id, title, measure, path, servers, targets):
    load = ("{build}/bench/load_http", "-c", "64", "-t", "{milliseconds}", path, "{port}")
    return Work(id, title, measure, load, servers, load, targets)


WORKS = (
    array("array", "array of 400 MB", 1.05),
    descriptors("send-descriptor", "passing a descriptor on", "send", "take"),
    descriptors("receive-descriptor", "receiving a descriptor", "receive", "give"),
    workers("workers", "HTTP x 64, 200 us of Lua each: the busiest process", "busiest", "/busy",
            ("one-worker", "two-workers"), {"two-workers": AtMost(1 / 1.8, "one-worker")}),
    workers("worker-hello", "HTTP hello x 64 by a worker", "cpu", "/hello", ("no-workers", "one-worker"), {}),
)
