/* core.digest: digests, HMAC, base64, random bytes and a comparison in constant time, by OpenSSL. */
#include "binding/modules.h"
#include "binding/support.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <string.h>

static const EVP_MD *check_algorithm(lua_State *L, int argument) {
    const char *name = luaL_optstring(L, argument, "sha256");
    const EVP_MD *algorithm = EVP_get_digestbyname(name);
    if (!algorithm) luaL_error(L, "there is no digest '%s'", name);
    return algorithm;
}

/* digest.digest(data, name) -> raw bytes; name: "sha256" unless told otherwise */
static int digest(lua_State *L) {
    unsigned char value[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    size_t size;
    const char *data = luaL_checklstring(L, 1, &size);
    if (EVP_Digest(data, size, value, &length, check_algorithm(L, 2), NULL) != 1)
        return luaL_error(L, "the digest cannot be made");
    lua_pushlstring(L, (const char *)value, length);
    return 1;
}

/* digest.hmac(key, data, name) -> raw bytes (RFC 2104) */
static int hmac(lua_State *L) {
    unsigned char value[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    size_t key_length, size;
    const char *key = luaL_checklstring(L, 1, &key_length), *data = luaL_checklstring(L, 2, &size);
    if (!HMAC(check_algorithm(L, 3), key, (int)key_length, (const unsigned char *)data, size, value, &length))
        return luaL_error(L, "the HMAC cannot be made");
    lua_pushlstring(L, (const char *)value, length);
    return 1;
}

/* digest.equal(a, b) -> whether they are the same, in a time that does not tell where they differ */
static int equal(lua_State *L) {
    size_t a_length, b_length;
    const char *a = luaL_checklstring(L, 1, &a_length), *b = luaL_checklstring(L, 2, &b_length);
    lua_pushboolean(L, a_length == b_length && CRYPTO_memcmp(a, b, a_length) == 0);
    return 1;
}

/* digest.random(count) -> so many bytes that nobody can foresee */
static int random_bytes(lua_State *L) {
    size_t count = support_check_size(L, 1, 1, 16);
    luaL_Buffer buffer;
    luaL_argcheck(L, count <= 1 << 20, 1, "at most 1 MiB");
    char *bytes = luaL_buffinitsize(L, &buffer, count);
    if (RAND_bytes((unsigned char *)bytes, (int)count) != 1) return luaL_error(L, "there are no random bytes");
    luaL_pushresultsize(&buffer, count);
    return 1;
}

/* digest.to_base64(bytes) -> text (RFC 4648 4) */
static int to_base64(lua_State *L) {
    size_t length;
    const char *bytes = luaL_checklstring(L, 1, &length);
    luaL_Buffer buffer;
    luaL_argcheck(L, length <= 1 << 30, 1, "at most 1 GiB");
    char *text = luaL_buffinitsize(L, &buffer, (length + 2) / 3 * 4 + 1);
    luaL_pushresultsize(&buffer,
                        (size_t)EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)bytes, (int)length));
    return 1;
}

static int is_base64(const char *text, size_t length) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (length % 4) return 0;
    size_t padding = length && text[length - 1] == '=' ? 1 + (text[length - 2] == '=') : 0;
    for (size_t i = 0; i < length - padding; i++)
        if (!memchr(alphabet, text[i], sizeof alphabet - 1)) return 0;
    return 1;
}

/* digest.from_base64(text) -> bytes, or nil when it is none */
static int from_base64(lua_State *L) {
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    luaL_Buffer buffer;
    if (length > 1 << 30 || !is_base64(text, length)) return lua_pushnil(L), 1;
    char *bytes = luaL_buffinitsize(L, &buffer, length / 4 * 3 + 1);
    int count = EVP_DecodeBlock((unsigned char *)bytes, (const unsigned char *)text, (int)length);
    if (count < 0) return lua_pushnil(L), 1;
    if (length && text[length - 1] == '=') count -= 1 + (text[length - 2] == '=');
    luaL_pushresultsize(&buffer, (size_t)count);
    return 1;
}

int luaopen_core_digest(lua_State *L) {
    static const luaL_Reg functions[] = {{"digest", digest},
                                         {"hmac", hmac},
                                         {"equal", equal},
                                         {"random", random_bytes},
                                         {"to_base64", to_base64},
                                         {"from_base64", from_base64},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
