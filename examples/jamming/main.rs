//! Simulates channel jamming against a network whose nodes ask lnkeep before they forward.
//! README.md says what it shows and how to read it; `--help` lists the options.

mod attacks;
mod chance;
mod graph_file;
mod guard;
mod html;
mod ledger;
mod library;
mod network;
mod options;
mod run;
mod sample;
mod traffic;
mod verdict;
mod world;

use std::process::ExitCode;

use attacks::{Means, Name};
use guard::Protection;
use options::Options;
use run::{BUDGET_DAYS, Run, Scene, Standing};
use verdict::Figures;
use world::DAY_MS;

fn main() -> ExitCode {
    let options = match options::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("jamming: {error}\n{}", options::HELP);
            return ExitCode::from(2);
        }
    };
    match simulate(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("jamming: {error}");
            ExitCode::from(2)
        }
    }
}

/// All runs, the table, the files. True if every guarantee holds.
fn simulate(options: &Options) -> Result<bool, String> {
    let network = match &options.graph {
        Some(path) => graph_file::read(path, options.target.as_deref())?,
        None => network::seeded(options.seed),
    };
    let scene = Scene::new(options.seed, network, options.payments_per_day)?;
    let peaces = peaces(&scene, options)?;
    let usual = &peaces[0];
    let standing = Standing::of(&scene, &peaces[1]);
    let from_ms = usual.times.attack_ms;
    let earns = usual.ledger.revenue_msat(from_ms, from_ms + BUDGET_DAYS * DAY_MS, &|_| true);
    let means = Means {
        budget_msat: (earns as f64 * options.budget) as u64,
        income_msat: earns,
        days: options.days,
    };
    println!(
        "seed {}: {} nodes, {} channels; the target earns {earns} msat in {BUDGET_DAYS} days of \
         peace; {} of its {} channels lead to peers with reputation; an attacker may spend {} msat\n",
        options.seed,
        scene.network.nodes.len(),
        scene.network.channels.len(),
        standing.reputable.len(),
        standing.reputable.len() + standing.others.len(),
        means.budget_msat,
    );
    let mut runs = Vec::new();
    for name in &options.attacks {
        for protection in options.protections() {
            runs.push(scene.attack(protection, *name, means)?);
        }
    }
    let shown = peaces.iter().filter(|run| options.protections().contains(&run.protection));
    let figures: Vec<Figures> =
        shown.chain(&runs).map(|run| Figures::of(run, usual, &standing)).collect();
    print!("{}", verdict::table(&figures));
    let broken = verdict::broken(&figures, options.judged, &standing);
    report(options, &figures, &runs, &broken)?;
    for line in &broken {
        println!("BROKEN: {line}");
    }
    if broken.is_empty() {
        println!("every guarantee of {} holds", options.judged.name());
    }
    Ok(broken.is_empty())
}

/// The peace without protection is the measure; that under `strict` says who is reputable.
fn peaces(scene: &Scene, options: &Options) -> Result<Vec<Run>, String> {
    let days = options.days;
    let mut peaces =
        vec![scene.peace(Protection::None, days)?, scene.peace(Protection::Strict, days)?];
    if options.protections().contains(&Protection::Compat) {
        peaces.push(scene.peace(Protection::Compat, days)?);
    }
    Ok(peaces)
}

/// Writes the files that were asked for.
fn report(
    options: &Options,
    figures: &[Figures],
    runs: &[Run],
    broken: &[String],
) -> Result<(), String> {
    println!();
    if let Some(path) = &options.out {
        let page = html::page(options, figures, runs, broken);
        std::fs::write(path, page).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    if let Some(path) = &options.json {
        let rows: Vec<_> = figures.iter().map(Figures::json).collect();
        let summary = serde_json::json!({
            "seed": options.seed,
            "judged": options.judged.name(),
            "budget": options.budget,
            "days": options.days,
            "runs": rows,
            "broken": broken,
        });
        let text = format!("{summary:#}\n");
        std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// The attack of this name.
fn attack_named(text: &str) -> Option<Name> {
    Name::ALL.into_iter().find(|name| name.name() == text)
}
