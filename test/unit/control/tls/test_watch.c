/*
 * test_watch.c - changes of a file or of any part of its path are reported, others are not.
 *
 * The kernel queues an event before the call that causes it returns, so the tests need not wait.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/tls/watch.h"
#include "unit.h"

/* Create a folder and make it the current directory of the test. All paths are relative to it. */
static char top[64];

static int enter_folder(void **state)
{
    (void)state;
    (void)snprintf(top, sizeof(top), "/tmp/test-tls-watch-XXXXXX");
    return mkdtemp(top) && chdir(top) == 0 ? 0 : -1;
}

static int leave_folder(void **state)
{
    (void)state;
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", top);
    return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

static void folder(const char *path)
{
    assert_int_equal(mkdir(path, 0700), 0);
}

static void file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && write(fd, "x", 1) == 1);
    close(fd);
}

static void link_to(const char *target, const char *path)
{
    assert_int_equal(symlink(target, path), 0);
}

static void move(const char *from, const char *to)
{
    assert_int_equal(rename(from, to), 0);
}

static void turn(const char *path, const char *target)
{
    link_to(target, "turned");
    move("turned", path);
}

/* Watch one path, relative to the folder, as an absolute path. */
static void watch(struct tls_watch *watched, const char *path)
{
    char whole[PATH_MAX];
    const char *const paths[] = {whole};
    struct tls_watch_fault fault;
    (void)snprintf(whole, sizeof(whole), "%s/%s", top, path);
    assert_true(tls_watch_set(watched, paths, 1, &fault));
    assert_int_equal(fault.error, 0);
    while (tls_watch_read(watched))
        continue; /* discard earlier events */
}

static struct tls_watch *watch_new(const char *path)
{
    struct tls_watch *watched = tls_watch_new();
    assert_non_null(watched);
    watch(watched, path);
    return watched;
}

static void a_file_that_is_written_replaced_or_removed_is_reported(void **state)
{
    (void)state;
    folder("certs");
    file("certs/a.pem");
    struct tls_watch *watched = watch_new("certs/a.pem");
    assert_false(tls_watch_read(watched));
    file("certs/a.pem");
    assert_true(tls_watch_read(watched));
    file("new");
    move("new", "certs/a.pem");
    assert_true(tls_watch_read(watched));
    assert_int_equal(chmod("certs/a.pem", 0640), 0);
    assert_true(tls_watch_read(watched));
    assert_int_equal(unlink("certs/a.pem"), 0);
    assert_true(tls_watch_read(watched));
    file("certs/a.pem");
    assert_true(tls_watch_read(watched));
    tls_watch_free(watched);
}

static void other_files_in_the_same_folders_are_not_reported(void **state)
{
    (void)state;
    folder("certs");
    file("certs/a.pem");
    struct tls_watch *watched = watch_new("certs/a.pem");
    file("other");
    file("certs/b.pem");
    move("certs/b.pem", "certs/a.pem.new");
    assert_int_equal(unlink("certs/a.pem.new"), 0);
    folder("certs/folder");
    assert_false(tls_watch_read(watched));
    tls_watch_free(watched);
}

static void every_link_on_the_path_is_reported_when_it_changes(void **state)
{
    (void)state;
    folder("archive");
    folder("archive/1");
    file("archive/1/a.pem");
    folder("live");
    link_to("../archive/current", "live/site");
    link_to("1", "archive/current");
    struct tls_watch *watched = watch_new("live/site/a.pem");
    file("archive/1/a.pem");
    assert_true(tls_watch_read(watched));
    turn("live/site", "../archive/current");
    assert_true(tls_watch_read(watched));
    turn("archive/current", "1");
    assert_true(tls_watch_read(watched));
    tls_watch_free(watched);
}

static void after_each_change_the_new_directory_is_watched_and_the_old_one_is_not(void **state)
{
    (void)state;
    char name[32], target[32];
    folder("1");
    file("1/a.pem");
    link_to("1", "data");
    struct tls_watch *watched = watch_new("data/a.pem");
    for (int i = 2; i < 6; i++) {
        (void)snprintf(target, sizeof(target), "%d", i);
        folder(target);
        (void)snprintf(name, sizeof(name), "%d/a.pem", i);
        file(name);
        assert_false(tls_watch_read(watched));
        turn("data", target);
        assert_true(tls_watch_read(watched));
        watch(watched, "data/a.pem");
        file(name);
        assert_true(tls_watch_read(watched));
        (void)snprintf(name, sizeof(name), "%d/a.pem", i - 1);
        file(name);
        assert_false(tls_watch_read(watched));
    }
    tls_watch_free(watched);
}

static void a_directory_that_is_removed_and_created_again_is_reported_at_each_step(void **state)
{
    (void)state;
    folder("above");
    folder("above/certs");
    file("above/certs/a.pem");
    struct tls_watch *watched = watch_new("above/certs/a.pem");
    move("above", "gone");
    assert_true(tls_watch_read(watched));
    watch(watched, "above/certs/a.pem");
    folder("above");
    assert_true(tls_watch_read(watched));
    watch(watched, "above/certs/a.pem");
    folder("above/certs");
    assert_true(tls_watch_read(watched));
    watch(watched, "above/certs/a.pem");
    file("above/certs/a.pem");
    assert_true(tls_watch_read(watched));
    file("gone/certs/a.pem");
    assert_false(tls_watch_read(watched));
    tls_watch_free(watched);
}

static void symlink_loops_and_endless_paths_are_handled(void **state)
{
    (void)state;
    char endless[2 * PATH_MAX] = "";
    struct tls_watch_fault fault;
    link_to("two", "one");
    link_to("one", "two");
    for (size_t i = 0; i + 3 < sizeof(endless); i += 2)
        memcpy(endless + i, "d/", 3);
    const char *const paths[] = {"one", "one/a.pem", "",      "/",        "//",
                                 ".",   "..",        endless, "a//b/../c"};
    struct tls_watch *watched = tls_watch_new();
    assert_true(tls_watch_set(watched, paths, sizeof(paths) / sizeof(paths[0]), &fault));
    assert_int_equal(fault.error, 0);
    turn("one", "elsewhere");
    assert_true(tls_watch_read(watched));
    tls_watch_free(watched);
}

static void a_relative_path_is_resolved_against_the_current_directory(void **state)
{
    (void)state;
    const char *const paths[] = {"certs/../certs/./a.pem", "b.pem"};
    struct tls_watch_fault fault;
    folder("certs");
    struct tls_watch *watched = tls_watch_new();
    assert_true(tls_watch_set(watched, paths, 2, &fault));
    file("certs/a.pem");
    assert_true(tls_watch_read(watched));
    file("b.pem");
    assert_true(tls_watch_read(watched));
    file("c.pem");
    assert_false(tls_watch_read(watched));
    tls_watch_free(watched);
}

static void a_folder_that_cannot_be_watched_is_reported(void **state)
{
    (void)state;
    const char *const paths[] = {"closed/certs/a.pem"};
    struct tls_watch_fault fault;
    folder("closed");
    folder("closed/certs");
    assert_int_equal(chmod("closed", 0300), 0);
    struct tls_watch *watched = tls_watch_new();
    if (geteuid() == 0) {
        tls_watch_free(watched);
        skip(); /* root can read everything */
    }
    assert_true(tls_watch_set(watched, paths, 1, &fault));
    assert_int_equal(chmod("closed", 0700), 0);
    assert_int_equal(fault.error, EACCES);
    assert_string_equal(fault.directory, "./closed");
    file("closed/certs/a.pem");
    assert_true(tls_watch_read(watched));
    tls_watch_free(watched);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter_folder, leave_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_that_is_written_replaced_or_removed_is_reported),
        TEST(other_files_in_the_same_folders_are_not_reported),
        TEST(every_link_on_the_path_is_reported_when_it_changes),
        TEST(after_each_change_the_new_directory_is_watched_and_the_old_one_is_not),
        TEST(a_directory_that_is_removed_and_created_again_is_reported_at_each_step),
        TEST(symlink_loops_and_endless_paths_are_handled),
        TEST(a_relative_path_is_resolved_against_the_current_directory),
        TEST(a_folder_that_cannot_be_watched_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
