"""MessagePack-RPC with asyncio on uvloop and Debian's msgpack, in C: rpc_msgpack.py PORT"""
import asyncio
import sys

import msgpack
import uvloop

METHODS = {"add": lambda x, y: x + y}


class Session(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.unpacker, self.packer = transport, msgpack.Unpacker(), msgpack.Packer()

    def data_received(self, data):
        self.unpacker.feed(data)
        answers = [self.answer(*message) for message in self.unpacker]
        self.transport.write(b"".join(answers))

    def answer(self, kind, number, method, arguments):
        return self.packer.pack((1, number, None, METHODS[method](*arguments)))


async def main(port):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Session, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


uvloop.install()
asyncio.run(main(int(sys.argv[1])))
