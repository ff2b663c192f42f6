local layers <const> = require "spec.lint.layers"

local function messages(sources)
  local texts <const> = {}
  for _, it in ipairs(layers.check(sources)) do
    texts[#texts + 1] = ("%s:%d: %s"):format(it.file, it.line, it.message)
  end
  return texts
end

describe("layers", function()
  it("lets includes and requires point down and sideways", function()
    assert.same({}, messages {
      ["core/main.c"] = '#include "binding/a.h"\n#include <lua.h>\n',
      ["core/binding/a.h"] = '#include "bytes/queue.h"\n#include <lua.h>\n#include <openssl/crypto.h>\n',
      ["core/io/loop.h"] = '#include "io/timers.h"\n#include <ev.h>\n#include <openssl/ssl.h>\n#include <ares.h>\n',
      ["core/io/timers.h"] = "#include <unistd.h>\n",
      ["core/bytes/queue.h"] = "#include <stddef.h>\n#include <sys/uio.h>\n",
      ["lua/perigee/net.lua"] = 'local service = require "perigee.service"\nlocal core = require("core.connection")\n',
      ["lua/perigee/service/init.lua"] = 'local core <const> = require "core.task"\n',
      ["scripts/echo.lua"] = 'local net <const> = require "perigee.net"\n',
    })
  end)

  it("finds an include that points up", function()
    assert.same({ "core/io/loop.c:2: core/binding/task.h is above io: an include points up" }, messages {
      ["core/io/loop.c"] = '#include "io/loop.h"\n#include "binding/task.h"\n',
      ["core/io/loop.h"] = "",
      ["core/binding/task.h"] = "",
    })
  end)

  it("finds a file that stands on no floor", function()
    assert.same({ "core/stray.c:1: the file belongs to no floor" }, messages { ["core/stray.c"] = "" })
  end)

  it("keeps libev, c-ares and SSL in io, and Lua in the binding", function()
    assert.same({
      "core/binding/a.c:1: <openssl/ssl.h>: core/binding knows nothing of OpenSSL's SSL",
      "core/binding/a.c:2: <ares.h>: core/binding knows nothing of c-ares",
      "core/http/a.c:1: <lauxlib.h>: core/http knows nothing of Lua",
      "core/system/a.c:1: <ev.h>: core/system knows nothing of libev",
    }, messages {
      ["core/binding/a.c"] = "#include <openssl/ssl.h>\n# include <ares.h>\n",
      ["core/http/a.c"] = "#include <lauxlib.h>\n",
      ["core/system/a.c"] = "#include <ev.h>\n",
    })
  end)

  it("keeps system calls off the byte floor", function()
    assert.same({ "core/bytes/queue.c:2: <unistd.h>: core/bytes makes no system call" },
      messages { ["core/bytes/queue.c"] = "#include <string.h>\n#include <unistd.h>\n" })
  end)

  it("finds a circle of includes", function()
    assert.same({ "core/io/b.h:2: a circle: core/io/a.h -> core/io/b.h -> core/io/a.h" }, messages {
      ["core/io/a.h"] = '#include "io/b.h"\n',
      ["core/io/b.h"] = '\n#include "io/a.h"\n',
    })
  end)

  it("finds a circle of requires, through a late one too", function()
    assert.same({
      "lua/perigee/service/init.lua:2: a circle: "
        .. "lua/perigee/net.lua -> lua/perigee/service/init.lua -> lua/perigee/net.lua",
    }, messages {
      ["lua/perigee/net.lua"] = 'local service <const> = require "perigee.service"\n',
      ["lua/perigee/service/init.lua"] = 'local function late()\n  return require("perigee.net")\nend\n',
    })
  end)

  it("keeps the core out of scripts and examples, and others' modules out of the library", function()
    assert.same({
      'examples/a.lua:1: core.task: a script uses perigee.*, never the core',
      "lua/perigee/log.lua:1: socket: the library requires perigee.* and core.* alone",
      "scripts/a.lua:2: core: a script uses perigee.*, never the core",
    }, messages {
      ["examples/a.lua"] = 'local task = require "core.task"\n',
      ["lua/perigee/log.lua"] = 'local found, socket = pcall(require, "socket")\n',
      ["scripts/a.lua"] = '-- no require "core.task" here\nlocal core = require("core")\n',
    })
  end)

  it("finds a module that is not there", function()
    assert.same({ "scripts/a.lua:1: perigee.nett: there is no such module" },
      messages { ["scripts/a.lua"] = 'local net = require "perigee.nett"\n' })
  end)

  it("exits with 1 for a violation on the disk, and with 0 when it is mended", function()
    local script <const> = [[
      layers=$PWD/spec/lint/layers.lua; tree=$(mktemp -d); cd "$tree"; mkdir -p core/bytes lua/perigee scripts examples
      echo '#include <unistd.h>' > core/bytes/a.c; lua5.4 "$layers"; echo "status $?"
      echo '#include <stddef.h>' > core/bytes/a.c; lua5.4 "$layers"; echo "status $?"
      rm -r "$tree"
    ]]
    local run <close> = assert(io.popen(script))
    assert.equal(table.concat {
      "core/bytes/a.c:1: <unistd.h>: core/bytes makes no system call\nstatus 1\n",
      "layers: 1 files, no arrow points up\nstatus 0\n",
    }, run:read "a")
  end)
end)
