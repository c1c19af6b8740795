/*
 * unit.h - cmocka, after the headers that it requires, and what all unit tests share.
 */
#ifndef TEST_UNIT_H
#define TEST_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/*
 * A sanitizer makes a test 10 to 40 times slower. Tests that try very many cases then try a part of
 * them; the release build tries all.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#endif
