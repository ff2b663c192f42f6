#include "bytes/http_date.h"

#include <string.h>

enum { DAY = 24 * 60 * 60 };

static const char *const weekdays[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

struct date {
    int64_t year;
    int month, day, weekday; /* month and weekday from 0, Sunday */
    int hour, minute, second;
};

/* Days from 1970-01-01. The year is taken to begin in March, so that the leap day is its last; 400 years are an era of
 * 146097 days. */
static int64_t days_from_date(const struct date *date) {
    int64_t year = date->month < 2 ? date->year - 1 : date->year;
    int64_t era = (year >= 0 ? year : year - 399) / 400, of_era = year - era * 400;
    int from_march = (date->month + 10) % 12;
    int64_t of_year = (153 * from_march + 2) / 5 + date->day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_set_days(struct date *date, int64_t days) {
    date->weekday = (int)(((days + 4) % 7 + 7) % 7);
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097, of_era = days - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int of_year = (int)(of_era - (365 * year + year / 4 - year / 100));
    int from_march = (5 * of_year + 2) / 153;
    date->day = of_year - (153 * from_march + 2) / 5 + 1;
    date->month = (from_march + 2) % 12;
    date->year = era * 400 + year + (date->month < 2);
}

static void date_from_seconds(struct date *date, int64_t seconds) {
    int64_t days = seconds / DAY - (seconds % DAY < 0);
    int of_day = (int)(seconds % DAY) + (seconds % DAY < 0 ? DAY : 0);
    date_set_days(date, days);
    date->hour = of_day / 3600;
    date->minute = of_day / 60 % 60;
    date->second = of_day % 60;
}

static char *write_number(char *to, int64_t number, int digits) {
    for (int i = digits; i--; number /= 10) to[i] = (char)('0' + number % 10);
    return to + digits;
}

static char *write_text(char *to, const char *text, size_t length) {
    memcpy(to, text, length);
    return to + length;
}

void http_date_write(char text[HTTP_DATE_SIZE], int64_t seconds) {
    const int64_t first = -62167219200, last = 253402300799;
    struct date date;
    date_from_seconds(&date, seconds < first ? first : seconds > last ? last : seconds);
    char *to = write_text(text, weekdays[date.weekday], 3);
    to = write_number(write_text(to, ", ", 2), date.day, 2);
    to = write_text(write_text(to, " ", 1), months + 3 * date.month, 3);
    to = write_number(write_text(to, " ", 1), date.year, 4);
    to = write_number(write_text(to, " ", 1), date.hour, 2);
    to = write_number(write_text(to, ":", 1), date.minute, 2);
    to = write_number(write_text(to, ":", 1), date.second, 2);
    write_text(to, " GMT", 5);
}

struct cursor {
    const char *at, *end;
};

/* A number of just so many digits, or -1. */
static int read_number(struct cursor *cursor, int digits) {
    int number = 0;
    if (cursor->end - cursor->at < digits) return -1;
    for (; digits; digits--, cursor->at++) {
        if (*cursor->at < '0' || *cursor->at > '9') return -1;
        number = 10 * number + *cursor->at - '0';
    }
    return number;
}

/* Which of the weekdays, of which three letters may be enough; -1 for none. */
static int read_weekday(struct cursor *cursor, int is_short) {
    for (int i = 0; i < 7; i++) {
        size_t length = is_short ? 3 : strlen(weekdays[i]);
        if ((size_t)(cursor->end - cursor->at) < length || memcmp(cursor->at, weekdays[i], length) != 0) continue;
        cursor->at += length;
        return i;
    }
    return -1;
}

static int read_month(struct cursor *cursor) {
    if (cursor->end - cursor->at < 3) return -1;
    cursor->at += 3;
    for (int i = 0; i < 12; i++)
        if (memcmp(cursor->at - 3, months + 3 * i, 3) == 0) return i;
    return -1;
}

/* A day of two digits, of which a space may stand for the first. */
static int read_padded_day(struct cursor *cursor) {
    if (cursor->at == cursor->end || *cursor->at != ' ') return read_number(cursor, 2);
    cursor->at++;
    return read_number(cursor, 1);
}

static int read_year_of_two(struct cursor *cursor, int64_t now) {
    struct date today;
    int year = read_number(cursor, 2);
    if (year < 0) return -1;
    date_from_seconds(&today, now);
    int latest = (int)today.year + 50;
    return latest - ((latest - year) % 100 + 100) % 100;
}

/* One letter of a form: a field of the date, or the byte itself. */
static int read_field(struct cursor *cursor, char letter, int64_t now, struct date *date) {
    switch (letter) {
    case 'w': return date->weekday = read_weekday(cursor, 1);
    case 'W': return date->weekday = read_weekday(cursor, 0);
    case 'd': return date->day = read_number(cursor, 2);
    case 'D': return date->day = read_padded_day(cursor);
    case 'm': return date->month = read_month(cursor);
    case 'y': return (int)(date->year = read_year_of_two(cursor, now));
    case 'Y': return (int)(date->year = read_number(cursor, 4));
    case 'h': return date->hour = read_number(cursor, 2);
    case 'n': return date->minute = read_number(cursor, 2);
    case 's': return date->second = read_number(cursor, 2);
    default: return cursor->at < cursor->end && *cursor->at++ == letter ? 0 : -1;
    }
}

static int read_form(const char *form, const char *bytes, size_t length, int64_t now, struct date *date) {
    struct cursor cursor = {bytes, bytes + length};
    for (; *form; form++)
        if (read_field(&cursor, *form, now, date) < 0) return -1;
    return cursor.at == cursor.end ? 0 : -1;
}

/* A day that the month does not have becomes one of the next when it is counted. */
static int date_is_real(const struct date *date, int64_t days) {
    struct date again;
    date_set_days(&again, days);
    return again.day == date->day && again.month == date->month && again.weekday == date->weekday && date->hour < 24 &&
           date->minute < 60 && date->second <= 60;
}

int http_date_parse(const char *bytes, size_t length, int64_t now, int64_t *seconds) {
    static const char *const forms[] = {"w, d m Y h:n:s GMT", "W, d-m-y h:n:s GMT", "w m D h:n:s Y"};
    struct date date = {0};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (read_form(forms[i], bytes, length, now, &date) < 0) continue;
        int64_t days = days_from_date(&date);
        *seconds = days * DAY + date.hour * 3600 + date.minute * 60 + date.second;
        return date_is_real(&date, days) ? 0 : -1;
    }
    return -1;
}
