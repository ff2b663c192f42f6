--- Remote procedure calls over Python's multiprocessing.connection, as document 000 has them in section 11.8: a request
--- is the name, the arguments and the keyword arguments, an answer what the function returned, or an exception. They
--- are pickled, or JSON, and that text is the message; a request shows by its first byte which of both.

local buffer <const> = require "core.buffer"
local calls <const> = require "perigee.rpc.json"
local checked <const> = require "perigee.options"
local connection <const> = require "perigee.connection"
local fault <const> = require "perigee.rpc.fault"
local json <const> = require "perigee.codec.json"
local log <const> = require "perigee.log"
local pickle <const> = require "perigee.codec.pickle"
local pipelined <const> = require "perigee.rpc.pipelined"
local returned <const> = require "perigee.misuse"
local sendable <const> = require "perigee.rpc.sendable"
local served <const> = require "perigee.rpc.served"
local writer <const> = require "perigee.rpc.writer"

local codes <const> = fault.codes

local M <const> = {}

--- A text is in this form:
---@class perigee.rpc.connection.Form
---@field decode fun(text: string): any, string?, string?
---@field answer fun(ok: boolean, result: any): string
---@field protocol integer? of pickles

-- The forms of requests and answers.

local exceptions <const> = {
  [codes.NOT_FOUND] = "KeyError", [codes.INVALID_PARAMETERS] = "TypeError", [codes.INVALID_REQUEST] = "TypeError",
  [codes.PARSE] = "ValueError",
}

--- By protocols of requests; the answer's can be read by the same peer.
local pickle_forms <const> = {}
for requested = 0, 5 do
  local protocol <const> = math.min(math.max(requested, 2), 4)
  local options <const> = { protocol = protocol }
  pickle_forms[requested] = {
    protocol = protocol,
    decode = pickle.decode,
    answer = function(ok, result)
      if ok then return pickle.encode(result, options) end
      return pickle.encode(pickle.exception(exceptions[result.code] or "RuntimeError", result.message), options)
    end,
  }
end

local json_form <const> = {
  decode = json.decode,
  answer = function(ok, result)
    if ok then return json.encode(result == nil and json.null or result) end
    return '{"error":' .. calls.encode_fault(result) .. "}"
  end,
}

local function pickle_form_of(text)
  return pickle_forms[pickle.protocol(text)]
end

local function form_of(text)
  return text:find "^%s*[%[{]" and json_form or pickle_form_of(text)
end

-- The server's side.

local function is_list(value)
  if type(value) ~= "table" then return false end
  local kind <const> = pickle.kind(value)
  return kind == "list" or kind == "tuple" or kind == nil and (next(value) == nil or value[1] ~= nil)
end

--- The parts of a request; or nil, message.
local function parts_of(request)
  if not is_list(request) or #request > 3 or type(request[1]) ~= "string" then
    return nil, "a request is the name of a function, its arguments and its keyword arguments"
  end
  local arguments <const>, named <const> = request[2], request[3]
  if arguments ~= nil and not is_list(arguments) then return nil, "the arguments are a list or tuple" end
  if named == nil or named == json.null then return request[1], arguments or {} end
  if type(named) ~= "table" then return nil, "the keyword arguments are a dict" end
  return request[1], arguments or {}, next(named) ~= nil and named or nil
end

local function perform(service, request)
  local name <const>, arguments <const>, named <const> = parts_of(request)
  if not name then return "", false, fault.new(codes.INVALID_REQUEST, arguments) end
  for key in pairs(named or {}) do
    if type(key) ~= "string" then
      return name, false, fault.new(codes.INVALID_REQUEST, "the keyword arguments have names")
    end
  end
  return name, service:call(name, arguments, named)
end

local function encode_answer(form, name, ok, result)
  if not ok then return form.answer(false, result) end
  local text <const>, wrong <const> = sendable(name, result, function(value) return form.answer(true, value) end)
  return text or form.answer(false, wrong)
end

local function refuse(peer, form, message, code)
  log.refusal("a request was refused", { peer = tostring(peer.conn.peer), reason = message })
  return form.answer(false, fault.new(code == "limit" and codes.LIMIT or codes.PARSE, message))
end

local function answer_text(service, peer, form, text)
  local request <const>, message <const>, code <const> = form.decode(text)
  if request == nil and message then return refuse(peer, form, message, code) end
  return encode_answer(form, perform(service, request))
end

--- A request, and what is sent for it. JSON may be the bytes of the message, too; a pickled request that is in no text
--- of its own is answered by the value alone.
local function answer(service, peer, bytes)
  if form_of(bytes) == json_form then return peer:send_bytes(answer_text(service, peer, json_form, bytes)) end
  local outer <const> = pickle_form_of(bytes)
  local inner <const>, message <const>, code <const> = pickle.decode(bytes)
  if type(inner) ~= "string" then
    if inner == nil and message then return peer:send_bytes(refuse(peer, outer, message, code)) end
    return peer:send_bytes(encode_answer(outer, perform(service, inner)))
  end
  local form <const> = form_of(inner)
  local text <const> = answer_text(service, peer, form, inner)
  return peer:send_bytes(pickle.encode(form.protocol and buffer.from(text) or text, { protocol = outer.protocol }))
end

local function serve_peer(session, key)
  local peer <const> = session.peer
  local _ <close> = served.follow(peer.conn, key, function(service) session.service = service end)
  peer.conn:retire_at_stop()
  for bytes in peer.receive_bytes, peer do
    local sent <const>, message <const>, code <const> = answer(session.service, peer, bytes)
    if not sent then
      if code == "limit" then log.refusal("an answer is too long", { reason = message }) end
      return
    end
  end
end

local server_names <const> = { authkey = true, digest = true, limit = true, idle_timeout = true,
  handshake_timeout = true, limiter = true, server = true }

local function serve(service, urls, options)
  checked.check_names(options, server_names)
  local key <const> = "connection " .. tostring(options.authkey) -- who has an old one does not call new code
  local server <const>, message <const>, code <const> = connection.serve(urls, function(peer)
    return serve_peer({ peer = peer, service = service }, key)
  end, options)
  if not server then return nil, message, code end
  served.note_server(server, service, key)
  return server
end

--- Serves a service's methods, those of one connection one after the other. Faults are exceptions: KeyError when there
--- is no such method, TypeError for wrong arguments, ValueError for what is no request, else RuntimeError; to requests
--- in JSON, { error = { code =, message =, data = } }. After a reload, connections call the methods of the newest
--- version that is served at their address with the same authkey; without one they end as all others. When the process
--- stops, or another takes its place, a connection is closed as soon as no call is under way on it.
---
--- Options: authkey, digest, limit, idle_timeout, handshake_timeout, limiter and server, as of perigee.connection.
---@param service perigee.rpc.Service
---@param urls string|string[]
---@param options table?
---@return perigee.Server? server
---@return string? message
---@return string? code
function M.serve(service, urls, options)
  return returned(pcall(serve, service, urls, options or {}))
end

-- The client's side.

--- The fault that an exception is.
local function fault_of(name, exception)
  local first <const> = exception.arguments[1]
  local message <const> = first == nil and exception.exception or tostring(first)
  local data <const> = { exception = exception.exception, arguments = exception.arguments }
  local is_of_name <const> = message:find(name, 1, true) ~= nil
  if exception.exception == "KeyError" and is_of_name then return fault.new(codes.NOT_FOUND, message, data) end
  if exception.exception == "TypeError" and is_of_name then
    return fault.new(codes.INVALID_PARAMETERS, message, data)
  end
  return fault.new(codes.APPLICATION, message, data)
end

local function encode_pickle(name, arguments)
  local list <const> = pickle.tuple {}
  for index = 1, arguments.n or #arguments do
    list[index] = arguments[index] == nil and pickle.null or arguments[index]
  end
  return buffer.from(pickle.encode(pickle.tuple { name, list, {} }))
end

local function encode_json(name, arguments)
  local list <const> = json.array {}
  for index = 1, arguments.n or #arguments do
    list[index] = arguments[index] == nil and json.null or arguments[index]
  end
  return json.encode { name, list, json.object {} }
end

local function parse_pickle(name, text)
  local value <const>, message <const>, code <const> = pickle.decode(text, { exceptions = true })
  if value == nil and message then return nil, message, code end
  if pickle.is_exception(value) then return false, fault_of(name, value) end
  return true, value
end

local function parse_json(_, text)
  local value <const>, message <const>, code <const> = json.decode(text)
  if value == nil and message then return nil, message, code end
  local is_alone <const> = type(value) == "table" and next(value) == "error" and next(value, "error") == nil
  local wrong <const> = is_alone and value.error
  if type(wrong) == "table" and math.type(wrong.code) == "integer" and type(wrong.message) == "string" then
    return false, fault.new(wrong.code, wrong.message, wrong.data)
  end
  if value == json.null then return true end
  return true, value
end

local forms <const> = {
  pickle = { encode = encode_pickle, parse = parse_pickle }, json = { encode = encode_json, parse = parse_json },
}

--- Answers come in the order of the requests: `waiting` has those that are under way, from first to last.
local function receive(link, seconds)
  link.peer.conn.timeout = seconds
  local text <const>, message <const>, code <const> = link.peer:receive()
  local request <const> = link.waiting[link.first]
  if text == nil and (code ~= "denied" or not request) then return nil, message, code end
  if not request then return nil, "the server sends an answer that nobody waits for", "protocol" end
  link.waiting[link.first], link.first = nil, link.first + 1
  if text == nil then return request.id, nil, message, code end
  if type(text) ~= "string" then return nil, "the server sends what is no answer", "protocol" end
  return request.id, link.form.parse(request.name, text)
end

--- What has failed was not sent, or else nothing more will be.
local function send(link, text, request)
  local place <const> = link.last + 1
  link.waiting[place], link.last = request, place
  local sent <const>, message <const>, code <const> = link.peer:send(text)
  if sent or code == "timeout" then return sent, message, code end
  link.waiting[place], link.last = nil, place - 1
  return nil, message, code
end

local function open(url, options, seconds)
  local peer <const>, message <const>, code <const> = connection.connect(url, { authkey = options.authkey,
    digest = options.digest, limit = options.limit, tls = options.tls, server_name = options.server_name,
    timeout = math.max(seconds, 0.001) })
  if not peer then return nil, message, code end
  local link <const> = { peer = peer, waiting = {}, first = 1, last = 0, form = forms[options.codec or "pickle"] }
  local output <const> = writer.over(peer.conn, function(text, request) return send(link, text, request) end)
  return {
    receive = function(timeout) return receive(link, timeout) end,
    send = function(request, left) return output:write(left, request.text, request) end,
    is_open = function() return peer.conn.is_open end,
    is_quiet = function() return peer.conn.is_quiet end,
    close = function() peer:close() end,
  }
end

--- A client; it connects with the first call, and the server answers one call after the other. An exception that it
--- answers with is a fault, whose data is { exception = "KeyError", arguments = { ... } }.
---
--- Options: authkey, digest, limit, tls and server_name, as of perigee.connection; codec ("pickle", the default, or
--- "json"), timeout (seconds of a call, default 30).
---@param url string tcp:// tls:// unix:
---@param options table?
---@return perigee.rpc.Pipelined
function M.connect(url, options)
  options = options or {}
  local form <const> = forms[options.codec or "pickle"]
  if not form then error("option 'codec' must be \"pickle\" or \"json\", not " .. tostring(options.codec), 3) end
  return pipelined.new(url, options, {
    open = open,
    encode = function(name, arguments, id)
      return { id = id or 0, name = name, text = form.encode(name, arguments) } -- nobody waits for the answer 0
    end,
  })
end

return M
