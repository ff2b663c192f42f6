/* core.multipart: a form's parts, while its bytes come. */
#include "bytes/multipart.h"
#include "binding/modules.h"
#include "binding/support.h"

#include <stdlib.h>
#include <string.h>

static const char CLASS[] = "perigee.multipart";

enum { KEPT = 1 }; /* the user value: the bytes that are being parsed */

struct multipart_object {
    struct multipart parser;
    struct span input; /* what is left of them */
};

static struct multipart_object *check(lua_State *L) {
    return luaL_checkudata(L, 1, CLASS);
}

/* multipart.new(content_type) -> parser, or nil, message, code */
static int new_parser(lua_State *L) {
    size_t length, boundary_length;
    const char *type = luaL_checklstring(L, 1, &length), *boundary;
    if (multipart_boundary(type, length, &boundary, &boundary_length) < 0)
        return support_fail(L, "protocol", "read the form: '%s' is no multipart/form-data with a boundary", type);
    struct multipart_object *object = support_new(L, CLASS, sizeof *object, KEPT);
    multipart_init(&object->parser, boundary, boundary_length);
    return 1;
}

/* parser:feed(bytes): the next piece of the body; the one before has to be used up */
static int feed(lua_State *L) {
    struct multipart_object *object = check(L);
    object->input.bytes = luaL_checklstring(L, 2, &object->input.length);
    lua_settop(L, 2);
    lua_setiuservalue(L, 1, KEPT);
    return 0;
}

static void set_span(lua_State *L, const char *name, struct span span) {
    if (!span.bytes) return;
    lua_pushlstring(L, span.bytes, span.length);
    lua_setfield(L, -2, name);
}

/* The client's name for the file as it came, and one that is safe within a directory, or "file". */
static void set_file_name(lua_State *L, struct span filename) {
    luaL_Buffer buffer;
    if (!filename.bytes) return;
    set_span(L, "filename", filename);
    char *name = luaL_buffinitsize(L, &buffer, filename.length);
    memcpy(name, filename.bytes, filename.length);
    luaL_pushresultsize(&buffer, multipart_safe_name(name, filename.length));
    if (lua_rawlen(L, -1) == 0) lua_pushliteral(L, "file"), lua_remove(L, -2);
    lua_setfield(L, -2, "safe_name");
}

static int push_part(lua_State *L, const struct multipart_part *part) {
    lua_pushliteral(L, "part");
    lua_createtable(L, 0, 4);
    set_span(L, "name", part->name);
    set_span(L, "type", part->content_type);
    set_file_name(L, part->filename);
    return 2;
}

/* parser:next() -> "part", { name, filename, safe_name, type }; "data", bytes; "part_end"; "end"; "more": feed it;
 * nil, message, code */
static int next(lua_State *L) {
    struct multipart_object *object = check(L);
    switch (multipart_next(&object->parser, &object->input)) {
    case MULTIPART_PART: return push_part(L, &object->parser.part);
    case MULTIPART_DATA:
        lua_pushliteral(L, "data");
        lua_pushlstring(L, object->parser.data.bytes, object->parser.data.length);
        return 2;
    case MULTIPART_PART_END: lua_pushliteral(L, "part_end"); return 1;
    case MULTIPART_END: lua_pushliteral(L, "end"); return 1;
    case MULTIPART_MORE: lua_pushliteral(L, "more"); return 1;
    default: return support_fail(L, "protocol", "read the form: %s", object->parser.what);
    }
}

int luaopen_core_multipart(lua_State *L) {
    static const luaL_Reg functions[] = {{"new", new_parser}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"feed", feed}, {"next", next}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {{NULL, NULL}};
    support_class(L, CLASS, methods, metamethods);
    luaL_newlib(L, functions);
    return 1;
}
