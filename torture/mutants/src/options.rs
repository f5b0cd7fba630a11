//! What was asked for on the command line.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::tree::Failure;

pub enum Wanted {
    /// All that an earlier run did not come to.
    All,
    /// What no test noticed, once more: there are other tests now.
    Again,
    /// Lines that differ from a commit.
    Changed(String),
    /// So many, chosen by the seed.
    Sample(usize),
    /// This one, to look at.
    One(u32),
}

pub struct Options {
    pub wanted: Wanted,
    pub seed: u64,
    pub jobs: usize,
    pub budget_millis: u64,
    /// Only mutants of files below this path.
    pub only: Option<String>,
    pub table: Option<PathBuf>,
}

/// Seconds of tests that one mutant is shown to, unless told.
const BUDGET_SECS: u64 = 30;

impl Options {
    pub fn read(mut arguments: impl Iterator<Item = String>) -> Result<Options, Failure> {
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        let mut options = Options {
            wanted: Wanted::All,
            seed: 1,
            jobs,
            budget_millis: BUDGET_SECS * 1000,
            only: None,
            table: None,
        };
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{name} needs a value"));
            match name.as_str() {
                "--again" => options.wanted = Wanted::Again,
                "--diff" => options.wanted = Wanted::Changed(value()?),
                "--points" => options.wanted = Wanted::Sample(value()?.parse()?),
                "--mutant" => options.wanted = Wanted::One(value()?.parse()?),
                "--seed" => options.seed = value()?.parse()?,
                "--jobs" => options.jobs = value()?.parse::<usize>()?.max(1),
                "--budget" => options.budget_millis = value()?.parse::<u64>()? * 1000,
                "--only" => options.only = Some(value()?),
                "--table" => options.table = Some(value()?.into()),
                _ => return Err(format!("{name} is no option").into()),
            }
        }
        if options.seed == 0 {
            let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
            options.seed = u64::from(since.subsec_nanos()) + 1;
        }
        Ok(options)
    }

    /// Brings a list into an order that the seed decides.
    pub fn shuffle<T>(&self, list: &mut [T]) {
        let mut state = self.seed;
        for at in (1..list.len()).rev() {
            // SplitMix64: any seed is a good one.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let below = (mixed ^ (mixed >> 31)) % (at as u64 + 1);
            list.swap(at, below as usize);
        }
    }
}
