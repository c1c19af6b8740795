/*
 * read.c - parse a PROXY header of either version.
 *
 * The first byte selects the version: "P" of "PROXY", or the CR of version 2's signature.
 */
#include "wire/proxy/read.h"

#include <assert.h>

#include "read_versions.h"

/* Size of the version 2 signature. Every header is longer. */
#define FIRST_READ 12u

enum parse_result proxy_read(struct span in, struct proxy_header *out, size_t *next)
{
    struct proxy_header header = {0};
    enum parse_result result = PARSE_BAD;
    size_t size = 0;

    if (in.n == 0) {
        *next = FIRST_READ;
        return PARSE_MORE;
    }
    if (in.p[0] == 'P')
        result = proxy_read_v1(in, &header, &size);
    else if (in.p[0] == '\r')
        result = proxy_read_v2(in, &header, &size);
    else
        header.fault = "signature";

    if (result == PARSE_BAD)
        out->fault = header.fault;
    if (result == PARSE_DONE) {
        header.fault = NULL;
        *out = header;
    }
    if (result != PARSE_BAD) {
        assert(size > 0 && size <= PROXY_READ_MAX);
        *next = size;
    }
    return result;
}
