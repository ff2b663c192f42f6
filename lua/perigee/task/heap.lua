--- A binary heap of entries ordered by rank, and among equals by arrival.

local Heap <const> = {}
Heap.__index = Heap

local function precedes(a, b)
  if a.rank ~= b.rank then return a.rank < b.rank end
  return a.number < b.number
end

function Heap:push(value, rank)
  self.number = self.number + 1
  local entry <const> = { value = value, rank = rank, number = self.number }
  local index = #self + 1
  while index > 1 and precedes(entry, self[index // 2]) do
    self[index] = self[index // 2]
    index = index // 2
  end
  self[index] = entry
end

local function sift_down(self, entry)
  local index, count <const> = 1, #self
  while index * 2 <= count do
    local child = index * 2
    if child < count and precedes(self[child + 1], self[child]) then child = child + 1 end
    if not precedes(self[child], entry) then break end
    self[index] = self[child]
    index = child
  end
  self[index] = entry
end

function Heap:pop()
  local first <const>, last <const> = self[1], self[#self]
  self[#self] = nil
  if last ~= first then sift_down(self, last) end
  return first.value
end

return function()
  return setmetatable({ number = 0 }, Heap)
end
