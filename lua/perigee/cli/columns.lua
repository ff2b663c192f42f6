--- Text in columns, for the terminal, and how numbers are written there.

local M <const> = {}

--- Columns that a text takes. Bytes that are no UTF-8 take one each.
---@param text string
---@return integer
function M.width(text)
  return utf8.len(text) or #text
end

--- A text of at most so many columns: its end is cut where it is longer, and an ellipsis says so.
---@param text string
---@param width integer
---@return string
function M.cut(text, width)
  if M.width(text) <= width then return text end
  if width < 1 then return "" end
  if not utf8.len(text) then return text:sub(1, width - 1) .. "…" end
  return text:sub(1, utf8.offset(text, width) - 1) .. "…"
end

local function pad(text, width, is_right)
  local blanks <const> = (" "):rep(width - M.width(text))
  return is_right and blanks .. text or text .. blanks
end

local function widths_of(rows)
  local widths <const> = {}
  for _, row in ipairs(rows) do
    for column, text in ipairs(row) do widths[column] = math.max(widths[column] or 0, M.width(text)) end
  end
  return widths
end

---@class perigee.cli.Layout
---@field right table<integer, boolean>? columns whose texts stand to the right: numbers
---@field indent integer? blanks before each line, default 0
---@field width integer? of the lines at most; default: as wide as they are

--- Columns as wide as their widest cells, two blanks apart. The last one may be cut.
---@param rows string[][] the first may be the titles
---@param layout perigee.cli.Layout?
---@return string[] lines
function M.lines(rows, layout)
  local right <const>, indent <const> = layout and layout.right or {}, (" "):rep(layout and layout.indent or 0)
  local widths <const>, lines <const> = widths_of(rows), {}
  for i, row in ipairs(rows) do
    local cells <const> = {}
    for column, text in ipairs(row) do cells[column] = pad(text, widths[column], right[column]) end
    local line <const> = (indent .. table.concat(cells, "  ")):gsub("%s+$", "")
    lines[i] = layout and layout.width and M.cut(line, layout.width) or line
  end
  return lines
end

--- The same as one text, without a line feed at its end.
---@param rows string[][]
---@param layout perigee.cli.Layout?
---@return string
function M.text(rows, layout)
  return table.concat(M.lines(rows, layout), "\n")
end

--- "3d 4h", "12m 5s", "0s": the two largest units.
---@param seconds number?
---@return string "-" without one
function M.duration(seconds)
  if not seconds then return "-" end
  local units <const> = { { 86400, "d" }, { 3600, "h" }, { 60, "m" }, { 1, "s" } }
  local rest, parts <const> = math.floor(seconds), {}
  for _, unit in ipairs(units) do
    local count <const> = rest // unit[1]
    if count > 0 and #parts < 2 then parts[#parts + 1] = ("%d%s"):format(count, unit[2]) end
    rest = rest % unit[1]
  end
  return #parts > 0 and table.concat(parts, " ") or "0s"
end

--- "12.3 MiB".
---@param count integer?
---@return string "-" without one
function M.bytes(count)
  return count and ("%.1f MiB"):format(count / 1048576) or "-"
end

--- "1.4 ms".
---@param seconds number?
---@return string "-" without one
function M.milliseconds(seconds)
  return seconds and ("%.1f ms"):format(seconds * 1000) or "-"
end

--- "1 task", "3 tasks".
---@param number integer
---@param noun string
---@return string
function M.count(number, noun)
  return ("%d %s%s"):format(number, noun, number == 1 and "" or "s")
end

return M
