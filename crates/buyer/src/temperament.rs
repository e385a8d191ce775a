//! A buyer's random draws from the distributions of the scenario.

use std::time::Duration;

use rand::RngExt;

use tiketi_core::rng::{Stream, Streams};
use tiketi_core::units::BuyerId;
use tiketi_scenario::plan::Temperament;

/// The random draws of one buyer. Each purpose has its own stream, so that adding a draw doesn't shift any other.
#[derive(Clone, Debug)]
pub struct Draws {
    streams: Streams,
    buyer: BuyerId,
    browse: Stream,
    repick: Stream,
    /// Seat preferences.
    pub(super) seat: Stream,
    /// Jitter of the backoff.
    pub(super) backoff: Stream,
}

impl Draws {
    /// Opens the streams of one buyer.
    pub fn new(streams: Streams, buyer: BuyerId) -> Self {
        Self {
            streams,
            buyer,
            browse: streams.for_buyer("browse", buyer),
            repick: streams.for_buyer("repick", buyer),
            seat: streams.for_buyer("seat", buyer),
            backoff: streams.for_buyer("backoff", buyer),
        }
    }

    /// Draws the pause before the next step on the page.
    pub fn browse(&mut self, temperament: &Temperament) -> Duration {
        temperament.browse.sample(&mut self.browse)
    }

    /// Returns how long this buyer waits in the queue before giving up.
    pub fn patience(&self, temperament: &Temperament) -> Duration {
        temperament.patience.sample(&mut self.stream("patience"))
    }

    /// Returns the time to pick the first seat.
    pub fn seat_pick(&self, temperament: &Temperament) -> Duration {
        temperament.seat_pick.sample(&mut self.stream("seat_pick"))
    }

    /// Draws the time to pick another seat.
    pub fn seat_repick(&mut self, temperament: &Temperament) -> Duration {
        temperament.seat_repick.sample(&mut self.repick)
    }

    /// Returns the time from the seat hold to the payment or to walking away.
    pub fn payment(&self, temperament: &Temperament) -> Duration {
        temperament.payment.sample(&mut self.stream("payment"))
    }

    /// Returns whether this buyer pays for a held seat.
    pub fn pays(&self, temperament: &Temperament) -> bool {
        self.stream("pays").random::<f64>() < temperament.pays.get()
    }

    /// Draws a uniform duration between zero and `whole`.
    pub fn part_of(&mut self, whole: Duration) -> Duration {
        whole.mul_f64(self.backoff.random::<f64>())
    }

    fn stream(&self, purpose: &str) -> Stream {
        self.streams.for_buyer(purpose, self.buyer)
    }
}
