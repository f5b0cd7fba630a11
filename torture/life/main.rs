//! Lives of a node, each from one seed: a disk that crashes, tears and rots, a clock that jumps, a
//! network and peers that do as they like, and the real library between them.
//!
//! `node_life --points 600 --seed 1` lives so many; `--life SEED` lives one again, bit for bit;
//! `--control NAME` breaks a promise on purpose; `--calm` lets nothing happen to the disk; `--twice`
//! lives each life a second time and compares.

mod backups;
mod channels;
mod dice;
mod disk;
mod forwards;
mod hooks;
mod life;
mod model;
mod node;
mod pay;
mod peers;
mod pool;
mod start;
mod wire;

use std::path::PathBuf;
use std::process::ExitCode;

use crate::life::Control;
use crate::pool::{Plan, Worker};

fn usage(problem: &str) -> ! {
    eprintln!("node_life: {problem}");
    eprintln!(
        "usage: node_life [--seed N] [--points N] [--jobs N] [--control NAME] [--calm] [--twice]\n\
         \x20      node_life --life SEED [--control NAME] [--calm] [--twice]"
    );
    std::process::exit(64);
}

fn number(text: Option<String>, of: &str) -> u64 {
    let parsed = text.and_then(|text| text.parse().ok());
    parsed.unwrap_or_else(|| usage(&format!("{of} takes a number")))
}

fn control(name: Option<String>) -> Control {
    let name = name.unwrap_or_default();
    let known = Control::ALL.iter().find(|(known, _)| *known == name);
    known.map_or_else(|| usage(&format!("{name} is no control")), |(_, control)| *control)
}

fn fresh_seed() -> u64 {
    let mut bytes = [0; 4];
    // SAFETY: four writable bytes.
    unsafe { libc::syscall(libc::SYS_getrandom, bytes.as_mut_ptr(), bytes.len(), 0) };
    u64::from(u32::from_le_bytes(bytes)).max(1)
}

fn main() -> ExitCode {
    let mut plan = Plan::default();
    let (mut one, mut worker) = (None, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--seed" => plan.seed = number(arguments.next(), "--seed"),
            "--points" => plan.points = number(arguments.next(), "--points"),
            "--jobs" => plan.jobs = number(arguments.next(), "--jobs").max(1),
            "--life" => one = Some(number(arguments.next(), "--life")),
            "--control" => plan.control = control(arguments.next()),
            "--calm" => plan.is_calm = true,
            "--twice" => plan.is_twice = true,
            "--worker" => {
                let first = number(arguments.next(), "--worker");
                worker = Some(Worker { first, step: number(arguments.next(), "--worker") });
            }
            other => usage(&format!("{other} is not an option")),
        }
    }
    if plan.seed == 0 {
        plan.seed = fresh_seed();
    }
    let place = std::env::var_os("LNKEEP_TORTURE_DIR").map_or("/dev/shm".into(), PathBuf::from);
    plan.directory = place.join(format!("lnkeep-life-{}", std::process::id()));
    match (worker, one) {
        (Some(worker), _) => worker.run(&plan),
        (None, Some(seed)) => pool::live_one(&plan, seed),
        (None, None) => pool::live_all(&plan),
    }
}
