/* Operations of tasks: read at once, or submitted and waited for. */
#include "binding/durable.h"
#include "binding/runtime.h"
#include "binding/support.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* Failures. */

static const char *code_of(int error) {
    if (durable_is_full(error)) return "limit";
    if (durable_is_damaged(error)) return "protocol";
    switch (error) {
    case EROFS: return "denied";
    case EAGAIN: return "limit";
    case ENOENT:
    case ENOTDIR: return "unreachable";
    default: break;
    }
    const char *code = error > 0 ? support_code(error) : "failed";
    return strcmp(code, "unreachable") == 0 ? "failed" : code;
}

int durable_fail(lua_State *L, const char *what, const char *directory, int error) {
    return support_fail(L, code_of(error), "%s %s: %s", what, directory, durable_message(error));
}

int durable_fail_long(lua_State *L, const char *noun, size_t length, size_t most) {
    return support_fail(L, "limit", "a %s of %I bytes: at most %I can be kept", noun, (LUAI_UACINT)length,
                        (LUAI_UACINT)most);
}

static int fail_closed(lua_State *L, const char *what) {
    return support_fail(L, "closed", "%s: the environment is closed", what);
}

/* Results. Pushing them may run out of memory: whatever has to be given back then is, before the error goes on. */

struct pushing {
    durable_push *push;
    const struct durable_operation *operation;
};

static int push_protected(lua_State *L) {
    const struct pushing *pushing = lua_touserdata(L, 1);
    return pushing->push(L, pushing->operation);
}

/* LUA_OK and the results on the stack; or the error. */
static int push_results(lua_State *L, durable_push *push, const struct durable_operation *operation) {
    struct pushing pushing = {push, operation};
    lua_pushcfunction(L, push_protected);
    lua_pushlightuserdata(L, &pushing);
    return lua_pcall(L, 1, LUA_MULTRET, 0);
}

/* Reading. */

int durable_call_read(lua_State *L, const struct durable_object *object, const struct durable_method *method,
                      const struct durable_operation *operation) {
    struct durable_operation copy = *operation;
    int top = lua_gettop(L);
    if (!object->writer) return fail_closed(L, method->what);
    copy.run = method->run;
    if (durable_read(durable_writer_durable(object->writer), &copy) < 0)
        return durable_call_write(L, object, method, operation);
    int error = copy.error, status = error ? LUA_OK : push_results(L, method->push, &copy);
    durable_end_read(durable_writer_durable(object->writer));
    durable_operation_clear(&copy);
    if (status != LUA_OK) return lua_error(L);
    return error ? durable_fail(L, method->what, durable_writer_directory(object->writer), error) : lua_gettop(L) - top;
}

/* Writing. A call is the request with what is behind it. */

struct durable_call {
    struct durable_writer *writer;
    const struct durable_method *method;
};

static struct durable_call *call_of(struct durable_request *request) {
    return (struct durable_call *)(request + 1);
}

static struct span copy_span(char **room, struct span span) {
    struct span copy = {span.bytes ? *room : NULL, span.length};
    if (span.length) memcpy(*room, span.bytes, span.length);
    *room += span.length;
    return copy;
}

/* NULL when out of memory. */
static struct durable_request *call_new(struct durable_writer *writer, const struct durable_method *method,
                                        const struct durable_operation *operation) {
    size_t length = operation->name.length + operation->key.length + operation->value.length + operation->other.length;
    char *room;
    struct durable_request *request = durable_request_new(sizeof(struct durable_call) + length, &room);
    if (!request) return NULL;
    *call_of(request) = (struct durable_call){writer, method};
    room += sizeof(struct durable_call);
    request->operation = *operation;
    request->operation.run = method->run;
    request->operation.name = copy_span(&room, operation->name);
    request->operation.key = copy_span(&room, operation->key);
    request->operation.value = copy_span(&room, operation->value);
    request->operation.other = copy_span(&room, operation->other);
    request->undo = method->undo;
    return request;
}

/* Returns the results of a request that is done. */
static int call_return(lua_State *L, struct durable_request *request) {
    const struct durable_call call = *call_of(request);
    int top = lua_gettop(L), error = request->operation.error;
    if (!error && push_results(L, call.method->push, &request->operation) != LUA_OK) {
        durable_request_give_up(call.writer, request);
        return lua_error(L);
    }
    if (error) durable_fail(L, call.method->what, durable_writer_directory(call.writer), error);
    durable_request_free(call.writer, request);
    return lua_gettop(L) - top;
}

/* The task is told by its subject that the request is gone. */
static int call_interrupt(struct task *task, void *subject) {
    struct durable_request *request = subject;
    durable_request_give_up(call_of(request)->writer, request);
    task->subject = NULL;
    return 1;
}

static int call_step(lua_State *L, int status, lua_KContext context) {
    struct task *task = task_of(L);
    struct durable_request *request = (struct durable_request *)context;
    (void)status;
    if (task->subject && task_is_interrupted(task)) call_interrupt(task, request);
    task_woken(L);
    if (!task->subject) return luaL_error(L, "the wait was interrupted");
    return call_return(L, request);
}

int durable_call_write(lua_State *L, const struct durable_object *object, const struct durable_method *method,
                       const struct durable_operation *operation) {
    if (!object->writer) return fail_closed(L, method->what);
    struct task *task = task_begin_wait(L, method->what);
    struct durable_request *request = call_new(object->writer, method, operation);
    if (!request) return luaL_error(L, "not enough memory");
    if (durable_request_submit(object->writer, request) < 0)
        return durable_fail(L, method->what, durable_writer_directory(object->writer), errno);
    request->waiter = &task->waiter;
    return task_wait(L, task, INFINITY, call_interrupt, request, (lua_KContext)request, call_step);
}

void durable_call_soon(const struct durable_object *object, const struct durable_method *method,
                       const struct durable_operation *operation) {
    struct durable_request *request = object->writer ? call_new(object->writer, method, operation) : NULL;
    if (!request) return;
    request->given_up = 1;
    durable_request_submit(object->writer, request);
}
