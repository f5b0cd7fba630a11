//! The programs of c-tests, linked with the library that holds the mutants.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;

use crate::suite::{Language, Test};
use crate::tree::Failure;

const FLAGS: [&str; 6] = ["-std=c11", "-O1", "-g", "-pthread", "-Iinclude", "-Ic-tests"];

/// Links each program with the archive that cargo made together with the tests.
pub fn build(target: &Path) -> Result<Vec<Test>, Failure> {
    let folder = target.join("c-tests");
    fs::create_dir_all(&folder)?;
    let output = Command::new("sh").arg("tests/native_libs.sh").output()?;
    succeed(&output, "the libraries that Rust needs are not known")?;
    let libraries = String::from_utf8(output.stdout)?;
    let archive = target.join("debug/deps/liblnkeep.a");
    let (programs, parts) = sources()?;
    let newest = parts.iter().chain([&archive]).map(|path| changed(path)).max();
    let mut tests = Vec::new();
    for source in programs {
        let name = source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let program = folder.join(&name);
        if changed(&program) <= newest.unwrap_or(None).max(changed(&source)) {
            let mut compiler = Command::new("gcc");
            compiler.args(FLAGS).arg(&source).arg("c-tests/harness.c").arg(&archive);
            compiler.args(libraries.split_whitespace()).arg("-o").arg(&program);
            succeed(&compiler.output()?, &format!("{name} does not build"))?;
        }
        tests.push(Test { program, name, language: Language::C, millis: 0 });
    }
    Ok(tests)
}

fn succeed(output: &Output, what: &str) -> Result<(), Failure> {
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{what}:\n{}", String::from_utf8_lossy(&output.stderr)).into())
}

fn changed(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|facts| facts.modified()).ok()
}

/// The programs, and the files that they share.
fn sources() -> Result<(Vec<PathBuf>, Vec<PathBuf>), Failure> {
    let paths = fs::read_dir("c-tests")?.map(|entry| Ok(entry?.path()));
    let mut paths: Vec<PathBuf> = paths.collect::<Result<_, Failure>>()?;
    paths.sort();
    let is_program = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("test_") && name.ends_with(".c")
    };
    Ok(paths.into_iter().partition(is_program))
}
