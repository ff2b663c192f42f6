--- What a supervisor asks of a worker, beside what can be asked of every process: to load new versions aside, and then
--- to have them take over or to throw them away, as all the other workers do.

local reload <const> = require "perigee.service.reload"

---@type table<string, fun(worker: perigee.supervisor.Worker, request: table): table>
local commands <const> = {}

--- Also one that is still being loaded: the supervisor waits for it no more.
local function discard_plan(worker)
  local plan <const> = worker.plan
  worker.plan, worker.preparing = nil, nil
  if plan then plan:discard() end
end

--- Loads versions aside: as they are now, or the one that the supervisor names.
function commands.prepare(worker, request)
  discard_plan(worker)
  local preparing <const> = {}
  worker.preparing = preparing
  local plan, failure = reload.prepare(worker.run, request.services, request.version)
  if plan and worker.preparing ~= preparing then
    plan:discard()
    plan, failure = nil, { message = "reload: it was given up while the new version was loaded", code = "cancelled" }
  end
  worker.plan = plan or worker.plan
  if not plan then
    if not request.dry_run then worker.run:count_failure(failure) end
    local refusal <const> = reload.answer(failure)
    refusal.paths = failure.paths
    return refusal
  end
  return { ok = true, version = not request.version and plan:version() or nil, elsewhere = plan:elsewhere(),
    plan = request.dry_run and plan:describe() or nil }
end

function commands.commit(worker, request)
  local plan <const> = worker.plan
  if not plan then return { ok = false, message = "reload: nothing is prepared", code = "protocol" } end
  worker.plan = nil
  local services <const>, failure <const> = plan:commit()
  if not services then return reload.answer(failure) end
  if request.certificates then worker.run.reload_certificates() end
  return { ok = true, services = services, served = worker:served(), is_asking = worker:is_asking() }
end

function commands.rollback(worker, request)
  discard_plan(worker)
  if request.certificates then worker.run.reload_certificates() end
  return { ok = true, served = worker:served(), is_asking = worker:is_asking() }
end

--- The loop goes round.
function commands.beat()
  return { ok = true }
end

return commands
