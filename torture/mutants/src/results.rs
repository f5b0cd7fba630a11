//! What is known of each mutant: written down at once, so that a run goes on where the last one stopped.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::str::FromStr;

use crate::mutant::Mutant;
use crate::tree::Failure;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Word {
    /// A test failed.
    Caught,
    /// The process ended in the middle of a test.
    Crashed,
    /// A test came to no end, also on a second look.
    Hung,
    /// Every test that meets it passes.
    Survived,
    /// No test meets it.
    Unmet,
}

const WORDS: [(Word, &str); 5] = [
    (Word::Caught, "caught"),
    (Word::Crashed, "crashed"),
    (Word::Hung, "hung"),
    (Word::Survived, "survived"),
    (Word::Unmet, "unmet"),
];

impl Word {
    pub fn is_caught(self) -> bool {
        matches!(self, Word::Caught | Word::Crashed | Word::Hung)
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = WORDS.iter().find(|(word, _)| word == self).map_or("", |(_, name)| name);
        f.pad(name)
    }
}

impl FromStr for Word {
    type Err = String;

    fn from_str(text: &str) -> Result<Word, String> {
        let found = WORDS.iter().find(|(_, name)| *name == text);
        found.map(|(word, _)| *word).ok_or_else(|| format!("{text} is no verdict"))
    }
}

#[derive(Debug, Clone)]
pub struct Verdict {
    pub word: Word,
    /// The test that noticed, or how many did not.
    pub evidence: String,
}

impl Verdict {
    pub fn new(word: Word, evidence: &str) -> Verdict {
        Verdict { word, evidence: evidence.to_owned() }
    }
}

pub struct Results {
    file: File,
    verdicts: HashMap<String, Verdict>,
    pub expected: usize,
    added: usize,
}

impl Results {
    /// Reads what an earlier run left, if it was about the same source.
    pub fn open(path: &Path, digest: &str) -> Result<Results, Failure> {
        let head = format!("source {digest}");
        let text = fs::read_to_string(path).unwrap_or_default();
        let mut verdicts = HashMap::new();
        if text.lines().next() == Some(&head) {
            for line in text.lines().skip(1) {
                // The last line of a run that was killed may be torn.
                if let Some((key, verdict)) = read_line(line) {
                    verdicts.insert(key, verdict);
                }
            }
        }
        // Written anew, without what a torn line or a second look left behind.
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
        writeln!(file, "{head}")?;
        for (key, verdict) in &verdicts {
            writeln!(file, "{key}\t{}\t{}\t.", verdict.word, verdict.evidence)?;
        }
        Ok(Results { file, verdicts, expected: 0, added: 0 })
    }

    pub fn get(&self, mutant: &Mutant) -> Option<&Verdict> {
        self.verdicts.get(&mutant.key())
    }

    pub fn add(&mut self, mutant: &Mutant, verdict: Verdict) -> Result<(), Failure> {
        let key = mutant.key();
        writeln!(self.file, "{key}\t{}\t{}\t.", verdict.word, verdict.evidence)?;
        self.added += 1;
        if !verdict.word.is_caught() {
            println!("{} {mutant} (--mutant {})", verdict.word, mutant.number);
        }
        if self.added.is_multiple_of(100) {
            println!("{} of {}", self.added, self.expected);
        }
        self.verdicts.insert(key, verdict);
        Ok(())
    }
}

/// A line ends with a full stop in a column of its own, or it is torn.
fn read_line(line: &str) -> Option<(String, Verdict)> {
    let (before, evidence) = line.strip_suffix("\t.")?.rsplit_once('\t')?;
    let (key, word) = before.rsplit_once('\t')?;
    Some((key.to_owned(), Verdict::new(word.parse().ok()?, evidence)))
}
