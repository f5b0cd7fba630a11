#!/bin/sh
# Usage: slow_bbolt.sh SOURCE COPY. Copies bbolt's source and adds the sleep of slow_flush.c to each
# of its flushes: bbolt makes its system calls itself, so no preloaded library sees them. It still
# flushes as before, at the same places.
set -eu
source=$1 copy=$2
cp -R "$source" "$copy"
chmod -R u+w "$copy"
cat > "$copy/slow_flush.go" << 'END'
package bbolt

import (
	"os"
	"strconv"
	"syscall"
)

var flushDelayUs, _ = strconv.ParseInt(os.Getenv("LNKEEP_FLUSH_DELAY_US"), 10, 64)

// slow passes a flush's answer through, after the delay if it succeeded.
func slow(err error) error {
	rest := syscall.NsecToTimespec(flushDelayUs * 1000)
	for err == nil && flushDelayUs > 0 && syscall.Nanosleep(&rest, &rest) == syscall.EINTR {
	}
	return err
}
END
fdatasync='syscall\.Fdatasync(int(db\.file\.Fd()))'
sed -i "s/return $fdatasync/return slow($fdatasync)/" "$copy/bolt_linux.go"
sed -i 's/err := db\.file\.Sync()/err := slow(db.file.Sync())/' "$copy/db.go"

# A later version of bbolt may flush elsewhere or in other words: then this script must be adapted.
cd "$copy"
# shellcheck disable=SC2046 # names of files hold no blanks
flushes=$(grep -E 'syscall\.F(data)?sync|unix\.F(data)?sync|[a-z]\.Sync\(\)' \
    $(ls ./*.go | grep -vE '_test|windows|openbsd|boltsync_unix'))
if [ "$(echo "$flushes" | grep -c 'slow(')" -ne 2 ] || echo "$flushes" | grep -v 'slow('; then
    printf 'not every flush of bbolt was found:\n%s\n' "$flushes"
    exit 1
fi
