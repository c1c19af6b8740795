/*
 * parse.h - the results of parsing untrusted bytes.
 */
#ifndef BASE_PARSE_H
#define BASE_PARSE_H

enum parse_result {
    PARSE_DONE, /* complete and valid */
    PARSE_MORE, /* valid so far, but incomplete; call again with more bytes */
    PARSE_BAD   /* no continuation is valid */
};

#endif
