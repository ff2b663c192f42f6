/* Fan-outs in Lua: see io/fanout.h. */
#ifndef PERIGEE_BINDING_FANOUT_H
#define PERIGEE_BINDING_FANOUT_H

#include "binding/task.h"
#include "io/fanout.h"

/* The forms that a message takes for its members. */
enum fanout_form {
    FORM_PLAIN,       /* the bytes themselves */
    FORM_LINE,        /* and a line end */
    FORM_MESSAGE,     /* a frame of WebSocket */
    FORM_EVENT,       /* a server-sent event */
    FORM_EVENT_CHUNK, /* in a chunk of HTTP */
    FORM_PART,        /* of multipart/x-mixed-replace */
    FORM_PART_CHUNK
};

struct fanout_object {
    struct fanout io;
    struct task_list writers; /* wait until nobody is slow */
    char type[64];            /* of the parts */
};

struct fanout_object *fanout_check(lua_State *L, int argument);

#endif
