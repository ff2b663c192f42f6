/* perigee: a runtime, the Lua library, and perigee.cli with the command line in its main task. */
#include "binding/library.h"
#include "binding/modules.h"
#include "binding/runtime.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct program {
    struct runtime *runtime;
    int argc;
    char **argv;
    int status; /* exit status; that of a failed start until the main task has ended well */
};

static void program_on_main_ended(struct task *task, void *context) {
    struct program *program = context;
    if (task->outcome == TASK_RETURNED) program->status = (int)lua_tointeger(task->L, 1);
    loop_stop(&task_runtime(task)->loop);
}

static void program_push_arguments(lua_State *L, const struct program *program) {
    lua_createtable(L, program->argc, 0);
    for (int i = 0; i < program->argc; i++) {
        lua_pushstring(L, program->argv[i]);
        lua_rawseti(L, -2, i);
    }
}

/* Spawns perigee.cli.main(arguments). */
static int program_start(lua_State *L) {
    struct program *program = lua_touserdata(L, 1);
    library_open(L);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "perigee.cli");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "main");
    program_push_arguments(L, program);
    struct task *task = scope_spawn(L, program->runtime->scope, 3);
    task->ended = program_on_main_ended;
    task->ended_context = program;
    return 0;
}

/* Memory that was freed is kept for the next large string instead of being unmapped and mapped again; after a peak
 * tidying gives it back. */
static void program_tune_memory(void) {
    mallopt(M_TRIM_THRESHOLD, 256 * 1024 * 1024);
    mallopt(M_MMAP_THRESHOLD, 32 * 1024 * 1024);
}

/* While a thread goes on, which may be using what exit(3) would take down. */
static void program_leave(int status) {
    if (ftrylockfile(stdout) == 0) fflush(stdout);
    _exit(status);
}

int main(int argc, char **argv) {
    program_tune_memory();
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0); /* what a script prints is seen at once, in a file or a pipe as well */
    struct program program = {runtime_new(), argc, argv, 2};
    if (!program.runtime) {
        fprintf(stderr, "perigee: cannot start: %s\n", strerror(errno));
        return program.status;
    }
    if (runtime_call(program.runtime, program_start, &program) == 0) loop_run(&program.runtime->loop);
    if (runtime_free(program.runtime) < 0) program_leave(program.status);
    return program.status;
}
