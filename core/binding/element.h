/* The element types of a buffer, in the machine's byte order: i8 u8 i16 u16 i32 u32 i64 u64 f32 f64. */
#ifndef PERIGEE_BINDING_ELEMENT_H
#define PERIGEE_BINDING_ELEMENT_H

#include <lua.h>

struct element {
    const char *name;
    size_t size; /* bytes */
    void (*push)(lua_State *L, const unsigned char *at);
    void (*store)(lua_State *L, int argument, unsigned char *at); /* raises when the value does not fit */
    /* Stores `count` elements, at least one: the number at 2, and each the number at 3 more than the one before. */
    void (*count)(lua_State *L, unsigned char *at, size_t count);
};

const struct element *element_find(const char *name); /* NULL: there is none of that name */

#endif
