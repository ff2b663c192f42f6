std = "lua54"
max_line_length = 120
include_files = { "lua", "scripts", "examples", "spec" }
exclude_files = { "lua/types" }
files["spec"] = { std = "+busted" }
files["lua/perigee/cli/test.lua"] = { globals = { "arg", "os" } }
