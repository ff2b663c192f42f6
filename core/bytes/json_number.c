#include "bytes/json_number.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXACT_POWER = 22, EXPONENT_MAX = 100000, DIGITS_MAX = 17, MANTISSA_BITS = 53 };

#define EXACT_INTEGER (1ull << MANTISSA_BITS) /* a double holds every integer up to here */
#define SURE_INTEGER 0x1p50

/* The powers of ten that a double holds exactly. */
static const double powers[EXACT_POWER + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                               1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

struct reading {
    const unsigned char *at, *end;
    uint64_t digits; /* all of them, without the point */
    int exponent;    /* of ten */
    int is_negative, is_float, is_wide;
};

static int is_digit(const struct reading *reading) {
    return reading->at < reading->end && (unsigned char)(*reading->at - '0') < 10;
}

static int next_is(const struct reading *reading, char byte) {
    return reading->at < reading->end && *reading->at == byte;
}

static void read_digit(struct reading *reading) {
    if (reading->digits > (UINT64_MAX - 9) / 10) reading->is_wide = 1;
    reading->digits = reading->digits * 10 + (uint64_t)(*reading->at++ - '0');
}

static int read_integer(struct reading *reading) {
    reading->is_negative = next_is(reading, '-');
    reading->at += reading->is_negative;
    if (!is_digit(reading)) return -1;
    int is_zero = *reading->at == '0';
    do read_digit(reading);
    while (!is_zero && is_digit(reading));
    return 0;
}

static int read_fraction(struct reading *reading) {
    if (!next_is(reading, '.')) return 0;
    const unsigned char *point = reading->at++;
    while (is_digit(reading)) read_digit(reading);
    ptrdiff_t places = reading->at - point - 1;
    reading->exponent = places < EXPONENT_MAX ? -(int)places : -EXPONENT_MAX;
    reading->is_float = 1;
    return places ? 0 : -1;
}

static int read_exponent(struct reading *reading) {
    if (!next_is(reading, 'e') && !next_is(reading, 'E')) return 0;
    reading->at++;
    int is_negative = next_is(reading, '-'), exponent = 0;
    reading->at += is_negative || next_is(reading, '+');
    if (!is_digit(reading)) return -1;
    for (; is_digit(reading); reading->at++)
        if (exponent < EXPONENT_MAX) exponent = exponent * 10 + *reading->at - '0';
    reading->exponent += is_negative ? -exponent : exponent;
    reading->is_float = 1;
    return 0;
}

static int is_int64(const struct reading *reading) {
    return !reading->is_wide && reading->digits <= (uint64_t)INT64_MAX + (uint64_t)reading->is_negative;
}

/* Two exact operands, so the one operation rounds as strtod would. */
static int is_exact(const struct reading *reading) {
    return !reading->is_wide && reading->digits <= EXACT_INTEGER && abs(reading->exponent) <= EXACT_POWER;
}

static double exact_value(const struct reading *reading) {
    double value = (double)reading->digits;
    value = reading->exponent < 0 ? value / powers[-reading->exponent] : value * powers[reading->exponent];
    return reading->is_negative ? -value : value;
}

int json_number_read(struct json_number *number, const unsigned char **at, const unsigned char *end) {
    struct reading reading = {.at = *at, .end = end};
    int failed = read_integer(&reading) < 0 || read_fraction(&reading) < 0 || read_exponent(&reading) < 0;
    *at = reading.at;
    if (failed) return -1;
    number->kind = JSON_NUMBER_WIDE;
    if (!reading.is_float && is_int64(&reading)) {
        number->kind = JSON_NUMBER_INTEGER;
        number->as.integer = (int64_t)(reading.is_negative ? 0 - reading.digits : reading.digits);
    } else if (reading.is_float && is_exact(&reading)) {
        number->kind = JSON_NUMBER_FLOAT;
        number->as.number = exact_value(&reading);
    }
    return 0;
}

static size_t write_digits(char *to, uint64_t value) {
    char digits[20];
    size_t at = sizeof digits;
    do digits[--at] = (char)('0' + value % 10);
    while (value /= 10);
    memcpy(to, digits + at, sizeof digits - at);
    return sizeof digits - at;
}

size_t json_number_write_integer(char *to, int64_t integer) {
    size_t sign = integer < 0;
    if (sign) *to = '-';
    return sign + write_digits(to + sign, sign ? 0 - (uint64_t)integer : (uint64_t)integer);
}

/* DIGITS with the point behind the first `point` of them, which may be none or more than there are. */
struct decimal {
    char digits[20];
    int count, point;
};

/* Most numbers that people write have few places: whole / 10^places, which rounds as strtod would, is the value. Below
 * 2^50 the product is near enough to find whole. Returns the places; -1: there are more. */
static int few_places(double value, uint64_t *whole) {
    for (int places = 0; value * powers[places] < SURE_INTEGER; places++) {
        *whole = (uint64_t)(value * powers[places] + 0.5);
        if ((double)*whole / powers[places] == value) return places;
    }
    return -1;
}

/* The value is mantissa / 2^shift. In integers, where nothing rounds: the least places for which whole / 10^places is
 * nearer to it than half the way to the next double, which below a power of two is but half as far. */
static int many_places(double value, uint64_t *whole) {
    int exponent, places = 0;
    uint64_t mantissa = (uint64_t)ldexp(frexp(value, &exponent), MANTISSA_BITS);
    int shift = MANTISSA_BITS - exponent, margin = mantissa == 1ull << (MANTISSA_BITS - 1) ? 4 : 2;
    while (value * powers[places] < SURE_INTEGER) places++;
    for (;; places++) {
        unsigned __int128 unit = (unsigned __int128)powers[places], exact = mantissa * unit;
        *whole = (uint64_t)((exact + ((unsigned __int128)1 << (shift - 1))) >> shift);
        unsigned __int128 near = (unsigned __int128)*whole << shift;
        if (margin * (near > exact ? near - exact : exact - near) < unit) return places;
    }
}

static void decimal_from_places(struct decimal *decimal, double value) {
    uint64_t whole;
    int places = few_places(value, &whole);
    if (places < 0) places = many_places(value, &whole);
    decimal->count = (int)write_digits(decimal->digits, whole);
    decimal->point = decimal->count - places;
}

static void decimal_trim(struct decimal *decimal) {
    while (decimal->count > 1 && decimal->digits[decimal->count - 1] == '0') decimal->count--;
}

/* The locale's point is skipped, whatever it is. */
static void decimal_from_text(struct decimal *decimal, const char *text) {
    decimal->count = 0;
    for (; *text != 'e'; text++)
        if (*text >= '0' && *text <= '9') decimal->digits[decimal->count++] = *text;
    decimal->point = atoi(text + 1) + 1;
    decimal_trim(decimal);
}

static void decimal_from_printf(struct decimal *decimal, double value) {
    char text[48];
    int count = value < DBL_MIN ? 1 : DIGITS_MAX - 2; /* 15 digits are never too many, but for the least of floats */
    for (; count <= DIGITS_MAX; count++) {
        snprintf(text, sizeof text, "%.*e", count - 1, value);
        if (count == DIGITS_MAX || strtod(text, NULL) == value) break;
    }
    decimal_from_text(decimal, text);
}

static size_t write_zeros(char *to, int count) {
    memset(to, '0', (size_t)count);
    return (size_t)count;
}

/* 0.00123, 12.3 or 12300.0 */
static size_t write_positional(char *to, const struct decimal *decimal) {
    char *at = to;
    int before = decimal->point < 0 ? 0 : decimal->point < decimal->count ? decimal->point : decimal->count;
    if (!before) *at++ = '0';
    at = (char *)memcpy(at, decimal->digits, (size_t)before) + before;
    if (decimal->point > before) at += write_zeros(at, decimal->point - before);
    *at++ = '.';
    if (decimal->point < 0) at += write_zeros(at, -decimal->point);
    if (before == decimal->count) *at++ = '0';
    at = (char *)memcpy(at, decimal->digits + before, (size_t)(decimal->count - before)) + (decimal->count - before);
    return (size_t)(at - to);
}

/* 1.23e-7 */
static size_t write_scientific(char *to, const struct decimal *decimal) {
    char *at = to;
    *at++ = decimal->digits[0];
    if (decimal->count > 1) *at++ = '.';
    at = (char *)memcpy(at, decimal->digits + 1, (size_t)(decimal->count - 1)) + (decimal->count - 1);
    *at++ = 'e';
    at += json_number_write_integer(at, decimal->point - 1);
    return (size_t)(at - to);
}

size_t json_number_write_float(char *to, double number) {
    struct decimal decimal;
    size_t sign = signbit(number) != 0;
    double value = fabs(number);
    if (sign) *to = '-';
    if (value == 0) return sign + (size_t)(stpcpy(to + sign, "0.0") - (to + sign));
    if (value >= 1e-5 && value < SURE_INTEGER) decimal_from_places(&decimal, value);
    else decimal_from_printf(&decimal, value);
    int is_positional = decimal.point > -4 && decimal.point <= DIGITS_MAX - 1;
    return sign + (is_positional ? write_positional(to + sign, &decimal) : write_scientific(to + sign, &decimal));
}
