#include "system/line_editor.h"

#include <dlfcn.h>
#include <errno.h>
#include <histedit.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What we use of it. */
struct library {
    void *handle;
    __typeof__(&el_init) init;
    __typeof__(&el_end) end;
    __typeof__(&el_set) set;
    __typeof__(&el_wset) set_wide;
    __typeof__(&el_gets) gets;
    __typeof__(&el_line) line;
    __typeof__(&el_insertstr) insert;
    __typeof__(&el_push) push;
    __typeof__(&history_init) history_init;
    __typeof__(&history_end) history_end;
    __typeof__(&history) history;
};

struct line_editor {
    struct library library;
    EditLine *edit;
    History *history;
    struct terminal_completer *completer;
    const char *prompt;
    int interrupted;
};

/* It stays loaded, since what it uses keeps memory for the next time. */
static int library_load(struct library *library) {
    const struct {
        const char *name;
        void *place;
    } symbols[] = {
        {"el_init", &library->init},
        {"el_end", &library->end},
        {"el_set", &library->set},
        {"el_wset", &library->set_wide},
        {"el_gets", &library->gets},
        {"el_line", &library->line},
        {"el_insertstr", &library->insert},
        {"history_init", &library->history_init},
        {"history_end", &library->history_end},
        {"history", &library->history},
        {"el_push", &library->push},
    };
    library->handle = dlopen("libedit.so.2", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!library->handle) return -1;
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        void *symbol = dlsym(library->handle, symbols[i].name);
        if (!symbol) return -1;
        memcpy(symbols[i].place, &symbol, sizeof symbol);
    }
    return 0;
}

/* Characters of more than one byte are edited as one. */
static void use_locale(void) {
    setlocale(LC_CTYPE, "");
    if (MB_CUR_MAX == 1) setlocale(LC_CTYPE, "C.UTF-8");
}

/* libedit gives its callbacks nothing of ours, so this is who is reading; there is one terminal. */
static struct line_editor *reading;

static char *give_prompt(EditLine *edit) {
    (void)edit;
    return (char *)reading->prompt;
}

static unsigned char take_completion(EditLine *edit, struct terminal_completion *completion) {
    unsigned char result = completion->shown ? CC_REDISPLAY : completion->inserted ? CC_REFRESH : CC_REFRESH_BEEP;
    if (completion->inserted) reading->library.insert(edit, completion->inserted);
    if (completion->shown) printf("\n%s\n", completion->shown);
    free(completion->inserted);
    free(completion->shown);
    return result;
}

/* TAB behind a blank indents. */
static unsigned char on_tab(EditLine *edit, int key) {
    (void)key;
    const LineInfo *line = reading->library.line(edit);
    size_t length = (size_t)(line->cursor - line->buffer);
    struct terminal_completion completion = {NULL, NULL};
    if (length == 0 || strchr(" \t", line->cursor[-1])) return reading->library.insert(edit, "  "), CC_REFRESH;
    reading->completer->complete(reading->completer, line->buffer, length, &completion);
    return take_completion(edit, &completion);
}

/* As if Enter had been pressed, which leaves the screen in order; the line is not wanted. */
static unsigned char on_interrupt(EditLine *edit, int key) {
    (void)key;
    reading->interrupted = 1;
    reading->library.push(edit, "\n");
    return CC_NORM;
}

/* libedit's own handler gives the terminal back meanwhile. */
static unsigned char on_suspend(EditLine *edit, int key) {
    (void)edit, (void)key;
    raise(SIGTSTP);
    return CC_REDISPLAY;
}

/* Ctrl-C and Ctrl-Z come as keys, not as signals; EL_SIGNAL is for those that others send, and for the window's size. */
static void editor_configure(struct line_editor *editor) {
    const struct library *library = &editor->library;
    EditLine *edit = editor->edit;
    library->set(edit, EL_PROMPT, give_prompt);
    library->set(edit, EL_EDITOR, "emacs");
    library->set(edit, EL_SIGNAL, 1);
    library->set(edit, EL_SETTY, "-d", "-isig", NULL);
    library->set_wide(edit, EL_ADDFN, L"perigee-complete", L"complete a name", on_tab); /* el_set would leak */
    library->set_wide(edit, EL_ADDFN, L"perigee-interrupt", L"give the line up", on_interrupt);
    library->set_wide(edit, EL_ADDFN, L"perigee-suspend", L"suspend the process", on_suspend);
    library->set(edit, EL_BIND, "^I", "perigee-complete", NULL);
    library->set(edit, EL_BIND, "^C", "perigee-interrupt", NULL);
    library->set(edit, EL_BIND, "^Z", "perigee-suspend", NULL);
    library->set(edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
    library->set(edit, EL_HIST, library->history, editor->history);
}

static int editor_begin(struct line_editor *editor, size_t history) {
    HistEvent event;
    if (library_load(&editor->library) < 0) return -1;
    use_locale();
    editor->history = editor->library.history_init();
    editor->edit = editor->library.init("perigee", stdin, stdout, stderr);
    if (!editor->history || !editor->edit) return -1;
    editor->library.history(editor->history, &event, H_SETSIZE, (int)history);
    editor->library.history(editor->history, &event, H_SETUNIQUE, 1);
    editor_configure(editor);
    return 0;
}

struct line_editor *line_editor_open(struct terminal_completer *completer, size_t history) {
    struct line_editor *editor = calloc(1, sizeof *editor);
    if (!editor) return NULL;
    editor->completer = completer;
    if (editor_begin(editor, history) == 0) return editor;
    line_editor_close(editor);
    return NULL;
}

void line_editor_close(struct line_editor *editor) {
    if (editor->edit) editor->library.end(editor->edit);
    if (editor->history) editor->library.history_end(editor->history);
    if (editor->library.handle) dlclose(editor->library.handle);
    free(editor);
}

enum terminal_outcome line_editor_read(struct line_editor *editor, const char *prompt, const char **line,
                                       size_t *length) {
    int count = 0;
    editor->prompt = prompt;
    editor->interrupted = 0;
    reading = editor;
    *line = editor->library.gets(editor->edit, &count);
    reading = NULL;
    if (editor->interrupted) return TERMINAL_INTERRUPTED;
    if (!*line || count <= 0) return count < 0 && errno != EIO ? TERMINAL_FAILED : TERMINAL_ENDED;
    *length = (size_t)count - ((*line)[count - 1] == '\n');
    return TERMINAL_LINE;
}

void line_editor_remember(struct line_editor *editor, const char *line) {
    HistEvent event;
    editor->library.history(editor->history, &event, H_ENTER, line);
}
