/* libedit (editline(3)), loaded at run time so that nothing is linked to it. */
#ifndef PERIGEE_SYSTEM_LINE_EDITOR_H
#define PERIGEE_SYSTEM_LINE_EDITOR_H

#include "system/terminal.h"

struct line_editor;

/* NULL: it is not installed, or out of memory. */
struct line_editor *line_editor_open(struct terminal_completer *completer, size_t history);
void line_editor_close(struct line_editor *editor);

enum terminal_outcome line_editor_read(struct line_editor *editor, const char *prompt, const char **line,
                                       size_t *length);
void line_editor_remember(struct line_editor *editor, const char *line);

#endif
