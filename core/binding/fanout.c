/* core.fanout: one message to many connections, WebSockets and streams, encoded once. */
#include "binding/fanout.h"
#include "binding/connection.h"
#include "binding/modules.h"
#include "binding/runtime.h"
#include "binding/support.h"
#include "binding/websocket.h"
#include "bytes/event_stream.h"
#include "bytes/http_body.h"
#include "bytes/utf8.h"
#include "bytes/websocket_frame.h"

#include <stdlib.h>
#include <string.h>

static const char CLASS[] = "perigee.fanout";

static const double WAIT_SECONDS = 30; /* that a writer waits for slow members, which then are cut off */

struct fanout_object *fanout_check(lua_State *L, int argument) {
    return luaL_checkudata(L, argument, CLASS);
}

static void on_drained(struct fanout *io) {
    struct fanout_object *object = (struct fanout_object *)io;
    while (object->writers.first) {
        struct task *task = object->writers.first;
        task_list_remove(&object->writers, task);
        task->waiter.wake(&task->waiter, WAKE_LATER);
    }
}

/* fanout.new { policy = "close", limit = bytes } */
static int new_fanout(lua_State *L) {
    static const char *const names[] = {"policy", "limit", NULL};
    static const char *const policies[] = {"drop", "close", "wait", NULL};
    support_check_options(L, 1, names);
    lua_settop(L, 1);
    struct fanout_object *object = support_new(L, CLASS, sizeof *object, 0);
    task_list_init(&object->writers);
    object->io.drained = on_drained;
    object->io.policy = FANOUT_CLOSE;
    if (lua_istable(L, 1)) {
        object->io.limit = (uint32_t)support_option_integer(L, 1, "limit", 0, UINT32_MAX, CONNECTION_HIGH_WATER);
        lua_getfield(L, 1, "policy");
        object->io.policy = (enum fanout_policy)luaL_checkoption(L, -1, "close", policies);
        lua_pop(L, 1);
    } else {
        object->io.limit = CONNECTION_HIGH_WATER;
    }
    return 1;
}

static void join(lua_State *L, struct fanout_object *object, struct connection *io, enum fanout_form form) {
    if (fanout_join(&object->io, io, (uint8_t)form, 0) < 0) luaL_error(L, "not enough memory");
}

static struct connection *check_member(lua_State *L, int *is_message) {
    struct websocket_object *socket = websocket_test(L, 2);
    *is_message = socket != NULL;
    return socket ? &socket->io.io : &connection_check(L, 2)->io;
}

/* room:add(member, "bytes" or "line") -> true, or false when the member is closed */
static int add(lua_State *L) {
    static const char *const forms[] = {"bytes", "line", NULL};
    struct fanout_object *object = fanout_check(L, 1);
    int is_message;
    struct connection *io = check_member(L, &is_message);
    if (is_message && websocket_test(L, 2)->io.is_client)
        return luaL_argerror(L, 2, "a client's WebSocket masks each message by itself: send to it");
    int form = luaL_checkoption(L, 3, "bytes", forms);
    lua_pushboolean(L, io->open);
    if (io->open) join(L, object, io, is_message ? FORM_MESSAGE : form ? FORM_LINE : FORM_PLAIN);
    return 1;
}

static int drop(lua_State *L) {
    int is_message;
    fanout_leave(&fanout_check(L, 1)->io, check_member(L, &is_message));
    return 0;
}

/* Encoding. */

struct message {
    struct span data;
    struct event event; /* its name and id */
    int is_binary;
    const char *type; /* of a part */
};

static int append_frame(struct text *out, const struct message *message) {
    unsigned char header[WEBSOCKET_HEADER_MAX];
    struct websocket_frame frame = {
        .length = message->data.length, .opcode = message->is_binary ? WEBSOCKET_BINARY : WEBSOCKET_TEXT, .final = 1};
    size_t size = websocket_frame_write(header, &frame);
    return text_append(out, header, size) | text_append(out, message->data.bytes, message->data.length);
}

static int append_part(struct text *out, const struct message *message) {
    struct span type = {message->type, strlen(message->type)};
    return part_append(out, type, message->data);
}

static int append_form(struct text *out, const struct message *message, enum fanout_form form) {
    switch (form) {
    case FORM_PLAIN: return text_append(out, message->data.bytes, message->data.length);
    case FORM_LINE: return text_append(out, message->data.bytes, message->data.length) | text_append(out, "\n", 1);
    case FORM_MESSAGE: return append_frame(out, message);
    case FORM_EVENT:
    case FORM_EVENT_CHUNK: return event_append(out, &message->event);
    default: return append_part(out, message);
    }
}

/* The message in one form; NULL when out of memory. */
static struct block *make_block(const struct message *message, enum fanout_form form) {
    struct text out = {0};
    char line[HTTP_CHUNK_LINE_MAX];
    int chunked = form == FORM_EVENT_CHUNK || form == FORM_PART_CHUNK;
    if (append_form(&out, message, form)) return text_destroy(&out), NULL;
    size_t head = chunked ? http_chunk_write_size(line, out.length) : 0, tail = chunked ? 2 : 0;
    struct block *block = block_new(head + out.length + tail);
    if (block) {
        memcpy(block->data, line, head);
        if (out.length) memcpy(block->data + head, out.bytes, out.length);
        memcpy(block->data + head + out.length, "\r\n", tail);
    }
    text_destroy(&out);
    return block;
}

static unsigned send_forms(struct fanout_object *object, const struct message *message) {
    struct block *blocks[FANOUT_FORMS] = {NULL};
    for (int form = 0; form < FANOUT_FORMS; form++)
        if (object->io.forms[form]) blocks[form] = make_block(message, (enum fanout_form)form);
    unsigned sent = fanout_send(&object->io, blocks);
    for (int form = 0; form < FANOUT_FORMS; form++)
        if (blocks[form]) block_drop(blocks[form]);
    return sent;
}

/* Writing. */

static struct span check_event_field(lua_State *L, const char *name) {
    struct span value = {NULL, 0};
    if (lua_getfield(L, 3, name) != LUA_TNIL) {
        value.bytes = luaL_checklstring(L, -1, &value.length);
        if (!event_field_is_valid(value)) luaL_error(L, "option '%s' must have no line end", name);
    }
    return value; /* the string stays on the stack */
}

static void check_message(lua_State *L, struct message *message) {
    static const char *const kinds[] = {"text", "binary", NULL};
    message->data.bytes = luaL_checklstring(L, 2, &message->data.length);
    message->event = (struct event){.data = message->data, .retry = -1};
    if (lua_istable(L, 3)) {
        message->event.name = check_event_field(L, "event");
        message->event.id = check_event_field(L, "id");
    } else {
        message->is_binary = luaL_checkoption(L, 3, "text", kinds);
    }
}

static void check_text(lua_State *L, const struct fanout_object *object, const struct message *message) {
    struct utf8 utf8 = {0};
    if (!object->io.forms[FORM_MESSAGE] || message->is_binary) return;
    if (utf8_check(&utf8, message->data.bytes, message->data.length) < 0 || !utf8_is_complete(&utf8))
        luaL_argerror(L, 2, "a text for WebSockets must be UTF-8; write(data, \"binary\") sends any bytes");
}

/* Cuts off those that are still slow after the writer has waited for them. */
static void cut_slow(struct fanout *fanout) {
    for (struct fanout_member *member = fanout->members, *next; member; member = next) {
        next = member->next;
        if (!member->slow) continue;
        fanout->closed++;
        connection_abort(member->connection);
    }
}

static int written(lua_State *L, int resumed, lua_KContext sent) {
    struct fanout_object *object = fanout_check(L, 1);
    if (resumed == LUA_YIELD && task_woken(L)) cut_slow(&object->io);
    if (object->io.policy != FANOUT_WAIT || !object->io.slow) {
        lua_pushinteger(L, (lua_Integer)sent);
        return 1;
    }
    struct task *task = task_begin_wait(L, "write");
    task_list_add(&object->writers, task);
    return task_wait(L, task, runtime_of(L)->loop.now + WAIT_SECONDS, task_list_interrupt, &object->writers, sent,
                     written);
}

/* room:write(data, kind) -> how many members it went to */
static int write_message(lua_State *L) {
    struct fanout_object *object = fanout_check(L, 1);
    struct message message = {.type = object->type};
    check_message(L, &message);
    check_text(L, object, &message);
    unsigned sent = send_forms(object, &message);
    lua_settop(L, 1);
    return written(L, LUA_OK, sent);
}

static int clear(lua_State *L) {
    fanout_clear(&fanout_check(L, 1)->io);
    return 0;
}

static int fanout_index(lua_State *L) {
    struct fanout_object *object = fanout_check(L, 1);
    if (support_index_method(L)) return 1;
    const char *name = luaL_checkstring(L, 2);
    if (strcmp(name, "count") == 0) lua_pushinteger(L, object->io.count);
    else if (strcmp(name, "dropped") == 0) lua_pushinteger(L, (lua_Integer)object->io.dropped);
    else if (strcmp(name, "closed") == 0) lua_pushinteger(L, (lua_Integer)object->io.closed);
    else lua_pushnil(L);
    return 1;
}

static int fanout_length(lua_State *L) {
    lua_pushinteger(L, fanout_check(L, 1)->io.count);
    return 1;
}

static int fanout_tostring(lua_State *L) {
    lua_pushfstring(L, "fanout: %d members", (int)fanout_check(L, 1)->io.count);
    return 1;
}

int luaopen_core_fanout(lua_State *L) {
    static const luaL_Reg functions[] = {{"new", new_fanout}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"add", add}, {"remove", drop}, {"write", write_message}, {"close", clear}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {
        {"__index", fanout_index}, {"__len", fanout_length}, {"__tostring", fanout_tostring},
        {"__close", clear},        {"__gc", clear},          {NULL, NULL}};
    support_class(L, CLASS, methods, metamethods);
    luaL_newlib(L, functions);
    return 1;
}
