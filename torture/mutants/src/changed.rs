//! The lines that differ from a commit.

use std::collections::HashMap;
use std::ops::Range;
use std::process::Command;

use crate::mutant::Mutant;
use crate::tree::{Failure, mutated_folders};

pub struct Changed(HashMap<String, Vec<Range<usize>>>);

impl Changed {
    /// Lines of the working tree that are not in a commit.
    pub fn since(commit: &str) -> Result<Changed, Failure> {
        let output = Command::new("git")
            .args(["diff", "--unified=0", "--no-color", "--no-ext-diff", commit, "--"])
            .args(mutated_folders())
            .output()?;
        if !output.status.success() {
            return Err(format!("git knows no difference from {commit}").into());
        }
        Ok(Changed(read(&String::from_utf8_lossy(&output.stdout))))
    }

    pub fn is_met_by(&self, mutant: &Mutant) -> bool {
        let ranges = self.0.get(&mutant.file);
        ranges.is_some_and(|ranges| ranges.iter().any(|range| range.contains(&mutant.line)))
    }
}

/// Reads heads as `@@ -12,3 +14,2 @@`.
fn read(difference: &str) -> HashMap<String, Vec<Range<usize>>> {
    let mut found: HashMap<String, Vec<Range<usize>>> = HashMap::new();
    let mut file = None;
    for line in difference.lines() {
        if let Some(name) = line.strip_prefix("+++ ") {
            file = name.strip_prefix("b/").map(str::to_owned);
        } else if let (Some(head), Some(file)) = (line.strip_prefix("@@ -"), &file) {
            let added = head.split_once(" +").and_then(|(_, added)| added.split_once(' '));
            let numbers = added.map_or("", |(numbers, _)| numbers);
            let (start, count) = numbers.split_once(',').unwrap_or((numbers, "1"));
            if let (Ok(start), Ok(count)) = (start.parse::<usize>(), count.parse::<usize>()) {
                found.entry(file.clone()).or_default().push(start..start + count);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_a_difference_name_the_lines_that_are_there_now() {
        let text = "--- a/src/a.rs\n+++ b/src/a.rs\n@@ -3 +4,2 @@ fn f() {\n-x\n+y\n+z\n@@ -9,2 +11,0 @@\n";
        let found = read(text);
        assert_eq!(found["src/a.rs"], [4..6, 11..11]);
    }
}
