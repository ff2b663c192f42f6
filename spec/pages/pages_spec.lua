--- The pages in a real browser, driven by the Node.js programs beside this file. Their screenshots are in build/pages.

local helper <const> = require "spec.helper"

local function find_command(...)
  for _, name in ipairs { ... } do
    local path <const> = helper.run("command -v " .. name):match "^(/%S+)\n"
    if path then return path end
  end
end

local node <const>, browser <const> = find_command "node", find_command("chromium", "chromium-browser", "google-chrome")
local driver <const> = io.open "build/npm/node_modules/playwright-core/package.json"
if driver then driver:close() end

if not (node and browser and driver) then
  return pending "the pages are not looked at: no browser could be installed (chromium, nodejs, playwright-core)"
end

local function drive(program, arguments)
  return helper.run(("CHROMIUM=%s %s spec/pages/%s.js %s"):format(browser, node, program, arguments))
end

describe("the page of", function()
  helper.leaves_nothing(before_each, after_each)

  it("the chat has two browsers and an nc in one room", function()
    local process <const>, lines <const> = helper.serve(
      "scripts/chat.lua --set chat.listen=tcp://127.0.0.1:0 --set chat.page=http://127.0.0.1:0")
    local _ <close> = process
    local url <const> = process:wait_for "listening address=(http://%S+)"
    assert.equal("well\n", (drive("chat", url .. " " .. lines:match ":(%d+)$")))
  end)

  it("the camera shows one picture after the other", function()
    local _ <close>, url <const> = helper.serve "scripts/camera.lua --set camera.listen=http://127.0.0.1:0"
    assert.equal("well\n", (drive("camera", url)))
  end)

  it("the switch follows the server's state", function()
    local _ <close>, url <const> = helper.serve "examples/switch.lua --set switch.listen=http://127.0.0.1:0"
    assert.equal("well\n", (drive("switch", url)))
  end)
end)
