/* Where in the values that are encoded the encoder is, for its messages. A place lives in the C function that is
 * there. */
#ifndef PERIGEE_BINDING_SERIALISE_PLACE_H
#define PERIGEE_BINDING_SERIALISE_PLACE_H

#include <lua.h>

struct place {
    const struct place *around; /* NULL: one of the values */
    enum { PLACE_VALUE, PLACE_FIELD, PLACE_KEY, PLACE_UPVALUE } kind;
    const char *name; /* of an upvalue; the noun of a value */
    int number;       /* of an upvalue; of a value, 0: the function */
    int key;          /* stack index of a field's key */
};

/* Pushes its description: "upvalue 'a' of the function, field 'b.c[3]'". */
void place_push(lua_State *L, const struct place *place);

#endif
