--- Reloading the services of all workers, or of none: each loads the new versions aside, and only when all have, all
--- commit. The first reads the files, the others get what it has read, and so do those that are started later.

local at_once <const> = require "perigee.supervisor.at_once"
local balance <const> = require "perigee.supervisor.balance"
local core <const> = require "core.task"
local log <const> = require "perigee.log"
local reload <const> = require "perigee.service.reload"

local PATIENCE <const> = 5 -- seconds for a worker to start

local M <const> = {}

--- What the workers run: the files and the options of each service.
---@class perigee.supervisor.Version
---@field number integer counts the reloads
---@field texts table<string, table<string, string>>
---@field options table<string, table<string, string>>
---@field generations table<string, integer> the numbers that the services' generations have
---@field elsewhere table<string, true> services that the first worker serves alone, while only others have told their
--- files, of which they know but some

local function failure(message, code)
  return { ok = false, message = "reload: " .. message, code = code }
end

--- Those that can take part. A process for one client that has its client goes on with what it has. One that is started
--- in the place of another meanwhile takes no part.
---@return perigee.supervisor.Process[]
local function participants(supervisor)
  local list <const> = {}
  for _, slot in ipairs(supervisor.slots) do
    if not slot.is_spent then list[#list + 1] = slot:serving() end
  end
  return list
end

--- Asks several workers at once; the answers are in their order.
local function ask_all(processes, command, request)
  return at_once(processes, function(process) return process:ask(command, request) end)
end

--- The first that failed.
local function failed(answers)
  for _, answer in ipairs(answers) do
    if not answer.ok then return answer end
  end
end

--- One that could not commit would go on with other code than its siblings: it is started again, with theirs.
local function kill_failed(supervisor, processes, answers)
  for i, answer in ipairs(answers) do
    if not answer.ok and not answer.has_ended and not supervisor.stopping then
      log.error("the worker cannot follow the others: it is killed", { worker = processes[i].number,
        reason = answer.message })
      processes[i]:kill()
      answer.has_ended = true
    end
  end
end

--- The number of the last request for sockets before all workers have told what they serve; 0: they cannot tell.
local function last_known(answers, before)
  for _, answer in ipairs(answers) do
    if answer.is_asking or not answer.served and not answer.has_ended then return 0 end
  end
  return before
end

--- Has the first worker told what it serves? What it serves alone, the others do not know of.
local function has_first_told(supervisor, processes, answers)
  for i, answer in ipairs(answers) do
    local knows_all <const> = supervisor.mode == "process" or processes[i].number == 1
      or supervisor.slots[1].has_finished
    if answer.served and knows_all then return true end
  end
  return false
end

--- Certificates are read again also when the scripts cannot be: whoever renews them has nothing to do with those.
local function roll_back(supervisor, processes, request)
  local has_certificates <const> = not request.services and not request.dry_run
  local before <const> = supervisor.listeners.asked
  for _, process in ipairs(processes) do process.deliveries:roll_back() end
  local answers <const> = ask_all(processes, "rollback", { certificates = has_certificates })
  supervisor.listeners:roll_back(last_known(answers, before))
  balance.settle(supervisor)
end

--- All load aside. Returns their answers, or what went wrong; then nothing has changed.
local function prepare(supervisor, processes, request)
  local first <const> = processes[1]:ask("prepare", request)
  local others <const> = table.move(processes, 2, #processes, 1, {})
  local answers = { first }
  if first.ok then
    table.move(ask_all(others, "prepare", { services = request.services, version = first.version }), 1, #others, 2,
      answers)
  end
  local problem <const> = failed(answers)
  if not problem then return answers end
  if problem.service then supervisor.attempted[problem.service], problem.paths = problem.paths, nil end
  roll_back(supervisor, processes, request)
  return nil, problem
end

--- Those that have loaded the old versions while the others loaded the new ones follow when this reload is over.
local function follow_late(supervisor)
  for _, slot in ipairs(supervisor.slots) do
    local process <const> = slot:serving()
    if process and process.version ~= supervisor.version.number then
      supervisor.scope:spawn(M.catch_up, supervisor, process)
    end
  end
end

--- A process that leaves services to the first worker with its new versions gets no more connections for them.
local function spare(supervisor, process, prepared)
  for _, entry in pairs(supervisor.listeners.entries) do
    if prepared.elsewhere[entry.service] then process.deliveries:refuse(entry.key) end
  end
end

--- From here on a worker that is started runs the new versions, so that one that dies now does no harm.
local function set_version(supervisor, processes, version)
  local current <const> = supervisor.version
  current.number = current.number + 1
  for name, texts in pairs(version.texts) do
    current.texts[name], current.generations[name] = texts, current.generations[name] + 1
    current.elsewhere[name] = version.elsewhere[name]
  end
  for name, options in pairs(version.options) do current.options[name] = options end
  for _, process in ipairs(processes) do process.version = current.number end
end

--- The sockets are from now on for what the workers have told that they serve.
local function commit_sockets(supervisor, processes, answers, before)
  local served <const> = {}
  for i, answer in ipairs(answers) do
    served[#served + 1] = answer.served
    if answer.served then processes[i].deliveries:commit() end
  end
  supervisor.listeners:commit(served, last_known(answers, before))
  if has_first_told(supervisor, processes, answers) then supervisor.listeners:close_left() end
  balance.settle(supervisor)
end

local function commit(supervisor, processes, request, prepared)
  set_version(supervisor, processes, prepared[1].version)
  for i, process in ipairs(processes) do spare(supervisor, process, prepared[i]) end
  local before <const> = supervisor.listeners.asked
  local answers <const> = ask_all(processes, "commit", { certificates = not request.services })
  kill_failed(supervisor, processes, answers)
  commit_sockets(supervisor, processes, answers, before)
  follow_late(supervisor)
  for _, answer in ipairs(answers) do
    if answer.ok then return { ok = true, services = answer.services, workers = #processes } end
  end
  return answers[1]
end

local function is_loading(supervisor)
  for _, slot in ipairs(supervisor.slots) do
    if slot:state() == "loading" then return true end
  end
  return false
end

--- A worker that is just being started again is to be asked as well, whether it can load the new version. One that
--- cannot even load the old one is waited for in vain.
local function wait_for_loading(supervisor)
  local deadline <const> = core.now() + PATIENCE
  while is_loading(supervisor) and core.now() < deadline do supervisor.changed:wait(deadline - core.now()) end
end

local function run(supervisor, request)
  if supervisor.stopping or supervisor.upgrading or not supervisor.ready then
    return failure("this is not the moment: it is starting, stopping or being upgraded", "exists")
  end
  wait_for_loading(supervisor)
  if supervisor.stopping then return failure("the process is stopping", "closed") end
  local processes <const> = participants(supervisor)
  if #processes == 0 then return failure("no worker serves now", "closed") end
  local answers <const>, problem <const> = prepare(supervisor, processes, request)
  if not answers then return problem end
  if request.dry_run then
    roll_back(supervisor, processes, request)
    local name <const> = next(answers[1].elsewhere)
    if name then return failure(("worker 1, which alone serves %s, does not serve now"):format(name), "closed") end
    return { ok = true, plan = answers[1].plan, workers = #processes }
  end
  return commit(supervisor, processes, request, answers)
end

local function report(answer)
  if answer.ok then
    reload.tell(answer.services, answer.workers)
  else
    reload.report(answer)
  end
end

--- Reloads services.
---@param supervisor perigee.Supervisor
---@param request { services: string[]?, dry_run: boolean? }
---@return table answer
function M.reload(supervisor, request)
  local _ <close> = supervisor.reloading:acquire()
  local answer <const> = run(supervisor, request)
  if not request.dry_run then report(answer) end
  return answer
end

--- Reloads services when one of their files is saved.
---@param supervisor perigee.Supervisor
---@param config string? a file whose change concerns all services
function M.watch(supervisor, config)
  local watching <const> = require "perigee.service.watching"
  local function files()
    local all <const> = {}
    for name, texts in pairs(supervisor.version.texts) do
      all[name] = {}
      for _, path in ipairs(supervisor.attempted[name] or {}) do all[name][path] = false end
      for path, text in pairs(texts) do all[name][path] = text end
    end
    return all
  end
  watching.start(supervisor.scope, { config = config, files = files,
    reload = function(names) supervisor:reload { services = names } end })
end

--- A worker was being started while the others were reloaded: it follows them.
---@param supervisor perigee.Supervisor
---@param process perigee.supervisor.Process
function M.catch_up(supervisor, process)
  local _ <close> = supervisor.reloading:acquire()
  local version <const>, listeners <const> = supervisor.version, supervisor.listeners
  if process.version == version.number or process.slot:serving() ~= process or process.slot.is_spent then return end
  process.version = version.number
  local prepared <const> = process:ask("prepare", { version = version })
  if prepared.ok then spare(supervisor, process, prepared) end
  local answers <const> = { prepared.ok and process:ask("commit", {}) or prepared }
  kill_failed(supervisor, { process }, answers)
  if not answers[1].ok then return listeners:roll_back(listeners.asked) end
  process.deliveries:commit()
  listeners:serve(answers[1].served)
  if process.number == 1 then listeners:close_left() end
  balance.settle(supervisor)
end

--- Only the first worker has told all files of what it serves alone.
local function complete(current, version)
  for name in pairs(current.elsewhere) do
    if version.texts[name] and not version.elsewhere[name] then
      current.texts[name], current.elsewhere[name] = version.texts[name], nil
    end
  end
end

local function set_first_version(supervisor, version)
  local current <const> = supervisor.version
  current.number, current.texts, current.options = 1, version.texts, version.options
  current.generations, current.elsewhere = version.generations, version.elsewhere
  for _, slot in ipairs(supervisor.slots) do
    if slot.process then slot.process.version = 1 end
  end
end

--- A worker has loaded for the first time.
---@param supervisor perigee.Supervisor
---@param process perigee.supervisor.Process
---@param version perigee.supervisor.Version? what it runs
function M.on_loaded(supervisor, process, version)
  local current <const> = supervisor.version
  if current.number == 0 and version then return set_first_version(supervisor, version) end
  if process.version ~= current.number then return supervisor.scope:spawn(M.catch_up, supervisor, process) end
  if version then complete(current, version) end
  if process.number == 1 then supervisor.listeners:close_left() end
end

return M
