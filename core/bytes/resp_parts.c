/* The pieces of messages: lines and numbers, the words of an inline command; and headers, written. */
#include "bytes/json_number.h"
#include "bytes/resp.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

int resp_line_take(struct resp_line *line, const unsigned char **at, const unsigned char *end) {
    const unsigned char *found = memchr(*at, '\n', (size_t)(end - *at));
    if (!found || found == *at || found[-1] != '\r') return -1;
    *line = (struct resp_line){*at, (size_t)(found - *at) - 1};
    *at = found + 1;
    return 0;
}

int resp_integer_read(struct resp_line line, int64_t *integer) {
    const unsigned char *at = line.bytes, *end = at + line.length;
    int is_negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+')) at++;
    if (at == end) return -1;
    int64_t value = 0; /* negative: there is one more of them */
    for (; at < end; at++) {
        int digit = *at - '0';
        if (digit < 0 || digit > 9) return -1;
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, digit, &value)) return -1;
    }
    if (!is_negative && value == INT64_MIN) return -1;
    *integer = is_negative ? value : -value;
    return 0;
}

static int is_word(struct resp_line line, const char *word) {
    if (line.length != strlen(word)) return 0;
    for (size_t i = 0; i < line.length; i++)
        if (tolower(line.bytes[i]) != word[i]) return 0;
    return 1;
}

/* strtod(3) takes more than numbers in decimal, and its point is the locale's; this program never sets one. */
static int is_decimal(struct resp_line line) {
    for (size_t i = 0; i < line.length; i++)
        if (!line.bytes[i] || !strchr("0123456789+-.eE", line.bytes[i])) return 0;
    return line.length > 0;
}

int resp_double_read(struct resp_line line, double *number) {
    char text[128], *end;
    if (is_word(line, "inf") || is_word(line, "-inf")) return *number = line.length == 3 ? INFINITY : -INFINITY, 0;
    if (is_word(line, "nan") || is_word(line, "-nan")) return *number = NAN, 0;
    if (line.length >= sizeof text || !is_decimal(line)) return -1;
    memcpy(text, line.bytes, line.length);
    text[line.length] = 0;
    *number = strtod(text, &end);
    return *end || end == text || isinf(*number) ? -1 : 0;
}

/* The words of an inline command. */

static int hexadecimal(unsigned char byte) {
    return isdigit(byte) ? byte - '0' : tolower(byte) - 'a' + 10;
}

static unsigned char control_of(unsigned char letter) {
    static const char controls[256] = {['n'] = '\n', ['r'] = '\r', ['t'] = '\t', ['b'] = '\b', ['a'] = '\a'};
    return controls[letter] ? (unsigned char)controls[letter] : letter;
}

/* What the backslash at *at stands for between double quotes; there is a byte behind it. */
static unsigned char take_escape(const unsigned char **at, const unsigned char *end) {
    const unsigned char *from = *at;
    if (end - from >= 4 && from[1] == 'x' && isxdigit(from[2]) && isxdigit(from[3])) {
        *at += 4;
        return (unsigned char)(hexadecimal(from[2]) << 4 | hexadecimal(from[3]));
    }
    *at += 2;
    return control_of(from[1]);
}

static int ends_word(const unsigned char *at, const unsigned char *end) {
    return at == end || isspace(*at);
}

/* What is between quotes, and both of them. The closing one has to end the word. */
static int take_quoted(char *word, size_t *length, const unsigned char **at, const unsigned char *end) {
    unsigned char quote = *(*at)++;
    while (*at < end && **at != quote) {
        unsigned char byte = **at;
        int has_more = end - *at > 1;
        if (quote == '"' && byte == '\\' && has_more) byte = take_escape(at, end);
        else if (quote == '\'' && byte == '\\' && has_more && (*at)[1] == '\'') byte = '\'', *at += 2;
        else ++*at;
        word[(*length)++] = (char)byte;
    }
    if (*at == end || !ends_word(++*at, end)) return -1;
    return 1;
}

int resp_word_take(char *word, size_t *length, const unsigned char **at, const unsigned char *end) {
    *length = 0;
    while (*at < end && isspace(**at)) ++*at;
    if (*at == end) return 0;
    for (; !ends_word(*at, end); ++*at) {
        if (**at == '"' || **at == '\'') return take_quoted(word, length, at, end);
        word[(*length)++] = (char)**at;
    }
    return 1;
}

/* Writing. */

size_t resp_header_write(char *to, char type, int64_t number) {
    to[0] = type;
    size_t length = 1 + json_number_write_integer(to + 1, number);
    to[length] = '\r', to[length + 1] = '\n';
    return length + 2;
}

int resp_bulk_append(struct text *out, const void *bytes, size_t length) {
    if (text_reserve(out, length + RESP_HEADER_MAX + 2) < 0) return -1;
    out->length += resp_header_write(out->bytes + out->length, '$', (int64_t)length);
    text_append(out, bytes, length);
    return text_append(out, "\r\n", 2);
}
