/* What the watchdog's thread writes by itself, while Lua cannot: an event of the log, as lua/perigee/log.lua writes it. */
#include "binding/watchdog.h"
#include "bytes/append.h"

#include <stdarg.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_SIZE = 2 * STACK_TEXT_SIZE };

struct text {
    size_t length;
    char bytes[TEXT_SIZE];
};

static void add(struct text *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    text->length = append_format(text->bytes, sizeof text->bytes, text->length, format, arguments);
    va_end(arguments);
}

static void add_time(struct text *text) {
    struct timespec now;
    struct tm parts;
    char day_and_time[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    strftime(day_and_time, sizeof day_and_time, "%Y-%m-%dT%H:%M:%S", &parts);
    add(text, "%s.%03dZ", day_and_time, (int)(now.tv_nsec / 1000000));
}

/* With `between` before each line of the stack. What is not ASCII may be a half character, where a name was cut. */
static void add_stack(struct text *text, const struct stack_text *stack, const char *between, int json) {
    int begins = 1;
    for (size_t i = 0; i < stack->length && text->length < TEXT_SIZE - 64; i++) {
        unsigned char byte = (unsigned char)stack->bytes[i];
        if (begins) add(text, "%s", i || !json ? between : "");
        begins = byte == '\n';
        if (begins) continue;
        if (json && (byte == '"' || byte == '\\')) add(text, "\\%c", byte);
        else add(text, "%c", byte < ' ' || byte > '~' ? '?' : byte);
    }
}

static void add_json(struct text *text, const struct stack_text *stack) {
    add(text, "\"traceback\":\"");
    add_stack(text, stack, "\\n", 1);
    add(text, "\"}\n");
}

static void write_all(int fd, const struct text *text) {
    ssize_t written = write(fd, text->bytes, text->length); /* whoever does not take it misses it */
    (void)written;
}

static const char MESSAGE[] = "the loop has been silent for %.1f s: SIGINT and SIGTERM end the process at once";

static void log_text(struct text *text, const struct stack_text *stack, double seconds) {
    add_time(text);
    add(text, " error perigee  ");
    add(text, MESSAGE, seconds);
    add_stack(text, stack, "\n    ", 0);
    add(text, "\n");
}

static void log_json(struct text *text, const struct stack_text *stack, double seconds) {
    add(text, "{\"time\":\"");
    add_time(text);
    add(text, "\",\"level\":\"error\",\"service\":\"perigee\",\"message\":\"");
    add(text, MESSAGE, seconds);
    add(text, "\",");
    add_json(text, stack);
}

void watchdog_report_silence(const struct watchdog *watchdog, double seconds) {
    struct text text = {0};
    if (watchdog->options.report >= 0) {
        add(&text, "{\"seconds\":%.1f,", seconds);
        add_json(&text, &watchdog->stack);
        write_all(watchdog->options.report, &text);
        return;
    }
    if (watchdog->options.json) log_json(&text, &watchdog->stack, seconds);
    else log_text(&text, &watchdog->stack, seconds);
    write_all(STDERR_FILENO, &text);
}
