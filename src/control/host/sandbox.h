/*
 * sandbox.h - allow a running router only the system calls that it needs.
 *
 * A seccomp filter kills the process with SIGSYS at any other call. It prevents starting programs,
 * writing to files other than the log, making memory executable, opening sockets other than
 * Internet and Unix sockets, tracing, mounting, and loading modules.
 */
#ifndef CONTROL_HOST_SANDBOX_H
#define CONTROL_HOST_SANDBOX_H

#include "base/util.h"

/*
 * Sanitizer builds have no filter, because the sanitizer's run-time library forks, traces and maps
 * memory, for example when LeakSanitizer runs at the end.
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
 * Enter the sandbox. It applies to all existing and future threads, and cannot be undone.
 *
 * Returns 0, or an errno value if nothing has changed: the kernel does not support or does not
 * allow seccomp, or ENOTSUP in a sanitizer build.
 */
MUST_USE int sandbox_enter(void);

#endif
