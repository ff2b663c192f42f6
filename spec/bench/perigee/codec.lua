-- Our codecs, measured once.
local service <const> = require "perigee.service"
local options <const> = service.options { work = "json decode records.json 500" }

require "measured".run(options.work, {
  json = require "perigee.codec.json",
  msgpack = require "perigee.codec.msgpack",
})
os.exit(0, true)
