/*
 * unit.h - cmocka with the headers that it requires, and shared definitions of all unit tests.
 */
#ifndef TEST_UNIT_H
#define TEST_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/*
 * A sanitizer makes a test 10 to 40 times slower, so tests with very many cases then run only a
 * part of them. The release build runs all.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#endif
