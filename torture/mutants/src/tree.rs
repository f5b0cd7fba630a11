//! The copy of the repository that holds the mutants: everything git knows, the mutated files rewritten.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::mutant::{Census, Mutant};
use crate::schema::{self, Rendered, Site};
use crate::walk;

/// What is mutated: at-most-once lives here.
const MUTATED: [&str; 3] = ["src/store/", "src/attempts/", "src/payments/"];
/// What no test of the library needs.
const LEFT_OUT: [&str; 4] = ["examples/", "go-bindings/", "torture/", ".ci/"];

pub type Failure = Box<dyn std::error::Error + Send + Sync>;

pub struct Tree {
    /// Of the copy.
    pub root: PathBuf,
    /// The mutated files as they are in the repository.
    sources: BTreeMap<String, String>,
    pub mutants: Vec<Mutant>,
}

fn is_mutated(path: &str) -> bool {
    let is_test = path.ends_with("/tests.rs") || path.contains("/tests/");
    let is_hook = path.ends_with("/failpoints.rs");
    MUTATED.iter().any(|folder| path.starts_with(folder))
        && path.ends_with(".rs")
        && !is_test
        && !is_hook
}

/// Whether a file of this path is among those that are mutated; for the lines of a difference.
pub fn mutated_folders() -> &'static [&'static str] {
    &MUTATED
}

fn known_files() -> Result<Vec<String>, Failure> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()?;
    if !listed.status.success() {
        return Err("git cannot list the files of the repository".into());
    }
    let names = String::from_utf8(listed.stdout)?;
    Ok(names.split_terminator('\0').map(str::to_owned).collect())
}

/// Writes only what differs, so that cargo builds only what changed.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    Ok(fs::write(path, bytes)?)
}

impl Tree {
    /// Copies the repository of the current directory, and finds the mutants.
    pub fn copy(root: PathBuf) -> Result<Tree, Failure> {
        let mut sources = BTreeMap::new();
        let mut known = BTreeSet::new();
        for name in known_files()? {
            let is_left_out = LEFT_OUT.iter().any(|folder| name.starts_with(folder));
            if is_left_out || !Path::new(&name).is_file() {
                continue;
            }
            if is_mutated(&name) {
                sources.insert(name.clone(), fs::read_to_string(&name)?);
            } else if name != "src/lib.rs" {
                write(&root.join(&name), &fs::read(&name)?)?;
            }
            known.insert(name);
        }
        remove_others(&root, &root, &known)?;
        let mut census = Census::default();
        for (name, source) in &sources {
            let places = walk::places(source).map_err(|error| format!("{name}: {error}"))?;
            census.add_file(name, source, places);
        }
        let tree = Tree { root, sources, mutants: census.mutants };
        tree.write_switch()?;
        Ok(tree)
    }

    fn write_switch(&self) -> Result<(), Failure> {
        let library = fs::read_to_string("src/lib.rs")?;
        let declared = format!("{library}\n#[doc(hidden)]\npub mod mutant;\n");
        write(&self.root.join("src/lib.rs"), declared.as_bytes())?;
        let count = format!("\nconst COUNT: usize = {};\n", self.mutants.len() + 1);
        let switch = format!("{}{count}", include_str!("switch.rs.in"));
        write(&self.root.join("src/mutant.rs"), switch.as_bytes())
    }

    /// Rewrites the mutated files without the mutants of these numbers.
    pub fn write_without(
        &self,
        dropped: &BTreeSet<u32>,
    ) -> Result<HashMap<String, Rendered>, Failure> {
        let mut written = HashMap::new();
        for (name, source) in &self.sources {
            let mut sites: Vec<Site> = Vec::new();
            for mutant in self.mutants.iter().filter(|mutant| mutant.file == *name) {
                if dropped.contains(&mutant.number) {
                    continue;
                }
                let change = (mutant.number, mutant.code.clone());
                match sites.last_mut() {
                    Some(last) if last.range == mutant.range && last.place == mutant.place => {
                        last.changes.push(change);
                    }
                    _ => sites.push(Site {
                        range: mutant.range.clone(),
                        place: mutant.place,
                        shape: mutant.shape,
                        changes: vec![change],
                    }),
                }
            }
            let rendered = schema::render(source, &sites);
            write(&self.root.join(name), rendered.text.as_bytes())?;
            written.insert(name.clone(), rendered);
        }
        Ok(written)
    }

    /// Tells apart two states of what is mutated.
    pub fn digest(&self) -> String {
        let mut digest: u64 = 0xcbf2_9ce4_8422_2325;
        for (name, source) in &self.sources {
            for byte in name.bytes().chain([0]).chain(source.bytes()).chain([0]) {
                digest = (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        format!("{digest:016x}")
    }
}

/// Removes from the copy what the repository no longer has.
fn remove_others(root: &Path, folder: &Path, known: &BTreeSet<String>) -> Result<(), Failure> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let name = path.strip_prefix(root)?.to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() {
            remove_others(root, &path, known)?;
        } else if !known.contains(&name) && name != "src/mutant.rs" {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}
