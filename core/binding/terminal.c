/* core.terminal: lines from the terminal, for the console. It blocks the loop. */
#include "system/terminal.h"
#include "binding/modules.h"
#include "binding/support.h"
#include "system/local_request.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char CLASS[] = "perigee.terminal";

enum { USER_VALUE_COMPLETE = 1 };
enum { HISTORY_LINES = 1000, COLUMNS = 80 };

struct terminal_object {
    struct terminal_completer completer;
    struct terminal *terminal; /* NULL: it is closed */
    lua_State *L;              /* while a line is read */
};

static struct terminal_object *check_terminal(lua_State *L) {
    struct terminal_object *object = luaL_checkudata(L, 1, CLASS);
    luaL_argcheck(L, object->terminal, 1, "the terminal is closed");
    return object;
}

static char *copy_string(lua_State *L, int index) {
    const char *text = lua_tostring(L, index);
    return text && *text ? strdup(text) : NULL;
}

/* Calls complete(text) -> inserted, shown. What it raises is nothing that the line could wait for. */
static void on_complete(struct terminal_completer *completer, const char *text, size_t length,
                        struct terminal_completion *completion) {
    struct terminal_object *object = (struct terminal_object *)completer;
    lua_State *L = object->L;
    int top = lua_gettop(L);
    if (!lua_checkstack(L, LUA_MINSTACK)) return;
    lua_getiuservalue(L, 1, USER_VALUE_COMPLETE);
    lua_pushlstring(L, text, length);
    if (lua_pcall(L, 1, 2, 0) == LUA_OK) {
        completion->inserted = copy_string(L, -2);
        completion->shown = copy_string(L, -1);
    }
    lua_settop(L, top);
}

/* terminal.open(complete) -> terminal: complete(text before the cursor) returns what is to be inserted, and shown */
static int open_terminal(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    struct terminal_object *object = support_new(L, CLASS, sizeof *object, 1);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, USER_VALUE_COMPLETE);
    object->completer.complete = on_complete;
    object->terminal = terminal_open(&object->completer, HISTORY_LINES);
    return object->terminal ? 1 : luaL_error(L, "not enough memory");
}

/* terminal:read_line(prompt) -> line, or nil, message, code */
static int read_line(lua_State *L) {
    struct terminal_object *object = check_terminal(L);
    const char *prompt = luaL_checkstring(L, 2), *line;
    size_t length;
    object->L = L;
    enum terminal_outcome outcome = terminal_read(object->terminal, prompt, &line, &length);
    object->L = NULL;
    switch (outcome) {
    case TERMINAL_LINE: return lua_pushlstring(L, line, length), 1;
    case TERMINAL_ENDED: return support_fail(L, "closed", "read_line terminal: it has ended");
    case TERMINAL_INTERRUPTED: return support_fail(L, "cancelled", "read_line terminal: interrupted");
    case TERMINAL_FAILED: break;
    }
    return support_fail_errno(L, errno, "read_line", "terminal");
}

/* terminal:remember(line): arrow up brings it back */
static int remember(lua_State *L) {
    terminal_remember(check_terminal(L)->terminal, luaL_checkstring(L, 2));
    return 0;
}

static int close_terminal(lua_State *L) {
    struct terminal_object *object = luaL_checkudata(L, 1, CLASS);
    luaL_argcheck(L, !object->L, 1, "a line is being read");
    if (object->terminal) terminal_close(object->terminal);
    object->terminal = NULL;
    return 0;
}

static int terminal_index(lua_State *L) {
    struct terminal_object *object = luaL_checkudata(L, 1, CLASS);
    if (support_index_method(L)) return 1;
    if (strcmp(luaL_checkstring(L, 2), "is_edited") != 0) return 0;
    lua_pushboolean(L, object->terminal && terminal_is_edited(object->terminal));
    return 1;
}

static int check_standard(lua_State *L, int argument) {
    static const char *const names[] = {"stdin", "stdout", "stderr", NULL};
    return luaL_checkoption(L, argument, NULL, names);
}

/* terminal.is_terminal("stdin" | "stdout" | "stderr") */
static int is_terminal(lua_State *L) {
    lua_pushboolean(L, isatty(check_standard(L, 1)));
    return 1;
}

/* terminal.columns() -> of standard output; 80 where it is no terminal */
static int columns(lua_State *L) {
    struct winsize size;
    int known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    lua_pushinteger(L, known ? size.ws_col : COLUMNS);
    return 1;
}

/* terminal.ask(path, line, seconds) -> the line that answers, or nil, message, code; it blocks */
static int ask(lua_State *L) {
    size_t length, answer_length;
    const char *path = luaL_checkstring(L, 1), *text = luaL_checklstring(L, 2, &length);
    lua_Number seconds = support_check_seconds(L, 3, INFINITY);
    char *answer;
    if (local_request(path, text, length, seconds, &answer, &answer_length) < 0)
        return support_fail_errno(L, errno, "ask", path);
    lua_pushlstring(L, answer, answer_length);
    free(answer);
    return 1;
}

int luaopen_core_terminal(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"open", open_terminal}, {"is_terminal", is_terminal}, {"columns", columns}, {"ask", ask}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"read_line", read_line}, {"remember", remember}, {"close", close_terminal}, {NULL, NULL}};
    static const luaL_Reg metamethods[] = {
        {"__index", terminal_index}, {"__gc", close_terminal}, {"__close", close_terminal}, {NULL, NULL}};
    support_class(L, CLASS, methods, metamethods);
    luaL_newlib(L, functions);
    return 1;
}
