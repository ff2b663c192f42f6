local backends <const> = require "spec.fixtures.backends"
local helper <const> = require "spec.helper"

local SCRIPT <const> = "examples/mapreduce/words.lua"

--- A text of so many words, and what the example prints of it.
local function text_and_counts(words)
  local list <const>, counts <const> = {}, {}
  for index = 1, words do
    local word <const> = ("word%s"):format(("abcdefghij"):sub(index % 7 + 1, index % 3 + index % 7 + 1))
    list[index] = word
    counts[word] = (counts[word] or 0) + 1
  end
  local sorted <const>, lines <const> = {}, {}
  for word in pairs(counts) do sorted[#sorted + 1] = word end
  table.sort(sorted, function(a, b) return counts[a] == counts[b] and a < b or counts[a] > counts[b] end)
  for index = 1, 10 do lines[index] = counts[sorted[index]] .. "\t" .. sorted[index] .. "\n" end
  return table.concat(list, "\n"), table.concat(lines)
end

local WORDS <const> = helper.is_tiny and 500 or 20000

backends.each("queue", function(title, start)
  describe("the words of files are counted on " .. title, function()
    helper.leaves_nothing(before_each, after_each)

    it("words by processes", function()
      local text <const>, expected <const> = text_and_counts(WORDS)
      local files <close> = helper.directory { ["a.txt"] = text }
      local backend <close> = start()
      local output <const>, status <const> = helper.run(
        ("%s run --log-level warn %s --set words.files=%s/a.txt --set words.url=%s --set words.piece=1000"):format(
          helper.binary, SCRIPT, tostring(files), backend.url))
      assert.same({ expected, 0 }, { output, status })
    end)

    it("words by processes of which some are killed", function()
      local text <const>, expected <const> = text_and_counts(WORDS)
      local files <close> = helper.directory { ["a.txt"] = text }
      local backend <close> = start()
      local settings <const> = ("--set words.url=%s --set words.lease=0.5"):format(backend.url)
      local counting <close> = helper.start(("%s run --log-level warn %s --set words.files=%s/a.txt %s"
        .. " --set words.piece=1000 --set words.workers=3"):format(helper.binary, SCRIPT, tostring(files), settings))
      local workers <const> = helper.eventually(function()
        local list <const> = {}
        for pid in helper.run("pgrep -P " .. counting.pid):gmatch "%d+" do list[#list + 1] = pid end
        return (#list == 3 or counting:has_ended()) and list
      end)
      for index = 1, 2 do
        if workers[index] then os.execute(("kill -9 %s 2>/dev/null"):format(workers[index])) end
      end
      assert.equal(0, counting:wait())
      assert.equal(expected, counting:output())
    end)
  end)
end)
