/* An output queue, driven at random. What is sent is always the next piece of one long stream, so that each byte tells
 * where it belongs; a file has the stream's bytes at the stream's offsets, and is nowhere. */
#include "bytes/queue.h"
#include "fuzz.h"

#include <string.h>

enum { INPUT_MAX = 2048, CHUNK_MAX = 30, STREAM_SIZE = CHUNK_MAX * (INPUT_MAX + 1), VECTORS = 5 };

struct model {
    struct queue queue;
    struct pool pool;
    size_t start, end;   /* of what is queued, in the stream */
    unsigned char *lent; /* what was borrowed last */
    size_t lent_used, lent_size;
};

static unsigned char stream[STREAM_SIZE];
static int held; /* borrowed pieces and open files that the queue still has */

static void release(void *owner) {
    free(owner);
    held--;
}

static int close_file(int fd) {
    check(fd >= 0);
    held--;
    return 0;
}

static void copy(struct model *model, struct input *input) {
    size_t count = input_number(input, CHUNK_MAX);
    check(queue_copy(&model->queue, &model->pool, stream + model->end, count) == 0);
    model->end += count;
}

/* From memory of its own that ends with the loan, so that a use after it is seen; with more behind, to be lent later. */
static void borrow(struct model *model, struct input *input) {
    size_t count = 1 + input_number(input, CHUNK_MAX - 1);
    int late = input_byte(input) & 1;
    model->lent_used = count;
    model->lent_size = count + input_number(input, CHUNK_MAX);
    void *lent = model->lent = memcpy(malloc(model->lent_size), stream + model->end, model->lent_size);
    check(queue_borrow(&model->queue, lent, count, late ? NULL : release, late ? NULL : lent) == 0);
    if (late) queue_hold_last(&model->queue, release, lent);
    model->end += count;
    held++;
}

/* Only the last segment grows, and only by what follows it. */
static void extend(struct model *model, struct input *input) {
    size_t left = model->lent_size - model->lent_used, count = left ? 1 + input_number(input, left - 1) : 0;
    if (!count || !queue_extend(&model->queue, model->lent + model->lent_used, count, model->lent)) return;
    check(memcmp(model->lent + model->lent_used, stream + model->end, count) == 0);
    model->lent_used += count;
    model->end += count;
}

static void take_file(struct model *model, struct input *input) {
    size_t count = 1 + input_number(input, CHUNK_MAX - 1);
    check(queue_take_file(&model->queue, input_byte(input), close_file, (off_t)model->end, count) == 0);
    model->end += count;
    held++;
}

static void consume(struct model *model, struct input *input) {
    size_t count = input_number(input, model->end - model->start);
    queue_consume(&model->queue, &model->pool, count);
    model->start += count;
}

/* How many bytes come first, of memory or of a file: they are the stream's. */
static size_t check_first(const struct model *model) {
    struct iovec vectors[VECTORS];
    off_t offset;
    size_t length = 0;
    int fd, count = queue_peek(&model->queue, vectors, VECTORS);
    for (int i = 0; i < count; length += vectors[i++].iov_len)
        check(vectors[i].iov_len && !memcmp(vectors[i].iov_base, stream + model->start + length, vectors[i].iov_len));
    if (!count && queue_peek_file(&model->queue, &fd, &offset, &length)) check(offset == (off_t)model->start);
    return length;
}

static void check_queue(const struct model *model) {
    size_t queued = model->end - model->start, first = check_first(model);
    check(model->queue.length == queued && first <= queued && !first == !queued);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    for (size_t i = 0; i < STREAM_SIZE; i++) stream[i] = (unsigned char)(i % 251);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static void (*const actions[])(struct model *, struct input *) = {copy, borrow, take_file, consume, extend};
    struct input input = {data, size < INPUT_MAX ? size : INPUT_MAX};
    struct model model = {.start = 0, .end = 0};
    queue_init(&model.queue);
    pool_init(&model.pool, queue_block_size(), 3);
    while (input.size) {
        actions[input_byte(&input) % 5](&model, &input);
        check_queue(&model);
    }
    queue_clear(&model.queue, &model.pool);
    check(held == 0 && model.queue.length == 0);
    pool_destroy(&model.pool);
    return 0;
}
