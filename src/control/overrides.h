/*
 * overrides.h - what an operator has changed at run time, as opposed to the file: so that it can
 * be shown, and so that it is known what a reload does to it.
 *
 *   a node's state    stays over reloads until the file's own state of that node changes
 *                     (prober_decree()); gone with a restart
 *   a node's weight   the same, by the file's weight
 *   the log's level   a reload brings back the file's
 *
 * Of the main thread.
 */
#ifndef CONTROL_OVERRIDES_H
#define CONTROL_OVERRIDES_H

#include "base/util.h"

struct overrides;

MUST_USE struct overrides *overrides_new(void);
void overrides_free(struct overrides *overrides); /* null is allowed */

#endif
