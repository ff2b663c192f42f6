#include "system/terminal.h"
#include "system/line_editor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

struct terminal {
    struct line_editor *editor; /* NULL: lines as they come */
    char *line;
    size_t room;
};

struct terminal *terminal_open(struct terminal_completer *completer, size_t history) {
    struct terminal *terminal = calloc(1, sizeof *terminal);
    if (terminal) terminal->editor = line_editor_open(completer, history);
    return terminal;
}

void terminal_close(struct terminal *terminal) {
    if (terminal->editor) line_editor_close(terminal->editor);
    free(terminal->line);
    free(terminal);
}

int terminal_is_edited(const struct terminal *terminal) {
    return terminal->editor != NULL;
}

static void on_interrupted(int number) {
    (void)number; /* read(2) returns with EINTR */
}

/* getline(3), which Ctrl-C interrupts. */
static ssize_t read_plain(struct terminal *terminal) {
    struct sigaction mine = {.sa_handler = on_interrupted}, before;
    sigaction(SIGINT, &mine, &before);
    clearerr(stdin);
    errno = 0;
    ssize_t count = getline(&terminal->line, &terminal->room, stdin);
    int error = errno;
    sigaction(SIGINT, &before, NULL);
    return errno = error, count;
}

static enum terminal_outcome terminal_read_plain(struct terminal *terminal, const char *prompt, const char **line,
                                                 size_t *length) {
    fputs(prompt, stdout);
    fflush(stdout);
    ssize_t count = read_plain(terminal);
    if (count < 0 && errno == EINTR) return TERMINAL_INTERRUPTED;
    if (count < 0) return errno && errno != EIO ? TERMINAL_FAILED : TERMINAL_ENDED;
    *line = terminal->line;
    *length = (size_t)count - (count > 0 && terminal->line[count - 1] == '\n');
    return TERMINAL_LINE;
}

enum terminal_outcome terminal_read(struct terminal *terminal, const char *prompt, const char **line, size_t *length) {
    if (terminal->editor) return line_editor_read(terminal->editor, prompt, line, length);
    return terminal_read_plain(terminal, prompt, line, length);
}

void terminal_remember(struct terminal *terminal, const char *line) {
    if (terminal->editor) line_editor_remember(terminal->editor, line);
}
