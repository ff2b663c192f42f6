"""HTTP/1.1, WebSocket and server-sent events: the same routes on every server."""
from plan import GO_VERSION, NODE_VERSION, AtMost, Server, Work, perigee

BARE = "{build}/bench/yardstick_http"
GO = "{build}/bench/http_go"
WS = "{build}/npm/node_modules"
FILES = "{build}/bench/files"
FILE = "/files/1m.bin"      # made by the Makefile
FILE_SIZE = "1048576"
NGINX = ("{bench}/peers/http_nginx", "{build}/bench/nginx", FILES, "{port}")
NGINX_VERSION = ("sh", "-c", "nginx -v 2>&1")
NODE = ("env", "NODE_PATH=" + WS, "node", "{bench}/peers/http.js", FILES, "{port}")

SERVERS = (
    Server("bare-http", "bare C epoll", (BARE, "{port}", "{build}/bench" + FILE), built=BARE),
    perigee("perigee-http", "Perigee", "http", "listen=http://127.0.0.1:{port}", "files=" + FILES),
    Server("nginx", "nginx + Lua", NGINX, NGINX_VERSION),
    Server("go-http", "Go, net/http", (GO, FILES, "{port}"), GO_VERSION, GO),
    Server("node-http", "Node.js, http", NODE, NODE_VERSION, WS + "/ws/package.json"),
    Server("node-ws", "Node.js, ws", NODE, NODE_VERSION, WS + "/ws/package.json"),
)

HTTP_SERVERS = ("bare-http", "perigee-http", "nginx", "go-http", "node-http")
WEBSOCKET_SERVERS = ("perigee-http", "node-ws")
EVENTS_SERVERS = ("perigee-http", "go-http", "node-http")
ROUTE_TARGETS = (AtMost(1.15, "bare-http"), AtMost(1.0, "nginx"))
MEMBERS = 1000
HELD = 19000        # as many as a process with 20,000 open files can


def requests(id, title, path, targets, connections=64, options=()):
    """GET requests for one path, so many connections, one request in flight on each unless an option says so."""
    load = ("{build}/bench/load_http", "-c", str(connections), *options, "-t", "{milliseconds}", path, "{port}")
    return Work(id, title, "cpu", load, HTTP_SERVERS, load, {"perigee-http": targets}, yardstick="bare-http")


def idle(id, title, option, path, servers, most, warm_up):
    """Connections that were served once: an answered request, or an echoed text."""
    return Work(id, title, "memory", ("{build}/bench/hold_idle", option, path, "{port}", "{count}"), servers,
                warm_up=("{build}/bench/" + warm_up, "-c", "1", "-n", "10", path, "{port}"),
                targets={"perigee-http": AtMost(most)}, rounds=1, count=HELD)


def fanout(id, title, kind, path, window, servers):
    """Texts of 64 bytes to MEMBERS clients; the figure is for one delivery to one of them."""
    load = ("{build}/bench/load_fanout", "-c", str(MEMBERS), "-d", str(window), "-t", "{milliseconds}", kind, path,
            "{port}")
    return Work(id, title, "fanout", load, servers, load)


def websocket(id, title, depth, targets):
    """Echo of texts of 64 bytes on 64 connections, so many in flight on each."""
    load = ("{build}/bench/load_websocket", "-c", "64", "-d", str(depth), "-t", "{milliseconds}", "/echo", "{port}")
    return Work(id, title, "cpu", load, WEBSOCKET_SERVERS, load, targets)


WORKS = (
    requests("hello", "HTTP hello x 64", "/hello", ROUTE_TARGETS),
    requests("hello-pipelined", "HTTP hello x 64, pipelined by 16", "/hello", AtMost(0.25, "nginx"),
             options=("-d", "16")),
    requests("json", "HTTP JSON of 5 fields x 64", "/json", ROUTE_TARGETS),
    requests("parameter", "HTTP /hello/{name} x 64", "/hello/ann", ROUTE_TARGETS),
    requests("file", "HTTP file of 1 MiB x 16", FILE, AtMost(1.1, "nginx"), connections=16,
             options=("-s", FILE_SIZE)),
    idle("idle-http", "memory of an idle HTTP connection", "-r", "/hello", HTTP_SERVERS, 1024, "load_http"),
    websocket("websocket", "WebSocket echo 64 B x 64", 1, {"perigee-http": AtMost(1 / 3, "node-ws")}),
    websocket("websocket-pipelined", "WebSocket echo 64 B x 64, 16 in flight", 16, {}),
    idle("idle-websocket", "memory of an idle WebSocket", "-w", "/echo", WEBSOCKET_SERVERS, 1536, "load_websocket"),
    fanout("room", f"WebSocket fan-out to {MEMBERS:,}", "websocket", "/room", 1, WEBSOCKET_SERVERS),
    fanout("room-pipelined", f"WebSocket fan-out to {MEMBERS:,}, 16 under way", "websocket", "/room", 16,
           WEBSOCKET_SERVERS),
    fanout("events", f"events fan-out to {MEMBERS:,}", "events", "/events", 1, EVENTS_SERVERS),
    fanout("events-pipelined", f"events fan-out to {MEMBERS:,}, 16 under way", "events", "/events", 16,
           EVENTS_SERVERS),
)
