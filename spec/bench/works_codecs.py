"""Codecs: what one CPU decodes and encodes, with nothing else to do."""
from plan import NODE_VERSION, Server, Work

PYTHON = "/usr/bin/python3"

SERVERS = (
    Server("perigee-codec", "Perigee", ("{build}/perigee", "run", "{bench}/perigee/codec.lua", "--set",
                                        "codec.work={work}"), built="{build}/perigee"),
    Server("cjson", "lua-cjson", ("lua5.4", "{bench}/peers/codec.lua", "{work}"),
           ("lua5.4", "-e", "print(require('cjson')._VERSION)")),
    Server("node-codec", "Node.js, JSON", ("node", "{bench}/peers/codec.js", "{work}"), NODE_VERSION),
    Server("python-codec", "Python, msgpack", (PYTHON, "{bench}/peers/codec.py", "{work}"),
           (PYTHON, "-c", "import msgpack; print('msgpack', '.'.join(map(str, msgpack.version)))")),
)
PEERS = {"json": ("perigee-codec", "cjson", "node-codec"), "msgpack": ("perigee-codec", "python-codec")}
NAMES = {"json": "JSON", "msgpack": "MessagePack"}
DOCUMENTS = {"records": "500 records", "call": '[0, 12, "add", [2, 3]]'}


def codec(name, direction, document):
    load = (f"{name} {direction} {{build}}/bench/files/{document}.json {{milliseconds}}",)
    return Work(f"{name}-{direction}-{document}", f"{NAMES[name]}, {direction} {DOCUMENTS[document]}", "codec", load,
                PEERS[name])


WORKS = tuple(codec(name, direction, document) for document in DOCUMENTS for name in NAMES
              for direction in ("decode", "encode"))
