# shellcheck shell=sh
# Files that changed while nobody had them open.

size DAMAGES 600 10000 100000

run_damage() {
    DAMAGE_PARTS='torture/damage_shapes.c torture/damage_kinds.c torture/damage_read.c
        torture/damage_payments.c torture/damage_payments_read.c torture/damage_bare.c
        torture/damage_parts.c torture/damage_peers.c
        torture/damage_monitors.c torture/damage_monitors_read.c
        torture/damage_resources.c torture/damage_resources_read.c
        torture/damage_backup.c torture/damage_backup_read.c'
    build damage "$DAMAGE_PARTS" || return 0
    run damage "$OUT/damage" --count "$DAMAGES"
    run damage_still "$OUT/damage" --control still --count "$CONTROLS"
    run damage_control_older "$OUT/damage" --control older --count "$((CONTROLS * 2))"
    run damage_control_bare "$OUT/damage" --control bare --count "$((CONTROLS * 10))"
    run damage_control_internal "$OUT/damage" --control internal --count "$((CONTROLS * 10))"
}
