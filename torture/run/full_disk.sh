# shellcheck shell=sh
# A disk that is full again and again.

size CYCLES 1 20 100

# Usage: on_small_disk NAME COMMAND... With a new ext4 of 96 MiB on a loop device.
on_small_disk() {
    place=${LNKEEP_TORTURE_DIR:-/dev/shm}
    if [ ! -w "$place" ]; then place=${TMPDIR:-/tmp}; fi
    disk=$(mktemp -d "$place/lnkeep-disk-XXXXXX")
    trap 'umount "$disk/mount" 2>/dev/null || true; rm -rf "$disk"' EXIT
    mkdir "$disk/mount"
    truncate -s 96M "$disk/image"
    # No blocks for root alone: what is full is full for everybody.
    if ! mkfs.ext4 -q -m 0 "$disk/image" || ! mount -o loop "$disk/image" "$disk/mount"; then
        skip "$1" 'this machine gives no loop device'
    else
        run "$@" --directory "$disk/mount"
        umount "$disk/mount"
    fi
    rm -rf "$disk"
    trap - EXIT
}

run_full_disk() {
    build full_disk "$FULL_DISK_PARTS" || return 0
    if [ "$(id -u)" -ne 0 ] || ! have mkfs.ext4; then
        skip full_disk 'mounting a small ext4 takes root and mkfs.ext4'
        return 0
    fi
    on_small_disk full_disk "$OUT/full_disk" --cycles "$CYCLES"
    on_small_disk full_disk_control_ignore "$OUT/full_disk" --control ignore --cycles 2
}
