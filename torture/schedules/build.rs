//! Copies lnkeep's source into the build, with rows in memory in place of its engine, and with the errors
//! that the harness plants: each is a named edit that has to apply exactly once, and that does nothing
//! until it is armed.

use std::path::{Path, PathBuf};
use std::{env, fs};

#[path = "src/plants.rs"]
mod plants;

/// Modules of lnkeep that the subjects need. `ffi` is its handle table alone.
const MODULES: [&str; 13] = [
    "attempts",
    "error",
    "events",
    "limits",
    "maintenance",
    "memory",
    "monitors",
    "os",
    "payments",
    "peer_storage",
    "resources",
    "store",
    "types",
];

/// What is not about threads: the file, what stands there, what stands there instead.
fn plain_edits(harness: &Path) -> Vec<(&'static str, &'static str, String)> {
    let at = |name: &str| format!("#[path = {:?}]\n", harness.join("src").join(name));
    let opening = "/// Opens the store of a directory, creating it when there is none.\n";
    // Who asks whether he was forked, and figures for people, need no orders of threads.
    let (std, core) = ("use std::sync::atomic::", "use core::sync::atomic::");
    vec![
        ("store/mod.rs", "mod env;\n", format!("{}mod env;\n", at("env.rs"))),
        ("store/mod.rs", "mod opening;\n", "pub(crate) mod opening;\n".to_owned()),
        (
            "store/opening.rs",
            opening,
            format!("{}pub(crate) mod in_memory;\n\n{opening}", at("in_memory.rs")),
        ),
        (
            "resources/mod.rs",
            "mod journal;\n",
            format!("{}pub mod wake;\nmod journal;\n", at("subjects/wake.rs")),
        ),
        ("os.rs", std, core.to_owned()),
        ("store/stats.rs", std, core.to_owned()),
    ]
}

fn main() {
    let harness = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    let source = harness.join("../../src").canonicalize().expect("lnkeep's source");
    println!("cargo::rerun-if-changed={}", source.display());
    println!("cargo::rerun-if-changed=src");
    let copy = out.join("lnkeep");
    drop(fs::remove_dir_all(&copy));
    copy_tree(&source, &copy);
    for (file, from, to) in plain_edits(&harness) {
        edit(&copy.join(file), file, from, &to);
    }
    for (number, plant) in plants::PLANTS.iter().enumerate() {
        edit(&copy.join(plant.file), plant.name, plant.from, &plant.armed(number));
    }
    write_root(&copy, &harness.join("src"), &out.join("root.rs"));
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory of the copy");
    for entry in fs::read_dir(from).expect("lnkeep's source") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_tree(&path, &target);
        } else {
            fs::copy(&path, &target).expect("copying a file");
        }
    }
}

fn edit(path: &Path, name: &str, from: &str, to: &str) {
    let text = fs::read_to_string(path).expect("a file of the copy");
    let count = text.matches(from).count();
    assert!(count == 1, "the edit {name:?} applies {count} times in {}: {from:?}", path.display());
    fs::write(path, text.replace(from, to)).expect("writing the copy");
}

fn write_root(copy: &Path, here: &Path, root: &Path) {
    let mut text = "pub use error::{Class, Error, Result, Status};\n".to_owned();
    // Of lnkeep's other modules nobody is here to call them; a plant's condition stands in parentheses.
    let quiet = "#[allow(dead_code, unused_parens)]\n";
    for module in MODULES {
        let (file, folder) = (copy.join(format!("{module}.rs")), copy.join(module).join("mod.rs"));
        let path = if file.exists() { file } else { folder };
        text += &format!("{quiet}#[path = {path:?}]\npub mod {module};\n");
    }
    let inside = [
        ("handle", copy.join("ffi/handle.rs")),
        ("operations", here.join("canary.rs")),
        ("subject", here.join("subjects/handle.rs")),
    ];
    text += quiet;
    text += "pub mod ffi {\n";
    for (module, path) in inside {
        text += &format!("#[path = {path:?}]\npub mod {module};\n");
    }
    text += "}\n";
    fs::write(root, text).expect("writing the root");
}
