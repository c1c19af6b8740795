/*
 * test_small_file.c - small files are read completely, and other file types do not block.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/small_file.h"
#include "unit.h"

static char folder[] = "/tmp/small_file_XXXXXX";
static char path[sizeof(folder) + 16];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/file", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void put(const char *bytes, size_t n)
{
    unlink(path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static const char *rule_of_line(const char *bytes, size_t n, size_t max)
{
    static char error[SMALL_FILE_ERROR_MAX];
    struct small_file file;
    put(bytes, n);
    if (!small_file_read_line(path, SMALL_FILE_REGULAR, max, &file, error))
        return error;
    small_file_free(&file);
    return NULL;
}

static void expect_line(const char *bytes, size_t n, const char *line)
{
    char error[SMALL_FILE_ERROR_MAX] = "";
    struct small_file file;
    put(bytes, n);
    if (!small_file_read_line(path, SMALL_FILE_REGULAR, 8, &file, error))
        fail_msg("%s", error);
    assert_int_equal(file.n, strlen(line));
    assert_string_equal(file.text, line);
    small_file_free(&file);
    assert_null(file.text);
}

static void the_first_line_is_returned_without_its_line_end(void **state)
{
    (void)state;
    expect_line("secret", 6, "secret");
    expect_line("secret\n", 7, "secret");
    expect_line("secret\r\n", 8, "secret");
    expect_line(" s t \n", 6, " s t ");
    expect_line("12345678\r\n", 10, "12345678");
    expect_line("secret\n\n", 8, "secret");
    expect_line("secret\r\na note, and a NUL\0", 27, "secret");
}

static void an_invalid_first_line_is_an_error_that_names_the_rule(void **state)
{
    (void)state;
    assert_string_equal(rule_of_line("", 0, 8), "must not be empty");
    assert_string_equal(rule_of_line("\n", 1, 8), "must not be empty");
    assert_string_equal(rule_of_line("\r\n", 2, 8), "must not be empty");
    assert_string_equal(rule_of_line("\nsecret", 7, 8), "must not be empty");
    assert_string_equal(rule_of_line("secret\r", 7, 8), "must not contain a carriage return");
    assert_string_equal(rule_of_line("a\rb\n", 4, 8), "must not contain a carriage return");
    assert_string_equal(rule_of_line("a\0b\n", 4, 8), "must not contain a NUL byte");
    assert_string_equal(rule_of_line("123456789", 9, 8), "must be at most 8 bytes long");
    assert_string_equal(rule_of_line("12345678901", 11, 8), "must be at most 8 bytes long");
}

static void a_byte_order_mark_is_an_error_that_names_the_rule(void **state)
{
    static const char rule[] = "starts with a byte order mark: save the file as UTF-8 without it";
    (void)state;
    assert_string_equal(rule_of_line("\xef\xbb\xbfsecret\n", 10, 64), rule);
    assert_string_equal(rule_of_line("\xff\xfes\0e\0", 6, 64), rule);
    assert_string_equal(rule_of_line("\xfe\xff\0s\0e", 6, 64), rule);
    assert_null(rule_of_line("\xef\xbbsecret\n", 9, 64));
}

static void a_file_of_any_size_up_to_the_limit_is_read_completely(void **state)
{
    (void)state;
    for (size_t n = 0; n < 5000; n += n < 1030 ? 1 : 97) {
        char error[SMALL_FILE_ERROR_MAX], *bytes = calloc(1, n + 1);
        struct small_file file;
        for (size_t i = 0; i < n; i++)
            bytes[i] = (char)(i % 251);
        put(bytes, n);
        assert_true(small_file_read(path, SMALL_FILE_REGULAR, n, &file, error));
        assert_int_equal(file.n, n);
        assert_memory_equal(file.text, bytes, n);
        assert_int_equal(file.text[n], 0);
        small_file_free(&file);
        if (n > 0)
            assert_false(small_file_read(path, SMALL_FILE_REGULAR, n - 1, &file, error));
        free(bytes);
    }
}

static const char *rule_of_path(const char *at)
{
    static char error[SMALL_FILE_ERROR_MAX];
    struct small_file file;
    assert_false(small_file_read(at, SMALL_FILE_REGULAR, 64, &file, error));
    assert_int_equal(small_file_open(at, error), -1);
    return error;
}

static void a_path_that_is_not_a_regular_file_does_not_block(void **state)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    (void)state;
    unlink(path);
    assert_string_equal(rule_of_path(path), "No such file or directory");
    assert_string_equal(rule_of_path(folder), "must be a regular file, not a directory");
    assert_string_equal(rule_of_path("/dev/zero"), "must be a regular file, not a device");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_string_equal(rule_of_path(path), "must be a regular file, not a FIFO");
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
    assert_string_equal(rule_of_path(path), "must be a regular file, not a socket or a device");
    close(fd);
}

static void *write_in_two_steps(void *arg)
{
    int fd = *(int *)arg;
    assert_int_equal(write(fd, "sec", 3), 3);
    sched_yield();
    assert_int_equal(write(fd, "ret\n", 4), 4);
    close(fd);
    return NULL;
}

static void a_pipe_is_read_to_its_end_if_pipes_are_allowed(void **state)
{
    char error[SMALL_FILE_ERROR_MAX], name[32];
    struct small_file file;
    pthread_t writer;
    int fds[2];
    (void)state;
    assert_int_equal(pipe(fds), 0);
    snprintf(name, sizeof(name), "/dev/fd/%d", fds[0]);
    assert_int_equal(pthread_create(&writer, NULL, write_in_two_steps, &fds[1]), 0);
    assert_true(small_file_read_line(name, SMALL_FILE_OR_PIPE, 64, &file, error));
    assert_string_equal(file.text, "secret");
    small_file_free(&file);
    pthread_join(writer, NULL);
    close(fds[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_line_is_returned_without_its_line_end),
        cmocka_unit_test(an_invalid_first_line_is_an_error_that_names_the_rule),
        cmocka_unit_test(a_byte_order_mark_is_an_error_that_names_the_rule),
        cmocka_unit_test(a_file_of_any_size_up_to_the_limit_is_read_completely),
        cmocka_unit_test(a_path_that_is_not_a_regular_file_does_not_block),
        cmocka_unit_test(a_pipe_is_read_to_its_end_if_pipes_are_allowed),
    };
    return cmocka_run_group_tests_name("small_file", tests, make_folder, remove_folder);
}
