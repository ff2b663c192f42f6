---@meta core.http_client
--- One HTTP request at a time from each task: what perigee.http.client is made of.

local M <const> = {}

---@class core.HttpClientOptions
---@field method string
---@field url string
---@field headers string[] lines: "Name: value"; "Name;" for an empty value, "Name:" for none
---@field body string? what is sent; nil: nothing
---@field resolve string[]? "host:port:address,address": what names stand for
---@field proxy string? its URL; nil: none
---@field unix string? path of a socket, connected to in place of the URL's host
---@field ca string? PEM file; nil: the system's
---@field certificate string? PEM file
---@field key string? PEM file
---@field password string? of the key
---@field verify boolean? default true
---@field keeps_encoding boolean? the body stays as it comes, default false
---@field limit integer? bytes of the decoded body, default 64 MiB
---@field head_limit integer? bytes of all heads, default 64 KiB

--- Waits for the answer. Cancelled, it ends the transfer and its connection at once.
---@param options core.HttpClientOptions
---@param seconds number? that it may take, default for ever
---@param subject string what messages begin with
---@return integer? status
---@return string body or a message
---@return table<string, string> headers names in lower case, several fields of a name joined by ", "; or a code
---@return string head its lines, each with a LF at the end
---@return string? location where a redirect leads to
function M.request(options, seconds, subject) end

--- The parts of an http:// or https:// URL.
---@param url string
---@return string? scheme
---@return string host or a message
---@return integer port or a code
---@return string url without user and password
function M.parse(url) end

--- Closes the connections that no request uses: now, or as soon as none is under way.
function M.close_idle() end

return M, {}
