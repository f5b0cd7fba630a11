# shellcheck shell=sh
# A virtual machine whose kernel records every write and flush, and a replay of each of them.
# By name only: it fetches a kernel, and the machine is emulated.

size QEMU_LIVES 1 8
size QEMU_POINTS 150 0 # 0 is every flush

QEMU_DIR=$OUT/qemu

# A kernel that has dm-log-writes, unpacked and never installed.
qemu_kernel() {
    if ls "$QEMU_DIR"/kernel/boot/vmlinuz-* > /dev/null 2>&1; then return 0; fi
    package=$(apt-cache depends linux-image-cloud-amd64 2> /dev/null |
        sed -n 's/.*Depends: \(linux-image-.*\)/\1/p' | head -n 1)
    [ -n "$package" ] || return 1
    mkdir -p "$QEMU_DIR/kernel"
    (cd "$QEMU_DIR" && apt-get download -qq "$package" && dpkg -x "$package"_*.deb kernel &&
        rm -f "$package"_*.deb) > "$QEMU_DIR/kernel.log" 2>&1
}

# The guest's only program, and the modules that it needs.
qemu_initramfs() {
    root=$QEMU_DIR/root
    rm -rf "$root"
    mkdir -p "$root/modules"
    cp "$QEMU_DIR/guest" "$root/init"
    strip "$root/init"
    for module in virtio virtio_ring virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci \
        virtio_blk dax dm-mod dm-log-writes crc32c_generic libcrc32c xfs mbcache jbd2 crc16 ext4; do
        find "$QEMU_DIR/kernel/lib" -name "$module.ko" -exec cp {} "$root/modules/" \;
    done
    (cd "$root" && find . | busybox cpio -o -H newc 2> /dev/null | gzip -1) > "$QEMU_DIR/initramfs"
}

qemu_builds() {
    mkdir -p "$QEMU_DIR"
    flags='-std=c11 -Wall -Wextra -Wpedantic -Werror -O2 -g -pthread'
    flags="$flags -Iinclude -Itorture -Itorture/qemu"
    # shellcheck disable=SC2086 # these are words
    check qemu_replay_builds ${CC:-gcc} $flags torture/qemu/replay.c torture/disk.c $LIFE_PARTS \
        $SHARED_PARTS build/lib/liblnkeep.a $NATIVE -o "$QEMU_DIR/replay" || return 1
    # shellcheck disable=SC2086 # these are words
    hook "$QEMU_DIR/marked.a" write writev pwrite pwrite64 fdatasync fsync msync ftruncate ftruncate64 \
        posix_fallocate rename renameat2 unlink mkdir
    qemu_native=$(echo "$NATIVE" | sed 's/-lgcc_s/-lgcc_eh/')
    # shellcheck disable=SC2086 # these are words
    check qemu_guest_builds ${CC:-gcc} $flags -static torture/qemu/guest.c \
        torture/qemu/marked_calls.c $LIFE_PARTS $SHARED_PARTS "$QEMU_DIR/marked.a" $qemu_native \
        -o "$QEMU_DIR/guest"
}

# Usage: qemu_records TYPE. Leaves base, log and snapshots.
qemu_records() {
    rm -f "$QEMU_DIR/base" "$QEMU_DIR/disk" "$QEMU_DIR/log" "$QEMU_DIR/snapshots"
    truncate -s 4G "$QEMU_DIR/log"
    truncate -s 3G "$QEMU_DIR/snapshots"
    truncate -s 384M "$QEMU_DIR/base"
    case $1 in
    ext4) mkfs.ext4 -q -m 0 -E lazy_itable_init=0,lazy_journal_init=0 "$QEMU_DIR/base" ;;
    xfs) mkfs.xfs -q "$QEMU_DIR/base" ;;
    esac || return 1
    cp --sparse=always "$QEMU_DIR/base" "$QEMU_DIR/disk"
    # Emulated: where hardware support is offered inside a virtual machine it may never boot. The
    # kernel does not check its timer, since a busy machine emulates it too slowly for that.
    timeout 3000 qemu-system-x86_64 -accel tcg -m 1024 -smp 1 -nographic -nic none -no-reboot \
        -kernel "$QEMU_DIR"/kernel/boot/vmlinuz-* -initrd "$QEMU_DIR/initramfs" \
        -append "console=ttyS0 loglevel=4 panic=-1 no_timer_check torture=$1,$SEED,$QEMU_LIVES" \
        -drive "file=$QEMU_DIR/disk,if=virtio,format=raw,cache=unsafe" \
        -drive "file=$QEMU_DIR/log,if=virtio,format=raw,cache=unsafe" \
        -drive "file=$QEMU_DIR/snapshots,if=virtio,format=raw,cache=unsafe" \
        < /dev/null > "$QEMU_DIR/guest-$1.log" 2>&1
    rm -f "$QEMU_DIR/disk"
    grep -q '^GUEST ENDED: [1-9][0-9]* marks, 0 violations' "$QEMU_DIR/guest-$1.log"
}

run_qemu_on() {
    if ! qemu_records "$1"; then
        tail -n 5 "$QEMU_DIR/guest-$1.log"
        not_ok "qemu_$1_records"
        return 0
    fi
    ok "qemu_$1_records"
    run "qemu_$1" "$QEMU_DIR/replay" --file-system "$1" --points "$QEMU_POINTS"
    run "qemu_$1_control_drop" "$QEMU_DIR/replay" --file-system "$1" --control drop --points 24
}

run_qemu() {
    if ! have qemu-system-x86_64 || ! have busybox || ! have mkfs.ext4 || ! have mkfs.xfs; then
        skip qemu 'it takes qemu-system-x86, busybox, e2fsprogs and xfsprogs'
    elif [ "$(id -u)" -ne 0 ]; then
        skip qemu 'mounting what is replayed takes root'
    elif ! qemu_kernel; then
        skip qemu 'no kernel with dm-log-writes: apt-get download linux-image-cloud-amd64 failed'
    elif qemu_builds; then
        qemu_initramfs
        run_qemu_on ext4
        run_qemu_on xfs
    fi
}
