//! The command line.

use std::path::PathBuf;

use crate::attacks::Name;
use crate::guard::Protection;

pub const HELP: &str = "\
usage: jamming [--seed N] [--out FILE.html] [--json FILE] [--attack NAME]... [--guard NAME]
               [--graph FILE [--target ALIAS]] [--days N] [--payments N]
               [--budget FACTOR] [--quick]
  --seed      network, payments and attackers' luck (1)
  --out       one HTML page with charts
  --json      the figures of the table
  --attack    only this one; may be repeated: slow-jam fast-jam sink ladder surge
              liquidity-capture probe-to-freeze zero-fee one-msat-fee restart-forgiveness
  --guard     none, compat or strict: the guard that must keep the guarantees (strict);
              if given, only it and `none` are run
  --graph     a network in jam-ln's JSON form instead of the seeded one
  --target    alias of the node that is attacked (the one with most channels)
  --days      how long an attack lasts (14); a fast jam a fourteenth of it, a probe a seventh
  --payments  honest payments a day (900)
  --budget    what an attacker may pay, in the target's income of two weeks (1)
  --quick     only slow jam, fast jam and liquidity capture, for 5 days
exit status: 0 every guarantee holds, 1 one does not, 2 the run failed
";

pub struct Options {
    pub seed: u64,
    pub out: Option<PathBuf>,
    pub json: Option<PathBuf>,
    pub graph: Option<PathBuf>,
    pub target: Option<String>,
    pub attacks: Vec<Name>,
    pub judged: Protection,
    pub only_judged: bool,
    pub days: u64,
    pub payments_per_day: u64,
    pub budget: f64,
}

impl Options {
    /// The guards that are run, `none` first.
    pub fn protections(&self) -> Vec<Protection> {
        let wanted =
            |one: &Protection| !self.only_judged || *one == Protection::None || *one == self.judged;
        Protection::ALL.into_iter().filter(wanted).collect()
    }
}

/// None if help was asked for.
pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options {
        seed: 1,
        out: None,
        json: None,
        graph: None,
        target: None,
        attacks: Vec::new(),
        judged: Protection::Strict,
        only_judged: false,
        days: 14,
        payments_per_day: 900,
        budget: 1.0,
    };
    let mut quick = false;
    while let Some(option) = arguments.next() {
        match option.as_str() {
            "--help" | "-h" => return Ok(None),
            "--quick" => {
                quick = true;
                options.days = 5;
            }
            _ => {
                let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
                set(&mut options, &option, &value)?;
            }
        }
    }
    if options.target.is_some() && options.graph.is_none() {
        return Err("--target names a node of --graph".to_string());
    }
    if options.attacks.is_empty() {
        let short = [Name::SlowJam, Name::FastJam, Name::LiquidityCapture];
        options.attacks = if quick { short.to_vec() } else { Name::ALL.to_vec() };
    }
    Ok(Some(options))
}

fn set(options: &mut Options, option: &str, value: &str) -> Result<(), String> {
    let wrong = || format!("{option}: {value} is not what it takes");
    match option {
        "--seed" => options.seed = value.parse().map_err(|_| wrong())?,
        "--out" => options.out = Some(value.into()),
        "--json" => options.json = Some(value.into()),
        "--graph" => options.graph = Some(value.into()),
        "--target" => options.target = Some(value.to_string()),
        "--attack" => options.attacks.push(crate::attack_named(value).ok_or_else(wrong)?),
        "--guard" => {
            let found = Protection::ALL.into_iter().find(|one| one.name() == value);
            options.judged = found.ok_or_else(wrong)?;
            options.only_judged = true;
        }
        "--days" => {
            let days: u64 = value.parse().map_err(|_| wrong())?;
            options.days = if (1..=365).contains(&days) { days } else { return Err(wrong()) };
        }
        "--payments" => {
            let payments: u64 = value.parse().map_err(|_| wrong())?;
            let possible = (1..=100_000).contains(&payments);
            options.payments_per_day = if possible { payments } else { return Err(wrong()) };
        }
        "--budget" => {
            let budget: f64 = value.parse().map_err(|_| wrong())?;
            let possible = (0.0..=1_000.0).contains(&budget);
            options.budget = if possible { budget } else { return Err(wrong()) };
        }
        _ => return Err(format!("{option} is not an option")),
    }
    Ok(())
}
