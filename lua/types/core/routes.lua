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

--- The value of the pattern that fits best.
---@param path string still percent-encoded
---@return any value nil: none fits
---@return table<string, string>? parameters decoded
function Routes:find(path) end

--- The same for requests, as a function, which sets their params.
---@return fun(request: perigee.http.Request): any, string? match the value (nil: none fits) and the method
function Routes:matcher() end

---@return perigee.Routes
function M.new() end

return M, { ["perigee.routes"] = Routes }
