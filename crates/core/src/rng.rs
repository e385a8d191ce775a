//! Named random streams from one seed.
//!
//! Each stream is keyed by the run's seed, a purpose and a number (a buyer, an instance), so adding a draw to one
//! stream does not shift any other. The generator is SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom
//! number generators", OOPSLA 2014): a counter that is mixed on every draw. Its state is 8 bytes, so every buyer can keep
//! a stream of its own.

use std::convert::Infallible;

use rand::rand_core::TryRng;

use crate::units::BuyerId;

/// The Weyl increment of SplitMix64: 2^64 divided by the golden ratio, made odd.
const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// The random streams of one run.
#[derive(Clone, Copy, Debug)]
pub struct Streams {
    seed: u64,
}

impl Streams {
    /// Creates the streams of a run.
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The run-wide stream for `purpose`.
    pub fn named(self, purpose: &str) -> Stream {
        self.numbered(purpose, u64::MAX)
    }

    /// One buyer's stream for `purpose`.
    pub fn for_buyer(self, purpose: &str, buyer: BuyerId) -> Stream {
        self.numbered(purpose, u64::from(buyer.0))
    }

    /// The stream for `purpose` of the thing with this number.
    pub fn numbered(self, purpose: &str, number: u64) -> Stream {
        let purpose_key = purpose.bytes().fold(mix(self.seed ^ GAMMA), |key, byte| {
            mix(key ^ u64::from(byte))
        });
        Stream {
            state: mix(purpose_key ^ mix(number.wrapping_add(GAMMA))),
        }
    }
}

/// One stream of random numbers; draw from it with the methods of [`rand::RngExt`] or a distribution of `rand_distr`.
#[derive(Clone, Debug)]
pub struct Stream {
    state: u64,
}

impl TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        // The upper bits are of better quality than the lower ones.
        Ok((self.try_next_u64()? >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.state = self.state.wrapping_add(GAMMA);
        Ok(mix(self.state))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(8) {
            let word = self.try_next_u64()?.to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        Ok(())
    }
}

/// Scrambles a counter so that neighboring values are unrelated (the finalizer of SplitMix64).
const fn mix(counter: u64) -> u64 {
    let mixed = (counter ^ (counter >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;

    #[test]
    fn streams_repeat_for_the_same_key_and_differ_for_other_keys() {
        let streams = Streams::new(7);
        let mut first = streams.for_buyer("patience", BuyerId(3));
        let mut again = streams.for_buyer("patience", BuyerId(3));
        let mut other_buyer = streams.for_buyer("patience", BuyerId(4));
        let mut other_purpose = streams.for_buyer("payment", BuyerId(3));
        let drawn: u64 = first.random();
        assert_eq!(drawn, again.random::<u64>());
        assert_ne!(drawn, other_buyer.random::<u64>());
        assert_ne!(drawn, other_purpose.random::<u64>());
    }

    #[test]
    fn draws_are_uniform() {
        let mut stream = Streams::new(1).named("spread");
        let mean = (0..100_000).map(|_| stream.random::<f64>()).sum::<f64>() / 100_000.0;
        assert!(
            (mean - 0.5).abs() < 0.005,
            "mean of uniform draws is {mean}"
        );
    }
}
