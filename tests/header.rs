//! include/lnkeep.h is what cbindgen makes of src/ffi: people read the committed file, and a change
//! of the ABI shows in its diff. `make header` rewrites it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn header_path() -> PathBuf {
    root().join("include/lnkeep.h")
}

/// Source files of the C ABI, for what cbindgen cannot express.
fn ffi_sources() -> Vec<PathBuf> {
    let folder = root().join("src/ffi");
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("src/ffi: {error}"));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    files.sort();
    files
}

/// Public structures of a source file, each with its public fields as `name: type`.
fn structures(source: &str) -> Vec<(&str, Vec<&str>)> {
    let mut found = Vec::new();
    let mut lines = source.lines();
    while let Some(line) = lines.next() {
        let name = line.strip_prefix("pub struct ").and_then(|rest| rest.strip_suffix(" {"));
        let Some(name) = name.filter(|name| name.starts_with("lnkeep_")) else {
            continue;
        };
        let body = lines.by_ref().take_while(|line| *line != "}").map(str::trim);
        let fields = body.filter(|line| !line.starts_with("//") && !line.starts_with("#["));
        let fields = fields.map(|line| line.trim_start_matches("pub ").trim_end_matches(','));
        found.push((name, fields.collect()));
    }
    found
}

/// Structures that only the library makes: a caller never starts one.
const RETURNED: [&str; 14] = [
    "lnkeep_attempt_page",
    "lnkeep_check_report",
    "lnkeep_foreign_cln",
    "lnkeep_foreign_ldk",
    "lnkeep_foreign_lightning_kmp",
    "lnkeep_foreign_lnd",
    "lnkeep_monitor",
    "lnkeep_outputs",
    "lnkeep_payment",
    "lnkeep_payment_page",
    "lnkeep_recovery",
    "lnkeep_resources_snapshot",
    "lnkeep_resume",
    "lnkeep_stuck_list",
];

/// `_NONE` of every handle (one u64) and `_INIT` of every sized structure, so that none is forgotten.
fn initialisers() -> String {
    let mut macros = String::new();
    for path in ffi_sources() {
        for (name, fields) in structures(&read(&path)) {
            if RETURNED.contains(&name) {
                continue;
            }
            let (suffix, maker) = match fields.as_slice() {
                [only] if only.ends_with(": u64") => ("NONE", "NONE"),
                [first, ..] if *first == "size: usize" => {
                    match fields.contains(&"abi_version: u32") {
                        true => ("INIT", "VERSIONED_INIT"),
                        false => ("INIT", "INIT"),
                    }
                }
                _ => continue,
            };
            let upper = name.to_uppercase();
            macros += &format!("#define {upper}_{suffix} LNKEEP_{maker}_OF({name})\n");
        }
    }
    macros
}

fn generated() -> String {
    let mut config = cbindgen::Config::from_file(root().join("cbindgen.toml"))
        .expect("cbindgen.toml is not valid");
    let prose = config.after_includes.take().expect("cbindgen.toml has no after_includes");
    config.after_includes = Some(format!("{prose}\n{}", initialisers()));
    let bindings = cbindgen::Builder::new()
        .with_config(config)
        .with_src(root().join("src/ffi/mod.rs"))
        .generate()
        .expect("cbindgen could not read src/ffi");
    let mut bytes = Vec::new();
    bindings.write(&mut bytes);
    polished(&String::from_utf8(bytes).expect("src/ffi is ASCII"))
}

/// What a C programmer would write by hand and cbindgen has no option for: the typedef without its
/// tag where a type is used, parentheses around a negative number, a short comment on one line.
fn polished(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.trim().lines() {
        let mut line = line.trim_end().to_owned();
        if !line.starts_with("typedef") {
            line = line.replace("struct lnkeep_", "lnkeep_").replace("union lnkeep_", "lnkeep_");
        }
        if let Some((name, number)) = line.split_once(" -").filter(|_| line.starts_with("#define"))
        {
            line = format!("{name} (-{number})");
        }
        if let [.., open, only] = lines.as_slice()
            && line.trim() == "*/"
            && open.trim() == "/**"
        {
            line = format!("{open}{} */", only.trim().trim_start_matches('*'));
            lines.truncate(lines.len() - 2);
        }
        if !line.is_empty() || lines.last().is_some_and(|last| !last.is_empty()) {
            lines.push(line);
        }
    }
    lines.join("\n") + "\n"
}

/// Words like lnkeep_store_open in a text.
fn words(text: &str) -> BTreeSet<&str> {
    let split = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    split.filter(|word| word.starts_with("lnkeep_") || word.starts_with("LNKEEP_")).collect()
}

/// The header's text with and without its comments.
fn without_comments(header: &str) -> String {
    let mut code = String::new();
    for part in header.split("/*") {
        code += part.split_once("*/").map_or(part, |(_, after)| after);
    }
    code
}

#[test]
fn the_committed_header_is_what_the_source_says() {
    let fresh = generated();
    if std::env::var_os("LNKEEP_WRITE_HEADER").is_some() {
        fs::write(header_path(), fresh).expect("include/lnkeep.h cannot be written");
        return;
    }
    let committed = fs::read_to_string(header_path()).unwrap_or_default();
    let differs = fresh.lines().zip(committed.lines()).position(|(new, old)| new != old);
    let line = differs.unwrap_or(fresh.lines().count().min(committed.lines().count())) + 1;
    assert!(
        fresh == committed,
        "include/lnkeep.h differs from src/ffi at line {line}; run `make header` and read its diff",
    );
}

#[test]
fn every_name_the_header_talks_about_exists() {
    let header = generated();
    let code = without_comments(&header);
    let declared = words(&code);
    let unknown: Vec<_> = words(&header)
        .into_iter()
        .filter(|word| !declared.contains(word) && !word.ends_with('_'))
        .collect();
    assert!(
        unknown.is_empty(),
        "the header's comments name what it does not declare: {unknown:?}; \
         correct cbindgen.toml or the comments in src/ffi",
    );
}

#[test]
fn every_function_of_the_header_is_documented() {
    let header = generated();
    let mut previous = "";
    let mut bare = Vec::new();
    for line in header.lines().filter(|line| *line != "LNKEEP_WARN_UNUSED") {
        let declares =
            line.contains(" lnkeep_") && line.contains('(') && !line.starts_with([' ', '#', '/']);
        if declares && !line.starts_with("typedef") && !previous.ends_with(" */") {
            bare.push(line);
        }
        previous = line;
    }
    assert!(bare.is_empty(), "declared without a comment: {bare:#?}");
}

#[test]
fn the_header_compiles_as_c11_and_as_cpp17_without_a_warning() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    for (name, standard, cpp) in [("c11.c", "-std=c11", false), ("cpp17.cpp", "-std=c++17", true)] {
        let source = directory.path().join(name);
        let text = "#include \"lnkeep.h\"\nlnkeep_error error = LNKEEP_ERROR_INIT;\n";
        std::fs::write(&source, text).expect("the source is written");
        let compiled = cc::Build::new()
            .cargo_metadata(false)
            .warnings_into_errors(true)
            .extra_warnings(true)
            .target(&target)
            .host(&target)
            .opt_level(0)
            .out_dir(directory.path())
            .include(root().join("include"))
            .flag(standard)
            .flag("-Wpedantic")
            .cpp(cpp)
            .file(&source)
            .try_compile(standard.trim_start_matches("-std="));
        assert!(compiled.is_ok(), "{name}: {compiled:?}");
    }
}
