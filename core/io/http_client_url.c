/* URLs, taken apart by libcurl, which is to see the same in them when it connects. */
#include "io/http_client_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char NO_SCHEME[] = "it must begin with http:// or https://";

static CURLU *parse(const struct curl *curl, const char *url, char *failure, size_t size) {
    CURLU *parts = curl->url();
    CURLUcode result = parts ? curl->url_set(parts, CURLUPART_URL, url, 0) : CURLUE_OUT_OF_MEMORY;
    if (result == CURLUE_OK) return parts;
    int is_other = result == CURLUE_BAD_SCHEME || result == CURLUE_UNSUPPORTED_SCHEME;
    snprintf(failure, size, "%s", is_other ? NO_SCHEME : curl->url_strerror(result));
    curl->url_cleanup(parts);
    return NULL;
}

static int take_part(const struct curl *curl, CURLU *parts, CURLUPart part, char *memory, size_t size) {
    char *text = NULL;
    if (curl->url_get(parts, part, &text, CURLU_DEFAULT_PORT | CURLU_PUNYCODE) != CURLUE_OK) return -1;
    int length = snprintf(memory, size, "%s", text);
    curl->free(text);
    return length >= 0 && (size_t)length < size ? 0 : -1;
}

/* Its URL alone, without what is private. */
static struct http_client_place *place_of(const struct curl *curl, CURLU *parts) {
    char *url = NULL;
    curl->url_set(parts, CURLUPART_USER, NULL, 0);
    curl->url_set(parts, CURLUPART_PASSWORD, NULL, 0);
    if (curl->url_get(parts, CURLUPART_URL, &url, 0) != CURLUE_OK) return NULL;
    struct http_client_place *place = calloc(1, sizeof *place + strlen(url) + 1);
    if (place) strcpy(place->url, url);
    curl->free(url);
    return place;
}

static const char *take_parts(const struct curl *curl, CURLU *parts, struct http_client_place *place) {
    if (take_part(curl, parts, CURLUPART_SCHEME, place->scheme, sizeof place->scheme) < 0) return NO_SCHEME;
    if (strcasecmp(place->scheme, "http") && strcasecmp(place->scheme, "https")) return NO_SCHEME;
    if (take_part(curl, parts, CURLUPART_HOST, place->host, sizeof place->host) < 0)
        return "its host's name is too long or not in ASCII";
    return take_part(curl, parts, CURLUPART_PORT, place->port, sizeof place->port) < 0 ? "it has no port" : NULL;
}

struct http_client_place *http_client_parse(struct http_client *client, const char *url, char *failure, size_t size) {
    const struct curl *curl = &client->curl;
    CURLU *parts = parse(curl, url, failure, size);
    if (!parts) return NULL;
    struct http_client_place *place = place_of(curl, parts);
    const char *why = place ? take_parts(curl, parts, place) : "not enough memory";
    curl->url_cleanup(parts);
    if (!why) return place;
    snprintf(failure, size, "%s", why);
    free(place);
    return NULL;
}
