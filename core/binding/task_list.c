/* core.task.list and kill: all tasks that are alive. */
#include "binding/modules.h"
#include "binding/runtime.h"

/* Anchors the coroutines of tasks, and of those that wait to be used again. */
static struct task *next_task(lua_State *L, int threads) {
    while (lua_next(L, threads)) {
        lua_State *coroutine = lua_tothread(L, -1);
        struct task *task = coroutine ? task_of(coroutine) : NULL;
        if (task && task->L == coroutine && task->state != TASK_ENDED) return task;
        lua_pop(L, 1);
    }
    return NULL;
}

static void set_string(lua_State *L, const char *name, const char *value) {
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
}

/* The coroutine is below it on the stack. */
static void push_description(lua_State *L, struct task *task) {
    static const char *const states[] = {"ready", "running", "waiting", "ending"};
    static const char *const kinds[] = {"task", "connection", "request", "websocket", "datagram"};
    const struct runtime *runtime = task_runtime(task);
    lua_createtable(L, 0, 6);
    lua_pushinteger(L, task->id);
    lua_setfield(L, -2, "id");
    lua_pushnumber(L, runtime->loop.now - runtime->began - task->born / 10.0);
    lua_setfield(L, -2, "age");
    set_string(L, "state", states[task->state]);
    set_string(L, "kind", kinds[task->kind]);
    scope_push_context(L, scope_root(task));
    lua_setfield(L, -2, "context");
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "thread");
}

/* task.list() -> { { id=, age=, state=, kind=, context=, thread= }, ... } */
static int list_tasks(lua_State *L) {
    int count = 0;
    struct task *task;
    lua_settop(L, 0);
    lua_newtable(L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, runtime_of(L)->threads);
    lua_pushnil(L);
    while ((task = next_task(L, 2))) {
        push_description(L, task);
        lua_rawseti(L, 1, ++count);
        lua_pop(L, 1);
    }
    lua_settop(L, 1);
    return 1;
}

/* task.kill(id) -> whether there is such a task: it is cancelled */
static int kill_task(lua_State *L) {
    lua_Integer id = luaL_checkinteger(L, 1);
    struct task *task;
    lua_rawgeti(L, LUA_REGISTRYINDEX, runtime_of(L)->threads);
    int threads = lua_gettop(L);
    lua_pushnil(L);
    while ((task = next_task(L, threads)) && task->id != id) lua_pop(L, 1);
    if (task) task_cancel(task);
    lua_pushboolean(L, task != NULL);
    return 1;
}

void task_list_open(lua_State *L) {
    static const luaL_Reg functions[] = {{"list", list_tasks}, {"kill", kill_task}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
