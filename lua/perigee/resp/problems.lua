--- Errors that several commands answer, in the words of Redis.

local codec <const> = require "perigee.codec.resp"

return {
  SYNTAX = codec.error "ERR syntax error",
  WRONG_TYPE = codec.error "WRONGTYPE Operation against a key holding the wrong kind of value",
  FULL = codec.error "OOM command not allowed when used memory > 'maxmemory'.",
}
