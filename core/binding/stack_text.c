#include "binding/stack_text.h"
#include "bytes/append.h"

#include <stdarg.h>
#include <string.h>

enum { LEVELS_MAX = 24, LEVELS_SEARCHED = 200 };

static void add(struct stack_text *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    text->length = append_format(text->bytes, sizeof text->bytes, text->length, format, arguments);
    va_end(arguments);
}

static void add_level(struct stack_text *text, const lua_Debug *level) {
    add(text, "%s:", level->short_src);
    if (level->currentline > 0) add(text, "%d:", level->currentline);
    if (*level->namewhat) add(text, " in %s '%s'\n", level->namewhat, level->name);
    else if (*level->what == 'm') add(text, " in main chunk\n");
    else if (*level->what != 'C') add(text, " in function <%s:%d>\n", level->short_src, level->linedefined);
    else add(text, " in ?\n");
}

void stack_text_add(struct stack_text *text, lua_State *L) {
    lua_Debug level;
    for (int i = 0; i < LEVELS_MAX && lua_getstack(L, i, &level); i++)
        if (lua_getinfo(L, "Sln", &level)) add_level(text, &level);
}

static int is_of_library(const lua_Debug *level) {
    return strncmp(level->source, "@perigee/", sizeof "@perigee/" - 1) == 0;
}

int stack_place(lua_State *L, char source[LUA_IDSIZE], int *line) {
    lua_Debug level;
    int found = 0;
    for (int i = 0; i < LEVELS_SEARCHED && lua_getstack(L, i, &level); i++) {
        lua_getinfo(L, "Sl", &level);
        if (level.currentline <= 0 || (found && is_of_library(&level))) continue;
        memcpy(source, level.short_src, LUA_IDSIZE);
        *line = level.currentline;
        found = 1;
        if (!is_of_library(&level)) break;
    }
    return found;
}
