---@meta core.routes
--- Values by patterns of paths: "/items/{id}", "/files/{path...}".

local M <const> = {}

---@class perigee.Routes
local Routes <const> = {}

--- Adds a pattern; raises when it is none.
---@param pattern string
---@param value any
---@return any known the value that the pattern has already; nil: it has this one now
function Routes:add(pattern, value) end

--- The value of the pattern that fits best. The path is still percent-encoded; the parameters of a request's path
--- become request.params.
---@param path string|perigee.http.Request
---@return any value nil: none fits
---@return table<string, string>? parameters decoded
function Routes:find(path) end

---@return perigee.Routes
function M.new() end

return M, { ["perigee.routes"] = Routes }
