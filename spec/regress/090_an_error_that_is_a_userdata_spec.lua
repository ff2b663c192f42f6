--- Was taken for an interruption of the task, by what serves requests of ZeroMQ, loads scripts and answers commands: it
--- was not in the log, and ended what had only called a function that raised it.

local commands <const> = require "perigee.service.commands"
local core <const> = require "core.task"
local helper <const> = require "spec.helper"
local log <const> = require "perigee.log"
local rpc <const> = require "perigee.rpc"
local task <const> = require "perigee.task"
local traceback <const> = require "perigee.service.traceback"
local zeromq <const> = require "perigee.zeromq"

local function raise() error(io.stdout) end

describe("an error that is a userdata", function()
  local logged

  before_each(function()
    logged = {}
    log.configure { write = function(line) logged[#logged + 1] = line end }
  end)
  after_each(function()
    log.configure { write = function(line) io.stderr:write(line) end }
  end)
  helper.leaves_nothing(before_each, after_each)

  it("is no interruption", function()
    local interruption
    local waiting <const> = task.spawn(function() interruption = select(2, pcall(task.sleep, 100)) end)
    task.sleep(0)
    waiting:cancel()
    waiting:join()
    assert.is_true(core.is_interruption(interruption))
    for _, value in ipairs { io.stdout, {}, "cancelled", 5, false } do assert.is_false(core.is_interruption(value)) end
    assert.is_false(core.is_interruption(nil))
    assert.equal(interruption, traceback.handler(interruption))
    assert.matches("file %(", traceback.handler(io.stdout).message)
  end)

  it("is an answer to a command", function()
    local answer <const> = commands.protect("status", raise)
    assert.is_false(answer.ok)
    assert.matches("^status: .*file %(", answer.message)
  end)

  it("is in the log of what answers requests of ZeroMQ", function()
    local rep <const>, req <close> = zeromq.rep(raise), zeromq.req()
    rep:connect(tostring(assert(req:bind "tcp://127.0.0.1:0").address))
    local asking <const> = task.spawn(req.request, req, "?")
    helper.eventually(function() return #logged > 0 end)
    rep:close()
    asking:cancel()
    assert.matches('a request could not be answered reason="file %(', logged[1])
  end)

  it("is in the log of a service, too", function()
    local ok <const>, failure <const> = rpc.service { raise = raise }:invoke "raise"
    assert.same({ false, "internal error" }, { ok, failure.message })
    assert.matches('a method has failed method=raise reason="file %(', logged[1])
  end)
end)
