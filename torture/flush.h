/* Every flush of this program, the library's included, which a control can leave out. */

#ifndef TORTURE_FLUSH_H
#define TORTURE_FLUSH_H

enum flushes {
    FLUSH_ALL,
    FLUSH_NONE,     /* nothing is flushed, and no file is opened for flushed writes */
    FLUSH_NO_NAMES, /* neither a directory nor the file whose new name is in it */
};

extern enum flushes flushes;

#endif
