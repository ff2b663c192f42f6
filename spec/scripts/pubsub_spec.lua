local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local pubsub <const> = require "spec.fixtures.pubsub"
local screen <const> = require "spec.fixtures.screen"
local websocket <const> = require "perigee.websocket"

-- The programs of document 004 are in spec/fixtures/documents as they are printed there, but for two slips of the pen
-- with which they do not run: `(cat hat)` lacks its comma, and `topic` is called `topics` above. spec/fixtures/ports.py
-- runs them with another port.

local function document(name, port)
  local program <const> = ("spec/fixtures/documents/004_redis_%s.py"):format(name)
  return ("/usr/bin/python3 -u spec/fixtures/ports.py %s 6379=%d"):format(program, port)
end

local function cli(server, words)
  return (helper.run(("redis-cli -p %d %s"):format(server.port, words)))
end

--- Events of a topic: a process of curl.
local function events(server, topic)
  local process <const> = helper.start(("curl -sN %s/topics/%s"):format(server.page, topic))
  helper.eventually(function() return cli(server, "pubsub numsub " .. topic):find "1\n$" end)
  return process
end

describe("the pubsub script", function()
  helper.leaves_nothing(before_each, after_each)

  it("serves redis-cli", function()
    local server <close> = pubsub.start()
    assert.equal("OK\n", cli(server, "set greeting hello ex 100"))
    assert.equal("hello\n", cli(server, "get greeting"))
    assert.equal("2\n", cli(server, "rpush jobs one two"))
    assert.equal("one\ntwo\n", cli(server, "lrange jobs 0 -1"))
    assert.equal("jobs\none\n", cli(server, "blpop jobs 0"))
    assert.equal("1) \"jobs\"\n2) \"two\"\n", cli(server, "--no-raw -3 brpop jobs 0"))
    assert.matches("redis_version:7%.", cli(server, "info"))
    assert.matches("ERR unknown command 'nonsense'", cli(server, "nonsense"))
    assert.equal("summary\nThe string of a key.\n", cli(server, "command docs get | grep -A1 summary"))
  end)

  it("serves redis-cli as a subscriber, by both versions of RESP", function()
    local server <close> = pubsub.start()
    for version, glob in pairs { ["-2"] = "n*", ["-3"] = "ne[v-x]s" } do
      local listener <close> = helper.start(("redis-cli -p %d %s psubscribe '%s'"):format(server.port, version, glob))
      listener:wait_for "psubscribe"
      assert.equal("1\n", cli(server, "publish news hello"))
      listener:wait_for "pmessage.-news.-hello"
    end
  end)

  it("serves redis-cli that is typed to", function()
    local server <close> = pubsub.start()
    local terminal <close> = screen.start(("redis-cli -p %d"):format(server.port))
    terminal:expect "127.0.0.1:%d+>"
    terminal:say "set a 1"
    terminal:expect "OK"
    terminal:say "get a"
    terminal:expect '"1"'
    terminal:say "help get"
    terminal:expect "summary: The string of a key%."
    terminal:say "subscribe news"
    terminal:expect "Reading messages"
    assert.equal("1\n", cli(server, "publish news hello"))
    terminal:expect '1%) "message"%s+2%) "news"%s+3%) "hello"'
  end)

  it("serves redis-benchmark", function()
    local server <close> = pubsub.start()
    local tests <const> = "ping,set,get,lpush,rpush,lpop,rpop,lrange_100"
    for _, more in ipairs { "", "-P 16", "-3 -P 16" } do
      local output <const>, status <const> =
        helper.run(("redis-benchmark -p %d -n 1000 -q -t %s %s"):format(server.port, tests, more))
      assert.equal(0, status)
      assert.is_nil(output:find "[Ee]rror")
      for name in ("PING_INLINE PING_MBULK SET GET LPUSH RPUSH LPOP RPOP LRANGE_100"):gmatch "%S+" do
        -- A test that took less than its clock's millisecond has "inf" requests per second.
        assert.matches(name .. "[^:]*: %S+ requests per second", output)
      end
    end
  end)

  it("serves python3-redis", function()
    local server <close> = pubsub.start()
    local output <const> = helper.python([[
import redis, sys
r = redis.Redis(port=int(sys.argv[1]), decode_responses=True, client_name='joe', db=3)
print(r.ping(), r.set('k', 'v', ex=10, nx=True), r.set('k', 'w', nx=True), r.get('k'), r.ttl('k'), r.exists('k'))
print(r.rpush('l', 'a', 'b', 'c'), r.lrange('l', 0, -1), r.llen('l'), r.blpop(['none', 'l']), r.brpop('l', 1))
print(r.lpop('l'))
print(r.blpop('l', 0.01), r.delete('k', 'l'), r.client_getname(), r.client_info()['name'])
p = r.pubsub()
p.subscribe('a')
p.psubscribe(**{'x*': lambda message: print('called with', message['data'])})
while p.subscribed and len(r.pubsub_channels()) + r.pubsub_numpat() < 2: p.get_message()
print(r.publish('a', '1'), r.publish('xy', '2'), r.pubsub_numsub('a', 'b'))
for message in p.listen():
    if message['type'] == 'message': print(message['channel'], message['data']); break
while p.get_message(timeout=5) is not None: pass
pipe = r.pipeline(transaction=False)
for i in range(1000): pipe.rpush('many', i)
print(pipe.execute() == list(range(1, 1001)))
try: r.get('many')
except redis.ResponseError as error: print(error)
]], server.port)
    assert.equal([[
True True None v 10 1
3 ['a', 'b', 'c'] 3 ('l', 'a') ('l', 'c')
b
None 1 joe joe
1 1 [('a', 1), ('b', 0)]
a 1
called with 2
True
WRONGTYPE Operation against a key holding the wrong kind of value
]], output)
  end)

  it("serves python3-redis that has transactions, counts and goes through the keys", function()
    local server <close> = pubsub.start()
    local output <const> = helper.python([[
import redis, sys
r = redis.Redis(port=int(sys.argv[1]), decode_responses=True)
pipe = r.pipeline()
for i in range(3): pipe.set('key%d' % i, i).incr('count', 5)
print(pipe.execute())
pipe.incr('count').lpop('count').get('count')
print(pipe.execute(raise_on_error=False))
def double(pipe):
    count = int(pipe.get('count'))
    if count < 30: r.incr('count', 100)
    pipe.multi()
    pipe.set('count', count * 2)
print(r.transaction(double, 'count'), r.get('count'))
try:
    pipe = r.pipeline()
    pipe.execute_command('NONSENSE').execute()
except redis.ResponseError as error: print(error)
print(r.mset({'a': 1, 'b': 2}), r.mget('a', 'none', 'b'), r.setex('c', 10, 'x'), r.setnx('c', 'y'), r.getdel('c'))
print(r.decr('a'), r.decrby('a', 4), r.type('a'), r.dbsize(), sorted(r.keys('key*')))
for i in range(500): r.set('many:%d' % i, i)
print(len(set(r.scan_iter('many:*', count=50))), len(set(r.scan_iter())), r.flushdb(), r.keys())
]], server.port)
    assert.equal([[
[True, 5, True, 10, True, 15]
[16, ResponseError('WRONGTYPE Operation against a key holding the wrong kind of value'), '16']
[True] 232
Command # 1 (NONSENSE) of pipeline caused error: unknown command 'NONSENSE', with args beginning with: ]] .. [[

True ['1', None, '2'] True False x
0 -4 string 6 ['key0', 'key1', 'key2']
500 506 True []
]], output)
  end)

  it("serves the washer and the dryer of document 004", function()
    local server <close> = pubsub.start()
    local dryer <close> = helper.start(document("dryer", server.port))
    dryer:wait_for "Dryer is starting"
    assert.equal("Washer is startign\nWashed salad\nWashed bread\nWashed entree\nWashed dessert\nWasher is done\n",
      (helper.run(document("washer", server.port))))
    assert.equal(0, dryer:wait())
    assert.equal("Dryer is starting\nDried salad\nDried bread\nDried entree\nDried dessert\nDishes are dried\n",
      dryer:output())
  end)

  it("serves the publisher and the subscriber of document 004", function()
    local server <close> = pubsub.start()
    local subscriber <close> = helper.start(document("subscriber", server.port))
    helper.eventually(function() return cli(server, "pubsub numsub persian"):find "1\n$" end)
    local published <const> = helper.run(document("publisher", server.port))
    cli(server, "publish persian end")
    subscriber:wait_for "b'persian' wears a b'end'"
    local expected <const> = {}
    for cat, hat in published:gmatch "Publish: (%C-) wears a (%C+)" do
      if cat == "maine coon" or cat == "persian" then
        expected[#expected + 1] = ("Subscribe: b'%s' wears a b'%s'\n"):format(cat, hat)
      end
    end
    assert.equal(10, select(2, published:gsub("\n", "")))
    assert.equal(table.concat(expected) .. "Subscribe: b'persian' wears a b'end'\n", subscriber:output())
  end)

  it("has the same topics over HTTP: events, WebSockets and POST", function()
    local server <close> = pubsub.start()
    local by_events <close> = events(server, "news/today")
    local socket <close> = assert(websocket.connect(server.page:gsub("^http", "ws") .. "/topics/news/today"))
    local listener <close> = pubsub.client(server)
    assert.same({ "subscribe", "news/today", 1 }, listener:call("SUBSCRIBE", "news/today"))
    local function heard(text)
      assert.equal(text, (socket:receive()))
      assert.same({ "message", "news/today", text }, listener:next())
      by_events:wait_for("data: " .. text .. "\n\n")
    end
    assert.equal("3\n", cli(server, "publish news/today one"))
    heard "one"
    local url <const> = server.page .. "/topics/news/today"
    local answer <const> = assert(http.request { url = url, method = "POST", body = "two" })
    assert.same({ 200, '{"receivers":3}' }, { answer.status, answer.body })
    heard "two"
    socket:send "three"
    heard "three"
  end)

  it("sends what is no UTF-8 as it is where that can be", function()
    local server <close> = pubsub.start()
    local by_events <close> = events(server, "news")
    local socket <close> = assert(websocket.connect(server.page:gsub("^http", "ws") .. "/topics/news"))
    local publisher <close> = pubsub.client(server)
    assert.equal(2, publisher:call("PUBLISH", "news", "a\xFF\xFEb"))
    assert.same({ "a\xFF\xFEb", true }, { socket:receive() })
    by_events:wait_for "data: a\u{FFFD}\u{FFFD}b\n\n"
  end)

  it("lets only pages of its own host publish", function()
    local server <close> = pubsub.start()
    local answer <const> = assert(http.request { url = server.page .. "/topics/news", method = "POST", body = "spam",
      headers = { Origin = "http://evil.example" } })
    assert.equal(403, answer.status)
  end)
end)
