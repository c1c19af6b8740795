/*
 * history.h - the last 15 minutes, one sample every 5 seconds: what the dashboard plots.
 *
 * Of the main thread; history_look() is called once a second and takes a sample when it is time.
 */
#ifndef CONTROL_HISTORY_H
#define CONTROL_HISTORY_H

#include "base/util.h"
#include "reload.h"

#define HISTORY_EVERY_S 5u
#define HISTORY_SAMPLES 180u

struct history;

MUST_USE struct history *history_new(void);
void history_free(struct history *history); /* null is allowed */
void history_look(struct history *history, const struct service *service);

#endif
