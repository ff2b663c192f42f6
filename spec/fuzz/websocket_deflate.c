/* Compression of WebSocket messages: two ends that agree talk; anyone sends anything; anyone offers anything. The
 * first byte tells which. */
#include "bytes/websocket_deflate.h"
#include "fuzz.h"

#include <string.h>

enum { PAYLOAD_MAX = 1 << 16, MESSAGES = 6, LIMIT = 1 << 16 };

struct end {
    struct websocket_deflate *deflate;
    struct websocket_deflate_terms terms;
};

static struct websocket_deflate_terms input_terms(struct input *input) {
    unsigned flags = input_byte(input), bits = input_byte(input);
    return (struct websocket_deflate_terms){.server_no_context = flags & 1,
                                            .client_no_context = flags >> 1 & 1,
                                            .server_bits = (uint8_t)(8 + bits % 8),
                                            .client_bits = (uint8_t)(8 + bits / 8 % 8)};
}

/* Memory of just that size, so that a byte too many is seen. */
static char *copy(const void *bytes, size_t length) {
    char *piece = malloc(length);
    if (length) memcpy(piece, bytes, length);
    return piece;
}

static int accept(const void *offers, size_t length, const struct websocket_deflate_terms *ours,
                  struct websocket_deflate_terms *agreed, struct text *answer) {
    char *exact = copy(offers, length);
    int result = websocket_deflate_accept(exact, length, ours, agreed, answer);
    check((result == 1 && answer->length) || (result == 0 && !answer->length));
    free(exact);
    return result;
}

static int confirm(const void *answer, size_t length, const struct websocket_deflate_terms *offered,
                   struct websocket_deflate_terms *agreed) {
    char *exact = copy(answer, length);
    int result = websocket_deflate_confirm(exact, length, offered, agreed);
    free(exact);
    return result;
}

/* No window is larger, no context kept, than that end spends at most; 8 bits are more than zlib can do. */
static void check_spent(const struct websocket_deflate_terms *agreed, const struct websocket_deflate_terms *most) {
    unsigned server = most->server_bits < 9 ? 9 : most->server_bits,
             client = most->client_bits < 9 ? 9 : most->client_bits;
    check(agreed->server_bits <= server && (agreed->client_bits <= client || agreed->client_no_context));
    check(agreed->server_no_context >= most->server_no_context && agreed->client_no_context >= most->client_no_context);
}

/* Does a client offer, a server accept, and the client confirm? Only a server's window of 8 bits is in their way. */
static int negotiate(struct input *input, struct end *client, struct end *server) {
    struct websocket_deflate_terms offered = input_terms(input), ours = input_terms(input);
    char offer[WEBSOCKET_OFFER_MAX];
    struct text answer = {0};
    size_t length = websocket_deflate_offer(offer, &offered);
    check(length < WEBSOCKET_OFFER_MAX);
    int accepted = accept(offer, length, &ours, &server->terms, &answer);
    check(accepted == (offered.server_bits > 8));
    if (accepted) {
        check(confirm(answer.bytes, answer.length, &offered, &client->terms) == 0);
        check_spent(&server->terms, &ours);
        check_spent(&client->terms, &offered);
        check(client->terms.server_no_context == server->terms.server_no_context);
        check(client->terms.client_no_context >= server->terms.client_no_context);
        check(server->terms.server_bits <= client->terms.server_bits);
        check(client->terms.client_bits <= server->terms.client_bits);
    }
    text_destroy(&answer);
    return accepted;
}

/* Some bytes of the input, repeated. */
static size_t input_payload(struct input *input, unsigned char *payload) {
    size_t length = input_number(input, 60), times = 1 + input_byte(input) * (input_byte(input) & 3u);
    size_t size = 0;
    if (length > input->size) length = input->size;
    for (; times-- && size + length <= PAYLOAD_MAX; size += length) memcpy(payload + size, input->data, length);
    input->data += length;
    input->size -= length;
    return size;
}

static enum websocket_inflated inflate_pieces(struct websocket_deflate *deflate, const char *bytes, size_t length,
                                              size_t most, size_t limit, struct text *out) {
    enum websocket_inflated result = WEBSOCKET_INFLATED;
    size_t done = 0;
    do {
        size_t count = most && most < length - done ? most : length - done;
        char *piece = copy(bytes + done, count);
        done += count;
        result = websocket_inflate_piece(deflate, piece, count, done == length, limit, out);
        check(out->length <= limit);
        free(piece);
    } while (result == WEBSOCKET_INFLATED && done < length);
    return result;
}

static void send_message(struct input *input, struct websocket_deflate *from, struct websocket_deflate *to) {
    static unsigned char payload[PAYLOAD_MAX];
    struct text sent = {0}, received = {0};
    size_t size = input_payload(input, payload), most = input_byte(input);
    check(websocket_deflate_message(from, payload, size, &sent) == 0 && sent.length);
    size_t limit = size + input_number(input, 1);
    check(inflate_pieces(to, sent.bytes, sent.length, most, limit, &received) == WEBSOCKET_INFLATED);
    check(received.length == size && (!size || !memcmp(received.bytes, payload, size)));
    text_destroy(&sent);
    text_destroy(&received);
}

static void talk(struct input *input, struct websocket_deflate_cache *cache) {
    struct end client, server;
    if (!negotiate(input, &client, &server)) return;
    client.deflate = websocket_deflate_new(WEBSOCKET_CLIENT, &client.terms, cache);
    server.deflate = websocket_deflate_new(WEBSOCKET_SERVER, &server.terms, cache);
    for (int i = 0; i < MESSAGES && input->size; i++)
        if (input_byte(input) & 1) send_message(input, client.deflate, server.deflate);
        else send_message(input, server.deflate, client.deflate);
    websocket_deflate_free(client.deflate);
    websocket_deflate_free(server.deflate);
}

static int same(const struct text *a, const struct text *b) {
    return a->length == b->length && (!a->length || !memcmp(a->bytes, b->bytes, a->length));
}

/* By an end of its own, which may have a stream of the cache. */
static enum websocket_inflated inflate_once(const struct input *input, const struct websocket_deflate_terms *terms,
                                            struct websocket_deflate_cache *cache, size_t most, size_t limit,
                                            struct text *out) {
    struct websocket_deflate *deflate = websocket_deflate_new(WEBSOCKET_CLIENT, terms, cache);
    enum websocket_inflated result = inflate_pieces(deflate, (const char *)input->data, input->size, most, limit, out);
    websocket_deflate_free(deflate);
    return result;
}

/* The same bytes, whole and in pieces, give the same; a limit cuts off what is beyond it, and nothing else. With the
 * widest window: in a smaller one zlib finds what lies before the window as long as it is in the same output. */
static void inflate_anything(struct input *input, struct websocket_deflate_cache *cache) {
    struct websocket_deflate_terms terms = input_terms(input);
    size_t most = 1 + input_byte(input), limit = input_byte(input);
    struct text whole = {0}, cut = {0}, limited = {0};
    terms.client_bits |= 1; /* 9 at least */
    int comparable = terms.server_bits == 15;
    enum websocket_inflated result = inflate_once(input, &terms, cache, 0, LIMIT, &whole);
    check((inflate_once(input, &terms, cache, most, LIMIT, &cut) == result && same(&whole, &cut)) || !comparable);
    if (cut.length > limit) cut.length = limit, result = WEBSOCKET_INFLATE_LIMIT;
    check((inflate_once(input, &terms, cache, most, limit, &limited) == result && same(&cut, &limited)) || !comparable);
    text_destroy(&whole);
    text_destroy(&cut);
    text_destroy(&limited);
}

/* What a server grants to a stranger is within its terms; and what a stranger answers is, or is refused. */
static void negotiate_anything(struct input *input) {
    struct websocket_deflate_terms ours = input_terms(input), agreed;
    struct text answer = {0};
    if (ours.client_bits < 9) ours.client_bits = 9;
    if (accept(input->data, input->size, &ours, &agreed, &answer)) {
        check_spent(&agreed, &ours);
        check(agreed.server_bits >= 9 && agreed.client_bits >= 8);
    }
    if (confirm(input->data, input->size, &ours, &agreed) == 0) {
        check(agreed.client_bits >= 9 && agreed.client_bits <= ours.client_bits && agreed.server_bits >= 8);
        check(agreed.server_bits <= ours.server_bits && agreed.server_no_context >= ours.server_no_context);
    }
    text_destroy(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {data, size};
    struct websocket_deflate_cache cache;
    websocket_deflate_cache_init(&cache, 3, 1);
    switch (input_byte(&input) % 3) {
    case 0: talk(&input, &cache); break;
    case 1: inflate_anything(&input, &cache); break;
    case 2: negotiate_anything(&input); break;
    }
    check(cache.kept <= 3);
    websocket_deflate_cache_trim(&cache);
    return 0;
}
