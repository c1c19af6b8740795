/*
 * prepare.h - check everything that a router needs before it may use a configuration.
 *
 * A start, `--check` and a reload all go through it, so none of them accepts what another rejects.
 * Sockets, threads and memory follow in supervisor_start.c and reload.c, which share their
 * functions.
 */
#ifndef CONTROL_RELOAD_PREPARE_H
#define CONTROL_RELOAD_PREPARE_H

#include <stdio.h>

#include "base/util.h"
#include "control/host/privileges.h"
#include "model/config/file.h"

/*
 * Read the configuration, then everything it names on this host: certificates, keys and lists of
 * TLS, secrets, source addresses; at a start also user, group and log. All faults are reported
 * together, one line each with its place: "error: FILE:LINE: KEY: TEXT". Nothing is changed: no
 * file is made or truncated.
 *
 *   to   set if `use` is CONFIG_FILE_START: whom to run as; null for a reload, which cannot change
 * it
 *
 * Null when anything is wrong.
 */
MUST_USE struct config *preparation_load(const char *path, enum config_file_use use,
                                         struct privileges *to, FILE *out);

#endif
