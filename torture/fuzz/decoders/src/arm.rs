//! Which planted error is armed.

use std::sync::LazyLock;

use crate::plants::PLANTS;

static ARMED: LazyLock<Option<usize>> = LazyLock::new(|| {
    let name = std::env::var("LNKEEP_FUZZ_PLANT").ok()?;
    let known = PLANTS.iter().position(|plant| plant.target == name);
    Some(known.unwrap_or_else(|| panic!("no error is planted for {name}")))
});

pub fn is_armed(number: usize) -> bool {
    *ARMED == Some(number)
}
