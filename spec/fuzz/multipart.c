/* Forms in pieces: however the input is cut, the events are the same; and made-up forms, full of what looks like the
 * delimiter, are read as they were made. */
#include "bytes/multipart.h"
#include "bytes/text.h"
#include "fuzz.h"

#include <stdio.h>
#include <string.h>

enum { PARTS_MAX = 6, NAME_MAX_LENGTH = 6, PIECES_MAX = 12 };

static const char *const boundaries[] = {"b", "--", "bb-b", "----WebKitFormBoundary7MA4YWxkTrZu0gW"};

static void add(struct text *text, const void *bytes, size_t length) {
    check(text_append(text, bytes, length) == 0);
}

static void add_string(struct text *text, const char *string) {
    add(text, string, strlen(string));
}

static void log_span(struct text *log, const char *what, struct span span) {
    char line[64];
    add(log, line, (size_t)sprintf(line, " %s %zd ", what, span.bytes ? (ssize_t)span.length : -1));
    if (span.bytes) add(log, span.bytes, span.length);
}

static void log_part(struct text *log, const struct multipart_part *part) {
    check(part->name.bytes != NULL);
    add_string(log, "\n[part");
    log_span(log, "name", part->name);
    log_span(log, "filename", part->filename);
    log_span(log, "type", part->content_type);
    add_string(log, "]\n");
}

static void log_event(struct text *log, const struct multipart *multipart, enum multipart_event event) {
    switch (event) {
    case MULTIPART_PART: log_part(log, &multipart->part); break;
    case MULTIPART_DATA: add(log, multipart->data.bytes, multipart->data.length); break;
    case MULTIPART_PART_END: add_string(log, "\n[end of part]"); break;
    case MULTIPART_END: add_string(log, "\n[end]"); break;
    case MULTIPART_BAD: add_string(log, "\n[bad] "), add_string(log, multipart->what); break;
    case MULTIPART_MORE: break;
    }
}

/* One piece, in memory of just its size, so that a byte too many is seen. 0 when it is bad. */
static int feed(struct multipart *multipart, struct text *log, const char *bytes, size_t length) {
    char *copy = memcpy(malloc(length + !length), bytes, length);
    struct span input = {copy, length};
    enum multipart_event event;
    do {
        event = multipart_next(multipart, &input);
        check(event != MULTIPART_DATA || multipart->data.length);
        check(event != MULTIPART_MORE || !input.length);
        log_event(log, multipart, event);
    } while (event != MULTIPART_MORE && event != MULTIPART_BAD);
    free(copy);
    return event == MULTIPART_MORE;
}

/* Pieces of sizes up to `most`, at random; all at once when it is 0. */
static struct text events_of(const char *boundary, const char *bytes, size_t length, size_t most, struct input *cuts) {
    struct multipart *multipart = malloc(sizeof *multipart);
    struct text log = {0};
    multipart_init(multipart, boundary, strlen(boundary));
    for (size_t left = length, count; left; left -= count) {
        count = most ? 1 + input_number(cuts, most - 1) : left;
        if (count > left) count = left;
        if (!feed(multipart, &log, bytes + length - left, count)) break;
    }
    add_string(&log, multipart_is_complete(multipart) ? "\n[complete]" : "\n[cut]");
    free(multipart);
    return log;
}

static void check_same(const struct text *a, struct text *b) {
    check(a->length == b->length && !memcmp(a->bytes, b->bytes, a->length));
    text_destroy(b);
}

static struct text check_cuts(const char *boundary, const char *bytes, size_t length, struct input cuts) {
    struct text whole = events_of(boundary, bytes, length, 0, &cuts);
    struct text single = events_of(boundary, bytes, length, 1, &cuts);
    struct text pieces = events_of(boundary, bytes, length, 2 + input_number(&cuts, 60), &cuts);
    check_same(&whole, &single);
    check_same(&whole, &pieces);
    return whole;
}

/* Bytes that look like a delimiter, but for their end. */
static void add_body(struct text *body, const char *boundary, struct input *input) {
    static const char *const pieces[] = {"\r", "\n", "\r\n", "\r\n-", "\r\n--", "-", "--", "x"};
    for (size_t left = input_number(input, PIECES_MAX); left; left--) {
        uint8_t choice = input_byte(input);
        if (choice < 8) add_string(body, pieces[choice]);
        else if (choice < 64) add(body, boundary, choice % (strlen(boundary) + 1));
        else if (choice < 128) add_string(body, "\r\n--"), add(body, boundary, choice % strlen(boundary));
        else add(body, &choice, 1);
    }
}

/* Neither a delimiter, nor what the CR LF before it or behind it makes one. */
static int has_delimiter(const struct text *body, const char *boundary) {
    struct text framed = {0};
    char delimiter[80];
    size_t length = (size_t)sprintf(delimiter, "\r\n--%s", boundary);
    add_string(&framed, "\r\n");
    add(&framed, body->bytes, body->length);
    add(&framed, delimiter, length);
    const char *found = memmem(framed.bytes, framed.length, delimiter, length);
    int has = found != framed.bytes + framed.length - length;
    text_destroy(&framed);
    return has;
}

static struct span make_name(char *name, struct input *input) {
    size_t length = input_number(input, NAME_MAX_LENGTH);
    for (size_t i = 0; i < length; i++) {
        name[i] = (char)input_byte(input);
        if ((unsigned char)name[i] < ' ' || name[i] == 0x7f) name[i] = '"';
    }
    return (struct span){name, length};
}

static void add_quoted(struct text *form, struct span name) {
    add_string(form, "\"");
    for (size_t i = 0; i < name.length; i++) {
        if (name.bytes[i] == '"' || name.bytes[i] == '\\') add_string(form, "\\");
        add(form, name.bytes + i, 1);
    }
    add_string(form, "\"");
}

static void add_extended(struct text *form, struct span name) {
    char escape[4];
    add_string(form, "; FILENAME*=utf-8'en'");
    for (size_t i = 0; i < name.length; i++) add(form, escape, (size_t)sprintf(escape, "%%%02x", name.bytes[i] & 255));
}

/* Adds a part to the form, and what it should be read as to the log. */
static void add_part(struct text *form, struct text *log, const char *boundary, struct input *input) {
    char name[NAME_MAX_LENGTH], filename[NAME_MAX_LENGTH];
    struct multipart_part part = {.name = make_name(name, input)};
    uint8_t choice = input_byte(input);
    struct text body = {0};
    add_string(form, choice & 1 ? "Content-Type: text/x; a=b \r\n" : "");
    add_string(form, "content-disposition:Form-Data ;name=");
    add_quoted(form, part.name);
    if (choice & 6) part.filename = make_name(filename, input);
    if (choice & 2) add_string(form, "; filename="), add_quoted(form, choice & 4 ? part.name : part.filename);
    if (choice & 4) add_extended(form, part.filename);
    if (choice & 1) part.content_type = (struct span){"text/x; a=b", 11};
    add_body(&body, boundary, input);
    if (has_delimiter(&body, boundary)) body.length = 0;
    add_string(form, "\r\n\r\n"), add(form, body.bytes, body.length);
    log_part(log, &part);
    add(log, body.bytes, body.length), add_string(log, "\n[end of part]");
    text_destroy(&body);
}

static void check_made(const char *boundary, struct input *input) {
    struct text form = {0}, log = {0};
    char delimiter[80];
    sprintf(delimiter, "--%s", boundary);
    if (input_byte(input) & 1) add_string(&form, "to be passed over\r\n");
    add_string(&form, delimiter);
    for (size_t left = input_number(input, PARTS_MAX); left; left--) {
        add_string(&form, input_byte(input) & 1 ? " \t\r\n" : "\r\n");
        add_part(&form, &log, boundary, input);
        add_string(&form, "\r\n"), add_string(&form, delimiter);
    }
    add_string(&form, input_byte(input) & 1 ? "--" : "--\r\nto be passed over, too");
    add_string(&log, "\n[end]\n[complete]");
    struct text events = check_cuts(boundary, form.bytes, form.length, *input);
    check_same(&events, &log);
    text_destroy(&form), text_destroy(&events);
}

/* A head of just so many bytes and fields: at the limits it is read, beyond them refused. Seldom, as it is long. */
static void check_limits(const char *boundary, struct input *input) {
    static const char disposition[] = "Content-Disposition: form-data; name=a\r\n", field[] = "X:\r\n";
    struct text form = {0};
    size_t fields = 1 + input_number(input, MULTIPART_FIELDS_MAX),
           size = MULTIPART_HEAD_MAX - 8 + input_number(input, 15);
    add_string(&form, "--"), add_string(&form, boundary), add_string(&form, "\r\n");
    size_t start = form.length;
    add_string(&form, disposition);
    for (size_t i = 1; i < fields; i++) add_string(&form, field);
    form.length -= 2;
    while (form.length - start < size - 4) add_string(&form, " ");
    add_string(&form, "\r\n\r\n");
    struct text events = events_of(boundary, form.bytes, form.length, 255, input);
    int is_read = size <= MULTIPART_HEAD_MAX && fields <= MULTIPART_FIELDS_MAX;
    check((memmem(events.bytes, events.length, "\n[part name 1 a", 15) != NULL) == is_read);
    check((memmem(events.bytes, events.length, "\n[bad] ", 7) != NULL) == !is_read);
    text_destroy(&form), text_destroy(&events);
}

static void check_safe_name(const uint8_t *data, size_t size) {
    char *name = memcpy(malloc(size + !size), data, size);
    size_t length = multipart_safe_name(name, size);
    check(length <= size);
    for (size_t i = 0; i < length; i++)
        check((uint8_t)name[i] >= ' ' && name[i] != 0x7f && name[i] != '/' && name[i] != '\\');
    check(!(length == 1 && *name == '.') && !(length == 2 && !memcmp(name, "..", 2)));
    check(multipart_safe_name(name, length) == length);
    free(name);
}

static void check_boundary(const uint8_t *data, size_t size) {
    struct multipart multipart;
    const char *boundary = NULL;
    size_t length = 0;
    char *copy = memcpy(malloc(size + !size), data, size);
    if (multipart_boundary(copy, size, &boundary, &length) == 0) {
        check(length && length <= MULTIPART_BOUNDARY_MAX && !memchr(boundary, '\r', length));
        check(boundary > copy && boundary + length <= copy + size);
        multipart_init(&multipart, boundary, length);
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {data, size};
    const char *boundary = boundaries[input_byte(&input) % 4];
    struct text events = check_cuts(boundary, (const char *)input.data, input.size, (struct input){data, size});
    text_destroy(&events);
    check_boundary(data, size);
    check_safe_name(data, size);
    check_made(boundary, &input);
    if (input_byte(&input) == 'L') check_limits(boundary, &input);
    return 0;
}
