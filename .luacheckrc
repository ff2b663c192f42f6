std = "lua54"
max_line_length = 120
self = false -- a method may have no use for it
include_files = { "lua/**/*.lua", "scripts/**/*.lua", "examples/**/*.lua", "spec/**/*.lua" }
exclude_files = { "lua/types" }
files["spec"] = { std = "+busted" }
files["lua/perigee/cli/test.lua"] = { globals = { "arg", "os" } }
