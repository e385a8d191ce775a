//! Keys of a foreign client that fills the memory of Redis and keeps it full.

use std::time::Duration;

use tiketi_core::units::{Share, SimTime};

/// Bytes of one key of ballast: those that the testbed writes to a real server.
pub(super) const KEY_BYTES: u64 = 64 * 1_024;

/// Time between two looks at the memory, as the testbed looks at a real server.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Keys without a time to live that nobody reads.
#[derive(Clone, Debug, Default)]
pub(super) struct Ballast {
    /// Part of `maxmemory` that is to be taken; `None` if nothing fills it.
    share: Option<f64>,
    look_at: SimTime,
    /// Number and second of writing of each key, in the order of writing.
    keys: Vec<(u32, u32)>,
    written: u32,
}

impl Ballast {
    /// Begins to fill the memory up to `share`.
    pub(super) fn load(&mut self, now: SimTime, share: Share) {
        self.share = Some(share.get());
        self.look_at = now;
    }

    /// Takes all keys away.
    pub(super) fn unload(&mut self) {
        *self = Self {
            written: self.written,
            ..Self::default()
        };
    }

    /// Forgets all keys, as a server that comes back empty does; who fills it begins anew.
    pub(super) fn clear(&mut self) {
        self.keys.clear();
    }

    /// The part of the memory that is to be taken, if it is time to look at it.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a part of the memory of a node, far below 2^53 bytes"
    )]
    pub(super) fn poll_target(&mut self, now: SimTime, memory_max: u64) -> Option<u64> {
        let share = self.share.filter(|_| now >= self.look_at)?;
        self.look_at = now + LOOK_EVERY;
        Some((memory_max as f64 * share) as u64)
    }

    /// Writes one key in this second of Redis' clock.
    pub(super) fn write(&mut self, second: u32) {
        self.keys.push((self.written, second));
        self.written += 1;
    }

    /// Drops the key with this number.
    pub(super) fn evict(&mut self, number: u32) {
        if let Ok(place) = self.place(number) {
            self.keys.remove(place);
        }
    }

    pub(super) const fn count(&self) -> usize {
        self.keys.len()
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.keys.len() as u64 * KEY_BYTES
    }

    /// Number of the key at a place.
    pub(super) fn number(&self, place: usize) -> u32 {
        self.keys[place].0
    }

    pub(super) fn exists(&self, number: u32) -> bool {
        self.place(number).is_ok()
    }

    /// When the key with this number was written; 0 if it is gone.
    pub(super) fn written_at(&self, number: u32) -> u32 {
        self.place(number).map_or(0, |place| self.keys[place].1)
    }

    fn place(&self, number: u32) -> Result<usize, usize> {
        self.keys
            .binary_search_by_key(&number, |(number, _)| *number)
    }
}
