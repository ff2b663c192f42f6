/* libcurl's functions. It is loaded when the first request is made, not linked in: with the 25 libraries that it brings
 * every process would start 2 ms later and be 4 MB larger.
 * Owner: the HTTP client. It stays loaded until the process ends. */
#ifndef PERIGEE_IO_CURL_H
#define PERIGEE_IO_CURL_H

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <stddef.h>

#define CURL_FUNCTIONS(USE)                                                                                            \
    USE(global_init)                                                                                                   \
    USE(global_cleanup)                                                                                                \
    USE(easy_init)                                                                                                     \
    USE(easy_setopt)                                                                                                   \
    USE(easy_getinfo)                                                                                                  \
    USE(easy_strerror)                                                                                                 \
    USE(easy_cleanup)                                                                                                  \
    USE(multi_init)                                                                                                    \
    USE(multi_setopt)                                                                                                  \
    USE(multi_add_handle)                                                                                              \
    USE(multi_remove_handle)                                                                                           \
    USE(multi_socket_action)                                                                                           \
    USE(multi_info_read)                                                                                               \
    USE(multi_cleanup)                                                                                                 \
    USE(slist_append)                                                                                                  \
    USE(slist_free_all)                                                                                                \
    USE(url)                                                                                                           \
    USE(url_set)                                                                                                       \
    USE(url_get)                                                                                                       \
    USE(url_cleanup)                                                                                                   \
    USE(url_strerror)                                                                                                  \
    USE(free)

#define CURL_DECLARE(name) __typeof__(curl_##name) *name;
struct curl {
    CURL_FUNCTIONS(CURL_DECLARE)
};
#undef CURL_DECLARE

/* 0, or -1 and why not, in the `size` bytes at `failure`. To be undone by curl->global_cleanup. */
int curl_load(struct curl *curl, char *failure, size_t size);

#endif
