/*
 * check.h - check that this host has the files and addresses that a configuration names.
 */
#ifndef CONTROL_HOST_CHECK_H
#define CONTROL_HOST_CHECK_H

#include <stdbool.h>

#include "base/util.h"

struct faults;

/*
 * The token_file of the admin interface and each password_file of a health check must be readable
 * and contain one line, and each source address must be one of this host. A token that every user
 * can read is a warning. Reports every fault.
 *
 * True when there is no error.
 */
MUST_USE bool host_check(const struct faults *faults);

#endif
