#include "io/fanout.h"

#include <stdlib.h>

static void member_set_slow(struct fanout_member *member, int slow) {
    struct fanout *fanout = member->fanout;
    if (member->slow == (unsigned)slow) return;
    member->slow = slow != 0;
    fanout->slow += slow ? 1u : -1u;
    if (!fanout->slow && fanout->drained) fanout->drained(fanout);
}

/* It is in both lists, of which either may be long: so the shorter one is enough. */
static struct fanout_member *member_find(const struct fanout *fanout, const struct connection *connection) {
    struct fanout_member *theirs = fanout->members, *own = connection->members;
    for (; theirs && own; theirs = theirs->next, own = own->next_place) {
        if (theirs->connection == connection) return theirs;
        if (own->fanout == fanout) return own;
    }
    return NULL;
}

int fanout_join(struct fanout *fanout, struct connection *connection, uint8_t form, int owned) {
    if (member_find(fanout, connection)) return 0;
    struct fanout_member *member = calloc(1, sizeof *member);
    if (!member) return -1;
    *member = (struct fanout_member){.fanout = fanout, .connection = connection, .form = form, .owned = owned != 0};
    member->place_link = &connection->members;
    member->next_place = connection->members;
    if (member->next_place) member->next_place->place_link = &member->next_place;
    connection->members = member;
    member->link = &fanout->members;
    member->next = fanout->members;
    if (member->next) member->next->link = &member->next;
    fanout->members = member;
    fanout->count++;
    fanout->forms[form]++;
    return 0;
}

static void member_free(struct fanout_member *member) {
    *member->place_link = member->next_place;
    if (member->next_place) member->next_place->place_link = member->place_link;
    *member->link = member->next;
    if (member->next) member->next->link = member->link;
    member->fanout->count--;
    member->fanout->forms[member->form]--;
    member_set_slow(member, 0);
    free(member);
}

void fanout_leave(struct fanout *fanout, struct connection *connection) {
    struct fanout_member *member = member_find(fanout, connection);
    if (member) member_free(member);
}

void fanout_leave_all(struct connection *connection) {
    while (connection->members) member_free(connection->members);
}

void fanout_clear(struct fanout *fanout) {
    while (fanout->members) {
        struct connection *owned = fanout->members->owned ? fanout->members->connection : NULL;
        member_free(fanout->members);
        if (owned) connection_close(owned);
    }
}

/* A message in one form, where it lies. */
struct piece {
    struct block *block; /* NULL: nobody wants this form */
    const unsigned char *bytes;
    size_t length;
};

/* Whether the member gets the message. When it is cut off, it is gone after this. */
static int member_send(struct fanout_member *member, const struct piece *piece) {
    struct fanout *fanout = member->fanout;
    struct connection *connection = member->connection;
    if (connection->stream.error || connection->shut) return 0;
    int slow = connection->output.length > fanout->limit;
    if (slow && fanout->policy == FANOUT_DROP) {
        fanout->dropped++;
        return 0;
    }
    if ((slow && fanout->policy == FANOUT_CLOSE) ||
        connection_write_block(connection, piece->block, piece->bytes, piece->length) < 0) {
        fanout->closed++;
        connection_abort(connection);
        return 0;
    }
    member_set_slow(member, connection->output.length > fanout->limit);
    return 1;
}

/* A short message is put behind the ones before it, which the members may have queued too. */
static struct piece piece_of(const struct fanout *fanout, struct block *block) {
    if (!block) return (struct piece){0};
    struct loop *loop = connection_loop(fanout->members->connection);
    const unsigned char *bytes = NULL;
    if (block->size <= shared_max()) bytes = shared_put(&loop->shared, block->data, block->size);
    if (!bytes) return (struct piece){block_hold(block), block->data, block->size};
    return (struct piece){block_hold(loop->shared.block), bytes, block->size};
}

unsigned fanout_send(struct fanout *fanout, struct block *const blocks[FANOUT_FORMS]) {
    struct piece pieces[FANOUT_FORMS];
    unsigned sent = 0;
    if (!fanout->members) return 0;
    for (int form = 0; form < FANOUT_FORMS; form++) pieces[form] = piece_of(fanout, blocks[form]);
    for (struct fanout_member *member = fanout->members, *next; member; member = next) {
        next = member->next; /* only the member itself can be cut off meanwhile */
        const struct piece *piece = &pieces[member->form];
        if (piece->block) sent += (unsigned)member_send(member, piece);
    }
    for (int form = 0; form < FANOUT_FORMS; form++)
        if (pieces[form].block) block_drop(pieces[form].block);
    return sent;
}

void fanout_on_sent(struct connection *connection) {
    for (struct fanout_member *member = connection->members, *next; member; member = next) {
        next = member->next_place;
        if (member->slow && connection->output.length <= member->fanout->limit / 2) member_set_slow(member, 0);
    }
}
