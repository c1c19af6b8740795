/*
 * parse.h - the three results of every parser of untrusted bytes.
 */
#ifndef BASE_PARSE_H
#define BASE_PARSE_H

enum parse_result {
    PARSE_DONE, /* a whole, valid unit */
    PARSE_MORE, /* a longer prefix could still be valid; call again with more bytes */
    PARSE_BAD   /* no continuation is valid */
};

#endif
