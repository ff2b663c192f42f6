/* core.durable: environments, and the stores and queues in them. Owner of an environment: its object in Lua, until it
 * is closed; the objects of its stores and queues keep that one alive. */
#ifndef PERIGEE_BINDING_DURABLE_H
#define PERIGEE_BINDING_DURABLE_H

#include "io/durable.h"

#include <lua.h>

struct durable_object {
    struct durable_writer *writer; /* NULL: closed */
};

/* A store or a queue; its user value is the environment's object. */
struct durable_space {
    struct durable_object *environment;
    uint32_t number;
};

/* Pushes what came of an operation, and returns how many values that are. */
typedef int durable_push(lua_State *L, const struct durable_operation *operation);

/* What a method does, for errors: "set in". */
struct durable_method {
    const char *what;
    int (*run)(struct durable_session *session, struct durable_operation *operation);
    int (*undo)(struct durable_session *session, struct durable_operation *operation);
    durable_push *push;
};

/* Runs an operation that only reads: returns its results. */
int durable_call_read(lua_State *L, const struct durable_object *object, const struct durable_method *method,
                      const struct durable_operation *operation);
/* Submits an operation, parks the task until it is done, and returns its results. What the operation points to is
 * copied. */
int durable_call_write(lua_State *L, const struct durable_object *object, const struct durable_method *method,
                       const struct durable_operation *operation);
/* Submits an operation that nobody waits for. */
void durable_call_soon(const struct durable_object *object, const struct durable_method *method,
                       const struct durable_operation *operation);

int durable_fail(lua_State *L, const char *what, const char *directory, int error); /* nil, message, code */
int durable_fail_long(lua_State *L, const char *noun, size_t length, size_t most);  /* nil, message, "limit" */

/* Arguments. Milliseconds of seconds: nil and math.huge are 0, others at least `least`. */
struct span durable_check_span(lua_State *L, int argument);
uint64_t durable_check_milliseconds(lua_State *L, int argument, uint64_t least);

/* Pushes the object of a store or a queue whose number is known; the environment's object is at 1. */
void durable_push_space(lua_State *L, const char *class_name, uint32_t number);

extern const char DURABLE_STORE[], DURABLE_QUEUE[]; /* classes */
void durable_store_open(lua_State *L);
void durable_queue_open(lua_State *L);

int durable_push_found(lua_State *L, const struct durable_operation *operation); /* a boolean */
int durable_push_count(lua_State *L, const struct durable_operation *operation);

#endif
