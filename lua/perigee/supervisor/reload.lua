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

--- Those that can take part. A process for one client that has its client goes on with what it has.
local function participants(supervisor)
  local list <const> = {}
  for _, slot in ipairs(supervisor.slots) do
    if slot.state == "serving" and not slot.is_spent then list[#list + 1] = slot end
  end
  return list
end

--- Asks several workers at once; the answers are in their order.
local function ask_all(slots, command, request)
  return at_once(slots, function(slot) return slot:ask(command, request) end)
end

--- The first that failed.
local function failed(answers)
  for _, answer in ipairs(answers) do
    if not answer.ok then return answer end
  end
end

--- What the first worker serves alone only it can tell: when it has not, the others' services that are elsewhere are
--- left to it.
local function leave_to_first(supervisor, slots, answers)
  local services <const>, has_told = {}, supervisor.slots[1].has_finished
  for i, answer in ipairs(answers) do
    has_told = has_told or slots[i].number == 1 and answer.served ~= nil
    for name in pairs(answer.elsewhere or {}) do services[name] = true end
  end
  supervisor.listeners:leave(has_told and {} or services)
end

--- Sockets that no worker has any more are closed: those of addresses that the new versions do not serve, or that were
--- bound for versions which were thrown away.
---@param before integer how many had been bound when they were asked: they know nothing of later ones
local function close_unused(supervisor, answers, before)
  local used <const>, is_known = {}, false
  for _, answer in ipairs(answers) do
    if answer.is_asking or not answer.served and not answer.has_ended then return end -- it cannot say
    for key in pairs(answer.served or {}) do used[key] = true end
    is_known = is_known or answer.served ~= nil
  end
  if is_known then supervisor.listeners:keep(used, before) end
end

--- One that could not commit would go on with other code than its siblings: it is started again, with theirs.
local function kill_failed(supervisor, slots, answers)
  for i, answer in ipairs(answers) do
    if not answer.ok and not answer.has_ended and not supervisor.stopping then
      log.error("the worker cannot follow the others: it is killed", { worker = slots[i].number,
        reason = answer.message })
      slots[i]:kill()
      answer.has_ended = true
    end
  end
end

local function settle_all(supervisor)
  if supervisor.mode ~= "shared" then return end
  for _, entry in pairs(supervisor.listeners.entries) do balance.settle(supervisor, entry) end
end

--- Certificates are read again also when the scripts cannot be: whoever renews them has nothing to do with those.
local function roll_back(supervisor, slots, request)
  local has_certificates <const> = not request.services and not request.dry_run
  local before <const> = supervisor.listeners.bound
  supervisor.listeners:roll_back()
  for _, slot in ipairs(slots) do slot:roll_back() end
  local answers <const> = ask_all(slots, "rollback", { certificates = has_certificates })
  leave_to_first(supervisor, slots, answers)
  close_unused(supervisor, answers, before)
  settle_all(supervisor)
end

--- All load aside. Returns their answers, or what went wrong; then nothing has changed.
local function prepare(supervisor, slots, request)
  local first <const> = slots[1]:ask("prepare", request)
  local others <const> = table.move(slots, 2, #slots, 1, {})
  local answers = { first }
  if first.ok then
    supervisor.listeners:adopt(first.adopted)
    table.move(ask_all(others, "prepare", { services = request.services, version = first.version }), 1, #others, 2,
      answers)
  end
  local problem <const> = failed(answers)
  if not problem then return answers end
  if problem.service then supervisor.attempted[problem.service], problem.paths = problem.paths, nil end
  roll_back(supervisor, slots, request)
  return nil, problem
end

--- Those that have loaded the old versions while the others loaded the new ones follow when this reload is over.
local function follow_late(supervisor)
  for _, slot in ipairs(supervisor.slots) do
    if slot.state == "serving" and slot.version ~= supervisor.version.number then
      supervisor.scope:spawn(M.catch_up, supervisor, slot)
    end
  end
end

--- Those that leave services to the first worker with their new versions get no more connections for them.
local function spare_others(supervisor, slots, prepared)
  for _, entry in pairs(supervisor.listeners.entries) do
    for i, answer in ipairs(prepared) do
      if answer.elsewhere[entry.service] then slots[i]:spare(entry) end
    end
  end
end

--- From here on a worker that is started runs the new versions, so that one that dies now does no harm.
local function commit(supervisor, slots, request, prepared)
  local current <const>, version <const> = supervisor.version, prepared[1].version
  current.number = current.number + 1
  for name, texts in pairs(version.texts) do
    current.texts[name], current.generations[name] = texts, current.generations[name] + 1
    current.elsewhere[name] = version.elsewhere[name]
  end
  for name, options in pairs(version.options) do current.options[name] = options end
  for _, slot in ipairs(slots) do slot.version = current.number end
  spare_others(supervisor, slots, prepared)
  local before <const> = supervisor.listeners.bound
  local answers <const> = ask_all(slots, "commit", { certificates = not request.services })
  local served <const> = {}
  for i, answer in ipairs(answers) do
    served[#served + 1] = answer.served
    if answer.served then slots[i]:commit() end
  end
  leave_to_first(supervisor, slots, answers)
  supervisor.listeners:commit(served)
  settle_all(supervisor)
  kill_failed(supervisor, slots, answers)
  close_unused(supervisor, answers, before)
  follow_late(supervisor)
  for _, answer in ipairs(answers) do
    if answer.ok then return { ok = true, services = answer.services, workers = #slots } end
  end
  return answers[1]
end

local function is_loading(supervisor)
  for _, slot in ipairs(supervisor.slots) do
    if slot.state == "loading" then return true end
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
  local slots <const> = participants(supervisor)
  if #slots == 0 then return failure("no worker serves now", "closed") end
  local answers <const>, problem <const> = prepare(supervisor, slots, request)
  if not answers then return problem end
  if request.dry_run then
    roll_back(supervisor, slots, request)
    local name <const> = next(answers[1].elsewhere)
    if name then return failure(("worker 1, which alone serves %s, does not serve now"):format(name), "closed") end
    return { ok = true, plan = answers[1].plan, workers = #slots }
  end
  return commit(supervisor, slots, request, answers)
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
---@param slot perigee.supervisor.Slot
function M.catch_up(supervisor, slot)
  local _ <close> = supervisor.reloading:acquire()
  local version <const> = supervisor.version
  if slot.version == version.number or slot.state ~= "serving" or slot.is_spent then return end
  slot.version, slot.is_late = version.number, true
  local prepared <const> = slot:ask("prepare", { version = version })
  if prepared.ok then spare_others(supervisor, { slot }, { prepared }) end
  local committed <const> = prepared.ok and slot:ask("commit", {}) or prepared
  slot.is_late = false
  if committed.ok then
    supervisor.listeners:follow(committed.served)
    slot:commit()
    return settle_all(supervisor)
  end
  if slot.state ~= "serving" then return end
  log.error("the worker cannot follow the others: it is killed", { worker = slot.number, reason = committed.message })
  slot:kill()
end

--- Only the first worker has told all files of what it serves alone.
local function complete(current, version)
  for name in pairs(current.elsewhere) do
    if version.texts[name] and not version.elsewhere[name] then
      current.texts[name], current.elsewhere[name] = version.texts[name], nil
    end
  end
end

--- A worker has loaded for the first time.
---@param supervisor perigee.Supervisor
---@param slot perigee.supervisor.Slot
---@param version perigee.supervisor.Version? what it runs
function M.on_loaded(supervisor, slot, version)
  local current <const> = supervisor.version
  if current.number == 0 and version then
    current.number, current.texts, current.options = 1, version.texts, version.options
    current.generations, current.elsewhere = version.generations, version.elsewhere
    for _, other in ipairs(supervisor.slots) do other.version = 1 end
  elseif slot.version ~= current.number then
    supervisor.scope:spawn(M.catch_up, supervisor, slot)
  elseif version then
    complete(current, version)
  end
end

return M
