//! What each test met, kept as long as the source is the same and so are the numbers of its mutants. A test
//! that was rewritten meanwhile may meet others, which costs a catch at most: the next run of another source
//! sees it.

use std::collections::HashMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::suite::Test;
use crate::tree::Failure;

/// How long a test took, and the numbers of the mutants it met; or how it failed.
pub type Recorded = Result<(u64, Vec<u32>), String>;

pub struct Memory {
    digest: String,
    known: HashMap<String, Recorded>,
}

/// A name that a new build of the program keeps.
fn name_of(test: &Test) -> String {
    let program = test.program.file_name().unwrap_or_default().to_string_lossy();
    let (program, _hash) = program.rsplit_once('-').unwrap_or((&*program, ""));
    format!("{program} {}", test.name)
}

impl Memory {
    pub fn read(path: &Path, digest: &str) -> Result<Memory, Failure> {
        let text = fs::read_to_string(path).unwrap_or_default();
        let mut lines = text.lines();
        let mut known = HashMap::new();
        if lines.next() == Some(digest) {
            for line in lines {
                let mut parts = line.split('\t');
                if let (Some(name), Some(millis), Some(numbers)) =
                    (parts.next(), parts.next(), parts.next())
                {
                    let numbers: Result<Vec<u32>, _> =
                        numbers.split_whitespace().map(str::parse).collect();
                    known.insert(name.to_owned(), Ok((millis.parse()?, numbers?)));
                }
            }
        }
        Ok(Memory { digest: digest.to_owned(), known })
    }

    pub fn get(&self, test: &Test) -> Option<&Recorded> {
        self.known.get(&name_of(test))
    }

    /// What failed is not kept, and is tried again by the next run.
    pub fn write(&self, path: &Path, tests: &[Test], recorded: &[Recorded]) -> Result<(), Failure> {
        let mut text = format!("{}\n", self.digest);
        for (test, recorded) in tests.iter().zip(recorded) {
            if let Ok((millis, numbers)) = recorded {
                let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
                writeln!(text, "{}\t{millis}\t{}", name_of(test), numbers.join(" "))?;
            }
        }
        Ok(fs::write(path, text)?)
    }
}
