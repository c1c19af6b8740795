/*
 * test_sandbox.c - child processes enter the sandbox and make system calls: those that a router
 * needs succeed, and all others end the process.
 *
 * Forbidden calls use arguments that the kernel rejects anyway. So if the filter misses a call, the
 * child survives and does no harm.
 */
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/sched.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/host/sandbox.h"

#define LIVED      7 /* exit code of a child that survived */
#define FAILED     8
#define NO_SANDBOX 9

/* True on success. A forbidden call must not return at all. */
typedef bool attempt_fn(void);

/* Return the wait status of a child that enters the sandbox and makes the attempt. */
static int status_of(attempt_fn *attempt)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        const struct rlimit no_core = {0};
        (void)setrlimit(RLIMIT_CORE, &no_core);
        alarm(120);
        if (sandbox_enter() != 0)
            _exit(NO_SANDBOX);
        _exit(attempt() ? LIVED : FAILED);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static bool nothing(void)
{
    return true;
}

static int skip_without_sandbox(void **state)
{
    (void)state;
    int status = SANDBOX_SANITIZED ? W_EXITCODE(NO_SANDBOX, 0) : status_of(nothing);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != NO_SANDBOX)
        return 0;
    print_message("no sandbox: sanitizer build, or kernel without seccomp\n");
    exit(77);
}

static void lives(const char *what, attempt_fn *attempt)
{
    int status = status_of(attempt);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != LIVED)
        fail_msg("%s: wait status %#x", what, (unsigned)status);
}

static void dies(const char *what, attempt_fn *attempt)
{
    int status = status_of(attempt);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
        fail_msg("%s: wait status %#x", what, (unsigned)status);
}

/* ---- forbidden calls ---- */

static bool try_execve(void)
{
    char *argv[] = {(char[]){"nothing"}, NULL};
    return execve("/nonexistent", argv, argv + 1) < 0;
}
static bool try_execveat(void)
{
    return syscall(SYS_execveat, -1, "", NULL, NULL, 0) < 0;
}
static bool try_fork(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    return child > 0;
}
static bool try_vfork(void)
{
    return syscall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL, NULL, NULL, NULL) >= 0;
}
static bool try_ptrace(void)
{
    return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) < 0;
}
static bool try_packet_socket(void)
{
    return socket(AF_PACKET, SOCK_RAW, 0) < 0;
}
static bool try_netlink_socket(void)
{
    return socket(AF_NETLINK, SOCK_RAW, 0) < 0;
}
static bool try_vsock_socket(void)
{
    return socket(AF_VSOCK, SOCK_STREAM, 0) < 0;
}
static bool try_executable_mmap(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != NULL;
}
static bool try_executable_mprotect(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0;
}
static bool try_open_for_writing(void)
{
    return open("/dev/null", O_WRONLY) >= 0;
}
static bool try_create(void)
{
    return open("/nonexistent/file", O_RDONLY | O_CREAT, 0600) < 0;
}
static bool try_kill(void)
{
    return kill(getppid(), 0) == 0;
}
static bool try_signal_to_another(void)
{
    return syscall(SYS_tgkill, getppid(), getppid(), 0) == 0;
}
static bool try_limits_of_another(void)
{
    struct rlimit limit;
    return prlimit(1, RLIMIT_NOFILE, NULL, &limit) == 0;
}

static bool try_setuid(void)
{
    return setuid(getuid()) == 0;
}
static bool try_chmod(void)
{
    /* a chmod of a Unix socket is allowed, but not with the set-user-ID bit */
    return syscall(SYS_fchmodat, AT_FDCWD, "/nonexistent", 04755) < 0;
}
static bool try_mount(void)
{
    return syscall(SYS_mount, "", "/nonexistent", "", 0, NULL) < 0;
}
static bool try_open_by_handle(void)
{
    return syscall(SYS_open_by_handle_at, -1, NULL, 0) < 0;
}
static bool try_bpf(void)
{
    return syscall(SYS_bpf, BPF_MAP_CREATE, NULL, 0) < 0;
}
static bool try_io_uring(void)
{
    return syscall(SYS_io_uring_setup, 0, NULL) < 0;
}
static bool try_process_vm_writev(void)
{
    return syscall(SYS_process_vm_writev, getppid(), NULL, 0, NULL, 0, 0) < 0;
}
static bool try_prctl(void)
{
    return prctl(PR_SET_DUMPABLE, 1) == 0;
}
static bool try_terminal_input(void)
{
    return syscall(SYS_ioctl, -1, 0x5412 /* TIOCSTI: types into the terminal */, "") < 0;
}

static void a_forbidden_call_ends_the_process(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        attempt_fn *attempt;
    } rows[] = {
        {"execve", try_execve},
        {"execveat", try_execveat},
        {"fork", try_fork},
        {"vfork", try_vfork},
        {"ptrace", try_ptrace},
        {"socket AF_PACKET", try_packet_socket},
        {"socket AF_NETLINK", try_netlink_socket},
        {"socket AF_VSOCK", try_vsock_socket},
        {"mmap PROT_EXEC", try_executable_mmap},
        {"mprotect PROT_EXEC", try_executable_mprotect},
        {"open to write", try_open_for_writing},
        {"create", try_create},
        {"kill", try_kill},
        {"tgkill of another", try_signal_to_another},
        {"prlimit of another", try_limits_of_another},
        {"setuid", try_setuid},
        {"fchmodat", try_chmod},
        {"mount", try_mount},
        {"open_by_handle_at", try_open_by_handle},
        {"bpf", try_bpf},
        {"io_uring_setup", try_io_uring},
        {"process_vm_writev", try_process_vm_writev},
        {"prctl", try_prctl},
        {"ioctl TIOCSTI", try_terminal_input},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        dies(rows[i].what, rows[i].attempt);
}

/* ---- allowed calls ---- */

static bool try_sockets(void)
{
    static const int families[] = {AF_UNIX, AF_INET};
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        int fd = socket(families[i], SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0 || close(fd) < 0)
            return false;
    }
    (void)socket(AF_INET6, SOCK_STREAM, 0); /* a machine may not support IPv6 */
    return true;
}
static bool try_reading_a_file(void)
{
    FILE *file = fopen("/dev/null", "re");
    return file && fgetc(file) == EOF && fclose(file) == 0 && open("/nonexistent", O_RDONLY) < 0;
}
static bool try_memory(void)
{
    char *large = malloc(64 << 20);
    if (!large)
        return false;
    memset(large, 1, 1 << 20);
    large = realloc(large, 128 << 20);
    free(large);
    return large != NULL;
}
static void *thread_main(void *arg)
{
    struct timespec pause = {.tv_nsec = 1000};
    nanosleep(&pause, NULL);
    return arg;
}
static bool try_thread(void)
{
    pthread_t thread;
    void *back = NULL;
    int here;
    return pthread_create(&thread, NULL, thread_main, &here) == 0 &&
           pthread_join(thread, &back) == 0 && back == &here;
}
static void *forbidden_thread(void *arg)
{
    (void)!try_execve();
    return arg;
}
static bool try_forbidden_thread(void)
{
    pthread_t thread;
    return pthread_create(&thread, NULL, forbidden_thread, NULL) == 0 &&
           pthread_join(thread, NULL) == 0;
}
static bool try_waiting(void)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC), notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN};
    return inotify_add_watch(notify, "/", IN_CREATE) >= 0 &&
           epoll_ctl(epoll, EPOLL_CTL_ADD, notify, &event) == 0 &&
           epoll_wait(epoll, &event, 1, 0) == 0;
}

static bool try_splicing(void)
{
    int from[2], to[2];
    return pipe2(from, O_CLOEXEC) == 0 && pipe2(to, O_CLOEXEC) == 0 &&
           write(from[1], "x", 1) == 1 && splice(from[0], NULL, to[1], NULL, 1, 0) == 1;
}

static void allowed_calls_succeed(void **state)
{
    (void)state;
    lives("nothing", nothing);
    lives("sockets", try_sockets);
    lives("reading a file", try_reading_a_file);
    lives("memory", try_memory);
    lives("a thread", try_thread);
    lives("waiting", try_waiting);
    lives("splicing", try_splicing);
}

static void later_threads_are_in_the_sandbox_too(void **state)
{
    (void)state;
    dies("a thread", try_forbidden_thread);
}

static bool abort_now(void)
{
    abort();
}

static void a_failed_assertion_still_ends_with_sigabrt(void **state)
{
    (void)state;
    int status = status_of(abort_now);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_forbidden_call_ends_the_process),
        cmocka_unit_test(allowed_calls_succeed),
        cmocka_unit_test(later_threads_are_in_the_sandbox_too),
        cmocka_unit_test(a_failed_assertion_still_ends_with_sigabrt),
    };
    return cmocka_run_group_tests(tests, skip_without_sandbox, NULL);
}
