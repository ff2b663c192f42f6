#include "bytes/resp.h"

#include <stdio.h>

enum { BEFORE_VALUE, IN_HEADER, BEFORE_HEADER_LF, IN_BULK, IN_LINE, IN_INLINE };

enum { HEADER_DIGITS = 18, SHORTEST_VALUE = 3, SHORTEST_WORD = 6 }; /* the latter two in bytes: "_\r\n", "$0\r\n\r\n" */

struct view {
    const unsigned char *at, *end;
};

void resp_scan_begin(struct resp_scan *scan) {
    *scan = (struct resp_scan){.limit = scan->limit, .is_command = scan->is_command};
    scan->values = 1;
}

static enum message_status bad(struct resp_scan *scan, const char *problem) {
    snprintf(scan->problem, sizeof scan->problem, "%s", problem);
    return MESSAGE_BAD;
}

static enum message_status bad_type(struct resp_scan *scan, unsigned char byte) {
    const char *format = byte > ' ' && byte < 0x7f ? "%s, got '%c'" : "%s, got byte 0x%02x";
    snprintf(scan->problem, sizeof scan->problem, format, scan->is_command ? "expected '$'" : "expected a value", byte);
    return MESSAGE_BAD;
}

static int is_bulk(char type) {
    return type == '$' || type == '=' || type == '!';
}

static const char *length_problem(const struct resp_scan *scan) {
    if (!is_bulk(scan->type)) return scan->is_command ? "invalid multibulk length" : "invalid length of an aggregate";
    return "invalid bulk length";
}

/* Of commands Redis says no more than that. */
static enum message_status too_large(struct resp_scan *scan) {
    return scan->is_command ? bad(scan, length_problem(scan)) : MESSAGE_LARGE;
}

/* Values. */

static enum message_status value_end(struct resp_scan *scan) {
    scan->phase = BEFORE_VALUE;
    return --scan->values ? MESSAGE_MORE : MESSAGE_DONE;
}

static enum message_status begin_phase(struct resp_scan *scan, int phase) {
    scan->phase = phase;
    scan->length = scan->line = 0;
    scan->digits = scan->is_negative = scan->last = 0;
    return MESSAGE_MORE;
}

static enum message_status begin_value(struct resp_scan *scan, struct view *view) {
    unsigned char byte = *view->at;
    int is_first = !scan->type;
    if (scan->is_command && is_first && byte != '*') {
        scan->type = 1;
        return begin_phase(scan, IN_INLINE);
    }
    if (!byte || !strchr(scan->is_command ? is_first ? "*" : "$" : "+-:_,#($=!*%~>|", byte))
        return bad_type(scan, byte);
    view->at++;
    scan->type = (char)byte;
    return begin_phase(scan, strchr("+-:_,#(", byte) ? IN_LINE : IN_HEADER);
}

/* Headers: a length and CR LF. */

/* Two for each field of a map; the value that attributes are about is still to come. */
static enum message_status begin_aggregate(struct resp_scan *scan) {
    size_t shortest = scan->is_command ? SHORTEST_WORD : SHORTEST_VALUE;
    uint64_t parts = scan->type == '%' || scan->type == '|' ? scan->length * 2 : scan->length;
    if (scan->is_negative) parts = 0;
    if (parts > scan->limit / shortest) return too_large(scan);
    scan->values += parts + (scan->type == '|');
    return value_end(scan);
}

static enum message_status begin_bulk(struct resp_scan *scan) {
    if (scan->is_negative) return value_end(scan);
    if (scan->length > scan->limit) return too_large(scan);
    scan->left = scan->length + 2;
    scan->phase = IN_BULK;
    return MESSAGE_MORE;
}

/* -1 is the null of RESP2, and as a number of words none at all. */
static int may_be_negative(const struct resp_scan *scan) {
    return scan->is_command ? scan->type == '*' : scan->type == '*' || scan->type == '$';
}

static int header_is_valid(const struct resp_scan *scan) {
    if (!scan->digits) return 0;
    if (!scan->is_negative) return 1;
    return may_be_negative(scan) && (scan->length == 1 || (scan->is_command && scan->length));
}

static enum message_status header_end(struct resp_scan *scan, struct view *view) {
    if (*view->at != '\n') return bad(scan, length_problem(scan));
    view->at++;
    return is_bulk(scan->type) ? begin_bulk(scan) : begin_aggregate(scan);
}

static enum message_status scan_header(struct resp_scan *scan, struct view *view) {
    for (; view->at < view->end; view->at++) {
        unsigned char byte = *view->at;
        unsigned digit = byte - (unsigned)'0';
        if (digit < 10 && scan->digits < HEADER_DIGITS && !(scan->digits && !scan->length)) {
            scan->length = scan->length * 10 + digit;
            scan->digits++;
        } else if (byte == '-' && !scan->digits && !scan->is_negative) {
            scan->is_negative = 1;
        } else if (byte == '\r' && header_is_valid(scan)) {
            view->at++;
            scan->phase = BEFORE_HEADER_LF;
            return MESSAGE_MORE;
        } else {
            return bad(scan, length_problem(scan));
        }
    }
    return MESSAGE_MORE;
}

/* Contents. */

static enum message_status scan_bulk(struct resp_scan *scan, struct view *view) {
    size_t there = (size_t)(view->end - view->at);
    if (scan->left > 2) {
        size_t take = scan->left - 2 < there ? (size_t)scan->left - 2 : there;
        view->at += take;
        scan->left -= take;
    }
    for (; scan->left <= 2 && view->at < view->end; view->at++) {
        if (*view->at != (scan->left == 2 ? '\r' : '\n')) return bad(scan, "a bulk string that is longer than it says");
        if (--scan->left) continue;
        view->at++;
        return value_end(scan);
    }
    return MESSAGE_MORE;
}

/* Goes behind the line feed: 1; or to the end: 0. */
static int pass_line(struct resp_scan *scan, struct view *view) {
    const unsigned char *from = view->at, *found = memchr(from, '\n', (size_t)(view->end - from));
    const unsigned char *stop = found ? found : view->end;
    scan->line += (uint64_t)(stop - from);
    if (stop > from) scan->last = stop[-1];
    view->at = found ? found + 1 : view->end;
    return found != NULL;
}

static enum message_status scan_line(struct resp_scan *scan, struct view *view) {
    if (!pass_line(scan, view)) return MESSAGE_MORE;
    return scan->last == '\r' ? value_end(scan) : bad(scan, "a line that does not end in CR LF");
}

static enum message_status scan_inline(struct resp_scan *scan, struct view *view) {
    int is_whole = pass_line(scan, view);
    if (scan->line > RESP_INLINE_MAX) return bad(scan, "too big inline request");
    return is_whole ? MESSAGE_DONE : MESSAGE_MORE;
}

static enum message_status scan_phase(struct resp_scan *scan, struct view *view) {
    switch (scan->phase) {
    case BEFORE_VALUE: return begin_value(scan, view);
    case IN_HEADER: return scan_header(scan, view);
    case BEFORE_HEADER_LF: return header_end(scan, view);
    case IN_BULK: return scan_bulk(scan, view);
    case IN_LINE: return scan_line(scan, view);
    default: return scan_inline(scan, view);
    }
}

enum message_status resp_scan(struct resp_scan *scan, const unsigned char *bytes, size_t length, size_t *used) {
    struct view view = {bytes, bytes + length};
    enum message_status status = MESSAGE_MORE;
    while (status == MESSAGE_MORE && view.at < view.end) status = scan_phase(scan, &view);
    *used = (size_t)(view.at - bytes);
    return status;
}
