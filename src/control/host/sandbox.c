/*
 * sandbox.c - the system calls that a running router needs.
 *
 * Calls are listed by name, so that libseccomp finds the numbers of each architecture; names that
 * an architecture does not have are skipped. A filter cannot check paths; file permissions do.
 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

/* Mask for arguments of type int: the kernel ignores the upper bits. */
#define ALL_BITS ((scmp_datum_t)UINT32_MAX)

/* Calls that are allowed with any arguments. */
static const char *const allowed[] = {
    /* bytes and descriptors */
    "read", "readv", "pread64", "write", "writev", "close", "lseek", "_llseek", "fcntl", "fcntl64",
    "poll", "ppoll", "select", "pselect6", "_newselect", "dup", "pipe", "pipe2", "splice",
    /* sockets; socket() has its own rule */
    "bind", "listen", "accept", "accept4", "connect", "shutdown", "getsockname", "getpeername",
    "getsockopt", "setsockopt", "sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg", "recvmmsg",
    /* libev: event loops, wake-ups, timers, signals */
    "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd2",
    "timerfd_create", "timerfd_settime", "signalfd4",
    /* files: check and watch them; create and remove Unix socket files */
    "stat", "stat64", "lstat", "lstat64", "fstat", "fstat64", "fstatat64", "newfstatat", "statx",
    "access", "faccessat", "faccessat2", "readlink", "readlinkat", "getdents64", "unlink",
    "unlinkat", "umask", "fchownat", "inotify_init1", "inotify_add_watch", "inotify_rm_watch",
    /* memory; mmap() and mprotect() have their own rules */
    "brk", "munmap", "mremap", "madvise",
    /* threads; clone() has its own rule */
    "futex", "futex_time64", "set_robust_list", "rseq", "set_tid_address", "sched_yield",
    "sched_getaffinity", "membarrier", "gettid", "getpid", "exit", "exit_group",
    /* signals; tgkill(), which abort() calls, has its own rule */
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn", "sigaltstack", "restart_syscall",
    /* libev calls wait4() on SIGCHLD; children may exist from before an exec */
    "wait4",
    /* clocks without a vDSO, random numbers, system information */
    "clock_gettime", "clock_gettime64", "clock_getres", "clock_getres_time64", "gettimeofday",
    "time", "clock_nanosleep", "clock_nanosleep_time64", "nanosleep", "getrandom", "sysinfo",
    "uname", "getrlimit", "ugetrlimit", "getrusage", "geteuid", "getegid", "getuid", "getgid",
    "geteuid32", "getegid32", "getuid32", "getgid32"};

/* Add a rule with one condition; null = no condition. Returns 0 or a negative errno value. */
static int add(scmp_filter_ctx filter, uint32_t action, const char *name,
               const struct scmp_arg_cmp *only)
{
    int number = seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR)
        return 0; /* does not exist on this architecture */
    return seccomp_rule_add_array(filter, action, number, only ? 1 : 0, only);
}

/* Allow a call if an argument, counted from 0, has this value in the bits of the mask. */
static int allow(scmp_filter_ctx filter, const char *name, unsigned argument, scmp_datum_t mask,
                 scmp_datum_t value)
{
    const struct scmp_arg_cmp only = {
        .arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
    return add(filter, SCMP_ACT_ALLOW, name, &only);
}

/*
 * Allow the ioctl() for the number of unread bytes, and the one that the C library calls for device
 * files, because resolv.conf may be /dev/null.
 */
static int add_ioctls(scmp_filter_ctx filter)
{
    int error = allow(filter, "ioctl", 1, ALL_BITS, FIONREAD);
    return error ? error : allow(filter, "ioctl", 1, ALL_BITS, TCGETS);
}

static int add_sockets(scmp_filter_ctx filter)
{
    static const int families[] = {AF_UNIX, AF_INET, AF_INET6};
    int error = 0;
    for (size_t i = 0; i < ARRAY_LEN(families) && !error; i++)
        error = allow(filter, "socket", 0, ALL_BITS, (scmp_datum_t)families[i]);
    return error;
}

/* Allow only memory that is not executable, so that injected data cannot become code. */
static int add_memory(scmp_filter_ctx filter)
{
    static const char *const calls[] = {"mmap", "mmap2", "mprotect"};
    int error = 0;
    for (size_t i = 0; i < ARRAY_LEN(calls) && !error; i++)
        error = allow(filter, calls[i], 2, PROT_EXEC, 0);
    return error;
}

/*
 * Allow opening files for reading, and for appending to the log file, as SIGUSR1 and reloads do.
 * With exactly these flags, existing data cannot be overwritten. O_TMPFILE is not in the mask,
 * because it includes the bit of O_DIRECTORY; it needs write access, which is not allowed.
 */
static int add_files(scmp_filter_ctx filter)
{
    const scmp_datum_t writing = O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND;
    int error = allow(filter, "openat", 2, writing, O_RDONLY);
    if (!error)
        error = allow(filter, "openat", 2, ALL_BITS, LOG_FILE_FLAGS);
    return error ? error : allow(filter, "open", 1, writing, O_RDONLY);
}

/* Allow changing the mode of a file, as reloads do for Unix sockets, but not its setuid bit. */
static int add_modes(scmp_filter_ctx filter)
{
    const scmp_datum_t others = ALL_BITS & ~(scmp_datum_t)0777;
    int error = allow(filter, "chmod", 1, others, 0);
    return error ? error : allow(filter, "fchmodat", 2, others, 0);
}

/*
 * Allow threads, but no processes. clone3() passes its flags in memory, which a filter cannot read,
 * so it fails with ENOSYS, and the C library then uses clone().
 */
static int add_threads(scmp_filter_ctx filter)
{
    const scmp_datum_t self = (scmp_datum_t)getpid();
    int error = add(filter, SCMP_ACT_ERRNO(ENOSYS), "clone3", NULL);
    if (!error)
        error = allow(filter, "clone", 0, CLONE_THREAD, CLONE_THREAD);
    if (!error)
        error = allow(filter, "tgkill", 0, ALL_BITS, self);
    if (!error)
        error = allow(filter, "prlimit64", 0, ALL_BITS, 0); /* own limits: used by getrlimit() */
    return error;
}

static int fill(scmp_filter_ctx filter)
{
    /* Also apply the filter to threads that a library may have started. */
    int error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    /* Use a binary tree instead of a list, if libseccomp supports it. */
    (void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    for (size_t i = 0; i < ARRAY_LEN(allowed) && !error; i++)
        error = add(filter, SCMP_ACT_ALLOW, allowed[i], NULL);
    if (!error)
        error = add_sockets(filter);
    if (!error)
        error = add_ioctls(filter);
    if (!error)
        error = add_memory(filter);
    if (!error)
        error = add_files(filter);
    if (!error)
        error = add_modes(filter);
    return error ? error : add_threads(filter);
}

int sandbox_enter(void)
{
    if (SANDBOX_SANITIZED)
        return ENOTSUP;
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (!filter)
        return ENOSYS;
    int error = fill(filter);
    if (!error)
        error = seccomp_load(filter);
    seccomp_release(filter);
    return -error;
}
