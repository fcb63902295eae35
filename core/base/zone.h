/*
 * zone - what a clock on the wall shows somewhere, without touching the process's own TZ.
 *
 * tzset() works for one zone at a time and by way of the environment, which other threads read;
 * so the files of /usr/share/zoneinfo (TZif, RFC 8536) are read here, with the rule at their end
 * that goes on for ever (POSIX's "CET-1CEST,M3.5.0,M10.5.0/3").
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct err;
struct zone;

/* "Europe/Berlin", "UTC"; NULL or "": the system's own ($TZ, /etc/localtime). NULL and err. */
struct zone *zone_load(const char *name, struct err *err);

/* From memory: a TZif file, or a rule of POSIX's. */
struct zone *zone_parse(const void *data, size_t size, struct err *err);
void zone_free(struct zone *z);

/* Seconds to add to UTC at that moment (seconds since 1970). */
int32_t zone_offset(const struct zone *z, int64_t utc);

/*
 * The moment of a wall clock's time (seconds since 1970 as if it were UTC): the first of two where
 * it is shown twice; where it is skipped, the moment that comes after the gap.
 */
int64_t zone_moment(const struct zone *z, int64_t wall);

/* Days since 1970 of a date, and back; Gregorian for ever. month 1..12, day 1..31. */
int64_t zone_days(int64_t year, int month, int day);
void zone_date(int64_t days, int64_t *year, int *month, int *day);
