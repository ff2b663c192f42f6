--- JSON (RFC 8259), strict both ways: integers stay integers, floats round-trip, `[]` and `{}` are kept apart.
--- See lua/types/core/json.lua.

return require "core.json"
