//! The free seats, in the order of the seat list, without a list.

use super::SeatNumber;

/// Words of 64 seats that are counted together.
const BLOCK_WORDS: usize = 8;

/// The free seats of a show: a bit for each seat, and how many are set in each block.
#[derive(Clone, Debug)]
pub struct FreeSeats {
    words: Vec<u64>,
    blocks: Vec<u32>,
    count: u32,
}

impl FreeSeats {
    /// All seats with numbers below `seats` are free.
    pub(super) fn all(seats: u32) -> Self {
        let words = (seats as usize).div_ceil(64);
        let mut free = Self {
            words: vec![0; words],
            blocks: vec![0; words.div_ceil(BLOCK_WORDS)],
            count: 0,
        };
        for seat in 0..seats {
            free.insert(SeatNumber(seat));
        }
        free
    }

    /// A seat is free again.
    pub(super) fn insert(&mut self, seat: SeatNumber) {
        let (word, bit) = place(seat);
        if self.words[word] & bit == 0 {
            self.words[word] |= bit;
            self.blocks[word / BLOCK_WORDS] += 1;
            self.count += 1;
        }
    }

    /// A seat is taken.
    pub(super) fn remove(&mut self, seat: SeatNumber) {
        let (word, bit) = place(seat);
        if self.words[word] & bit != 0 {
            self.words[word] &= !bit;
            self.blocks[word / BLOCK_WORDS] -= 1;
            self.count -= 1;
        }
    }

    /// How many seats are free.
    pub const fn count(&self) -> usize {
        self.count as usize
    }

    /// The free seat at this place among the free ones, the best first; `None` if there are fewer.
    pub fn seat(&self, place: usize) -> Option<SeatNumber> {
        let mut left = u32::try_from(place).ok()?;
        let block = self
            .blocks
            .iter()
            .position(|count| pass(&mut left, *count))?;
        let first_word = block * BLOCK_WORDS;
        let words = &self.words[first_word..];
        let word = words
            .iter()
            .position(|word| pass(&mut left, word.count_ones()))?;
        let mut bits = words[word];
        for _ in 0..left {
            bits &= bits - 1; // Takes the lowest bit.
        }
        let seat = (first_word + word) * 64 + bits.trailing_zeros() as usize;
        u32::try_from(seat).ok().map(SeatNumber)
    }
}

/// Whether the one in search is among the next `count`; if not, they are skipped.
const fn pass(left: &mut u32, count: u32) -> bool {
    let is_within = *left < count;
    if !is_within {
        *left -= count;
    }
    is_within
}

const fn place(seat: SeatNumber) -> (usize, u64) {
    (seat.0 as usize / 64, 1 << (seat.0 % 64))
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use tiketi_core::rng::Streams;

    #[test]
    fn it_lists_what_a_sorted_list_would() {
        let mut stream = Streams::new(8).named("free-seats");
        let mut free = FreeSeats::all(2_000);
        let mut list: Vec<u32> = (0..2_000).collect();
        for _ in 0..5_000 {
            let seat = stream.random_range(0..2_000);
            match list.binary_search(&seat) {
                Ok(place) => {
                    list.remove(place);
                    free.remove(SeatNumber(seat));
                }
                Err(place) => {
                    list.insert(place, seat);
                    free.insert(SeatNumber(seat));
                }
            }
            let place = stream.random_range(0..list.len());
            assert_eq!(free.seat(place), Some(SeatNumber(list[place])));
            assert_eq!(free.count(), list.len());
        }
        assert_eq!(free.seat(list.len()), None);
    }
}
