//! Finds the tests that `lightning-persister` publishes with its sources but does not export.

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

/// The released file with LDK's own integration test of a store.
const RELEASED: &str = "src/test_utils.rs";

fn main() {
    println!("cargo::rerun-if-changed=Cargo.lock");
    let cargo = env::var("CARGO").expect("cargo says where it is");
    let metadata = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        .args(["--filter-platform", &env::var("HOST").expect("cargo sets it")])
        .output()
        .expect("cargo metadata runs");
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata = String::from_utf8(metadata.stdout).expect("cargo writes UTF-8");

    let manifest = metadata
        .split("\"manifest_path\":\"")
        .filter_map(|rest| rest.split('"').next())
        .find(|path| path.contains("/lightning-persister-") && path.ends_with("/Cargo.toml"))
        .expect("lightning-persister is a dependency");
    let source = PathBuf::from(manifest).with_file_name(RELEASED);
    let target = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it")).join("released.rs");
    fs::copy(&source, &target).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
}
