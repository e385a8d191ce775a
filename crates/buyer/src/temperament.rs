//! A buyer's random draws from the distributions of the scenario.

use std::time::Duration;

use rand::RngExt;

use crate::journey::Elsewhere;
use tiketi_core::rng::{Stream, Streams};
use tiketi_core::units::{BuyerId, Share};
use tiketi_scenario::plan::Temperament;

/// The random draws of one buyer. Each purpose has its own stream, so that adding a draw doesn't shift any other.
#[derive(Clone, Debug)]
pub struct Draws {
    streams: Streams,
    buyer: BuyerId,
    /// Whether the buyer is a program, which takes no time of its own.
    is_bot: bool,
    browse: Stream,
    repick: Stream,
    /// Seat preferences.
    pub(super) seat: Stream,
    /// Jitter of the backoff.
    pub(super) backoff: Stream,
}

impl Draws {
    /// Opens the streams of one buyer.
    pub fn new(temperament: &Temperament, streams: Streams, buyer: BuyerId) -> Self {
        Self {
            streams,
            buyer,
            is_bot: is_one_of(temperament.bots.share, || streams.for_buyer("bots", buyer)),
            browse: streams.for_buyer("browse", buyer),
            repick: streams.for_buyer("repick", buyer),
            seat: streams.for_buyer("seat", buyer),
            backoff: streams.for_buyer("backoff", buyer),
        }
    }

    /// Whether the buyer is a program.
    pub const fn is_bot(&self) -> bool {
        self.is_bot
    }

    /// Draws the pause before the next step on the page.
    pub fn browse(&mut self, temperament: &Temperament) -> Duration {
        let pause = temperament.browse.sample(&mut self.browse);
        self.unless_bot(pause)
    }

    /// Returns the time in the queue until the buyer reloads the page, after this many reloads; `None` if the buyer doesn't.
    pub fn reload(&self, temperament: &Temperament, reloads: u16) -> Option<Duration> {
        let reload = &temperament.reload;
        if self.is_bot || !is_one_of(reload.share, || self.stream("reloads")) {
            return None;
        }
        // The stream is opened again instead of kept: most buyers never need it.
        let mut stream = self.stream("reload");
        for _ in 0..reloads {
            let _ = reload.every.sample(&mut stream);
        }
        Some(reload.every.sample(&mut stream))
    }

    /// Returns where else this buyer opens the show while waiting; `None` if nowhere.
    pub fn elsewhere(&self, temperament: &Temperament) -> Option<Elsewhere> {
        if self.is_bot {
            None
        } else if is_one_of(temperament.second_tab, || self.stream("tabs")) {
            Some(Elsewhere::Tab)
        } else if is_one_of(temperament.second_device, || self.stream("devices")) {
            Some(Elsewhere::Device)
        } else {
            None
        }
    }

    /// Returns how long this buyer waits in the queue before giving up.
    pub fn patience(&self, temperament: &Temperament) -> Duration {
        temperament.patience.sample(&mut self.stream("patience"))
    }

    /// Returns the time to pick the first seat.
    pub fn seat_pick(&self, temperament: &Temperament) -> Duration {
        self.unless_bot(temperament.seat_pick.sample(&mut self.stream("seat_pick")))
    }

    /// Draws the time to pick another seat.
    pub fn seat_repick(&mut self, temperament: &Temperament) -> Duration {
        let pause = temperament.seat_repick.sample(&mut self.repick);
        self.unless_bot(pause)
    }

    /// Returns the time from the seat hold to the payment or to walking away.
    pub fn payment(&self, temperament: &Temperament) -> Duration {
        self.unless_bot(temperament.payment.sample(&mut self.stream("payment")))
    }

    /// Returns whether this buyer pays for a held seat.
    pub fn pays(&self, temperament: &Temperament) -> bool {
        self.stream("pays").random::<f64>() < temperament.pays.get()
    }

    /// Draws a uniform duration between zero and `whole`.
    pub fn part_of(&mut self, whole: Duration) -> Duration {
        whole.mul_f64(self.backoff.random::<f64>())
    }

    const fn unless_bot(&self, pause: Duration) -> Duration {
        if self.is_bot { Duration::ZERO } else { pause }
    }

    fn stream(&self, purpose: &str) -> Stream {
        self.streams.for_buyer(purpose, self.buyer)
    }
}

/// Draws whether a buyer is one of a share of all. The stream is opened only if there are such buyers: most scenarios have none.
fn is_one_of(share: Share, stream: impl FnOnce() -> Stream) -> bool {
    share != Share::NONE && stream().random::<f64>() < share.get()
}
