"""MessagePack-RPC as one writes it with the standard library's asyncio and Debian's msgpack, in C: a task for each call, so
that a method may wait, as ours may.   rpc_msgpack_asyncio.py PORT"""
import asyncio
import sys

import msgpack


async def add(x, y):
    return x + y

METHODS = {"add": add}


async def answer(writer, kind, number, method, arguments):
    result = await METHODS[method](*arguments)
    writer.write(msgpack.packb((1, number, None, result)))


async def serve(reader, writer):
    unpacker = msgpack.Unpacker()
    while data := await reader.read(65536):
        unpacker.feed(data)
        for message in unpacker:
            asyncio.create_task(answer(writer, *message))
        await writer.drain()
    writer.close()


async def main(port):
    server = await asyncio.start_server(serve, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


asyncio.run(main(int(sys.argv[1])))
