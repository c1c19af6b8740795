/*
 * sandbox.h - allow a running router only the system calls that it needs.
 *
 * A seccomp filter: any other call ends the process with SIGSYS. Programs cannot be started,
 * files only be opened for reading, memory not be made executable, sockets only be of the
 * Internet and Unix families, nothing be traced, mounted or loaded.
 */
#ifndef CONTROL_HOST_SANDBOX_H
#define CONTROL_HOST_SANDBOX_H

#include "base/util.h"

/*
 * Builds with a sanitizer have no filter: its run-time library forks, traces and maps, as
 * LeakSanitizer does at the end, which is just what the filter is there to stop.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define SANDBOX_SANITIZED 1
#endif
#endif
#ifndef SANDBOX_SANITIZED
#define SANDBOX_SANITIZED 0
#endif

/*
 * Applies to all existing and future threads, and cannot be undone.
 *
 * Returns 0, or an errno: the kernel has no seccomp, or forbids it; ENOTSUP in a build with a
 * sanitizer. Nothing has changed then.
 */
MUST_USE int sandbox_enter(void);

#endif
