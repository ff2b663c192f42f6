--- "Did you mean ...?": the nearest of some words to one that is unknown.

-- How many insertions, deletions, replacements and swaps of neighbours make `a` of `b`?
local function distance(a, b)
  local before, previous = {}, {}
  for j = 0, #b do previous[j] = j end
  for i = 1, #a do
    local row <const> = { [0] = i }
    for j = 1, #b do
      local same <const> = a:byte(i) == b:byte(j)
      row[j] = math.min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (same and 0 or 1))
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        row[j] = math.min(row[j], before[j - 2] + 1)
      end
    end
    before, previous = previous, row
  end
  return previous[#b]
end

local near <const> = {}

--- The word that was probably meant: it begins with the unknown one, or one letter in three at most is wrong.
---@param unknown string
---@param words string[]
---@return string? word
function near.find(unknown, words)
  local best, best_distance = nil, (#unknown + 1) // 3 + 1
  for _, word in ipairs(words) do
    local is_start <const> = #unknown >= 2 and word:sub(1, #unknown) == unknown
    local far <const> = is_start and 0 or distance(unknown, word)
    if far < best_distance then best, best_distance = word, far end
  end
  return best
end

--- The same as the end of a message: " (did you mean 'run'?)", or nothing.
---@param unknown string
---@param words string[]
---@param prefix string? shown before the word
---@return string
function near.suggest(unknown, words, prefix)
  local word <const> = near.find(unknown, words)
  return word and (" (did you mean '%s%s'?)"):format(prefix or "", word) or ""
end

return near
