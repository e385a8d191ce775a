//! How a waiting buyer got past the waiting room: admitted, or dropped.
//!
//! A system that says `queued: false` says it of both. Some also say which; otherwise the buyer's socket tells: everybody who is
//! admitted gets a message. It may be slower than the poll, so a buyer without it is in doubt until the visit ends.

use std::time::Duration;

use crate::observation::AfterDrop;
use tiketi_core::units::SimTime;

/// Time from joining the queue to an open socket that counts as shortly after (assumption: the waiting room admits buyers once per
/// second).
const SOCKET_OPEN_SOON: Duration = Duration::from_secs(1);

/// What is known of the way in.
#[derive(Debug)]
pub(super) struct Passage {
    hearing: Hearing,
    /// `None` if there is no doubt.
    doubt: Option<Doubt>,
}

/// Whether a waiting buyer would have got the message about an admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hearing {
    /// Not necessarily: the socket was not open all the time.
    Unsure,
    /// Since shortly after joining the queue; an admission in between is possible.
    AlmostSinceJoin,
    /// Since a poll said that the buyer still waits.
    SincePoll,
}

/// A buyer who is inside without a message about an admission.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    entered: SimTime,
    waited_since: SimTime,
    /// What the buyer will count as without a message.
    otherwise: AfterDrop,
}

/// How a buyer got inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Admitted, after waiting since then; `None` without a wait.
    Admitted {
        at: SimTime,
        waited_since: Option<SimTime>,
    },
    /// Without an admission.
    Dropped { at: SimTime, then: AfterDrop },
}

impl Passage {
    /// Nothing is known yet.
    pub(super) const NEW: Self = Self {
        hearing: Hearing::Unsure,
        doubt: None,
    };

    /// A poll said that the buyer still waits.
    pub(super) const fn handle_queued(&mut self, has_socket: bool) {
        if has_socket {
            self.hearing = Hearing::SincePoll;
        }
    }

    /// The socket of a buyer who has been waiting since then is open.
    pub(super) fn handle_socket_open(&mut self, now: SimTime, waited_since: Option<SimTime>) {
        let is_soon = |since| now.saturating_since(since) <= SOCKET_OPEN_SOON;
        if waited_since.is_some_and(is_soon) {
            self.hearing = Hearing::AlmostSinceJoin;
        }
    }

    pub(super) const fn handle_socket_lost(&mut self) {
        self.hearing = Hearing::Unsure;
    }

    /// A poll said that the buyer no longer waits, and perhaps whether the buyer was admitted. Returns how the buyer got inside; `None`
    /// if that is in doubt.
    pub(super) fn handle_not_queued(
        &mut self,
        now: SimTime,
        admitted: Option<bool>,
        waited_since: Option<SimTime>,
    ) -> Option<Way> {
        let otherwise = match (admitted, self.hearing, waited_since) {
            (Some(false), _, _) => {
                return Some(Way::Dropped {
                    at: now,
                    then: AfterDrop::Entered,
                });
            }
            (None, Hearing::AlmostSinceJoin, Some(since)) => (since, AfterDrop::EnteredUnannounced),
            (None, Hearing::SincePoll, Some(since)) => (since, AfterDrop::Entered),
            (Some(true), _, _) | (None, Hearing::Unsure, _) | (None, _, None) => {
                return Some(Way::Admitted {
                    at: now,
                    waited_since,
                });
            }
        };
        let (waited_since, otherwise) = otherwise;
        self.doubt = Some(Doubt {
            entered: now,
            waited_since,
            otherwise,
        });
        None
    }

    /// Whether a message about the admission may still come.
    pub(super) const fn is_in_doubt(&self) -> bool {
        self.doubt.is_some()
    }

    /// The message about the admission has come after all.
    pub(super) fn handle_announced(&mut self) -> Option<Way> {
        let doubt = self.doubt.take()?;
        Some(Way::Admitted {
            at: doubt.entered,
            waited_since: Some(doubt.waited_since),
        })
    }

    /// The visit ends, and no message will come any more.
    pub(super) fn handle_end(&mut self) -> Option<Way> {
        let doubt = self.doubt.take()?;
        Some(Way::Dropped {
            at: doubt.entered,
            then: doubt.otherwise,
        })
    }
}
