local backends <const> = require "spec.fixtures.backends"
local helper <const> = require "spec.helper"
local stores <const> = require "perigee.store"

-- local: counted on from "01" and "-0", where a Redis says that these are no integers.
backends.each("store", function(title, start)
  describe("a store on " .. title, function()
    helper.leaves_nothing(before_each, after_each)

    it("counts on from what it writes itself, and from nothing else", function()
      local place <close> = start()
      local store <close> = assert(stores.open(place.url, "numbers"))
      for _, text in ipairs { "01", "-0", "+1", " 1", "1 ", "- 1", "1\0", "", "-", "9223372036854775808" } do
        store:set("n", text)
        helper.assert_failure("failed", "integer", store:increment "n")
        assert.equal(text, store:get "n")
      end
      for text, number in pairs { ["0"] = 1, ["-1"] = 0, ["-9223372036854775808"] = math.mininteger + 1 } do
        store:set("n", text)
        assert.equal(number, store:increment "n")
      end
    end)
  end)
end)
