--- What a look with a browser or curl shows: the methods, their parameters and their help. The page loads nothing.

local http <const> = require "perigee.http"

local M <const> = {}

local escapes <const> = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

local STYLE <const> = [[
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font: 0.9rem/1.5 ui-monospace, monospace; }
pre { padding: 0.75rem 1rem; border-radius: 6px; background: rgba(128, 128, 128, 0.15); }
pre { white-space: pre-wrap; overflow-wrap: anywhere; }
dt { margin-top: 0.75rem; } dt code { font-weight: 600; } dd { margin: 0 0 0 1.5rem; white-space: pre-line; }
summary { cursor: pointer; margin-top: 1.5rem; }]]

local PAGE <const> = [[
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>%s</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<style>%s</style></head><body>
<h1>%s</h1>
<p>These methods are called by POST, with XML-RPC or JSON-RPC 2.0, and by JSON-RPC over WebSocket, at this address.</p>
<pre>%s</pre>
<h2>Methods</h2>
%s
<details><summary>Methods that every service has</summary>
%s
</details>
</body></html>
]]

local function escape(text)
  return (text:gsub("[&<>\"']", escapes))
end

local function signature(method)
  local names <const> = table.move(method.parameters, 1, #method.parameters, 1, {})
  if method.most == math.huge then names[#names + 1] = "..." end
  return ("%s(%s)"):format(method.name, table.concat(names, ", "))
end

local function is_common(name)
  return name:find "^system%." ~= nil or name:find "^rpc%." ~= nil
end

local function methods_of(service, common)
  local list <const> = {}
  for _, name in ipairs(service:list()) do
    if is_common(name) == common then list[#list + 1] = service:describe(name) end
  end
  return list
end

local function example(url)
  return ([[curl -d '{"jsonrpc":"2.0","method":"system.listMethods","id":1}' %s]]):format(url)
end

local function list_html(service, common)
  local pieces <const> = {}
  for _, method in ipairs(methods_of(service, common)) do
    pieces[#pieces + 1] = ("<dt><code>%s</code></dt>"):format(escape(signature(method)))
    if method.help ~= "" then pieces[#pieces + 1] = ("<dd>%s</dd>"):format(escape(method.help)) end
  end
  return "<dl>" .. table.concat(pieces, "\n") .. "</dl>"
end

local function html(service, url)
  local title <const> = "Remote procedure calls"
  return PAGE:format(title, STYLE, title, escape(example(url)), list_html(service, false),
    list_html(service, true))
end

local function text(service, url)
  local lines <const> = { "POST XML-RPC or JSON-RPC 2.0 here, or speak JSON-RPC over WebSocket:",
    "  " .. example(url), "" }
  for _, common in ipairs { false, true } do
    for _, method in ipairs(methods_of(service, common)) do
      lines[#lines + 1] = signature(method)
      if method.help ~= "" then lines[#lines + 1] = "  " .. method.help:gsub("\n", "\n  ") end
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

--- The answer to GET: HTML for browsers, text for others.
---@param service perigee.rpc.Service
---@param request perigee.http.Request
---@return perigee.http.Response
function M.answer(service, request)
  local url <const> = ("%s://%s%s"):format(request.tls and "https" or "http", request.host or "localhost",
    request.path:find "^[%w/._~-]+$" and request.path or "/")
  local accepts_html <const> = (request:header "accept" or ""):find("text/html", 1, true)
  local answer <const> = accepts_html and http.html(html(service, url)) or http.text(text(service, url))
  answer:set("Vary", "Accept"):set("Cache-Control", "no-cache")
  return answer:set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:")
end

return M
