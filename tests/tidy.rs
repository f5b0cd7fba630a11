//! Guards the shape of the code: layers, lengths, words, and that lists kept in two places agree.
//! A failure lists every place as `file:line: what to do`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const FUNCTION_LINES_MAX: usize = 60;
const FILE_LINES_MAX: usize = 900;
const LINE_CHARS_MAX: usize = 110;

/// The only files with `unsafe`: the C ABI, LMDB, and every other libc call.
const UNSAFE_FILES: [&str; 3] = ["src/ffi/", "src/store/env.rs", "src/os.rs"];

/// Arrows go down only: what files under a path must not mention.
const LAYERS: [(&str, &[&str]); 11] = [
    (
        "src/store/",
        &[
            "crate::events",
            "crate::attempts",
            "crate::payments",
            "crate::monitors",
            "crate::resources",
            "crate::peer_storage",
            "crate::backup",
            "crate::wire",
            "crate::ffi",
        ],
    ),
    (
        "src/events/",
        &[
            "crate::attempts",
            "crate::payments",
            "crate::monitors",
            "crate::resources",
            "crate::peer_storage",
            "crate::backup",
            "crate::wire",
            "crate::ffi",
        ],
    ),
    (
        "src/attempts/",
        &[
            "crate::payments",
            "crate::monitors",
            "crate::resources",
            "crate::peer_storage",
            "crate::backup",
            "crate::ffi",
        ],
    ),
    (
        "src/payments/",
        &[
            "crate::monitors",
            "crate::resources",
            "crate::peer_storage",
            "crate::backup",
            "crate::ffi",
        ],
    ),
    (
        "src/monitors/",
        &[
            "crate::events",
            "crate::attempts",
            "crate::payments",
            "crate::resources",
            "crate::peer_storage",
            "crate::backup",
            "crate::ffi",
        ],
    ),
    (
        "src/resources/",
        &[
            "crate::events",
            "crate::attempts",
            "crate::payments",
            "crate::monitors",
            "crate::peer_storage",
            "crate::backup",
            "crate::ffi",
        ],
    ),
    (
        "src/peer_storage/",
        &[
            "crate::attempts",
            "crate::payments",
            "crate::monitors",
            "crate::resources",
            "crate::backup",
            "crate::ffi",
        ],
    ),
    (
        "src/backup/",
        &[
            "crate::attempts",
            "crate::payments",
            "crate::monitors",
            "crate::resources",
            "crate::peer_storage",
            "crate::recovery",
            "crate::ffi",
        ],
    ),
    (
        "src/recovery/",
        &[
            "crate::store",
            "crate::events",
            "crate::attempts",
            "crate::payments",
            "crate::monitors",
            "crate::resources",
            "crate::peer_storage",
            "crate::ffi",
        ],
    ),
    (
        "src/foreign/",
        &[
            "crate::store",
            "crate::events",
            "crate::attempts",
            "crate::payments",
            "crate::monitors",
            "crate::resources",
            "crate::peer_storage",
            "crate::backup",
            "crate::wire",
            "crate::ffi",
        ],
    ),
    (
        "src/wire.rs",
        &["crate::store", "crate::events", "crate::peer_storage", "crate::backup", "crate::ffi"],
    ),
];

/// What would make a rule depend on more than its arguments.
const IMPURE: [&str; 5] = ["crate::store", "std::fs", "Instant", "SystemTime", "parking_lot"];

/// Words of unfinished work, split so that this file does not contain them.
const UNFINISHED: [&str; 7] = [
    concat!("to", "do"),
    concat!("fix", "me"),
    concat!("x", "xx"),
    concat!("unimple", "mented!"),
    concat!("place", "holder"),
    concat!("for ", "now"),
    concat!("simpli", "fied"),
];

struct File {
    /// From the root of the repository, with `/`.
    path: String,
    text: String,
}

fn read(path: &str) -> String {
    let full = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&full).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Files under a folder with one of these endings, sorted; none if the folder is missing.
fn files(folder: &str, endings: &[&str]) -> Vec<File> {
    let full = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found = Vec::new();
    for entry in fs::read_dir(full).into_iter().flatten() {
        let entry = entry.expect("a folder cannot be listed");
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().expect("a file has no type").is_dir() {
            found.extend(files(&path, endings));
        } else if endings.iter().any(|ending| path.ends_with(ending)) {
            let text = read(&path);
            found.push(File { path, text });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn sources() -> Vec<File> {
    let found = files("src", &[".rs"]);
    assert!(!found.is_empty(), "no file was found under src: this test would check nothing");
    found
}

/// Every Rust file people read: source, tests and benches.
fn rust_files() -> Vec<File> {
    ["src", "tests", "benches"].into_iter().flat_map(|folder| files(folder, &[".rs"])).collect()
}

/// A line without its comment and without what stands in string literals.
fn code_of(line: &str) -> String {
    let (mut code, mut in_string, mut previous) = (String::new(), false, ' ');
    for c in line.chars() {
        match c {
            '"' if previous != '\\' && previous != '\'' => in_string = !in_string,
            '/' if previous == '/' && !in_string => break,
            _ if !in_string => code.push(c),
            _ => {}
        }
        previous = c;
    }
    code
}

/// Whether a word, or a path of words, stands in a text, not as part of a longer word.
fn mentions(text: &str, word: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(part_of_word) && !text[at + word.len()..].starts_with(part_of_word)
    })
}

/// `file:line: advice` for each line of these files that a check complains about.
fn complaints(
    files: &[File],
    mut advice: impl FnMut(&File, &str) -> Option<String>,
) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        for (number, line) in file.text.lines().enumerate() {
            if let Some(text) = advice(file, line) {
                found.push(format!("{}:{}: {text}", file.path, number + 1));
            }
        }
    }
    found
}

#[track_caller]
fn expect_none(found: Vec<String>) {
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// Whether a line of code opens a function: words before `fn`, a name after it.
fn begins_function(code: &str) -> bool {
    let Some((before, after)) = code.split_once("fn ") else {
        return false;
    };
    let words = ["pub", "pub(crate)", "pub(super)", "const", "unsafe", "extern"];
    let named = after.starts_with(|c: char| c.is_alphabetic() || c == '_');
    named && before.split_whitespace().all(|word| words.contains(&word))
}

/// Line and length of every function with a body in rustfmt's layout.
fn functions(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        if !begins_function(&code_of(line)) {
            continue;
        }
        let level = indent(line);
        let Some(head) = lines[start..].iter().position(|line| {
            let ended = line.ends_with('{') || line.ends_with(';') || line.ends_with('}');
            indent(line) == level && ended
        }) else {
            continue;
        };
        if lines[start + head].ends_with('{') {
            let close = format!("{}}}", " ".repeat(level));
            let body = lines[start..].iter().position(|line| line.trim_end() == close);
            found.push((start + 1, body.map_or(1, |end| end + 1)));
        }
    }
    found
}

#[test]
fn functions_fit_on_a_screen() {
    let mut found = Vec::new();
    for file in rust_files() {
        for (line, length) in functions(&file.text) {
            if length > FUNCTION_LINES_MAX {
                let advice = format!("{length} lines: split it, at most {FUNCTION_LINES_MAX}");
                found.push(format!("{}:{line}: {advice}", file.path));
            }
        }
    }
    expect_none(found);
}

#[test]
fn the_length_of_a_function_is_measured_right() {
    let text = [
        "fn one() {",
        "    two();",
        "}",
        "impl A {",
        "    pub const fn long(",
        "        a: fn(u8),",
        "    ) -> u8 {",
        "        a",
        "    }",
        "    fn none(&self);",
        "    fn empty() {}",
        "}",
    ];
    let text = text.join("\n");
    assert_eq!(functions(&text), [(1, 3), (5, 5)]);
}

#[test]
fn lines_and_files_are_short() {
    let mut found = complaints(&rust_files(), |_, line| {
        let chars = line.chars().count();
        (chars > LINE_CHARS_MAX).then(|| format!("{chars} characters: break the line"))
    });
    for file in rust_files() {
        let lines = file.text.lines().count();
        if lines > FILE_LINES_MAX {
            found.push(format!("{}: {lines} lines: split the file", file.path));
        }
    }
    expect_none(found);
}

#[test]
fn source_is_ascii() {
    expect_none(complaints(&sources(), |_, line| {
        let strange = line.chars().find(|c| !c.is_ascii())?;
        Some(format!("replace {strange:?} by ASCII"))
    }));
}

#[test]
fn nothing_is_left_unfinished() {
    let mut all = rust_files();
    for folder in ["c-tests", "examples", "go-bindings", "torture", "include"] {
        all.extend(files(folder, &[".rs", ".c", ".h", ".cpp", ".go"]));
    }
    expect_none(complaints(&all, |_, line| {
        let lower = line.to_lowercase();
        let word = UNFINISHED.into_iter().find(|word| match word.strip_suffix('!') {
            Some(name) => mentions(&lower, name) && lower.contains(word),
            None => mentions(&lower, word),
        })?;
        Some(format!("finish it or file an issue, then drop the word {word:?}"))
    }));
}

#[test]
fn every_source_file_says_what_it_promises() {
    let silent = sources().into_iter().filter(|file| !file.text.starts_with("//!"));
    expect_none(
        silent.map(|file| format!("{}: begin with //! what it keeps", file.path)).collect(),
    );
}

#[test]
fn one_file_names_lmdb() {
    expect_none(complaints(&sources(), |file, line| {
        let code = code_of(line);
        let names = mentions(&code, "lmdb") || mentions(&code, "lmdb_sys");
        (names && file.path != "src/store/env.rs")
            .then(|| "go through store::env, the only file that names the engine".to_owned())
    }));
}

/// Flags that would let a commit be acknowledged before it is durable, or break the file's locks.
const REFUSED_FLAGS: [&str; 7] =
    ["NO_SYNC", "NO_META_SYNC", "WRITE_MAP", "MAP_ASYNC", "NO_LOCK", "NO_MEM_INIT", "FIXED_MAP"];

#[test]
fn no_flag_of_the_engine_weakens_a_commit() {
    expect_none(complaints(&sources(), |_, line| {
        let code = code_of(line).replace("MDB_", "").replace("NOSYNC", "NO_SYNC");
        let refused = REFUSED_FLAGS.iter().find(|flag| mentions(&code, flag));
        refused.map(|flag| format!("{flag} is never used (L4)"))
    }));
    let env = read("src/store/env.rs");
    assert!(env.contains(".set_flags(EnvironmentFlags::NO_TLS | EnvironmentFlags::NO_READAHEAD)"));
}

#[test]
fn unsafe_code_stays_where_it_is_expected() {
    expect_none(complaints(&sources(), |file, line| {
        let allowed = UNSAFE_FILES.iter().any(|place| file.path.starts_with(place));
        let present = mentions(&code_of(line), "unsafe");
        (present && !allowed).then(|| format!("move it to one of {UNSAFE_FILES:?}"))
    }));
}

/// Code of the `crate::{...}` groups of a file, where a module stands without its `crate::`.
fn grouped_imports(text: &str) -> String {
    let code: Vec<String> = text.lines().map(code_of).collect();
    let code = code.join(" ");
    let groups = code.split("crate::{").skip(1);
    groups.map(|group| group.split(';').next().unwrap_or_default()).collect()
}

#[test]
fn layers_point_down_only() {
    let mut found = Vec::new();
    for file in sources() {
        let rules = LAYERS.iter().filter(|(layer, _)| file.path.starts_with(layer));
        for name in rules.flat_map(|(_, banned)| *banned) {
            let module = name.trim_start_matches("crate::");
            let direct = file.text.lines().any(|line| mentions(&code_of(line), name));
            if direct || mentions(&grouped_imports(&file.text), module) {
                let advice = "lies above: let the upper layer call this one";
                found.push(format!("{}: {name} {advice}", file.path));
            }
        }
    }
    expect_none(found);
}

#[test]
fn rules_are_pure() {
    expect_none(complaints(&sources(), |file, line| {
        let code = code_of(line);
        let impure = IMPURE.into_iter().find(|name| mentions(&code, name))?;
        let advice = format!("{impure}: rules take what they need as arguments");
        is_pure(&file.path).then_some(advice)
    }));
}

/// Rules by the name of their file, and what else decides without looking.
fn is_pure(path: &str) -> bool {
    let monitors = ["channel.rs", "session.rs", "plan.rs"];
    let resources =
        ["apply.rs", "average.rs", "bucket.rs", "channel.rs", "decide.rs", "entry.rs", "slots.rs"];
    let is_one_of = |folder: &str, files: &[&str]| {
        path.strip_prefix(folder).is_some_and(|file| files.contains(&file))
    };
    let backup = [
        "budget.rs",
        "cadence.rs",
        "choose.rs",
        "compose.rs",
        "content.rs",
        "diversity.rs",
        "due.rs",
        "envelope.rs",
        "htlcs.rs",
        "htlcs/bytes.rs",
        "journal.rs",
        "journals.rs",
        "keys.rs",
        "ledger.rs",
        "object.rs",
        "roster.rs",
        "score.rs",
        "sends.rs",
        "share.rs",
        "stripe.rs",
        "stripes.rs",
        "uptime.rs",
        "views.rs",
    ];
    path.ends_with("/rules.rs")
        || path == "src/wire.rs"
        || path.starts_with("src/foreign/")
        || path.starts_with("src/recovery/")
        || is_one_of("src/backup/", &backup)
        || is_one_of("src/monitors/", &monitors)
        || is_one_of("src/resources/", &resources)
}

/// Functions that the header declares: lnkeep_ words before a parenthesis, outside comments.
fn exported_functions() -> BTreeSet<String> {
    let header = read("include/lnkeep.h");
    let mut names = BTreeSet::new();
    for part in header.split("/*") {
        let code = part.split_once("*/").map_or(part, |(_, after)| after);
        let before_parenthesis = code.split('(').filter_map(|piece| {
            piece.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next()
        });
        let ours = before_parenthesis.filter(|name| name.starts_with("lnkeep_"));
        names.extend(ours.map(str::to_owned));
    }
    assert!(names.len() > 10, "only {} functions were found in include/lnkeep.h", names.len());
    names
}

#[test]
fn every_function_is_tested_from_c() {
    let tests = files("c-tests", &[".c", ".cpp"]);
    let untested = exported_functions();
    let untested =
        untested.iter().filter(|name| !tests.iter().any(|file| mentions(&file.text, name)));
    expect_none(untested.map(|name| format!("c-tests: no test calls {name}: add one")).collect());
}

#[test]
fn every_function_is_reached_from_go() {
    let package = files("go-bindings", &[".go"]);
    if package.is_empty() {
        eprintln!("SKIPPED: go-bindings: the package does not exist");
        return;
    }
    let missing = exported_functions();
    let missing =
        missing.iter().filter(|name| !package.iter().any(|file| mentions(&file.text, name)));
    expect_none(
        missing.map(|name| format!("go-bindings: {name} is not wrapped: wrap it")).collect(),
    );
}

/// Cells of the rows of docs/format.md whose first cell is a name in backticks.
fn documented_tables() -> Vec<[String; 4]> {
    let mut rows = Vec::new();
    for line in read("docs/format.md").lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(|cell| cell.trim()).collect();
        // Rows of other tables have no version in their fourth column.
        if let [name, key, owner, since, ..] = cells[..]
            && since.parse::<u32>().is_ok()
        {
            rows.push([name.trim_matches('`'), key, owner, since].map(str::to_owned));
        }
    }
    rows
}

#[test]
fn the_format_document_lists_the_tables() {
    let actual = lnkeep::store::tables::SPECS.iter().map(|spec| {
        [spec.name.to_owned(), spec.key.to_string(), spec.owner.to_owned(), spec.since.to_string()]
    });
    let actual: Vec<_> = actual.collect();
    let documented = documented_tables();
    let missing = actual.iter().filter(|row| !documented.contains(row));
    let missing = missing.map(|[name, key, owner, since]| {
        format!("docs/format.md: needs the row | `{name}` | {key} | {owner} | {since} | ...")
    });
    let extra = documented.iter().filter(|row| !actual.contains(row));
    let extra = extra.map(|row| format!("docs/format.md: {row:?} is not in src/store/tables.rs"));
    expect_none(missing.chain(extra).collect());
}

#[test]
fn every_document_is_linked_from_the_readme() {
    let readme = read("README.md");
    let documents = files("docs", &[".md"]);
    assert!(!documents.is_empty(), "docs holds no document: this test would check nothing");
    let lost = documents.iter().filter(|file| !readme.contains(&format!("({})", file.path)));
    expect_none(lost.map(|file| format!("README.md: link to ({})", file.path)).collect());
}

#[test]
fn the_soname_carries_the_abi_number() {
    let line = format!("const ABI_VERSION: u32 = {};", lnkeep::ABI_VERSION);
    let agrees = read("src/build.rs").lines().any(|found| found == line);
    assert!(agrees, "src/build.rs must say `{line}`: the soname is made of it");
}

#[test]
fn the_changelog_states_the_abi_and_the_format() {
    let changelog = read("CHANGELOG.md");
    let abi = format!("ABI: {}", lnkeep::ABI_VERSION);
    let stated = |start: &str| changelog.lines().any(|line| line.starts_with(start));
    assert!(stated(&abi), "CHANGELOG.md: the release's entry needs a line `{abi}, ...`");
    assert!(stated("Format: "), "CHANGELOG.md: the release's entry needs a line `Format: n, ...`");
}

/// Exports that answer from a table or a constant, without a handle and without an error.
const CONSTANT_EXPORTS: [&str; 6] = [
    "lnkeep_abi_version",
    "lnkeep_version",
    "lnkeep_status_class",
    "lnkeep_status_name",
    "lnkeep_status_message",
    "lnkeep_class_name",
];

/// Name and body of every function of a file in rustfmt's layout whose head begins a line and has this word.
fn bodies<'text>(text: &'text str, word: &str) -> Vec<(&'text str, String)> {
    let mut found = Vec::new();
    for head in text.match_indices("fn ").map(|(at, _)| at) {
        let line = text[..head].rfind('\n').map_or(0, |end| end + 1);
        let begins = text[line..].starts_with(['p', 'u', 'e', 'f']);
        if !begins || !text[line..head].contains(word) {
            continue;
        }
        let after = &text[head + 3..];
        let name = after.split(|c: char| !c.is_alphanumeric() && c != '_').next();
        let Some(end) = after.find("\n}\n") else { continue };
        let code: Vec<String> = after[..end].lines().map(code_of).collect();
        found.push((name.unwrap_or_default(), code.join(" ")));
    }
    found
}

/// Functions of src/ffi, by file, that pass the guard or call one that does.
fn guards(file: &File) -> Vec<String> {
    let mut guards: Vec<String> =
        ["guarded", "guarded_done", "guarded_batch"].map(str::to_owned).to_vec();
    for (name, body) in bodies(&file.text, "unsafe") {
        if guards.iter().any(|guard| body.contains(&format!("{guard}("))) {
            guards.push(name.to_owned());
        }
    }
    guards
}

/// Why an export of this name and body could let a panic out, if it could.
fn lets_a_panic_out(name: &str, body: &str, guards: &[String]) -> Option<&'static str> {
    if guards.iter().any(|guard| mentions_call(body, guard)) || CONSTANT_EXPORTS.contains(&name) {
        return None;
    }
    let statements = body.split_once('{').map_or("", |(_, body)| body).matches(';').count();
    if name.ends_with("_free") {
        let frees = body.contains(".is_null()") && body.contains("drop(unsafe { Box::from_raw(");
        return (!frees || statements != 1).then_some("frees more than one box, and no guard");
    }
    if name.ends_with("_is_open") {
        let asks = body.contains("handle::is_open(") && body.contains("is_forked_child()");
        return (!asks || statements > 1)
            .then_some("does more than ask for a handle, and no guard");
    }
    Some("goes past the guard: a panic in it ends the host")
}

fn mentions_call(body: &str, name: &str) -> bool {
    mentions(body, name) && body.contains(&format!("{name}("))
}

#[test]
fn every_export_goes_through_the_guard() {
    let (mut found, mut exports) = (Vec::new(), BTreeSet::new());
    for file in files("src/ffi", &[".rs"]) {
        let guards = guards(&file);
        for (name, body) in bodies(&file.text, "extern") {
            if let Some(why) = lets_a_panic_out(name, &body, &guards) {
                found.push(format!("{}: {name} {why}", file.path));
            }
            exports.insert(name.to_owned());
        }
    }
    expect_none(found);
    let declared = exported_functions();
    let unseen: Vec<_> = declared.difference(&exports).collect();
    assert!(unseen.is_empty(), "this test did not see {unseen:?} in src/ffi");
}

#[test]
fn an_export_past_the_guard_is_seen() {
    let guards = ["guarded".to_owned(), "change".to_owned()];
    let good = |name, body| assert_eq!(lets_a_panic_out(name, body, &guards), None, "{body}");
    let bad = |name, body| assert!(lets_a_panic_out(name, body, &guards).is_some(), "{body}");
    good("lnkeep_x_put", "x() -> i32 { unsafe { guarded(err, || put()) }");
    good("lnkeep_x_put", "x() -> i32 { unsafe { change(x, err, || put()) }");
    bad("lnkeep_x_put", "x() -> i32 { unguarded(err, || put())");
    bad("lnkeep_x_put", "x() -> i32 { put()");
    let free = "x(p: *mut x) { if !p.is_null() { drop(unsafe { Box::from_raw(p.cast::<X>()) }); }";
    good("lnkeep_x_free", free);
    let free_and_more = free.replace("drop(", "log(p); drop(");
    bad("lnkeep_x_free", &free_and_more);
    bad("lnkeep_x_free", "x(p: *mut x) { drop(unsafe { Box::from_raw(p.cast::<X>()) });");
    bad("lnkeep_x_is_open", "x(h: x) -> c_int { let found = look(h); found");
}

/// Words in backticks that look like names of tests: three words or more, joined by underscores.
fn cited_tests(document: &str) -> BTreeSet<&str> {
    let words = document.split('`').skip(1).step_by(2);
    let is_name = |word: &&str| {
        let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let ours = !word.starts_with('_') && !word.to_lowercase().starts_with("lnkeep_");
        let long = word.matches('_').count() >= 2 || word.starts_with("Test");
        plain && ours && long
    };
    words.filter(is_name).collect()
}

#[test]
fn what_documents_cite_as_proof_exists() {
    let mut code = files("src", &[".rs"]);
    for folder in ["tests", "c-tests", "go-bindings"] {
        code.extend(files(folder, &[".rs", ".c", ".cpp", ".go", ".sh"]));
    }
    let mut found = Vec::new();
    for document in ["SECURITY.md", "docs/durability.md"] {
        let text = read(document);
        let names = cited_tests(&text);
        assert!(names.len() > 20, "{document}: only {} tests were found in it", names.len());
        let lost = names.iter().filter(|name| !code.iter().any(|file| mentions(&file.text, name)));
        found.extend(lost.map(|name| format!("{document}: there is no {name}")));
    }
    expect_none(found);
}
