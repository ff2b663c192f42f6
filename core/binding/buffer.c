/* core.buffer: bytes and typed arrays that are filled, viewed, received into and sent without a copy. Indices count
 * elements from 1 as everywhere in Lua; first and last may be negative as in string.sub. */
#include "binding/buffer.h"
#include "binding/element.h"
#include "binding/memory.h"
#include "binding/modules.h"
#include "binding/support.h"

#include <limits.h>
#include <stdint.h>
#include <string.h>

static const char CLASS[] = "perigee.buffer", BLOCK_CLASS[] = "perigee.block";

struct buffer_object *buffer_peek(lua_State *L, int index) {
    return luaL_testudata(L, index, CLASS);
}

static struct buffer_object *check_here(lua_State *L, int argument, struct buffer_object *buffer) {
    if (!buffer->block->data) luaL_argerror(L, argument, "the buffer is empty: its memory has moved to another thread");
    return buffer;
}

struct buffer_object *buffer_test(lua_State *L, int index) {
    struct buffer_object *buffer = buffer_peek(L, index);
    return buffer ? check_here(L, index, buffer) : NULL;
}

struct buffer_object *buffer_check(lua_State *L, int argument) {
    return check_here(L, argument, luaL_checkudata(L, argument, CLASS));
}

unsigned char *buffer_object_data(const struct buffer_object *buffer) {
    return buffer->block->data + buffer->offset;
}

size_t buffer_object_bytes(const struct buffer_object *buffer) {
    return buffer->count * buffer->element->size;
}

static const struct element *check_element(lua_State *L, int argument) {
    const struct element *element = element_find(luaL_checkstring(L, argument));
    luaL_argcheck(L, element, argument, "type must be one of i8 u8 i16 u16 i32 u32 i64 u64 f32 f64");
    return element;
}

/* The collector sees a few bytes of userdata where there may be megabytes: it is told, or garbage would pile up. A step of 0
 * KiB would be a whole basic step, lua_gc(LUA_GCSTEP). */
static void tell_collector(lua_State *L, size_t bytes) {
    size_t kibibytes = bytes / 1024;
    if (kibibytes) lua_gc(L, LUA_GCSTEP, kibibytes < INT_MAX ? (int)kibibytes : INT_MAX);
}

/* Memory in Lua's hands: what a buffer and its views refer to. It alone has a finalizer, so that a view, which may be made
 * for every message, costs the collector next to nothing. */
struct holder {
    struct block *block;
    size_t counted; /* bytes, towards the limit of memory: also after the block's memory has moved away */
};

/* The memory is counted first. */
static struct holder *push_holder(lua_State *L, size_t bytes) {
    struct holder *holder = support_new(L, BLOCK_CLASS, sizeof *holder, 0);
    if (memory_take(L, bytes) < 0) {
        lua_pushliteral(L, "not enough memory"); /* as Lua's own, see memory_explain */
        lua_error(L);
    }
    holder->counted = bytes;
    return holder;
}

void buffer_push_owner(lua_State *L, struct block **block) {
    struct holder *holder = push_holder(L, (*block)->size);
    holder->block = *block;
    *block = NULL;
    tell_collector(L, holder->block->size);
}

static int block_gc(lua_State *L) {
    struct holder *holder = luaL_checkudata(L, 1, BLOCK_CLASS);
    if (holder->block) block_drop(holder->block);
    memory_give(L, holder->counted);
    *holder = (struct holder){0};
    return 0;
}

struct buffer_object *buffer_push(lua_State *L, int owner, size_t offset, size_t count, const struct element *element) {
    const struct holder *holder = lua_touserdata(L, owner);
    lua_pushvalue(L, owner);
    struct buffer_object *buffer = support_new(L, CLASS, sizeof *buffer, 1);
    *buffer = (struct buffer_object){holder->block, offset, count, element};
    lua_insert(L, -2);
    lua_setiuservalue(L, -2, 1);
    return buffer;
}

struct buffer_object *buffer_push_new(lua_State *L, size_t count, const struct element *element) {
    int is_possible = count <= PTRDIFF_MAX / element->size;
    struct holder *holder = push_holder(L, is_possible ? count * element->size : 0);
    if (is_possible) holder->block = block_new(count * element->size);
    if (!holder->block) luaL_error(L, "not enough memory for %I elements", (LUAI_UACINT)count);
    tell_collector(L, holder->block->size);
    struct buffer_object *buffer = buffer_push(L, -1, 0, count, element);
    lua_remove(L, -2);
    return buffer;
}

/* A view of the buffer at argument 1. */
static int buffer_push_view(lua_State *L, const struct buffer_object *of, size_t offset, size_t count,
                            const struct element *element) {
    lua_getiuservalue(L, 1, 1);
    buffer_push(L, -1, of->offset + offset, count, element);
    return 1;
}

/* buffer.new(bytes): zeroed bytes */
static int buffer_new_bytes(lua_State *L) {
    luaL_checkinteger(L, 1);
    buffer_push_new(L, support_check_size(L, 1, 0, 0), element_find("u8"));
    return 1;
}

/* buffer.array(type, count): zeroed elements */
static int buffer_array(lua_State *L) {
    const struct element *element = check_element(L, 1);
    luaL_checkinteger(L, 2);
    buffer_push_new(L, support_check_size(L, 2, 0, 0), element);
    return 1;
}

/* buffer.from(string): a copy of its bytes */
static int buffer_from(lua_State *L) {
    size_t length;
    const char *bytes = luaL_checklstring(L, 1, &length);
    buffer_push_new(L, length, element_find("u8"));
    memcpy(buffer_object_data(buffer_check(L, -1)), bytes, length);
    return 1;
}

/* first and last at `argument` and the next, as in string.sub, cut to what is there */
static void check_range(lua_State *L, const struct buffer_object *buffer, int argument, size_t *start, size_t *count) {
    lua_Integer length = (lua_Integer)buffer->count;
    lua_Integer first = luaL_optinteger(L, argument, 1), last = luaL_optinteger(L, argument + 1, -1);
    if (first < 0) first = length + first + 1;
    if (last < 0) last = length + last + 1;
    if (first < 1) first = 1;
    if (last > length) last = length;
    *start = first > last ? 0 : (size_t)first - 1;
    *count = first > last ? 0 : (size_t)(last - first) + 1;
}

/* buffer:view(first, last): the same memory */
static int buffer_view(lua_State *L) {
    struct buffer_object *buffer = buffer_check(L, 1);
    size_t start, count;
    check_range(L, buffer, 2, &start, &count);
    return buffer_push_view(L, buffer, start * buffer->element->size, count, buffer->element);
}

/* buffer:cast(type): the same memory as elements of another type */
static int buffer_cast(lua_State *L) {
    struct buffer_object *buffer = buffer_check(L, 1);
    const struct element *element = check_element(L, 2);
    size_t bytes = buffer_object_bytes(buffer);
    luaL_argcheck(L, bytes % element->size == 0, 2, "the bytes are no whole number of such elements");
    return buffer_push_view(L, buffer, 0, bytes / element->size, element);
}

/* buffer:string(first, last): a copy of the elements' bytes */
static int buffer_string(lua_State *L) {
    struct buffer_object *buffer = buffer_check(L, 1);
    size_t start, count, size = buffer->element->size;
    check_range(L, buffer, 2, &start, &count);
    lua_pushlstring(L, (const char *)buffer_object_data(buffer) + start * size, count * size);
    return 1;
}

/* buffer:fill(value, step): every element; with a step each is so much more than the one before */
static int buffer_fill(lua_State *L) {
    struct buffer_object *buffer = buffer_check(L, 1);
    size_t size = buffer->element->size;
    unsigned char *data = buffer_object_data(buffer);
    luaL_checknumber(L, 2);
    int counts = !lua_isnoneornil(L, 3);
    if (counts) luaL_checknumber(L, 3);
    if (buffer->count && counts) buffer->element->count(L, data, buffer->count);
    else if (buffer->count) buffer->element->store(L, 2, data);
    for (size_t i = 1; i < buffer->count && !counts; i++) memcpy(data + i * size, data, size);
    lua_settop(L, 1);
    return 1;
}

static const void *check_source(lua_State *L, int argument, size_t *length) {
    const struct buffer_object *source = buffer_test(L, argument);
    if (!source) return luaL_checklstring(L, argument, length);
    *length = buffer_object_bytes(source);
    return buffer_object_data(source);
}

/* buffer:copy(source, position): the bytes of a string or a buffer, to the element at position (default 1) */
static int buffer_copy_from(lua_State *L) {
    struct buffer_object *buffer = buffer_check(L, 1);
    size_t length, before = support_check_size(L, 3, 1, 1) - 1, size = buffer->element->size;
    const void *source = check_source(L, 2, &length);
    int fits = before <= buffer->count && length <= (buffer->count - before) * size;
    luaL_argcheck(L, fits, 2, "the bytes do not fit into the buffer");
    memmove(buffer_object_data(buffer) + before * size, source, length);
    lua_settop(L, 1);
    return 1;
}

static unsigned char *buffer_at(const struct buffer_object *buffer, lua_Integer index) {
    if (index < 1 || (lua_Unsigned)index > buffer->count) return NULL;
    return buffer_object_data(buffer) + ((size_t)index - 1) * buffer->element->size;
}

/* As of a table: 2.0 means 2, and nil is at 2.5. */
static int buffer_push_element(lua_State *L, const struct buffer_object *buffer) {
    int exact;
    lua_Integer index = lua_tointegerx(L, 2, &exact);
    const unsigned char *at = exact ? buffer_at(buffer, index) : NULL;
    if (!at) return 0;
    buffer->element->push(L, at);
    return 1;
}

static int buffer_index(lua_State *L) {
    struct buffer_object *buffer = buffer_check(L, 1);
    if (lua_type(L, 2) == LUA_TNUMBER) return buffer_push_element(L, buffer);
    const char *name = luaL_checkstring(L, 2);
    if (support_index_method(L)) return 1;
    if (strcmp(name, "type") == 0) lua_pushstring(L, buffer->element->name);
    else if (strcmp(name, "bytes") == 0) lua_pushinteger(L, (lua_Integer)buffer_object_bytes(buffer));
    else lua_pushnil(L);
    return 1;
}

static int buffer_newindex(lua_State *L) {
    struct buffer_object *buffer = buffer_check(L, 1);
    unsigned char *at = buffer_at(buffer, luaL_checkinteger(L, 2));
    luaL_argcheck(L, at, 2, "the index is outside of the buffer");
    buffer->element->store(L, 3, at);
    return 0;
}

static int buffer_length_of(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)buffer_check(L, 1)->count);
    return 1;
}

static int buffer_equal(lua_State *L) {
    struct buffer_object *a = buffer_peek(L, 1), *b = buffer_peek(L, 2);
    int are_here = a && b && a->block->data && b->block->data;
    lua_pushboolean(L, are_here && a->element == b->element && a->count == b->count &&
                           memcmp(buffer_object_data(a), buffer_object_data(b), buffer_object_bytes(a)) == 0);
    return 1;
}

static int buffer_tostring(lua_State *L) {
    struct buffer_object *buffer = luaL_checkudata(L, 1, CLASS);
    if (buffer->block->data) lua_pushfstring(L, "buffer: %I x %s", (LUAI_UACINT)buffer->count, buffer->element->name);
    else lua_pushliteral(L, "buffer: moved to another thread");
    return 1;
}

int luaopen_core_buffer(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"new", buffer_new_bytes}, {"array", buffer_array}, {"from", buffer_from}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"view", buffer_view},     {"cast", buffer_cast},      {"fill", buffer_fill},
                                       {"string", buffer_string}, {"copy", buffer_copy_from}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__index", buffer_index},       {"__newindex", buffer_newindex},
                                           {"__len", buffer_length_of},     {"__eq", buffer_equal},
                                           {"__tostring", buffer_tostring}, {NULL, NULL}};
    static const luaL_Reg block_metamethods[] = {{"__gc", block_gc}, {NULL, NULL}};
    support_class(L, BLOCK_CLASS, NULL, block_metamethods);
    support_class(L, CLASS, methods, metamethods);
    luaL_newlib(L, functions);
    return 1;
}
