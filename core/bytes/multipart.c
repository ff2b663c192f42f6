#include "bytes/multipart.h"
#include "bytes/multipart_head.h"
#include "bytes/parameters.h"

#include <assert.h>
#include <string.h>

enum state {
    STATE_PREAMBLE,  /* before the first delimiter */
    STATE_DATA,      /* within a part */
    STATE_DELIMITER, /* behind a delimiter */
    STATE_DASH,      /* behind its first of two dashes */
    STATE_PADDING,   /* in the space before its line end */
    STATE_LINE_FEED, /* before the LF of that */
    STATE_HEAD,      /* in the header fields of a part */
    STATE_COMPLETE,
    STATE_BAD
};

/* RFC 2046 5.1.1 */
static int is_boundary(struct span span) {
    static const char others[] = "'()+_,-./:=? ";
    if (!span.length || span.length > MULTIPART_BOUNDARY_MAX || span.bytes[span.length - 1] == ' ') return 0;
    for (size_t i = 0; i < span.length; i++) {
        char byte = span.bytes[i], letter = (char)(byte | 0x20);
        if ((letter >= 'a' && letter <= 'z') || (byte >= '0' && byte <= '9')) continue;
        if (!byte || !strchr(others, byte)) return 0;
    }
    return 1;
}

int multipart_boundary(const char *content_type, size_t length, const char **boundary, size_t *boundary_length) {
    static const char type[] = "multipart/form-data";
    struct parameter parameter;
    size_t position = strlen(type);
    if (length < position || strncasecmp(content_type, type, position) != 0) return -1;
    while (parameter_next(content_type, length, &position, &parameter) > 0) {
        if (!parameter_is(&parameter, "boundary")) continue;
        if (!is_boundary(parameter.value)) return -1;
        *boundary = parameter.value.bytes;
        *boundary_length = parameter.value.length;
        return 0;
    }
    return -1;
}

/* What comes next may be the delimiter without its line end, as that has been before. */
static void multipart_hold_line_end(struct multipart *multipart) {
    multipart->held = multipart->unreal = 2;
}

void multipart_init(struct multipart *multipart, const char *boundary, size_t length) {
    assert(length && length <= MULTIPART_BOUNDARY_MAX);
    memset(multipart, 0, offsetof(struct multipart, head));
    memcpy(multipart->delimiter, "\r\n--", 4);
    memcpy(multipart->delimiter + 4, boundary, length);
    multipart->delimiter_length = (uint8_t)(4 + length);
    multipart->state = STATE_PREAMBLE;
    multipart_hold_line_end(multipart);
}

int multipart_is_complete(const struct multipart *multipart) {
    return multipart->state == STATE_COMPLETE;
}

static enum multipart_event multipart_refuse(struct multipart *multipart, const char *what) {
    multipart->state = STATE_BAD;
    multipart->what = what;
    return MULTIPART_BAD;
}

static void span_advance(struct span *span, size_t count) {
    span->bytes += count;
    span->length -= count;
}

/* Is there a delimiter, or as much of it as there is room for? Most CRs are found out by what follows them. */
static size_t multipart_match(const struct multipart *multipart, const char *at, size_t left) {
    if (left >= 3 && (at[1] != '\n' || at[2] != '-')) return 0;
    size_t count = left < multipart->delimiter_length ? left : multipart->delimiter_length;
    return memcmp(at, multipart->delimiter, count) == 0 ? count : 0;
}

/* Where the delimiter is, or at the end may begin: a CR is its first byte, and no other. The count is of its bytes that
 * are there. */
static const char *multipart_find(const struct multipart *multipart, const struct span *input, size_t *count) {
    const char *end = input->bytes + input->length;
    for (const char *at = input->bytes; at < end; at++) {
        if (*at != '\r') at = memchr(at, '\r', (size_t)(end - at));
        if (!at) break;
        *count = multipart_match(multipart, at, (size_t)(end - at));
        if (*count) return at;
    }
    *count = 0;
    return end;
}

/* Takes what comes before the delimiter, or before what may be its beginning, and that. */
static size_t multipart_take_data(struct multipart *multipart, struct span *input) {
    size_t held, count = (size_t)(multipart_find(multipart, input, &held) - input->bytes);
    multipart->data = (struct span){input->bytes, count};
    multipart->held = (uint8_t)held;
    span_advance(input, count + held);
    return count;
}

/* Goes on with the held bytes of a delimiter. When they are none, they are the data. */
static size_t multipart_take_held(struct multipart *multipart, struct span *input) {
    size_t held = multipart->held, left = multipart->delimiter_length - held;
    size_t count = left < input->length ? left : input->length;
    if (memcmp(input->bytes, multipart->delimiter + held, count) == 0) {
        multipart->held = (uint8_t)(held + count);
        span_advance(input, count);
        return 0;
    }
    multipart->data = (struct span){multipart->delimiter + multipart->unreal, held - multipart->unreal};
    multipart->held = multipart->unreal = 0;
    return multipart->data.length;
}

static int multipart_has_delimiter(const struct multipart *multipart) {
    return multipart->held == multipart->delimiter_length;
}

static enum multipart_event multipart_end_part(struct multipart *multipart) {
    int in_part = multipart->in_part;
    multipart->held = multipart->unreal = multipart->in_part = 0;
    multipart->state = STATE_DELIMITER;
    return in_part ? MULTIPART_PART_END : MULTIPART_MORE;
}

/* Preamble and data: up to a delimiter. The input is empty when it says MORE, or the state is another. */
static enum multipart_event multipart_scan(struct multipart *multipart, struct span *input) {
    while (input->length || multipart_has_delimiter(multipart)) {
        if (multipart_has_delimiter(multipart)) return multipart_end_part(multipart);
        size_t count = multipart->held ? multipart_take_held(multipart, input) : multipart_take_data(multipart, input);
        if (count && multipart->in_part) return MULTIPART_DATA;
    }
    return MULTIPART_MORE;
}

/* Up to the two dashes, or the line end, that end a delimiter. */
static enum multipart_event multipart_scan_delimiter(struct multipart *multipart, struct span *input) {
    char byte = *input->bytes;
    span_advance(input, 1);
    switch (multipart->state) {
    case STATE_DELIMITER:
        if (byte == '-') {
            multipart->state = STATE_DASH;
            return MULTIPART_MORE;
        }
        /* fall through */
    case STATE_PADDING:
        multipart->state = byte == '\r' ? STATE_LINE_FEED : STATE_PADDING;
        if (byte == '\r' || byte == ' ' || byte == '\t') return MULTIPART_MORE;
        break;
    case STATE_DASH:
        if (byte != '-') break;
        multipart->state = STATE_COMPLETE;
        return MULTIPART_END;
    default:
        if (byte != '\n') break;
        multipart->state = STATE_HEAD;
        memcpy(multipart->head, "\r\n", 2);
        multipart->head_length = 2;
        return MULTIPART_MORE;
    }
    return multipart_refuse(multipart, "a boundary is followed by something else");
}

/* Copies up to the end of a line. */
static void multipart_copy_line(struct multipart *multipart, struct span *input) {
    size_t room = sizeof multipart->head - multipart->head_length;
    size_t count = input->length < room ? input->length : room;
    const char *line_feed = memchr(input->bytes, '\n', count);
    if (line_feed) count = (size_t)(line_feed - input->bytes) + 1;
    memcpy(multipart->head + multipart->head_length, input->bytes, count);
    multipart->head_length += count;
    span_advance(input, count);
}

static int multipart_head_is_whole(const struct multipart *multipart) {
    return multipart->head_length >= 4 && memcmp(multipart->head + multipart->head_length - 4, "\r\n\r\n", 4) == 0;
}

static enum multipart_event multipart_scan_head(struct multipart *multipart, struct span *input) {
    while (input->length && !multipart_head_is_whole(multipart)) {
        if (multipart->head_length == sizeof multipart->head)
            return multipart_refuse(multipart, "the header fields of a part are too long");
        multipart_copy_line(multipart, input);
    }
    if (!multipart_head_is_whole(multipart)) return MULTIPART_MORE;
    const char *what = multipart_head_parse(&multipart->part, multipart->head + 2, multipart->head_length - 4);
    if (what) return multipart_refuse(multipart, what);
    multipart->state = STATE_DATA;
    multipart->in_part = 1;
    multipart_hold_line_end(multipart);
    return MULTIPART_PART;
}

static enum multipart_event multipart_step(struct multipart *multipart, struct span *input) {
    switch (multipart->state) {
    case STATE_PREAMBLE:
    case STATE_DATA: return multipart_scan(multipart, input);
    case STATE_HEAD: return multipart_scan_head(multipart, input);
    case STATE_COMPLETE: span_advance(input, input->length); return MULTIPART_MORE;
    case STATE_BAD: return MULTIPART_BAD;
    default: return multipart_scan_delimiter(multipart, input);
    }
}

enum multipart_event multipart_next(struct multipart *multipart, struct span *input) {
    enum multipart_event event = MULTIPART_MORE;
    while (event == MULTIPART_MORE && (input->length || multipart_has_delimiter(multipart)))
        event = multipart_step(multipart, input);
    return event;
}

size_t multipart_safe_name(char *name, size_t length) {
    size_t kept = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)name[i];
        if (byte == '/' || byte == '\\') kept = 0;
        else if (byte >= ' ' && byte != 0x7f) name[kept++] = name[i];
    }
    int is_dots = (kept == 1 || kept == 2) && name[0] == '.' && name[kept - 1] == '.';
    return is_dots ? 0 : kept;
}
