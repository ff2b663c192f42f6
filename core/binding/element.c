#include "binding/element.h"

#include <lauxlib.h>
#include <stdint.h>
#include <string.h>

/* memcpy: a cast view may begin at any byte, and the compiler makes one load or store of it. */
#define INTEGER_ELEMENT(TYPE, LOW, HIGH)                                                                               \
    static void push_##TYPE(lua_State *L, const unsigned char *at) {                                                   \
        TYPE##_t value;                                                                                                \
        memcpy(&value, at, sizeof value);                                                                              \
        lua_pushinteger(L, (lua_Integer)value);                                                                        \
    }                                                                                                                  \
    static void store_##TYPE(lua_State *L, int argument, unsigned char *at) {                                          \
        lua_Integer number = luaL_checkinteger(L, argument);                                                           \
        luaL_argcheck(L, number >= (LOW) && number <= (HIGH), argument, "the number does not fit " #TYPE);             \
        TYPE##_t value = (TYPE##_t)number;                                                                             \
        memcpy(at, &value, sizeof value);                                                                              \
    }

INTEGER_ELEMENT(int8, INT8_MIN, INT8_MAX)
INTEGER_ELEMENT(uint8, 0, UINT8_MAX)
INTEGER_ELEMENT(int16, INT16_MIN, INT16_MAX)
INTEGER_ELEMENT(uint16, 0, UINT16_MAX)
INTEGER_ELEMENT(int32, INT32_MIN, INT32_MAX)
INTEGER_ELEMENT(uint32, 0, UINT32_MAX)
INTEGER_ELEMENT(int64, INT64_MIN, INT64_MAX)
INTEGER_ELEMENT(uint64, INT64_MIN, INT64_MAX) /* above 2^63 as Lua's integers wrap */

#define FLOAT_ELEMENT(TYPE)                                                                                            \
    static void push_##TYPE(lua_State *L, const unsigned char *at) {                                                   \
        TYPE value;                                                                                                    \
        memcpy(&value, at, sizeof value);                                                                              \
        lua_pushnumber(L, (lua_Number)value);                                                                          \
    }                                                                                                                  \
    static void store_##TYPE(lua_State *L, int argument, unsigned char *at) {                                          \
        TYPE value = (TYPE)luaL_checknumber(L, argument);                                                              \
        memcpy(at, &value, sizeof value);                                                                              \
    }

FLOAT_ELEMENT(float)
FLOAT_ELEMENT(double)

static const struct element elements[] = {
    {"u8", 1, push_uint8, store_uint8},    {"i8", 1, push_int8, store_int8},      {"i16", 2, push_int16, store_int16},
    {"u16", 2, push_uint16, store_uint16}, {"i32", 4, push_int32, store_int32},   {"u32", 4, push_uint32, store_uint32},
    {"i64", 8, push_int64, store_int64},   {"u64", 8, push_uint64, store_uint64}, {"f32", 4, push_float, store_float},
    {"f64", 8, push_double, store_double},
};

const struct element *element_find(const char *name) {
    for (size_t i = 0; i < sizeof elements / sizeof *elements; i++)
        if (strcmp(elements[i].name, name) == 0) return &elements[i];
    return NULL;
}
