//! The seats that a buyer wants.

use rand::RngExt;
use uuid::Uuid;

use super::action::Offers;
use tiketi_core::rng::Stream;

/// Seats that a buyer remembers from the map.
const CANDIDATES_MAX: usize = 4;

/// The few seats that a buyer picked from the map, favorite first. The map itself is not stored: 2,000 seats for each of
/// 20,000 buyers would take most of the memory of a load worker.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SeatChoice {
    candidates: [Uuid; CANDIDATES_MAX],
    left: u8,
}

impl SeatChoice {
    /// Picks from `available`, which lists the best seats first.
    ///
    /// The place in the list is `n · u²` with uniform `u`, so half of the picks are in the best quarter. People prefer the
    /// front; how strongly is an assumption.
    pub(super) fn pick(available: &dyn Offers, stream: &mut Stream) -> Self {
        let mut choice = Self::default();
        let count = available.count();
        for _ in 0..CANDIDATES_MAX.min(count) {
            let Some(seat) = available.seat(front_biased(count, stream)) else {
                continue;
            };
            if !choice.seats().contains(&seat) {
                choice.push(seat);
            }
        }
        choice
    }

    /// Picks exactly this seat.
    pub(super) fn only(seat: Uuid) -> Self {
        let mut choice = Self::default();
        choice.push(seat);
        choice
    }

    /// Returns the seat to try next; `None` if none is left.
    pub(super) fn favorite(&self) -> Option<Uuid> {
        self.seats().first().copied()
    }

    /// Drops a seat that somebody else has; returns whether it was the favorite.
    pub(super) fn drop_seat(&mut self, seat: Uuid) -> bool {
        let Some(place) = self.seats().iter().position(|kept| *kept == seat) else {
            return false;
        };
        self.candidates[place..usize::from(self.left)].rotate_left(1);
        self.left -= 1;
        place == 0
    }

    fn seats(&self) -> &[Uuid] {
        &self.candidates[..usize::from(self.left)]
    }

    fn push(&mut self, seat: Uuid) {
        self.candidates[usize::from(self.left)] = seat;
        self.left += 1;
    }
}

/// Draws a place in a list of `length`; places at the front are more likely.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "the product is at least zero and at most the length of a list in memory"
)]
fn front_biased(length: usize, stream: &mut Stream) -> usize {
    let draw: f64 = stream.random();
    (length as f64 * draw * draw) as usize
}

#[cfg(test)]
mod tests {
    use super::super::action::SeatOffer;
    use super::*;
    use tiketi_core::rng::Streams;

    fn offers(count: u128) -> Vec<SeatOffer> {
        (0..count)
            .map(|number| SeatOffer {
                seat: Uuid::from_u128(number),
            })
            .collect()
    }

    #[test]
    fn half_of_the_picks_are_in_the_best_quarter() {
        let available = offers(1_000);
        let mut stream = Streams::new(3).named("seat");
        let front = (0..10_000)
            .filter(|_| {
                let favorite = SeatChoice::pick(&available, &mut stream).favorite();
                favorite.is_some_and(|seat| seat.as_u128() < 250)
            })
            .count();
        assert!((4_700..5_300).contains(&front), "{front} of 10,000");
    }

    #[test]
    fn a_seat_is_picked_if_one_is_available() {
        let mut stream = Streams::new(4).named("seat");
        for count in 1..20 {
            assert!(
                SeatChoice::pick(&offers(count), &mut stream)
                    .favorite()
                    .is_some()
            );
        }
        assert!(
            SeatChoice::pick(&offers(0), &mut stream)
                .favorite()
                .is_none()
        );
    }

    #[test]
    fn dropping_the_favorite_promotes_the_next() {
        let mut stream = Streams::new(5).named("seat");
        let mut choice = SeatChoice::pick(&offers(1_000), &mut stream);
        let seats = choice.seats().to_vec();
        assert!(!choice.drop_seat(seats[1]));
        assert!(choice.drop_seat(seats[0]));
        assert_eq!(choice.favorite(), seats.get(2).copied());
    }
}
