--- ZeroMQ: a REP socket that answers, and a publisher.
---   tcp://127.0.0.1:6789    REQ: what is said comes back as "Stop saying ..."; to a request that fails the reply is ""
---   tcp://127.0.0.1:6790    SUB: hats for cats, one a second while somebody wants to know
--- With workers the first one serves both alone, so that all subscribers hear the same.

local log <const> = require "perigee.log"
local service <const> = require "perigee.service"
local task <const> = require "perigee.task"
local zeromq <const> = require "perigee.zeromq"

local options <const> = service.options {
  listen = "tcp://127.0.0.1:6789", publish = "tcp://127.0.0.1:6790", interval = 1.0,
}

service.in_one_worker()

local CATS <const> = { "siamese", "persian", "maine coon", "norwegian forest" }
local HATS <const> = { "stovepipe", "bowler", "tam-o-shanter", "fedora" }

zeromq.rep(function(text)
  log.debug("request", { text = text })
  return "Stop saying " .. text
end):bind(options.listen)

local news <const> = zeromq.xpub {
  on_subscribe = function(topic, is_on) log.debug(is_on and "wanted" or "not wanted any more", { topic = topic }) end,
}
news:bind(options.publish)

task.spawn(function()
  while true do
    task.sleep(options.interval)
    news:send(CATS[math.random(#CATS)], HATS[math.random(#HATS)])
  end
end)
