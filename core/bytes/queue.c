#include "bytes/queue.h"
#include "bytes/tiny.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum segment_kind { SEGMENT_POOLED, SEGMENT_COPIED, SEGMENT_BORROWED, SEGMENT_FILE };

struct segment {
    struct segment *next;
    enum segment_kind kind;
    size_t length; /* bytes left */
    union {
        struct {
            size_t room; /* bytes free behind the last one */
            const unsigned char *data;
        } copied;
        struct {
            const unsigned char *data;
            queue_release *release;
            void *owner;
        } borrowed;
        struct {
            queue_close *close;
            off_t offset;
            int fd;
        } file;
    } as;
    unsigned char bytes[];
};

size_t queue_block_size(void) {
    return sizeof(struct segment) + OUTPUT_BLOCK_SIZE;
}

void queue_init(struct queue *queue) {
    queue->tail = NULL;
    queue->length = 0;
}

static struct segment *queue_head(const struct queue *queue) {
    return queue->tail ? queue->tail->next : NULL;
}

/* The segment behind one, in order; NULL behind the last. */
static struct segment *queue_next(const struct queue *queue, const struct segment *segment) {
    return segment == queue->tail ? NULL : segment->next;
}

static void queue_push(struct queue *queue, struct segment *segment, size_t length) {
    struct segment *tail = queue->tail;
    segment->next = tail ? tail->next : segment;
    segment->length = length;
    if (tail) tail->next = segment;
    queue->tail = segment;
    queue->length += length;
}

static void queue_pop(struct queue *queue, struct pool *pool) {
    struct segment *segment = queue_head(queue);
    if (segment == queue->tail) queue->tail = NULL;
    else queue->tail->next = segment->next;
    queue->length -= segment->length;
    if (segment->kind == SEGMENT_BORROWED && segment->as.borrowed.release)
        segment->as.borrowed.release(segment->as.borrowed.owner);
    if (segment->kind == SEGMENT_FILE) segment->as.file.close(segment->as.file.fd);
    if (segment->kind == SEGMENT_POOLED) pool_give(pool, segment);
    else free(segment);
}

void queue_clear(struct queue *queue, struct pool *pool) {
    while (queue->tail) queue_pop(queue, pool);
}

/* A segment with room for `length` copied bytes: a piece of the pool, or a larger one made to measure. */
static struct segment *segment_new_copy(struct pool *pool, size_t length) {
    int pooled = length <= OUTPUT_BLOCK_SIZE;
    struct segment *segment = pooled ? pool_take(pool) : malloc(sizeof *segment + length);
    if (!segment) return NULL;
    segment->kind = pooled ? SEGMENT_POOLED : SEGMENT_COPIED;
    segment->as.copied.room = pooled ? OUTPUT_BLOCK_SIZE : length;
    segment->as.copied.data = segment->bytes;
    return segment;
}

static void segment_append(struct segment *segment, const unsigned char *data, size_t length) {
    memcpy((unsigned char *)segment->as.copied.data + segment->length, data, length);
    segment->length += length;
    segment->as.copied.room -= length;
}

static size_t queue_tail_room(const struct queue *queue) {
    const struct segment *tail = queue->tail;
    return tail && tail->kind <= SEGMENT_COPIED ? tail->as.copied.room : 0;
}

int queue_copy(struct queue *queue, struct pool *pool, const void *data, size_t length) {
    const unsigned char *bytes = data;
    size_t room = queue_tail_room(queue);
    size_t first = length < room ? length : room, rest = length - first;
    struct segment *fresh = rest ? segment_new_copy(pool, rest) : NULL;
    if (rest && !fresh) return -1;
    if (first) segment_append(queue->tail, bytes, first);
    if (rest) {
        queue_push(queue, fresh, 0);
        segment_append(fresh, bytes + first, rest);
    }
    queue->length += length;
    return 0;
}

int queue_borrow(struct queue *queue, const void *data, size_t length, queue_release *release, void *owner) {
    assert(length > 0);
    struct segment *segment = malloc(sizeof *segment);
    if (!segment) return -1;
    segment->kind = SEGMENT_BORROWED;
    segment->as.borrowed.data = data;
    segment->as.borrowed.release = release;
    segment->as.borrowed.owner = owner;
    queue_push(queue, segment, length);
    return 0;
}

void queue_hold_last(struct queue *queue, queue_release *release, void *owner) {
    assert(queue->tail && queue->tail->kind == SEGMENT_BORROWED && !queue->tail->as.borrowed.release);
    queue->tail->as.borrowed.release = release;
    queue->tail->as.borrowed.owner = owner;
}

int queue_extend(struct queue *queue, const void *data, size_t length, const void *owner) {
    struct segment *tail = queue->tail;
    if (!tail || tail->kind != SEGMENT_BORROWED || tail->as.borrowed.owner != owner) return 0;
    if (tail->as.borrowed.data + tail->length != data) return 0;
    tail->length += length;
    queue->length += length;
    return 1;
}

int queue_has_room(const struct queue *queue, size_t length) {
    return queue_tail_room(queue) >= length;
}

int queue_ends_short(const struct queue *queue) {
    const struct segment *tail = queue->tail;
    return tail && tail->kind == SEGMENT_BORROWED && tail->length < OUTPUT_BLOCK_SIZE;
}

int queue_take_file(struct queue *queue, int fd, queue_close *close, off_t offset, size_t length) {
    assert(length > 0);
    struct segment *segment = malloc(sizeof *segment);
    if (!segment) return -1;
    segment->kind = SEGMENT_FILE;
    segment->as.file.fd = fd;
    segment->as.file.close = close;
    segment->as.file.offset = offset;
    queue_push(queue, segment, length);
    return 0;
}

static const unsigned char *segment_data(const struct segment *segment) {
    return segment->kind == SEGMENT_BORROWED ? segment->as.borrowed.data : segment->as.copied.data;
}

int queue_peek(const struct queue *queue, struct iovec *vectors, int max) {
    int count = 0;
    for (const struct segment *s = queue_head(queue); s && s->kind != SEGMENT_FILE && count < max;
         s = queue_next(queue, s)) {
        vectors[count].iov_base = (void *)segment_data(s);
        vectors[count++].iov_len = s->length;
    }
    return count;
}

int queue_peek_file(const struct queue *queue, int *fd, off_t *offset, size_t *length) {
    const struct segment *head = queue_head(queue);
    if (!head || head->kind != SEGMENT_FILE) return 0;
    *fd = head->as.file.fd;
    *offset = head->as.file.offset;
    *length = head->length;
    return 1;
}

static void segment_advance(struct segment *segment, size_t count) {
    segment->length -= count;
    if (segment->kind == SEGMENT_FILE) segment->as.file.offset += (off_t)count;
    else if (segment->kind == SEGMENT_BORROWED) segment->as.borrowed.data += count;
    else segment->as.copied.data += count;
}

void queue_consume(struct queue *queue, struct pool *pool, size_t count) {
    while (count) {
        struct segment *head = queue_head(queue);
        assert(head);
        if (count < head->length) {
            segment_advance(head, count);
            queue->length -= count;
            return;
        }
        count -= head->length;
        queue_pop(queue, pool);
    }
}
