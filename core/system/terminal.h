/* Reading lines from the terminal at standard input, blocking: edited by libedit, which is loaded when the first one is
 * opened, or as they come where it is not installed.
 * Owner: whoever opened it; there is one at a time. */
#ifndef PERIGEE_SYSTEM_TERMINAL_H
#define PERIGEE_SYSTEM_TERMINAL_H

#include <stddef.h>

struct terminal;

/* What to do about an unfinished word; both belong to the terminal then, which frees them, and may be NULL. */
struct terminal_completion {
    char *inserted; /* where the cursor is */
    char *shown;    /* below the line: what may be meant */
};

/* Is called while a line is read, with the text before the cursor. */
struct terminal_completer {
    void (*complete)(struct terminal_completer *completer, const char *text, size_t length,
                     struct terminal_completion *completion);
};

enum terminal_outcome {
    TERMINAL_LINE,
    TERMINAL_ENDED,       /* the end of the input, Ctrl-D */
    TERMINAL_INTERRUPTED, /* Ctrl-C: the line is given up */
    TERMINAL_FAILED       /* with errno */
};

struct terminal *terminal_open(struct terminal_completer *completer, size_t history); /* NULL: out of memory */
void terminal_close(struct terminal *terminal);
int terminal_is_edited(const struct terminal *terminal); /* by libedit */

/* Shows the prompt and reads a line, which is valid until the next call, and comes without its end. */
enum terminal_outcome terminal_read(struct terminal *terminal, const char *prompt, const char **line, size_t *length);

/* Adds a line to those that arrow up brings back. */
void terminal_remember(struct terminal *terminal, const char *line);

#endif
