--- Publish and subscribe, lists and keys, for clients of Redis; COMMAND lists what it knows:
---   redis-cli -p 6380 subscribe news            redis-cli -p 6380 publish news hello
---   redis-cli -p 6380 blpop jobs 0              redis-cli -p 6380 rpush jobs one two
---   redis-cli -p 6380 incr visits               redis-cli -p 6380 --scan --pattern 'user:*'
--- The same topics by HTTP: events, a WebSocket whose messages are published, and POST:
---   curl -N http://127.0.0.1:6381/topics/news   curl -d hello http://127.0.0.1:6381/topics/news
---   new WebSocket("ws://127.0.0.1:6381/topics/news")
--- All is in memory, and survives a reload. With a password RESP wants AUTH, and HTTP the user "default". A
--- subscriber for whom `backlog` bytes wait is closed, and the log says so. With workers the first one serves it
--- alone, so that all clients have the same topics and keys.

local http <const> = require "perigee.http"
local resp <const> = require "perigee.resp"
local service <const> = require "perigee.service"
local task <const> = require "perigee.task"
local topic_routes <const> = require "perigee.topics.http"
local topics_of <const> = require "perigee.topics"

local options <const> = service.options {
  listen = "tcp://127.0.0.1:6380", page = "http://127.0.0.1:6381", password = "",
  backlog = 8 << 20,              -- bytes that may wait for a subscriber
  message_limit = 1 << 20,        -- bytes of a command or message
  memory = 256 << 20,             -- bytes of keys and values
  topics_limit = 100000, subscriptions_limit = 10000, clients_limit = 10000,
}
local password <const> = options.password ~= "" and options.password or nil

service.in_one_worker()

local topics <const> = service.state("topics", topics_of.new)
topics.limit, topics.names_limit = options.backlog, options.topics_limit

local keys <const> = service.state("keys", resp.keyspace)
keys.memory = options.memory
task.spawn(keys.sweep, keys)

local connection <const> = resp.connection {
  password = password,
  settings = { maxmemory = options.memory, maxclients = options.clients_limit },
  sections = { { title = "Keyspace", fields = function() return keys:info() end } },
}
local answer <const> = service.live("answer", resp.answers(connection, resp.strings(keys), resp.lists(keys),
  resp.pubsub(topics, { limit = options.subscriptions_limit })))

resp.serve(options.listen, answer, {
  locked = password ~= nil, limit = options.message_limit, max_connections = options.clients_limit,
})

local app <const> = http.app()
if password then
  app:use(http.basic_auth(function(name, given) return name == "default" and http.equal(given, password) and name end))
end
topic_routes.add(app, "/topics/{topic...}", topics, { limit = options.message_limit })

http.serve(options.page, app, { max_connections = options.clients_limit })
