/* What the library does to its files: its archive is linked with these names for the C library's. */

#ifndef TORTURE_QEMU_MARKED_CALLS_H
#define TORTURE_QEMU_MARKED_CALLS_H

/* Called before each of them, on the thread that makes it. */
extern void (*before_call)(void);

#endif
