/* Answers from a file: sent by sendfile(2), with entity tag and date, conditional requests (RFC 9110 13) and a range
 * (14). The response object has `path`, and `type` where the caller knows it. */
#include "binding/http_response.h"
#include "binding/support.h"
#include "bytes/http_date.h"
#include "bytes/http_range.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct file {
    int fd;
    uint64_t size;
    int64_t modified; /* seconds since 1970 */
    char etag[48];
    uint64_t start, length; /* what of it is sent */
};

/* A regular file, or -1 with errno. O_NONBLOCK: a FIFO must not hold up everything, open(2). */
static int file_open(struct file *file, const char *path) {
    struct stat status;
    file->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file->fd < 0) return -1;
    if (fstat(file->fd, &status) < 0 || !S_ISREG(status.st_mode)) {
        close(file->fd);
        return errno = ENOENT, -1;
    }
    file->size = file->length = (uint64_t)status.st_size;
    file->start = 0;
    file->modified = status.st_mtim.tv_sec;
    snprintf(file->etag, sizeof file->etag, "\"%llx-%llx.%lx\"", (unsigned long long)status.st_size,
             (unsigned long long)status.st_mtim.tv_sec, (unsigned long)status.st_mtim.tv_nsec);
    return 0;
}

/* Conditions. */

static int has_etag(const struct http_request *request, const char *name, const struct file *file, int weak) {
    size_t length;
    const char *value = http_request_field(request, name, &length);
    return value && http_etag_list_has(value, length, file->etag, strlen(file->etag), weak);
}

/* Is the date in the field at least as late as the file's? -1: there is none. */
static int is_as_late(const struct http_request *request, const char *name, const struct file *file) {
    size_t length;
    int64_t seconds, now = loop_seconds(request->client->server->loop);
    const char *value = http_request_field(request, name, &length);
    if (!value || http_date_parse(value, length, now, &seconds) < 0) return -1;
    return file->modified <= seconds;
}

static int has_field(const struct http_request *request, const char *name) {
    size_t length;
    return http_request_field(request, name, &length) != NULL;
}

static int is_method(const struct http_request *request, const char *name) {
    return http_span_equals(request->head.method, http_request_bytes(request), name, strlen(name));
}

static int is_read(const struct http_request *request) {
    return is_method(request, "GET") || is_method(request, "HEAD");
}

/* The status that the conditions give, in the order of RFC 9110 13.2.2. */
static int check_conditions(const struct http_request *request, const struct file *file) {
    if (has_field(request, "if-match")) {
        if (!has_etag(request, "if-match", file, 0)) return 412;
    } else if (is_as_late(request, "if-unmodified-since", file) == 0) {
        return 412;
    }
    if (has_field(request, "if-none-match")) {
        if (has_etag(request, "if-none-match", file, 1)) return is_read(request) ? 304 : 412;
    } else if (is_read(request) && is_as_late(request, "if-modified-since", file) == 1) {
        return 304;
    }
    return 200;
}

/* If-Range: an entity tag compared strongly, or the very date (RFC 9110 13.1.5). */
static int range_holds(const struct http_request *request, const struct file *file) {
    size_t length;
    int64_t seconds;
    const char *value = http_request_field(request, "if-range", &length);
    if (!value) return 1;
    if (length && value[0] == '"') return length == strlen(file->etag) && memcmp(value, file->etag, length) == 0;
    return http_date_parse(value, length, loop_seconds(request->client->server->loop), &seconds) == 0 &&
           seconds == file->modified;
}

/* 206 for one satisfiable range, 416 for none; several are answered with the whole file, as RFC 9110 14.2 allows. */
static int check_range(const struct http_request *request, struct file *file) {
    struct http_range range;
    size_t length;
    const char *value = http_request_field(request, "range", &length);
    if (!value || !is_method(request, "GET") || !range_holds(request, file)) return 200;
    int count = http_range_parse(value, length, file->size, &range, 1);
    if (count < 0) return 200;
    if (count == 0) return 416;
    file->start = range.start;
    file->length = range.length;
    return 206;
}

/* The answer. */

static void add_validators(lua_State *L, struct http_response *response, const struct file *file) {
    char date[HTTP_DATE_SIZE];
    http_date_write(date, file->modified);
    if (!response->has_etag) http_response_add(L, response, "ETag", file->etag);
    if (!response->has_modified) http_response_add(L, response, "Last-Modified", date);
    http_response_add(L, response, "Accept-Ranges", "bytes");
}

static void add_range(lua_State *L, struct http_response *response, const struct file *file, int status) {
    char text[80];
    if (status == 206)
        snprintf(text, sizeof text, "bytes %llu-%llu/%llu", (unsigned long long)file->start,
                 (unsigned long long)(file->start + file->length - 1), (unsigned long long)file->size);
    else snprintf(text, sizeof text, "bytes */%llu", (unsigned long long)file->size);
    if (status == 206 || status == 416) http_response_add(L, response, "Content-Range", text);
}

static void add_type(lua_State *L, struct http_response *response) {
    size_t length;
    if (lua_getfield(L, HTTP_RESPONSE, "type") == LUA_TNIL) return;
    const char *type = luaL_checklstring(L, -1, &length);
    if (!http_is_field_value(type, length)) luaL_error(L, "type '%s': it must have no control characters", type);
    http_response_add(L, response, "Content-Type", type);
}

static void send_head(lua_State *L, struct http_request *request, struct http_response *response, struct file *file) {
    int status = response->answer.status;
    if (status == 200) status = check_conditions(request, file);
    if (status == 200) status = check_range(request, file);
    if (status == 416 || status == 412 || status == 304) file->length = 0;
    response->answer.status = status;
    if (!response->has_type && status != 304) add_type(L, response);
    add_validators(L, response, file);
    add_range(L, response, file, status);
    response->answer.framing = HTTP_FRAMING_LENGTH;
    response->answer.length = file->length;
    http_response_send(L, request, response);
}

/* Runs protected, so that the descriptor is closed whatever happens: send_opened(request, response, file, answer) */
static int send_opened(lua_State *L) {
    struct http_request *request = lua_touserdata(L, HTTP_REQUEST);
    struct file *file = lua_touserdata(L, 3);
    struct connection *io = &request->client->io;
    send_head(L, request, lua_touserdata(L, 4), file);
    if (!file->length || !http_connection_sends_body(request->client)) return 0;
    if (connection_write_file(io, file->fd, (off_t)file->start, file->length) < 0) luaL_error(L, "not enough memory");
    file->fd = -1;
    if (!connection_is_full(io)) connection_flush(io);
    return 0;
}

int http_send_file(lua_State *L, struct http_request *request, struct http_response *response) {
    struct file file;
    (void)request;
    lua_getfield(L, HTTP_RESPONSE, "path");
    const char *path = luaL_checkstring(L, -1);
    if (file_open(&file, path) < 0) return luaL_error(L, "open %s: %s", path, strerror(errno));
    lua_pushcfunction(L, send_opened);
    lua_pushvalue(L, HTTP_REQUEST);
    lua_pushvalue(L, HTTP_RESPONSE);
    lua_pushlightuserdata(L, &file);
    lua_pushlightuserdata(L, response);
    int failed = lua_pcall(L, 4, 0, 0) != LUA_OK;
    if (file.fd >= 0) close(file.fd);
    return failed ? lua_error(L) : 0;
}
