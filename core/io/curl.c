#include "io/curl.h"

#include <dlfcn.h>
#include <stdio.h>

/* CURLOPT_PROTOCOLS_STR and CURLU_PUNYCODE. */
enum { OLDEST = 0x075800 };

static const char LIBRARY[] = "libcurl.so.4";

#define CURL_NAME(name) "curl_" #name,
static const char *const names[] = {CURL_FUNCTIONS(CURL_NAME)};
#undef CURL_NAME

_Static_assert(sizeof names / sizeof *names == sizeof(struct curl) / sizeof(void *), "a name for each function");

static int find_functions(struct curl *curl, void *library) {
    void **functions = (void **)curl;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!(functions[i] = dlsym(library, names[i]))) return -1;
    return 0;
}

static int is_new_enough(void *library) {
    curl_version_info_data *(*version_info)(CURLversion) = NULL;
    *(void **)&version_info = dlsym(library, "curl_version_info");
    return version_info && version_info(CURLVERSION_NOW)->version_num >= OLDEST;
}

int curl_load(struct curl *curl, char *failure, size_t size) {
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library || find_functions(curl, library) < 0) {
        snprintf(failure, size, "the HTTP client needs libcurl: %s", dlerror());
    } else if (!is_new_enough(library)) {
        snprintf(failure, size, "the HTTP client needs libcurl 7.88 or later");
    } else if (curl->global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        snprintf(failure, size, "libcurl does not start");
    } else {
        return 0;
    }
    if (library) dlclose(library);
    return -1;
}
