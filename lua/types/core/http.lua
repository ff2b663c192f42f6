---@meta core.http
--- What perigee.http is made of.

local M <const> = {}

--- The methods of requests; the library adds its own, and says what fields there are.
---@class perigee.http.Request
local Request <const> = {}
M.Request = Request

--- The value of a header field, of several joined by ", "; names are compared without case.
---@param name string
---@return string?
function Request:header(name) end

--- Every value that the query has for a name, in order, decoded.
---@param name string
---@return string[]
function Request:query_values(name) end

--- The next bytes of the body; nil at its end. Waits.
---@return string?
---@return string? message
---@return string? code "limit" "closed" "timeout" "protocol"
function Request:read_some() end

--- All of the body; the same string each time. Waits.
---@return string?
---@return string? message
---@return string? code "limit": it is longer than body_limit; "closed" "timeout" "protocol"
function Request:body() end

--- The body's value, whatever its Content-Type. Waits.
---@return any
---@return string? message
---@return string? code as of body; "protocol": it is no JSON
function Request:json() end

--- Allows so many bytes of body, instead of the server's limit.
---@param bytes integer? nil: the limit that there is
---@return boolean false: the head says that the body is longer
function Request:limit_body(bytes) end

--- The class of response objects; see perigee.http.response.
M.Response = {}

--- Listens, and runs the handler in a task for each request. Beside the options of http.serve: on_failure(request,
--- error, traceback, begun) gives the answer for a handler that has raised; on_refused(peer, status, what) is told of
--- clients that spoke no HTTP, on_finished(request, status, bytes) of every answer.
---@param address perigee.Address
---@param handler fun(request: perigee.http.Request): any
---@param options table?
---@return perigee.Listener?
---@return string? message
---@return string? code
function M.listen(address, handler, options) end

--- Could the address be listened on now? Raises for options that listen would raise for.
---@param address perigee.Address
---@param options table?
---@param free boolean? false: it need not be, only the options are looked at
---@return true?
---@return string? message
---@return string? code
function M.probe(address, options, free) end

---@param status integer
---@return string phrase "Not Found"; "" for one that has none
function M.phrase(status) end

---@param seconds integer since 1970
---@return string date "Sun, 06 Nov 1994 08:49:37 GMT"
function M.date(seconds) end

--- A server-sent event as bytes.
---@param data string
---@param name string?
---@param id string?
---@param retry integer? milliseconds
---@return string
function M.event(data, name, id, retry) end

--- A part of multipart/x-mixed-replace as bytes; without data, what comes before the first.
---@param data string?
---@param type string?
---@return string
function M.part(data, type) end

--- Takes percent-encoding off.
---@param text string
---@param plus_is_space boolean?
---@return string
function M.decode(text, plus_is_space) end

--- Percent-encodes a component of a URL.
---@param text string
---@return string
function M.encode(text) end

--- The pairs of a query or form: name, value, name, value ..., decoded.
---@param text string
---@return string[]
function M.pairs_of(text) end

return M, { ["perigee.http.request"] = Request }
