#include "http/status.h"

#include <stddef.h>

static const char *const phrases[][32] = {
    [1] = {[0] = "Continue", [1] = "Switching Protocols", [3] = "Early Hints"},
    [2] = {[0] = "OK",
           [1] = "Created",
           [2] = "Accepted",
           [3] = "Non-Authoritative Information",
           [4] = "No Content",
           [5] = "Reset Content",
           [6] = "Partial Content"},
    [3] = {[0] = "Multiple Choices",
           [1] = "Moved Permanently",
           [2] = "Found",
           [3] = "See Other",
           [4] = "Not Modified",
           [7] = "Temporary Redirect",
           [8] = "Permanent Redirect"},
    [4] = {[0] = "Bad Request",
           [1] = "Unauthorized",
           [2] = "Payment Required",
           [3] = "Forbidden",
           [4] = "Not Found",
           [5] = "Method Not Allowed",
           [6] = "Not Acceptable",
           [7] = "Proxy Authentication Required",
           [8] = "Request Timeout",
           [9] = "Conflict",
           [10] = "Gone",
           [11] = "Length Required",
           [12] = "Precondition Failed",
           [13] = "Content Too Large",
           [14] = "URI Too Long",
           [15] = "Unsupported Media Type",
           [16] = "Range Not Satisfiable",
           [17] = "Expectation Failed",
           [21] = "Misdirected Request",
           [22] = "Unprocessable Content",
           [25] = "Too Early",
           [26] = "Upgrade Required",
           [28] = "Precondition Required",
           [29] = "Too Many Requests",
           [31] = "Request Header Fields Too Large"},
    [5] = {[0] = "Internal Server Error",
           [1] = "Not Implemented",
           [2] = "Bad Gateway",
           [3] = "Service Unavailable",
           [4] = "Gateway Timeout",
           [5] = "HTTP Version Not Supported",
           [7] = "Insufficient Storage"},
};

const char *http_status_phrase(int status) {
    int kind = status / 100, detail = status % 100;
    if (kind < 1 || kind > 5 || detail > 31 || !phrases[kind][detail]) return "";
    return phrases[kind][detail];
}

int http_status_has_body(int status) {
    return status >= 200 && status != 204 && status != 304;
}
