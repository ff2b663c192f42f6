#include "bytes/http_chars.h"

enum {
    TEXT = HTTP_VALUE | HTTP_QUOTED,
    VISIBLE = TEXT | HTTP_TARGET | HTTP_PATH,
    MARK = VISIBLE | HTTP_HOST,  /* the sub-delims of RFC 3986 that are in no token */
    NAME = VISIBLE | HTTP_TOKEN, /* what only tokens have */
    LETTER = NAME | HTTP_HOST,   /* what is allowed nearly everywhere */
    HEX_LETTER = LETTER | HTTP_HEX,
    DIGIT = HEX_LETTER | HTTP_DIGIT
};

const uint8_t http_chars[256] = {
    ['\t'] = TEXT,
    [' '] = TEXT,
    ['!'] = LETTER,
    ['"'] = HTTP_VALUE | HTTP_TARGET | HTTP_PATH,
    ['#'] = TEXT | HTTP_TOKEN,
    ['$'] = LETTER,
    ['%'] = TEXT | HTTP_TARGET | HTTP_TOKEN,
    ['&'] = LETTER,
    ['\''] = LETTER,
    ['('] = MARK,
    [')'] = MARK,
    ['*'] = LETTER,
    ['+'] = LETTER,
    [','] = MARK,
    ['-'] = LETTER,
    ['.'] = LETTER,
    ['/'] = VISIBLE,
    ['0' ... '9'] = DIGIT,
    [':'] = VISIBLE,
    [';'] = MARK,
    ['<'] = VISIBLE,
    ['='] = MARK,
    ['>'] = VISIBLE,
    ['?'] = TEXT | HTTP_TARGET,
    ['@'] = VISIBLE,
    ['A' ... 'F'] = HEX_LETTER,
    ['G' ... 'Z'] = LETTER,
    ['['] = VISIBLE,
    ['\\'] = HTTP_VALUE | HTTP_TARGET | HTTP_PATH,
    [']'] = VISIBLE,
    ['^'] = NAME,
    ['_'] = LETTER,
    ['`'] = NAME,
    ['a' ... 'f'] = HEX_LETTER,
    ['g' ... 'z'] = LETTER,
    ['{'] = VISIBLE,
    ['|'] = NAME,
    ['}'] = VISIBLE,
    ['~'] = LETTER,
    [0x80 ... 0xff] = TEXT,
};
