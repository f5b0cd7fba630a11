//! Copies lnkeep's source into the build with every decoder within reach, and plants the errors that the
//! fuzzer must find: each is a named edit that has to apply exactly once, and does nothing until it is armed.

use std::path::{Path, PathBuf};
use std::{env, fs};

#[path = "src/plants.rs"]
mod plants;

/// All of lnkeep but its C ABI, whose arguments are torture/ffi's matter.
const MODULES: [&str; 17] = [
    "attempts",
    "backup",
    "error",
    "events",
    "foreign",
    "limits",
    "maintenance",
    "memory",
    "monitors",
    "os",
    "payments",
    "peer_storage",
    "recovery",
    "resources",
    "store",
    "types",
    "wire",
];

/// What keeps an item to its module, at the beginning of a line, and what stands there in the copy.
const REACH: [(&str, &str); 10] = [
    ("mod ", "pub mod "),
    ("fn ", "pub fn "),
    ("struct ", "pub struct "),
    ("enum ", "pub enum "),
    ("const ", "pub const "),
    ("    fn decode(", "    pub fn decode("),
    ("    fn encode(", "    pub fn encode("),
    ("    fn parse(", "    pub fn parse("),
    ("    fn boxed(", "    pub fn boxed("),
    ("    fn chunks(", "    pub fn chunks("),
];

/// Fields of what other software's blobs open to.
const FOREIGN: [(&str, &str); 2] =
    [("    count: ", "    pub count: "), ("    text: ", "    pub text: ")];

fn main() {
    let harness = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    let source = harness.join("../../../src").canonicalize().expect("lnkeep's source");
    println!("cargo::rerun-if-changed={}", source.display());
    println!("cargo::rerun-if-changed=src/plants.rs");
    let copy = out.join("lnkeep");
    drop(fs::remove_dir_all(&copy));
    copy_tree(&source, &copy);
    for (number, plant) in plants::PLANTS.iter().enumerate() {
        let path = copy.join(plant.file);
        let text = fs::read_to_string(&path).expect("a file of the copy");
        let count = text.matches(plant.from).count();
        assert!(count == 1, "{} applies {count} times in {}", plant.target, plant.file);
        fs::write(&path, text.replace(plant.from, &plant.armed(number))).expect("writing the copy");
    }
    write_root(&copy, &out.join("root.rs"));
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory of the copy");
    for entry in fs::read_dir(from).expect("lnkeep's source") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_tree(&path, &target);
        } else {
            let text = fs::read_to_string(&path).expect("a source file");
            fs::write(&target, within_reach(&text, &path)).expect("copying a file");
        }
    }
}

fn within_reach(text: &str, path: &Path) -> String {
    let is_foreign = path.components().any(|part| part.as_os_str() == "foreign");
    let reaches: Vec<_> = REACH.iter().chain(FOREIGN.iter().filter(|_| is_foreign)).collect();
    let mut opened = String::with_capacity(text.len());
    for line in text.replace("pub(super) ", "pub ").replace("pub(crate) ", "pub ").lines() {
        let reach = reaches
            .iter()
            .find_map(|(from, to)| line.strip_prefix(from).map(|rest| format!("{to}{rest}")));
        opened.push_str(reach.as_deref().unwrap_or(line));
        opened.push('\n');
    }
    opened
}

fn write_root(copy: &Path, root: &Path) {
    let library = fs::read_to_string(copy.join("lib.rs")).expect("lnkeep's root");
    let (_, exports) = library.split_once("\npub use ").expect("what lnkeep exports");
    let (exports, _) = exports.split_once("\n/// Number of the C ABI").expect("the ABI's number");
    let mut text = format!("pub use {exports}\n");
    for module in MODULES {
        let (file, folder) = (copy.join(format!("{module}.rs")), copy.join(module).join("mod.rs"));
        let path = if file.exists() { file } else { folder };
        text +=
            &format!("#[allow(warnings, unsafe_code)]\n#[path = {path:?}]\npub mod {module};\n");
    }
    fs::write(root, text).expect("writing the root");
}
