/* Load for an HTTP server: every connection keeps DEPTH requests in flight, each answered with 200.
 *
 *   load_http [-T] [-c CONNECTIONS] [-d DEPTH] [-t MILLISECONDS | -n REQUESTS] [-s BODY] [-p TEXT] PATH PORT
 *
 * Prints one line: messages=N seconds=S errors=N. Another status, a broken or missing answer, and a body that has not
 * BODY bytes where that is given, are errors. The requests look like those of wrk; with TEXT, which is XML or JSON, they
 * are POSTs of it. */
#include "bench.h"
#include "load.h"
#include "response.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char USAGE[] =
    "load_http [-T] [-c N] [-d N] [-t MILLISECONDS | -n REQUESTS] [-s BODY] [-p TEXT] PATH PORT";
static const char GET[] = "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n";
static const char POST[] =
    "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s";
static char request[4096];
static size_t request_size;
static long body_size = -1;

static size_t request_put(struct load_connection *connection, char *to) {
    (void)connection;
    memcpy(to, request, request_size);
    return request_size;
}

static bool is_right(const struct response *response) {
    return response->status == 200 && (body_size < 0 || response->body == (uint64_t)body_size);
}

static long response_take(struct load_connection *connection, const char *data, size_t size) {
    struct response *response = connection->state;
    long ended = 0;
    for (size_t at = 0; at < size;) {
        at += response_read(response, data + at, size - at);
        if (response->state == RESPONSE_BAD) return -1;
        if (response->state != RESPONSE_DONE) continue;
        if (!is_right(response)) return -1;
        response_reset(response);
        ended++;
    }
    return ended;
}

static int request_print(const char *path, int port, const char *text) {
    if (!text) return snprintf(request, sizeof request, GET, path, port);
    const char *type = text[0] == '<' ? "text/xml" : "application/json";
    return snprintf(request, sizeof request, POST, path, port, type, strlen(text), text);
}

static void request_make(const char *path, int port, const char *text) {
    int size = request_print(path, port, text);
    if (path[0] != '/' || size >= (int)sizeof request) bench_usage(USAGE);
    request_size = (size_t)size;
}

int main(int argc, char **argv) {
    struct load_options options = {.connections = 64, .depth = 1, .duration = 2000};
    const char *text = NULL;
    int option;
    while ((option = getopt(argc, argv, LOAD_OPTIONS "s:p:")) != -1) {
        if (option == 's') body_size = bench_number("-s", optarg, 0, 1L << 60);
        else if (option == 'p') text = optarg;
        else if (!load_option(&options, option, optarg)) bench_usage(USAGE);
    }
    if (argc - optind != 2) bench_usage(USAGE);
    options.port = (uint16_t)bench_number("PORT", argv[optind + 1], 1, 65535);
    request_make(argv[optind], options.port, text);
    struct load_protocol http = {"load_http", request_size, sizeof(struct response), NULL, request_put, response_take};
    return load_run(&options, &http);
}
