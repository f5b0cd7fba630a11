/*
 * Where a demo runs: its arguments, its program, the directory that it works in, and what ends it.
 */
#ifndef PLACE_H
#define PLACE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

enum { PLACE_PATH_BYTES_MAX = 4096 };

/* Ends the process: the demo could not run. */
void place_could_not_run(const char *what, const char *why);

/* The value of an argument; does not return for what is no number up to `max`. */
uint64_t place_number(const char *name, const char *text, uint64_t max);

/* Path of this program, absolute. */
const char *place_program(void);

/* Makes a directory to work in: the one that is given, which must be new or empty, or else a
 * temporary one beside the program, whose name begins so. */
void place_make(const char *given, const char *name, char path[PLACE_PATH_BYTES_MAX]);

/* Removes a directory and all that is in it. False, with the reason printed. */
bool place_remove(const char *path);

/* Sets the flag at SIGINT, SIGTERM and SIGHUP, so that a temporary directory is removed and no
 * process is left behind. */
void place_catch_signals(volatile sig_atomic_t *interrupted);

#endif
