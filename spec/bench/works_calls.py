"""Remote procedure calls: MessagePack-RPC, beside Python's and Redis's ECHO; XML-RPC and JSON-RPC, beside Python and
Node.js.
"""
from plan import NODE_VERSION, AtMost, Server, Work, perigee

PYTHON = "/usr/bin/python3"
MSGPACK_VERSION = (PYTHON, "-c",
                   "import platform as p, msgpack, uvloop; print(p.python_version(), '.'.join(map(str, msgpack.version)))")
REDIS_VERSION = ("redis-server", "--version")
ADD = (r"\x94\x00\x07\xa3add\x92\x02\x03", r"\x94\x01\x07\xc0\x05")
ECHO = (r"*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\n", r"$5\r\nhello\r\n")

# What Python's xmlrpc.client sends, and what JavaScript does.
ADD_XML = """<?xml version='1.0'?>
<methodCall>
<methodName>add</methodName>
<params>
<param>
<value><int>2</int></value>
</param>
<param>
<value><int>3</int></value>
</param>
</params>
</methodCall>
"""
ADD_JSON = '{"jsonrpc":"2.0","method":"add","params":[2,3],"id":7}'
SUM_JSON = len('{"jsonrpc":"2.0","result":5,"id":7}')
SUM_XML = {"perigee-rpc": 114, "python-xmlrpc": 121}    # bytes of an answer

SERVERS = (
    perigee("perigee-msgpack", "Perigee", "calls", "msgpack=tcp://127.0.0.1:{port}"),
    Server("python-msgpack", "Python, asyncio", (PYTHON, "{bench}/peers/rpc_msgpack_asyncio.py", "{port}"), MSGPACK_VERSION),
    # No method of it can wait: it makes all calls of a read at once, and answers them with one write.
    Server("python-uvloop", "Python, uvloop, in batches", (PYTHON, "{bench}/peers/rpc_msgpack.py", "{port}"), MSGPACK_VERSION),
    Server("redis", "Redis, ECHO", ("redis-server", "--port", "{port}", "--save", "", "--appendonly", "no"), REDIS_VERSION),
    perigee("perigee-rpc", "Perigee", "calls", "http=http://127.0.0.1:{port}"),
    Server("python-xmlrpc", "Python, xmlrpc.server", (PYTHON, "{bench}/peers/rpc_xmlrpc.py", "{port}"),
           (PYTHON, "-c", "import platform as p; print(p.python_version())")),
    Server("node-json", "Node.js, http", ("node", "{bench}/peers/rpc_json.js", "{port}"), NODE_VERSION),
)
MSGPACK_SERVERS = ("perigee-msgpack", "python-msgpack", "python-uvloop", "redis")


def exchange(depth, texts):
    return ("{build}/bench/load_exchange", "-d", str(depth), "-q", texts[0], "-a", texts[1], "-t", "{milliseconds}",
            "{port}")


def calls(id, title, depth, targets):
    loads = {"redis": exchange(depth, ECHO)}
    load = exchange(depth, ADD)
    return Work(id, title, "cpu", load, MSGPACK_SERVERS, load, targets, loads=loads)


def post(size, text):
    """POSTs on 64 connections, each answered with so many bytes."""
    literal = text.replace("{", "{{").replace("}", "}}")
    return ("{build}/bench/load_http", "-s", str(size), "-p", literal, "-t", "{milliseconds}", "/", "{port}")


def http_calls(id, title, text, sizes, targets):
    loads = {name: post(size, text) for name, size in sizes.items()}
    load = loads["perigee-rpc"]
    return Work(id, title, "cpu", load, tuple(sizes), load, targets, loads=loads)


WORKS = (
    calls("rpc-msgpack", "MessagePack-RPC x 64", 1, {}),
    calls("rpc-msgpack-16", "MessagePack-RPC x 64, pipelined by 16", 16,
          {"perigee-msgpack": (AtMost(0.2, "python-msgpack"), AtMost(2.0, "redis"))}),
    http_calls("rpc-xml", "XML-RPC x 64", ADD_XML, SUM_XML, {"perigee-rpc": AtMost(0.4, "python-xmlrpc")}),
    http_calls("rpc-json", "JSON-RPC x 64", ADD_JSON, {"perigee-rpc": SUM_JSON, "node-json": SUM_JSON},
               {"perigee-rpc": AtMost(0.7, "node-json")}),
)
