/* A receive buffer, driven at random beside a plain array that holds the same bytes. */
#include "bytes/buffer.h"
#include "fuzz.h"

#include <string.h>

enum { CAPACITY_MAX = 64, NEEDLE_MAX = 4 };

struct model {
    unsigned char bytes[CAPACITY_MAX];
    size_t length;
};

/* Of few letters, so that needles are found. */
static void random_letters(struct input *input, unsigned char *letters, size_t count) {
    for (size_t i = 0; i < count; i++) letters[i] = "ab\r\n"[input_byte(input) % 4];
}

static void append(struct buffer *buffer, struct model *model, struct input *input) {
    size_t count = input_number(input, buffer->capacity - buffer->end);
    random_letters(input, model->bytes + model->length, count);
    buffer_append(buffer, model->bytes + model->length, count);
    model->length += count;
}

static void consume(struct buffer *buffer, struct model *model, struct input *input) {
    size_t count = input_number(input, model->length);
    buffer_consume(buffer, count);
    model->length -= count;
    memmove(model->bytes, model->bytes + count, model->length);
}

/* Not memmem(3), which buffer_find may itself be. */
static ptrdiff_t model_find(const struct model *model, const unsigned char *needle, size_t length, size_t from) {
    for (size_t at = from; at < model->length && length <= model->length - at; at++)
        if (!memcmp(model->bytes + at, needle, length)) return (ptrdiff_t)at;
    return -1;
}

static void find(struct buffer *buffer, struct model *model, struct input *input) {
    unsigned char needle[NEEDLE_MAX];
    size_t length = 1 + input_number(input, NEEDLE_MAX - 1), from = input_number(input, model->length + 2);
    random_letters(input, needle, length);
    check(buffer_find(buffer, needle, length, from) == model_find(model, needle, length, from));
}

static void compact(struct buffer *buffer, struct model *model, struct input *input) {
    (void)model, (void)input;
    buffer_compact(buffer);
    check(buffer->start == 0);
}

static void compare(struct buffer *buffer, const struct model *model) {
    check(buffer->start <= buffer->end && buffer->end <= buffer->capacity);
    check(buffer_length(buffer) == model->length);
    check(!memcmp(buffer_data(buffer), model->bytes, model->length));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static void (*const actions[])(struct buffer *, struct model *, struct input *) = {append, consume, find, compact};
    struct input input = {data, size};
    struct model model = {.length = 0};
    struct buffer *buffer = buffer_new(input_number(&input, CAPACITY_MAX));
    while (input.size) {
        actions[input_byte(&input) % 4](buffer, &model, &input);
        compare(buffer, &model);
    }
    free(buffer);
    return 0;
}
