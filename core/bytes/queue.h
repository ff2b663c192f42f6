/* The output queue of a connection: segments in order. Small writes are copied into the tail's room; large ones are
 * referenced until the kernel has taken them; a file range is sent by sendfile(2).
 * Owner: the connection, or the drain that it was handed to. Invariant: length is the sum of the segments' lengths,
 * and no segment is empty. Functions that add return 0, or -1 when out of memory with the queue as it was. */
#ifndef PERIGEE_BYTES_QUEUE_H
#define PERIGEE_BYTES_QUEUE_H

#include "bytes/pool.h"
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

struct segment;

struct queue {
    struct segment *tail; /* the list is a circle: the last points to the first; NULL: empty */
    size_t length;        /* bytes waiting */
};

/* Gives up what a referenced segment points to. */
typedef void queue_release(void *owner);
/* close(2), which is not for this floor to call. */
typedef int queue_close(int fd);

size_t queue_block_size(void); /* bytes of one piece of the pool that copies are made into */
void queue_init(struct queue *queue);
void queue_clear(struct queue *queue, struct pool *pool);

int queue_copy(struct queue *queue, struct pool *pool, const void *data, size_t length);
/* Borrows the bytes until release(owner), which is called when they are sent or the queue is cleared. */
int queue_borrow(struct queue *queue, const void *data, size_t length, queue_release *release, void *owner);
/* Gives the last segment, borrowed without a release, its release and owner. */
void queue_hold_last(struct queue *queue, queue_release *release, void *owner);
/* More of what the last segment borrows, if that ends where these bytes begin and has this owner: 1, or 0. */
int queue_extend(struct queue *queue, const void *data, size_t length, const void *owner);
/* Is there room for a copy behind the last one, so that nothing would be allocated? */
int queue_has_room(const struct queue *queue, size_t length);
/* Is the last one a few borrowed bytes, fewer than a piece of the pool has? */
int queue_ends_short(const struct queue *queue);
/* Takes fd: close(fd) is called when the range is sent or the queue is cleared. On failure it stays the caller's. */
int queue_take_file(struct queue *queue, int fd, queue_close *close, off_t offset, size_t length);

/* Fills up to `max` iovecs with the bytes that come first; 0 when the queue is empty or starts with a file. */
int queue_peek(const struct queue *queue, struct iovec *vectors, int max);
/* Does the queue start with a file range? Then its descriptor, offset and bytes left. */
int queue_peek_file(const struct queue *queue, int *fd, off_t *offset, size_t *length);
/* Drops the first `count` bytes. */
void queue_consume(struct queue *queue, struct pool *pool, size_t count);

#endif
