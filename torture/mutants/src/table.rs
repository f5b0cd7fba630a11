//! The table of all mutants, and the sums of it.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::mutant::{Mutant, Role};
use crate::results::{Results, Verdict, Word};
use crate::tree::Failure;

/// Why no test notices: `KIND: WHY`, by a mutant's key. Kept by hand.
pub struct Reasons(HashMap<String, String>);

impl Reasons {
    pub fn read(path: &Path) -> Result<Reasons, Failure> {
        let text = fs::read_to_string(path).unwrap_or_default();
        let mut reasons = HashMap::new();
        for (number, line) in text.lines().enumerate() {
            if line.starts_with('#') {
                continue;
            }
            let parts = line
                .rsplit_once('\t')
                .filter(|(key, reason)| key.matches('\t').count() == 3 && reason.contains(": "));
            let Some((key, reason)) = parts else {
                let place = format!("{}:{}", path.display(), number + 1);
                return Err(format!("{place}: not file, function, mutant, ordinal, reason").into());
            };
            reasons.insert(key.to_owned(), reason.to_owned());
        }
        Ok(Reasons(reasons))
    }

    pub fn get(&self, mutant: &Mutant) -> Option<&str> {
        self.0.get(&mutant.key()).map(String::as_str)
    }

    /// Reasons for what is no mutant any more, or is caught.
    pub fn idle(&self, judged: &[(&Mutant, &Verdict)]) -> Vec<String> {
        let survived = judged.iter().filter(|(_, verdict)| !verdict.word.is_caught());
        let keys: Vec<String> = survived.map(|(mutant, _)| mutant.key()).collect();
        let mut idle: Vec<String> =
            self.0.keys().filter(|key| !keys.contains(key)).cloned().collect();
        idle.sort();
        idle
    }
}

/// The real mutants that have a verdict.
pub fn judged<'a>(mutants: &'a [Mutant], results: &'a Results) -> Vec<(&'a Mutant, &'a Verdict)> {
    let real = mutants.iter().filter(|mutant| mutant.role == Role::Real);
    real.filter_map(|mutant| results.get(mutant).map(|verdict| (mutant, verdict))).collect()
}

#[derive(Default)]
struct Sum {
    mutants: usize,
    caught: usize,
    explained: usize,
}

/// Prints sums for each folder, and for each kind of reason; answers how many survivors have none.
pub fn print_sums(judged: &[(&Mutant, &Verdict)], reasons: &Reasons) -> usize {
    let mut sums: BTreeMap<&str, Sum> = BTreeMap::new();
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for (mutant, verdict) in judged {
        let folder = mutant.file.rsplit_once('/').map_or("", |(folder, _)| folder);
        for name in [folder, "together"] {
            let sum = sums.entry(name).or_default();
            sum.mutants += 1;
            sum.caught += usize::from(verdict.word.is_caught());
            let is_explained = !verdict.word.is_caught() && reasons.get(mutant).is_some();
            sum.explained += usize::from(is_explained);
        }
        if !verdict.word.is_caught() {
            let kind = reasons.get(mutant).and_then(|reason| reason.split_once(':'));
            *kinds.entry(kind.map_or("(no reason)", |(kind, _)| kind)).or_default() += 1;
        }
    }
    println!(
        "{:<16} {:>8} {:>8} {:>8} {:>10} {:>10}",
        "folder", "mutants", "caught", "percent", "explained", "survived"
    );
    let mut unexplained = 0;
    for (name, sum) in &sums {
        let percent = percent(sum.caught, sum.mutants);
        let survived = sum.mutants - sum.caught;
        println!(
            "{name:<16} {:>8} {:>8} {percent:>8} {:>10} {survived:>10}",
            sum.mutants, sum.caught, sum.explained
        );
        if *name == "together" {
            unexplained = survived - sum.explained;
        }
    }
    for word in [Word::Caught, Word::Crashed, Word::Hung, Word::Survived, Word::Unmet] {
        println!("{word}: {}", judged.iter().filter(|(_, verdict)| verdict.word == word).count());
    }
    for (kind, count) in kinds {
        println!("survived, {kind}: {count}");
    }
    unexplained
}

/// In tenths, cut off: 90.0 is at least 90.
fn percent(part: usize, whole: usize) -> String {
    let tenths = (part * 1000).checked_div(whole).unwrap_or(0);
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// Writes the table that is committed.
pub fn write(
    path: &Path,
    judged: &[(&Mutant, &Verdict)],
    reasons: &Reasons,
    made_at: &str,
) -> Result<(), Failure> {
    let caught = judged.iter().filter(|(_, verdict)| verdict.word.is_caught()).count();
    let mut text =
        format!("# Every mutant of src/store, src/attempts and src/payments, at {made_at}.\n");
    writeln!(text, "# Written by `make mutants`: {} mutants, {caught} caught.", judged.len())?;
    writeln!(text, "# file\tline\tfunction\tmutant\tverdict\ttest that noticed, or why none does")?;
    for (mutant, verdict) in judged {
        let evidence = if verdict.word.is_caught() {
            verdict.evidence.clone()
        } else {
            reasons.get(mutant).map_or_else(|| verdict.evidence.clone(), str::to_owned)
        };
        writeln!(
            text,
            "{}\t{}\t{}\t{}\t{}\t{evidence}",
            mutant.file, mutant.line, mutant.function, mutant.text, verdict.word
        )?;
    }
    Ok(fs::write(path, text)?)
}
