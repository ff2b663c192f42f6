/* core.screen: the terminal as a screen that is drawn to: its size, and keys as they are pressed. */
#include "binding/modules.h"
#include "binding/runtime.h"
#include "binding/support.h"
#include "io/readable.h"

#include <errno.h>
#include <math.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static const char CLASS[] = "perigee.screen";

enum { COLUMNS = 80, ROWS = 24 }; /* of a terminal that does not say how large it is */

/* The module's functions have it as their upvalue. */
struct screen {
    struct readable input;
    struct termios before; /* how the terminal was; while it is raw */
    int is_raw;
};

static struct screen *screen_of(lua_State *L) {
    return lua_touserdata(L, lua_upvalueindex(1));
}

/* screen.size() -> columns, rows of standard output; nil, message, code where that is no terminal */
static int screen_size(lua_State *L) {
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0) return support_fail_errno(L, errno, "size of", "standard output");
    lua_pushinteger(L, size.ws_col ? size.ws_col : COLUMNS);
    lua_pushinteger(L, size.ws_row ? size.ws_row : ROWS);
    return 2;
}

static int screen_restore(struct screen *screen) {
    if (!screen->is_raw) return 0;
    screen->is_raw = 0;
    return tcsetattr(STDIN_FILENO, TCSAFLUSH, &screen->before);
}

static int screen_make_raw(struct screen *screen) {
    struct termios raw;
    if (screen->is_raw) return 0;
    if (tcgetattr(STDIN_FILENO, &screen->before) < 0) return -1;
    raw = screen->before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw) < 0) return -1;
    return screen->is_raw = 1, 0;
}

/* screen.raw(on) -> true, or nil, message, code: keys come at once, are not shown, and raise no signals. What was
 * before is restored by raw(false), and when the Lua state is closed. */
static int screen_raw(lua_State *L) {
    struct screen *screen = screen_of(L);
    luaL_checktype(L, 1, LUA_TBOOLEAN);
    int result = lua_toboolean(L, 1) ? screen_make_raw(screen) : screen_restore(screen);
    if (result < 0) return support_fail_errno(L, errno, "set the terminal", "standard input");
    lua_pushboolean(L, 1);
    return 1;
}

static int screen_interrupt(struct task *task, void *subject) {
    struct screen *screen = subject;
    (void)task;
    readable_forget(&screen->input);
    return 1;
}

static int screen_take_key(lua_State *L) {
    unsigned char key;
    ssize_t count = read(STDIN_FILENO, &key, 1);
    if (count < 0) return support_fail_errno(L, errno, "read", "standard input");
    if (count == 0) return support_fail(L, "closed", "read standard input: it has ended");
    lua_pushinteger(L, key);
    return 1;
}

static int screen_waited(lua_State *L, int status, lua_KContext context) {
    (void)status, (void)context;
    if (task_woken(L)) return support_fail(L, "timeout", "read standard input: no key was pressed");
    return screen_take_key(L);
}

/* screen.read_key(seconds) -> byte, or nil, message, code */
static int screen_read_key(lua_State *L) {
    struct screen *screen = screen_of(L);
    lua_Number seconds = support_check_seconds(L, 1, INFINITY);
    struct task *task = task_begin_wait(L, "read_key");
    if (screen->input.waiter) return luaL_error(L, "another task is waiting for a key");
    readable_await(&screen->input, &task->waiter);
    return task_wait(L, task, task_runtime(task)->loop.now + seconds, screen_interrupt, screen, 0, screen_waited);
}

static int screen_collect(lua_State *L) {
    screen_restore(luaL_checkudata(L, 1, CLASS));
    return 0;
}

int luaopen_core_screen(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"size", screen_size}, {"raw", screen_raw}, {"read_key", screen_read_key}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{NULL, NULL}};
    static const luaL_Reg metamethods[] = {{"__gc", screen_collect}, {NULL, NULL}};
    support_class(L, CLASS, methods, metamethods);
    luaL_newlibtable(L, functions);
    struct screen *screen = support_new(L, CLASS, sizeof *screen, 0);
    readable_init(&screen->input, &runtime_of(L)->loop, STDIN_FILENO);
    luaL_setfuncs(L, functions, 1);
    return 1;
}
