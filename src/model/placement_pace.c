/*
 * placement_pace.c - new sessions to a node, so many a second and no more.
 *
 * The generic cell rate algorithm (ITU-T I.371, annex A): one number holds when the next turn
 * would be if none had come early, and a session may come early by a burst. It is kept in
 * 1/4096 of a microsecond, rounded up: at high rates a whole microsecond is no small part of
 * a turn, and rounding down would let more through than is allowed.
 */
#include "model/placement.h"

#define FRACTION_BITS 12
#define UNITS_PER_MS  (UINT64_C(1000) << FRACTION_BITS)
#define UNITS_PER_S   (UINT64_C(1000000) << FRACTION_BITS)
#define BURSTS_PER_S  10u /* a burst is what comes in 100 ms */

uint64_t placement_take_turn(uint64_t *next, uint64_t now_us, uint32_t per_s, uint32_t queue_ms)
{
    if (per_s == 0)
        return 0;
    uint64_t now = now_us << FRACTION_BITS;
    uint64_t turn = (UNITS_PER_S + per_s - 1) / per_s;
    uint64_t burst = per_s / BURSTS_PER_S;
    uint64_t early = burst > 1 ? (burst - 1) * turn : 0;

    uint64_t at = *next > now ? *next : now;
    uint64_t wait = at - now > early ? at - now - early : 0;
    if (wait > queue_ms * UNITS_PER_MS)
        return PLACEMENT_NO_TURN;
    *next = at + turn;
    return (wait + (UINT64_C(1) << FRACTION_BITS) - 1) >> FRACTION_BITS;
}
