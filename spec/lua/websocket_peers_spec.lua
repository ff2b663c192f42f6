--- WebSockets with those whom others wrote: npm's ws (build/npm, see the Makefile) and Python's websockets, each as a
--- client of our server, and as a server for our client.

local helper <const> = require "spec.helper"
local raw <const> = require "spec.fixtures.websocket"
local websocket <const> = require "perigee.websocket"

local LARGE <const> = helper.is_tiny and 100000 or 2000000
local SIZES <const> = "[0, 1, 125, 126, 1000, 1023, 1024, 4095, 4096, 65535, 65536, " .. LARGE .. "]"

--- What the clients below ask of our server: texts come back as texts, bytes as bytes; "close CODE REASON" closes.
local function serve()
  local ended <const> = {}
  return raw.serve(function(socket)
    for message, is_binary in socket:messages() do
      local code <const>, reason <const> = message:match "^close (%d+) (.*)$"
      if code then socket:close(math.tointeger(tonumber(code)), reason)
      elseif is_binary then socket:send_binary(message)
      else socket:send(message) end
    end
    ended[#ended + 1] = socket.close_code
  end, { limit = LARGE, protocols = { "v2.echo", "v1.echo" } }), ended
end

local interpreters <const> = { node = "env NODE_PATH=build/npm/node_modules node", python = "/usr/bin/python3" }

--- The file of a program, and the command that runs it, in a shell where its modules are found.
local function command_of(program, kind, arguments)
  local path <const> = os.tmpname()
  local file <const> = assert(io.open(path, "w"))
  file:write(program)
  file:close()
  return ("%s %s %s"):format(interpreters[kind], path, arguments), path
end

--- Runs a program to its end; fails with its output.
local function run(program, kind, arguments)
  local command <const>, path <const> = command_of(program, kind, arguments)
  local output <const>, status <const> = helper.run("timeout 60 " .. command)
  os.remove(path)
  assert.same({ "ok\n", 0 }, { output, status })
end

local NODE_CLIENT <const> = [=[
const WebSocket = require("ws"), assert = require("assert"), { randomBytes } = require("crypto");
const [url, deflate, fragments] = [process.argv[2], process.argv[3] == "deflate", process.argv[4] == "fragments"];
const offers = [false];
if (deflate) offers.splice(0, 1, true, { threshold: 0 },
  { threshold: 0, serverMaxWindowBits: 9, clientMaxWindowBits: 9 },
  { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true });
const open = (perMessageDeflate) => new Promise((resolve, reject) => {
  const socket = new WebSocket(url, ["other", "v1.echo"], { perMessageDeflate, maxPayload: 1 << 28 });
  socket.setMaxListeners(0).on("open", () => resolve(socket)).on("error", reject);
});
const next = (socket) => new Promise((resolve, reject) => {
  socket.once("message", (data, isBinary) => resolve([data, isBinary]));
  socket.once("close", (code) => reject(new Error("closed with " + code)));
});
const ended = (socket) => new Promise((resolve) =>
  socket.once("close", (code, reason) => resolve(`${code} ${reason}`)));
async function echo(socket, data, binary) {
  const got = next(socket);
  if (fragments) {
    const step = Math.max(1, Math.ceil(data.length / 7));
    for (let at = 0; at + step < data.length; at += step)
      socket.send(data.subarray(at, at + step), { binary, fin: false, compress: deflate });
    const rest = data.length ? Math.floor((data.length - 1) / step) * step : 0;
    socket.send(data.subarray(rest), { binary, fin: true, compress: deflate });
  } else socket.send(data, { binary, compress: deflate });
  const [bytes, isBinary] = await got;
  assert.strictEqual(isBinary, binary);
  assert.ok(bytes.equals(data), `${bytes.length} bytes instead of ${data.length}`);
}
async function main() {
  for (const offer of offers) {
    const socket = await open(offer);
    assert.strictEqual(socket.protocol, "v1.echo");
    assert.strictEqual(socket.extensions.includes("permessage-deflate"), deflate);
    for (const size of ]=] .. SIZES .. [=[) {
      await echo(socket, Buffer.from("many words, ".repeat(size / 12 + 1).slice(0, size)), false);
      await echo(socket, randomBytes(size), true);
    }
    await echo(socket, Buffer.from("\u20ac\u{1f600}".repeat(1000)), false);
    const pong = new Promise((resolve) => socket.once("pong", (data) => resolve(data.toString())));
    socket.ping("are you there?");
    assert.strictEqual(await pong, "are you there?");
    const closed = ended(socket);
    socket.close(3001, "gr\u00fc\u00dfe");
    assert.strictEqual(await closed, "3001 ");
  }
  for (const [code, reason] of [[1000, "done"], [1011, ""], [4999, "\u20ac"]]) {
    const socket = await open(false), closed = ended(socket);
    socket.send(`close ${code} ${reason}`);
    assert.strictEqual(await closed, `${code} ${reason}`);
  }
  const socket = await open(deflate), closed = ended(socket);
  socket.send(Buffer.alloc(]=] .. LARGE .. [=[ + 1), { compress: deflate });
  assert.strictEqual(await closed, "1009 a message over the limit");
}
main().then(() => console.log("ok"), (error) => { console.log(error); process.exit(1); });
]=]

local PYTHON_CLIENT <const> = [=[
import asyncio, os, sys, websockets
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory as Deflate
url, deflate, fragments = sys.argv[1], sys.argv[2] == "deflate", sys.argv[3] == "fragments"
offers = [None]
if deflate:
    offers = [Deflate(client_max_window_bits=True), Deflate(),
              Deflate(server_no_context_takeover=True, client_no_context_takeover=True),
              Deflate(server_max_window_bits=9, client_max_window_bits=9)]

def connect(offer):
    return websockets.connect(url, compression=None, extensions=offer and [offer], subprotocols=["other", "v1.echo"],
                              max_size=1 << 28)

async def echo(socket, message):
    step = max(1, len(message) // 7)
    pieces = [message[at:at + step] for at in range(0, len(message), step)] or [message]
    await socket.send(pieces if fragments else message)
    got = await socket.recv()
    assert type(got) is type(message) and got == message, (len(got), len(message))

async def main():
    for offer in offers:
        async with connect(offer) as socket:
            assert socket.subprotocol == "v1.echo" and len(socket.extensions) == (1 if deflate else 0)
            for size in ]=] .. SIZES .. [=[:
                await echo(socket, ("many words, " * (size // 12 + 1))[:size])
                await echo(socket, os.urandom(size))
            await echo(socket, "\u20ac\U0001f600" * 1000)
            await asyncio.wait_for(await socket.ping("are you there?"), 10)
            await socket.close(3001, "gr\u00fc\u00dfe")
            assert socket.close_code == 3001, socket.close_code
    for code, reason in (1000, "done"), (1011, ""), (4999, "\u20ac"):
        async with connect(None) as socket:
            await socket.send(f"close {code} {reason}")
            await socket.wait_closed()
            assert (socket.close_code, socket.close_reason) == (code, reason), (socket.close_code, socket.close_reason)
    async with connect(offers[0]) as socket:
        await socket.send(bytes(]=] .. LARGE .. [=[ + 1))
        await socket.wait_closed()
        assert socket.close_code == 1009, socket.close_code
    print("ok")

asyncio.run(main())
]=]

local NODE_SERVER <const> = [=[
const { WebSocketServer } = require("ws");
const deflate = process.argv[2] == "deflate" && { threshold: 0 };
const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: deflate, maxPayload: 1 << 28,
  handleProtocols: (offered) => [...offered].find((name) => name == "v1.echo") || false });
server.on("listening", () => console.log("port " + server.address().port));
server.on("connection", (socket) => {
  socket.on("message", (data, binary) => {
    if (data.toString() == "fragments") {
      for (let i = 1; i < 10; i++) socket.send("piece " + i, { fin: i == 9 });
    } else if (data.toString() == "close") socket.close(3002, "gr\u00fc\u00dfe");
    else socket.send(data, { binary });
  });
  socket.on("close", (code, reason) => console.log(`closed ${code} ${reason} `));
});
]=]

local PYTHON_SERVER <const> = [=[
import asyncio, sys, websockets
async def serve(socket):
    try:
        async for message in socket:
            if message == "fragments":
                await socket.send([f"piece {i}" for i in range(1, 10)])
            elif message == "close":
                await socket.close(3002, "gr\u00fc\u00dfe")
            else:
                await socket.send(message)
    except websockets.ConnectionClosed:
        pass
    print("closed", socket.close_code, socket.close_reason, "", flush=True)

async def main():
    async with websockets.serve(serve, "127.0.0.1", 0, compression="deflate" if sys.argv[1] == "deflate" else None,
                                subprotocols=["v1.echo"], max_size=1 << 28) as server:
        print("port", server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()

asyncio.run(main())
]=]

local function random_bytes(size)
  local file <close> = assert(io.open("/dev/urandom", "rb"))
  return size > 0 and file:read(size) or ""
end

local clients <const> = {
  ["npm's ws"] = { "node", NODE_CLIENT }, ["Python's websockets"] = { "python", PYTHON_CLIENT },
}
local servers <const> = {
  ["npm's ws"] = { "node", NODE_SERVER }, ["Python's websockets"] = { "python", PYTHON_SERVER },
}

for name, peer in pairs(clients) do
  describe(name .. " as a client of our server", function()
    helper.leaves_nothing(before_each, after_each)

    for _, compression in ipairs { "plain", "deflate" } do
      for _, form in ipairs { "whole", "fragments" } do
        it("sends and gets messages of every size, " .. compression .. " and " .. form, function()
          local server <close>, ended <const> = serve()
          run(peer[2], peer[1], ("%s %s %s"):format(raw.url_of(server), compression, form))
          helper.eventually(function() return ended[#ended] == 1009 end)
          assert.equal(3001, ended[1])
        end)
      end
    end
  end)
end

for name, peer in pairs(servers) do
  describe(name .. " as a server of our client", function()
    helper.leaves_nothing(before_each, after_each)

    local function start(compression)
      local command <const>, path <const> = command_of(peer[2], peer[1], compression)
      local process <const> = helper.start(command)
      local port <const> = process:wait_for "port (%d+)"
      os.remove(path)
      return process, "ws://127.0.0.1:" .. port .. "/"
    end

    for _, compression in ipairs { "plain", "deflate" } do
      it("sends and gets messages of every size, " .. compression, function()
        local process <close>, url <const> = start(compression)
        local socket <close>, protocol <const> =
          assert(websocket.connect(url, { limit = LARGE, protocols = { "v2.echo", "v1.echo" } }))
        assert.equal("v1.echo", protocol)
        for _, size in ipairs { 0, 1, 125, 126, 1000, 1023, 1024, 4095, 4096, 65535, 65536, LARGE } do
          local text <const>, bytes <const> = ("many words, "):rep(size // 12 + 1):sub(1, size), random_bytes(size)
          assert.is_true(socket:send(text))
          local got <const>, is_binary <const> = socket:receive()
          assert.same({ size, size, false }, { size, #got, is_binary })
          assert.is_true(got == text)
          assert.is_true(socket:send_binary(bytes))
          local got_bytes <const>, bytes_are_binary <const> = socket:receive()
          assert.is_true(got_bytes == bytes and bytes_are_binary)
        end
        socket:send "fragments"
        assert.equal("piece 1piece 2piece 3piece 4piece 5piece 6piece 7piece 8piece 9", (socket:receive()))
        socket:close(3001, "gr\u{fc}\u{df}e")
        assert.equal("3001 gr\u{fc}\u{df}e ", process:wait_for "closed (%d+ [^\n]+)\n")
      end)

      it("closes, " .. compression, function()
        local process <close>, url <const> = start(compression)
        local socket <close> = assert(websocket.connect(url))
        socket:send "close"
        local message <const>, _, code <const> = socket:receive()
        assert.same({ nil, "closed", 3002 }, { message, code, socket.close_code })
        process:wait_for "closed 3002"
      end)
    end
  end)
end
