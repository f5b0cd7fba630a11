//! Gives the shared library its soname, so that a host built against ABI n loads ABI n.
//! The number is `LNKEEP_ABI_VERSION` of `src/ffi/mod.rs`; a test compares the two.

const ABI_VERSION: u32 = 1;

fn main() {
    println!("cargo::rerun-if-changed=src/build.rs");
    let os = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if os == "linux" {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,liblnkeep.so.{ABI_VERSION}");
    }
}
