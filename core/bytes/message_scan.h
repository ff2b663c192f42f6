/* What the scanners of messages answer: whether a message is whole. */
#ifndef PERIGEE_BYTES_MESSAGE_SCAN_H
#define PERIGEE_BYTES_MESSAGE_SCAN_H

#include <stddef.h>

enum message_status {
    MESSAGE_MORE, /* all bytes belong to the message, and more are needed */
    MESSAGE_DONE,
    MESSAGE_LARGE, /* it says that it has more bytes than the limit allows */
    MESSAGE_BAD    /* these bytes are no message */
};

#endif
