#include "binding/element.h"

#include <lauxlib.h>
#include <stdint.h>
#include <string.h>

/* memcpy: a cast view may begin at any byte, and the compiler makes one load or store of it. */
/* Raises unless the last of `count` steps from `first` fits. */
static void check_steps(lua_State *L, lua_Integer first, lua_Integer step, size_t count, lua_Integer low,
                        lua_Integer high) {
    lua_Integer way, last = first;
    int fits =
        !__builtin_mul_overflow(step, (lua_Integer)(count - 1), &way) && !__builtin_add_overflow(first, way, &last);
    luaL_argcheck(L, fits && last >= low && last <= high, 3, "the last number does not fit the buffer's type");
}

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
    }                                                                                                                  \
    static void count_##TYPE(lua_State *L, unsigned char *at, size_t count) {                                          \
        lua_Integer first = luaL_checkinteger(L, 2), step = luaL_checkinteger(L, 3);                                   \
        check_steps(L, first, step, count, LOW, HIGH);                                                                 \
        store_##TYPE(L, 2, at);                                                                                        \
        for (size_t i = 0; i < count; i++, at += sizeof(TYPE##_t)) {                                                   \
            TYPE##_t value = (TYPE##_t)((lua_Unsigned)first + (lua_Unsigned)step * i);                                 \
            memcpy(at, &value, sizeof value);                                                                          \
        }                                                                                                              \
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
    }                                                                                                                  \
    static void count_##TYPE(lua_State *L, unsigned char *at, size_t count) {                                          \
        lua_Number first = luaL_checknumber(L, 2), step = luaL_checknumber(L, 3);                                      \
        for (size_t i = 0; i < count; i++, at += sizeof(TYPE)) {                                                       \
            TYPE value = (TYPE)(first + step * (lua_Number)i);                                                         \
            memcpy(at, &value, sizeof value);                                                                          \
        }                                                                                                              \
    }

FLOAT_ELEMENT(float)
FLOAT_ELEMENT(double)

#define ELEMENT(NAME, SIZE, TYPE)                                                                                      \
    { NAME, SIZE, push_##TYPE, store_##TYPE, count_##TYPE }

static const struct element elements[] = {
    ELEMENT("u8", 1, uint8),  ELEMENT("i8", 1, int8),    ELEMENT("i16", 2, int16), ELEMENT("u16", 2, uint16),
    ELEMENT("i32", 4, int32), ELEMENT("u32", 4, uint32), ELEMENT("i64", 8, int64), ELEMENT("u64", 8, uint64),
    ELEMENT("f32", 4, float), ELEMENT("f64", 8, double),
};

const struct element *element_find(const char *name) {
    for (size_t i = 0; i < sizeof elements / sizeof *elements; i++)
        if (strcmp(elements[i].name, name) == 0) return &elements[i];
    return NULL;
}
