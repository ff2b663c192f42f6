#include "binding/activity.h"
#include "binding/runtime.h"
#include "binding/support.h"

#include <math.h>

enum { AWAIT_BELOW = 2, AWAIT_UNTIL };

void activity_init(struct activity *activity, const unsigned *count) {
    activity->count = count;
    task_list_init(&activity->waiting);
}

void activity_tell(struct activity *activity) {
    while (activity->waiting.first) {
        struct task *task = activity->waiting.first;
        task_list_remove(&activity->waiting, task);
        task->interrupt = NULL;
        task_schedule(task);
    }
}

static int await_step(lua_State *L, int resumed, lua_KContext context) {
    struct activity *activity = (struct activity *)context;
    int timed_out = resumed == LUA_YIELD && task_woken(L);
    if (*activity->count < (lua_Unsigned)lua_tointeger(L, AWAIT_BELOW)) return lua_pushboolean(L, 1), 1;
    if (timed_out) return support_fail(L, "timeout", "await the end of %d: timed out", (int)*activity->count);
    struct task *task = task_begin_wait(L, "await");
    task_list_add(&activity->waiting, task);
    return task_wait(L, task, lua_tonumber(L, AWAIT_UNTIL), task_list_interrupt, &activity->waiting, context,
                     await_step);
}

int activity_await(lua_State *L, struct activity *activity) {
    lua_Integer below = luaL_optinteger(L, AWAIT_BELOW, 1);
    lua_Number seconds = support_check_seconds(L, AWAIT_UNTIL, INFINITY);
    luaL_argcheck(L, below > 0, AWAIT_BELOW, "a count from 1 expected");
    lua_settop(L, 1);
    lua_pushinteger(L, below);
    lua_pushnumber(L, runtime_of(L)->loop.now + seconds);
    return await_step(L, LUA_OK, (lua_KContext)activity);
}
