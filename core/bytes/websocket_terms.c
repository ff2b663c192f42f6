#include "bytes/websocket_terms.h"
#include "bytes/deflate.h"

#include <assert.h>
#include <stdio.h>

#define EXTENSION "permessage-deflate"

enum parameter { SERVER_NO_CONTEXT, CLIENT_NO_CONTEXT, SERVER_BITS, CLIENT_BITS, PARAMETERS };

static const char *const names[PARAMETERS] = {"server_no_context_takeover", "client_no_context_takeover",
                                              "server_max_window_bits", "client_max_window_bits"};

struct word {
    const char *bytes; /* NULL: there is none */
    size_t length;
};

/* One extension of the list, as it was read. */
struct extension {
    struct word name;
    unsigned has[PARAMETERS];
    unsigned bits[PARAMETERS]; /* 0: the parameter came without a value */
    int valid;                 /* all its parameters are ones that we know and understand */
};

struct scanner {
    const char *at, *end;
};

static void skip_blanks(struct scanner *scanner) {
    while (scanner->at < scanner->end && (*scanner->at == ' ' || *scanner->at == '\t')) scanner->at++;
}

/* The next one that is no blank, taken if it is this. */
static int take(struct scanner *scanner, char wanted) {
    skip_blanks(scanner);
    if (scanner->at == scanner->end || *scanner->at != wanted) return 0;
    scanner->at++;
    return 1;
}

static int is_token_character(char c) {
    return c > ' ' && c < 127 && !strchr("\"(),/:;<=>?@[\\]{}", c);
}

/* A token where the scanner is; one of no bytes is none. */
static int take_token(struct scanner *scanner, struct word *word) {
    word->bytes = scanner->at;
    while (scanner->at < scanner->end && is_token_character(*scanner->at)) scanner->at++;
    word->length = (size_t)(scanner->at - word->bytes);
    return word->length > 0;
}

/* A value may be quoted, but has to be a token all the same (RFC 6455 9.1). */
static int take_value(struct scanner *scanner, struct word *value) {
    int quoted = take(scanner, '"');
    if (!take_token(scanner, value)) return 0;
    return !quoted || (scanner->at < scanner->end && *scanner->at++ == '"');
}

static int word_is(struct word word, const char *text) {
    return word.length == strlen(text) && memcmp(word.bytes, text, word.length) == 0;
}

/* 8 to 15, without leading zeroes; 0 for anything else. */
static unsigned read_bits(struct word value) {
    static const char *const numbers[] = {"8", "9", "10", "11", "12", "13", "14", "15"};
    for (unsigned i = 0; i < 8; i++)
        if (word_is(value, numbers[i])) return 8 + i;
    return 0;
}

static enum parameter find_parameter(struct word name) {
    int i = 0;
    while (i < PARAMETERS && !word_is(name, names[i])) i++;
    return (enum parameter)i;
}

/* Notes the parameter; 0 when it declines the extension. Only the client's bits may lack a value, in an offer. */
static int note_parameter(struct extension *extension, struct word name, struct word value) {
    enum parameter parameter = find_parameter(name);
    if (parameter == PARAMETERS || extension->has[parameter]) return 0;
    extension->has[parameter] = 1;
    if (!value.bytes) return parameter != SERVER_BITS;
    extension->bits[parameter] = read_bits(value);
    return parameter >= SERVER_BITS && extension->bits[parameter];
}

static int read_parameter(struct scanner *scanner, struct extension *extension) {
    struct word name, value = {NULL, 0};
    skip_blanks(scanner);
    if (!take_token(scanner, &name)) return 0;
    if (take(scanner, '=') && (skip_blanks(scanner), !take_value(scanner, &value))) return 0;
    if (extension->valid) extension->valid = note_parameter(extension, name, value);
    return 1;
}

/* The next extension of the list: 1, or 0 at its end and where it is malformed. */
static int read_extension(struct scanner *scanner, struct extension *extension) {
    *extension = (struct extension){.valid = 1};
    for (int empty = 1; empty;) empty = take(scanner, ','); /* elements of nothing are allowed */
    if (!take_token(scanner, &extension->name)) return 0;
    while (take(scanner, ';'))
        if (!read_parameter(scanner, extension)) return 0;
    return scanner->at == scanner->end || *scanner->at == ',';
}

static unsigned smaller(unsigned a, unsigned b) {
    return a < b ? a : b;
}

/* A number of bits as a parameter, `bare` without a value. */
static size_t write_bits(char *text, size_t room, enum parameter parameter, unsigned bits, int bare) {
    int length =
        bare ? snprintf(text, room, "; %s", names[parameter]) : snprintf(text, room, "; %s=%u", names[parameter], bits);
    return (size_t)length;
}

/* `said` tells which bits are mentioned; the client's without a value where they are not limited. */
static size_t write_terms(char text[WEBSOCKET_OFFER_MAX], const struct websocket_deflate_terms *terms,
                          const int said[PARAMETERS]) {
    size_t length = (size_t)snprintf(text, WEBSOCKET_OFFER_MAX, EXTENSION "%s%s",
                                     terms->server_no_context ? "; server_no_context_takeover" : "",
                                     terms->client_no_context ? "; client_no_context_takeover" : "");
    if (said[SERVER_BITS])
        length += write_bits(text + length, WEBSOCKET_OFFER_MAX - length, SERVER_BITS, terms->server_bits, 0);
    if (said[CLIENT_BITS])
        length += write_bits(text + length, WEBSOCKET_OFFER_MAX - length, CLIENT_BITS, terms->client_bits,
                             terms->client_bits == DEFLATE_BITS_MAX);
    assert(length < WEBSOCKET_OFFER_MAX);
    return length;
}

/* The bits that we want a window to have at most, as far as zlib can do it. */
static unsigned own_bits(unsigned bits) {
    assert(bits >= 8 && bits <= DEFLATE_BITS_MAX);
    return bits < DEFLATE_BITS_MIN ? DEFLATE_BITS_MIN : bits;
}

static void settle(struct websocket_deflate_terms *agreed, const struct extension *offer,
                   const struct websocket_deflate_terms *ours) {
    unsigned most = own_bits(ours->client_bits), hint = offer->bits[CLIENT_BITS];
    int obeys = offer->has[CLIENT_BITS] || most == DEFLATE_BITS_MAX; /* its window is as small as we want */
    unsigned server_bits = own_bits(ours->server_bits);
    if (offer->has[SERVER_BITS]) server_bits = smaller(server_bits, offer->bits[SERVER_BITS]);
    agreed->server_no_context = ours->server_no_context || offer->has[SERVER_NO_CONTEXT];
    agreed->client_no_context = ours->client_no_context || offer->has[CLIENT_NO_CONTEXT] || !obeys;
    agreed->server_bits = (uint8_t)server_bits;
    agreed->client_bits = (uint8_t)(!obeys ? DEFLATE_BITS_MAX : hint ? smaller(hint, most) : most);
}

/* We compress with no window of 8 bits. */
static int is_acceptable(const struct extension *offer) {
    return offer->valid && word_is(offer->name, EXTENSION) &&
           (!offer->has[SERVER_BITS] || offer->bits[SERVER_BITS] >= DEFLATE_BITS_MIN);
}

int websocket_deflate_accept(const char *offers, size_t length, const struct websocket_deflate_terms *ours,
                             struct websocket_deflate_terms *agreed, struct text *answer) {
    struct scanner scanner = {offers, offers + length};
    struct extension offer;
    char text[WEBSOCKET_OFFER_MAX];
    do
        if (!read_extension(&scanner, &offer)) return 0;
    while (!is_acceptable(&offer));
    settle(agreed, &offer, ours);
    const int said[PARAMETERS] = {
        [SERVER_BITS] = offer.has[SERVER_BITS], [CLIENT_BITS] = agreed->client_bits < DEFLATE_BITS_MAX};
    return text_append(answer, text, write_terms(text, agreed, said)) < 0 ? -1 : 1;
}

/* What an offer of these terms says: never that our own window has 8 bits. */
static struct websocket_deflate_terms as_offered(const struct websocket_deflate_terms *terms) {
    struct websocket_deflate_terms offered = *terms;
    offered.client_bits = (uint8_t)own_bits(terms->client_bits);
    return offered;
}

size_t websocket_deflate_offer(char offer[WEBSOCKET_OFFER_MAX], const struct websocket_deflate_terms *terms) {
    const struct websocket_deflate_terms offered = as_offered(terms);
    const int said[PARAMETERS] = {[SERVER_BITS] = terms->server_bits < DEFLATE_BITS_MAX, [CLIENT_BITS] = 1};
    return write_terms(offer, &offered, said);
}

/* Does the answer grant what was demanded, and ask for no more than what was offered? */
static int answers(const struct extension *answer, const struct websocket_deflate_terms *offered) {
    unsigned client_bits = answer->bits[CLIENT_BITS];
    if (offered->server_no_context && !answer->has[SERVER_NO_CONTEXT]) return 0;
    if (offered->server_bits < DEFLATE_BITS_MAX && !answer->has[SERVER_BITS]) return 0;
    if (answer->has[SERVER_BITS] && answer->bits[SERVER_BITS] > offered->server_bits) return 0;
    return !answer->has[CLIENT_BITS] || (client_bits >= DEFLATE_BITS_MIN && client_bits <= offered->client_bits);
}

int websocket_deflate_confirm(const char *answer, size_t length, const struct websocket_deflate_terms *offered,
                              struct websocket_deflate_terms *agreed) {
    const struct websocket_deflate_terms ours = as_offered(offered);
    struct scanner scanner = {answer, answer + length};
    struct extension only, other;
    if (!read_extension(&scanner, &only) || !only.valid || !word_is(only.name, EXTENSION)) return -1;
    if (read_extension(&scanner, &other) || other.name.length || scanner.at != scanner.end) return -1;
    if (!answers(&only, &ours)) return -1;
    agreed->server_no_context = only.has[SERVER_NO_CONTEXT] != 0;
    agreed->client_no_context = only.has[CLIENT_NO_CONTEXT] || ours.client_no_context;
    agreed->server_bits = (uint8_t)(only.has[SERVER_BITS] ? only.bits[SERVER_BITS] : DEFLATE_BITS_MAX);
    agreed->client_bits = (uint8_t)(only.has[CLIENT_BITS] ? only.bits[CLIENT_BITS] : ours.client_bits);
    return 0;
}
