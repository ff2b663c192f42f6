--- URLs as they may be told: without the user and the password in them.

local M <const> = {}

--- Of what may be no URL, for messages: without all that could be a password, also where that has what should have been
--- escaped.
---@param text string
---@return string
function M.hide(text)
  local scheme <const> = text:match "^%a[%w+.-]*://" or ""
  return scheme .. (text:match("^.*@(.*)$", #scheme + 1) or text:sub(#scheme + 1))
end

--- Of a URL: where it leads to.
---@param url string
---@return string
function M.without_user(url)
  return (url:gsub("^(%a[%w+.-]*://)[^/?#]*@", "%1"))
end

return M
