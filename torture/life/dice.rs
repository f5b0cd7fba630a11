//! Random numbers of a life, all of its seed; and the one number that a whole life is summed up by.

/// SplitMix64: small, quick, and the same everywhere.
#[derive(Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// Another row of numbers, so that what one part draws does not shift what another draws.
    pub fn split(&mut self) -> Dice {
        Dice(self.number())
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.number() % limit.max(1)
    }

    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True once in so many times.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'items, T>(&mut self, items: &'items [T]) -> Option<&'items T> {
        if items.is_empty() { None } else { items.get(self.below(items.len() as u64) as usize) }
    }

    pub fn bytes<const COUNT: usize>(&mut self) -> [u8; COUNT] {
        let mut bytes = [0; COUNT];
        for part in bytes.chunks_mut(8) {
            part.copy_from_slice(&self.number().to_le_bytes()[..part.len()]);
        }
        bytes
    }
}

/// The seed of one of many.
pub fn seed_of(seed: u64, index: u64) -> u64 {
    Dice::new(seed ^ index.wrapping_mul(0xd6e8_feb8_6659_fd93)).number()
}

/// Everything that happened in a life: each byte that went to the disk, each answer that came back.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Digest(pub u64);

impl Digest {
    pub fn add(&mut self, number: u64) {
        self.0 = Dice(self.0 ^ number.rotate_left(17)).number();
    }

    pub fn add_bytes(&mut self, bytes: &[u8]) {
        self.add(u64::from(crc32c::crc32c(bytes)) << 32 | bytes.len() as u64);
    }
}
