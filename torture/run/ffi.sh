# shellcheck shell=sh
# Generated calls of every exported function: guided and not, with AddressSanitizer and at full speed.

size FFI_CALLS 100000 1000000 10000000 # with the library as it is released
size FFI_ADDRESS 20000 9900000 # under AddressSanitizer, of a seed
size FFI_GUIDED 15000 60000 500000 # under AddressSanitizer, guided
size FFI_CONTROLS 400 2000

FFI_OUT=build/ffi
FFI_LIBRARY=build/sanitizers/lib-address
FFI_STRICT='-std=c11 -Wall -Wextra -Wpedantic -Werror -O1 -g -pthread
    -Iinclude -Itorture -Itorture/ffi -Ic-tests -Ibuild/ffi'

# A function without an operation, or an operation without a function.
ffi_has_every_function() {
    "$FFI_OUT/calls" --list | LC_ALL=C sort | diff - tests/exported-symbols.txt
}

# Usage: ffi_build COMPILER PROGRAM FLAGS LIBRARIES SOURCE. With all files that have no main of their own.
ffi_build() {
    parts=$(find torture/ffi -name '*.c' ! -name calls.c ! -name fuzz.c | LC_ALL=C sort)
    # shellcheck disable=SC2086 # the flags, files and libraries are words
    check "ffi_$2_builds" "$1" $FFI_STRICT $3 "torture/ffi/$5" $parts $SHARED_PARTS $4 -o "$FFI_OUT/$2"
}

# Usage: ffi_runtime NAME. A library of clang's, by either of the names that it may have.
ffi_runtime() {
    for file in "$(clang -print-runtime-dir)/libclang_rt.$1-$(uname -m).a" \
        "$(clang -print-runtime-dir)/libclang_rt.$1.a" \
        "$(clang -print-resource-dir)/lib/linux/libclang_rt.$1-$(uname -m).a"; do
        if [ -e "$file" ]; then echo "$file" && return; fi
    done
    return 1
}

ffi_address() {
    if ! have clang; then
        skip ffi_address 'clang is not installed'
        return 0
    fi
    # The archive that tests/sanitizers_test.sh builds, once for both.
    if [ ! -e "$FFI_LIBRARY/native-libs" ] || [ build/lib/liblnkeep.a -nt "$FFI_LIBRARY/liblnkeep.a" ]; then
        rm -f "$FFI_LIBRARY/native-libs"
        sh tests/sanitizers_test.sh archive || { not_ok ffi_address_library && return 0; }
    fi
    if [ ! -e "$FFI_LIBRARY/native-libs" ]; then
        skip ffi_address 'there is no library with AddressSanitizer: see above'
        return 0
    fi
    watched='-fsanitize=address -fno-sanitize-link-runtime -fno-omit-frame-pointer'
    libraries="$FFI_LIBRARY/liblnkeep.a $(cat "$FFI_LIBRARY/native-libs")"
    ffi_build clang address "$watched" "$libraries" calls.c || return 0
    run ffi_address "$FFI_OUT/address" --calls "$FFI_ADDRESS"
    for control in use_after_free over_read leak; do
        run "ffi_address_control_$control" "$FFI_OUT/address" --control "$control" --calls "$FFI_CONTROLS"
    done
    if ! fuzzer=$(ffi_runtime fuzzer); then
        skip ffi_guided 'clang came without libFuzzer (Debian: libclang-rt-dev)'
        return 0
    fi
    # The counters of this program's own code would guide towards its choices, not towards the library.
    libraries="$FFI_LIBRARY/liblnkeep.a $fuzzer -lstdc++ $(cat "$FFI_LIBRARY/native-libs")"
    ffi_build clang fuzz "$watched" "$libraries" fuzz.c || return 0
    run ffi_guided sh torture/ffi/guided.sh --calls "$FFI_GUIDED"
    run ffi_guided_control_status sh torture/ffi/guided.sh --control status --calls "$FFI_CONTROLS"
}

run_ffi() {
    mkdir -p "$FFI_OUT"
    check ffi_answers_are_read \
        sh -c "awk -f torture/ffi/answers.awk include/lnkeep.h > $FFI_OUT/answers.h" || return 0
    # clang where it is: both programs then make the same choices of the same bytes.
    compiler=${CC:-gcc}
    if have clang; then compiler=clang; fi
    ffi_build "$compiler" calls '' "build/lib/liblnkeep.a $NATIVE" calls.c || return 0
    check ffi_every_function_has_an_operation ffi_has_every_function || true
    run ffi_calls "$FFI_OUT/calls" --calls "$FFI_CALLS"
    for control in stale status output; do
        run "ffi_calls_control_$control" "$FFI_OUT/calls" --control "$control" --calls "$FFI_CONTROLS"
    done
    # Each hang is waited for.
    run ffi_calls_control_hang "$FFI_OUT/calls" --control hang --calls 200
    # It builds the library once more, so a sample goes without.
    if [ "$is_sample" -eq 0 ]; then
        if have cargo; then run ffi_calls_control_undone sh torture/ffi/undone.sh --calls 50000
        else skip ffi_calls_control_undone 'cargo is not installed'
        fi
    fi
    ffi_address
}
