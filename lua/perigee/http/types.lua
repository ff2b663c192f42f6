--- Media types by the ending of a file's name.

local M <const> = {}

local types <const> = {
  html = "text/html; charset=utf-8", htm = "text/html; charset=utf-8", css = "text/css; charset=utf-8",
  js = "text/javascript; charset=utf-8", mjs = "text/javascript; charset=utf-8", json = "application/json",
  map = "application/json", txt = "text/plain; charset=utf-8", md = "text/markdown; charset=utf-8",
  lua = "text/plain; charset=utf-8", csv = "text/csv; charset=utf-8", xml = "application/xml", svg = "image/svg+xml",
  png = "image/png", jpg = "image/jpeg", jpeg = "image/jpeg", gif = "image/gif", webp = "image/webp",
  avif = "image/avif", ico = "image/vnd.microsoft.icon", pdf = "application/pdf", wasm = "application/wasm",
  woff = "font/woff", woff2 = "font/woff2", ttf = "font/ttf", otf = "font/otf", mp4 = "video/mp4", webm = "video/webm",
  mp3 = "audio/mpeg", ogg = "audio/ogg", wav = "audio/wav", zip = "application/zip", gz = "application/gzip",
  tar = "application/x-tar",
}

--- The type of a file; application/octet-stream for those that are not known.
---@param path string
---@return string
function M.of(path)
  local ending <const> = path:match "%.([%w]+)$"
  return ending and types[ending:lower()] or "application/octet-stream"
end

return M
