--- Asking a running process at its control socket.

local json <const> = require "perigee.codec.json"
local paths <const> = require "perigee.supervisor.paths"

local ANSWER_SECONDS <const> = 90   -- an upgrade may take a minute
local ANSWER_BYTES <const> = 1 << 24
local PATIENCE <const> = 8          -- seconds, after which the user is told that it takes its time
local SLOW <const> = "perigee: no answer yet: an upgrade or a load takes its time, or the process is busy\n"

local M <const> = {}

--- The processes of this user that answer.
local function find_running()
  local found <const> = {}
  for _, path in ipairs(paths.list()) do
    local conn <const> = paths.connect(path)
    if conn then
      conn:close()
      found[#found + 1] = path
    end
  end
  return found
end

--- The control socket of the only process that this user runs.
---@return string? path
---@return string? message
---@return string? code "unreachable": there is none; "exists": there are several
function M.find()
  local found <const> = find_running()
  if #found == 1 then return found[1] end
  if #found == 0 then
    return nil, ("nothing runs: no control socket is in %s; --control PATH names one"):format(paths.directory()),
      "unreachable"
  end
  return nil, "several run, so say which one: --control " .. table.concat(found, ", or --control "), "exists"
end

local function exchange(conn, request)
  conn.timeout = PATIENCE
  local sent <const>, why <const>, word <const> = conn:write(json.encode(request), "\n")
  if not sent then return nil, why, word end
  local line, message, code = conn:read_line(ANSWER_BYTES)
  if code == "timeout" then
    io.stderr:write(SLOW)
    conn.timeout = ANSWER_SECONDS
    line, message, code = conn:read_line(ANSWER_BYTES)
  end
  if not line then return nil, message, code end
  return json.decode(line)
end

--- Asks for something.
---@param path string? of the control socket; default: that of the only process that runs
---@param request table { command = "status" }
---@return table? answer
---@return string|perigee.Connection message or, with an answer, the connection: its end is the process's
---@return string? code
---@return table? refusal the answer that says no
function M.ask(path, request)
  local own, why, word = path
  if not own then own, why, word = M.find() end
  if not own then return nil, why, word end
  local conn <const>, message <const>, code <const> = paths.connect(own)
  if not conn then return nil, message, code end
  local answer <const>, problem <const>, short <const> = exchange(conn, request)
  if answer and answer.ok then return answer, conn end
  conn:close()
  if not answer then return nil, problem, short end
  return nil, answer.message, answer.code, answer
end

--- Asks for something else by a connection that ask has returned.
---@param conn perigee.Connection
---@param request table
---@return table? answer
---@return string? message
---@return string? code
function M.ask_again(conn, request)
  local answer <const>, message <const>, code <const> = exchange(conn, request)
  if not answer then return nil, message, code end
  if answer.ok then return answer end
  return nil, answer.message, answer.code
end

return M
