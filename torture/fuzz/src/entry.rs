//! Where libFuzzer enters.

use std::sync::LazyLock;

use crate::{TARGETS, Target};

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("LNKEEP_FUZZ_TARGET").unwrap_or_default();
    let known = TARGETS.iter().find(|(known, _)| *known == name);
    known.map(|(_, target)| *target).unwrap_or_else(|| {
        let names = TARGETS.map(|(name, _)| name).join(", ");
        eprintln!("LNKEEP_FUZZ_TARGET is one of: {names}");
        std::process::exit(2)
    })
});

/// Runs the target on one input.
///
/// # Safety
/// `data` points to `bytes` readable bytes, or `bytes` is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn LLVMFuzzerTestOneInput(data: *const u8, bytes: usize) -> i32 {
    let target = *TARGET;
    match bytes {
        0 => target(&[]),
        // SAFETY: libFuzzer gives so many bytes and does not change them meanwhile.
        _ => target(unsafe { std::slice::from_raw_parts(data, bytes) }),
    }
    0
}
