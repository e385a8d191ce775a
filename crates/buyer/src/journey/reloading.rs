//! How an impatient buyer reloads the page while waiting.

use super::{Journey, Page, Step};
use crate::observation::Observation;
use crate::socket::Socket;
use tiketi_core::units::SimTime;

/// The reloads of one buyer. Small, because there are as many as buyers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reloads {
    /// When the next one is due.
    due: SimTime,
    done: u16,
}

/// In place of a time: no reload is due.
const NEVER: SimTime = SimTime::from_nanos(u64::MAX);

impl Reloads {
    /// None so far, and none is due.
    pub(super) const NONE: Self = Self {
        due: NEVER,
        done: 0,
    };

    /// Whether the page has been reloaded: it opens in the queue then, without the list of shows.
    pub(super) const fn any(self) -> bool {
        self.done > 0
    }
}

impl Journey {
    /// Schedules the next reload of a buyer who has begun to wait, if this buyer reloads.
    pub(super) fn plan_reload(&mut self, now: SimTime) {
        let pause = match self.page {
            Page::First => self.draws.reload(&self.temperament, self.reloads.done),
            Page::Second => None,
        };
        self.reloads.due = pause.map_or(NEVER, |pause| now + pause);
    }

    /// Returns when to ask for the next reload again; `None` if that cannot come of itself.
    pub(super) fn reload_timeout(&self) -> Option<SimTime> {
        let can_reload = self.step == Step::Waiting && self.in_flight.is_none();
        (can_reload && self.reloads.due != NEVER).then_some(self.reloads.due)
    }

    /// No reload is due outside the queue.
    pub(super) const fn cancel_reload(&mut self) {
        self.reloads.due = NEVER;
    }

    /// Reloads the page if that is due. A poll in flight is answered first.
    pub(super) fn reload_if_due(&mut self, now: SimTime) {
        if now < self.reloads.due || self.step != Step::Waiting || self.in_flight.is_some() {
            return;
        }
        self.drop_poll(now);
        self.cancel_reload();
        self.reloads.done = self.reloads.done.saturating_add(1);
        self.observations.push(Observation::Reloaded { at: now });
        // The browser closes the socket with the page, and the new page knows nothing of the old socket.
        self.close_socket(now);
        self.socket = Socket::new();
        self.passage.handle_socket_lost();
        self.go(Step::PageLoad, now);
    }
}
