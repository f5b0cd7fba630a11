//! What a user of the library builds and trusts: few crates, each known. The list is committed, so
//! that a new name is seen in review. LNKEEP_WRITE_DEPENDENCIES=1 rewrites it. The bound counts what is
//! linked into the library; what only runs in the compiler (procedural macros) is listed too.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

const CRATES_MAX: usize = 42;
const LIST: &str = "tests/dependencies.txt";
/// Fixed, so that the list is the same wherever it is made.
const TARGET: &str = "x86_64-unknown-linux-gnu";

fn read(path: &str) -> String {
    let full = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(full).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// `name version` of every crate below ours that a release build compiles.
fn built_tree() -> BTreeSet<String> {
    tree("normal")
}

/// Those of them that are linked into the library.
fn linked_tree() -> BTreeSet<String> {
    tree("normal,no-proc-macro")
}

fn tree(edges: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--edges", edges, "--prefix", "none", "--target", TARGET])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo tree did not start");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo tree failed: {said}");
    let text = String::from_utf8(output.stdout).expect("cargo prints UTF-8");
    let mut names = BTreeSet::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if let (Some(name), Some(version)) = (words.next(), words.next())
            && name != env!("CARGO_PKG_NAME")
        {
            names.insert(format!("{name} {}", version.trim_start_matches('v')));
        }
    }
    assert!(!names.is_empty(), "cargo tree named no crate: this test would check nothing");
    names
}

/// Names under `[dependencies]` of Cargo.toml.
fn direct() -> Vec<String> {
    let manifest = read("Cargo.toml");
    let section = manifest.split("\n[dependencies]\n").nth(1).expect("no [dependencies]");
    let lines = section.lines().take_while(|line| !line.starts_with('['));
    let names = lines.filter_map(|line| line.split_once('=')).map(|(name, _)| name.trim());
    names.filter(|name| !name.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn the_runtime_tree_is_the_committed_list() {
    let tree: Vec<String> = built_tree().into_iter().collect();
    if std::env::var_os("LNKEEP_WRITE_DEPENDENCIES").is_some() {
        let full = Path::new(env!("CARGO_MANIFEST_DIR")).join(LIST);
        fs::write(full, tree.join("\n") + "\n").expect("the list cannot be written");
        return;
    }
    let listed = read(LIST);
    let listed: Vec<&str> = listed.lines().collect();
    let new: Vec<_> = tree.iter().filter(|name| !listed.contains(&name.as_str())).collect();
    let gone: Vec<_> = listed.iter().filter(|name| !tree.iter().any(|has| has == *name)).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "{LIST} lacks {new:?} and has too many {gone:?}; if that is wanted, \
         run `LNKEEP_WRITE_DEPENDENCIES=1 cargo test --test dependencies` and commit the list",
    );
}

#[test]
fn the_runtime_tree_is_small() {
    let (linked, built) = (linked_tree(), built_tree());
    assert!(
        linked.is_subset(&built) && linked.len() < built.len(),
        "the edges mean something else"
    );
    let count = linked.len();
    assert!(count <= CRATES_MAX, "{count} crates, at most {CRATES_MAX}: do without the newest one");
}

#[test]
fn every_direct_dependency_has_its_reason() {
    let decisions = read("docs/decisions.md");
    let direct = direct();
    assert!(!direct.is_empty(), "Cargo.toml names no dependency: this test would check nothing");
    let silent: Vec<_> =
        direct.iter().filter(|name| !decisions.contains(&format!("`{name}`"))).collect();
    assert!(silent.is_empty(), "docs/decisions.md must say why we need {silent:?} (in backticks)");
}
