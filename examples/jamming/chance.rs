//! Random numbers that a seed repeats (splitmix64); keyed, so that one draw never shifts another.

/// A stream of numbers that depends on its seed and key alone.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The stream of one thing: two runs with the same seed give payment 7 the same fate, whatever
    /// else happens in them. This is what makes an attack comparable with the peace it disturbs.
    pub fn keyed(seed: u64, kind: u64, key: u64) -> Chance {
        let mut chance = Chance(seed ^ kind.rotate_left(48));
        let mixed = chance.next() ^ key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut chance = Chance(mixed);
        chance.next();
        chance
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// Above 0 and at most 1, so that its logarithm exists.
    pub fn unit(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// Log-normal with this mean; `sigma` is the deviation of the logarithm.
    pub fn log_normal(&mut self, mean: f64, sigma: f64) -> f64 {
        let radius = (-2.0 * self.unit().ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * self.unit()).cos();
        (mean.ln() - sigma * sigma / 2.0 + sigma * normal).exp()
    }
}
