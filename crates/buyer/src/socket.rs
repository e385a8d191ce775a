//! The state of a buyer's socket: when to open it and when to reconnect.

use super::backoff::Backoff;
use crate::observation::SocketChange;
use tiketi_core::rng::Stream;
use tiketi_core::units::SimTime;
use tiketi_scenario::plan::{Retry, Temperament};

/// State of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not wanted.
    Closed,
    /// To be opened at this time.
    Due(SimTime),
    /// Being opened.
    Connecting,
    /// Open.
    Open,
}

/// A buyer's socket, which reconnects with exponential backoff when it is lost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Socket {
    state: State,
    backoff: Backoff,
    was_open: bool,
}

impl Socket {
    pub(super) const fn new() -> Self {
        Self {
            state: State::Closed,
            backoff: Backoff::NONE,
            was_open: false,
        }
    }

    /// Requests that the socket be opened, at `now`.
    pub(super) fn want(&mut self, now: SimTime) {
        if self.state == State::Closed {
            self.state = State::Due(now);
        }
    }

    /// Starts to open it if that is due; returns when it was due.
    pub(super) fn poll_connect(&mut self, now: SimTime) -> Option<SimTime> {
        match self.state {
            State::Due(due) if due <= now => {
                self.state = State::Connecting;
                Some(due)
            }
            State::Due(_) | State::Closed | State::Connecting | State::Open => None,
        }
    }

    /// Returns when to call [`poll_connect`](Self::poll_connect) again.
    pub(super) const fn timeout(&self) -> Option<SimTime> {
        match self.state {
            State::Due(due) => Some(due),
            State::Closed | State::Connecting | State::Open => None,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Handles that it is open; returns the change to report.
    pub(super) fn handle_open(&mut self) -> SocketChange {
        self.state = State::Open;
        self.backoff.handle_success();
        if std::mem::replace(&mut self.was_open, true) {
            SocketChange::Reconnected
        } else {
            SocketChange::Connected
        }
    }

    /// Handles that it was lost or could not be opened, and schedules a reconnect unless that was the last try. Returns
    /// whether an open socket was lost.
    pub(super) fn handle_lost(
        &mut self,
        now: SimTime,
        temperament: &Temperament,
        stream: &mut Stream,
    ) -> bool {
        let was_open = self.is_open();
        let first_tries = temperament.connect_tries_max.filter(|_| !self.was_open);
        let retry = Retry {
            tries_max: first_tries.or(temperament.reconnect.tries_max),
            ..temperament.reconnect
        };
        self.state = match self.backoff.handle_failure(&retry, stream) {
            Some(pause) => State::Due(now + pause),
            None => State::Closed,
        };
        was_open
    }

    /// Opens it no earlier than that, if it is to be opened.
    pub(super) fn wait_until(&mut self, not_before: SimTime) {
        if let State::Due(due) = self.state {
            self.state = State::Due(due.max(not_before));
        }
    }

    /// Closes it; returns what was closed.
    pub(super) fn close(&mut self) -> Closed {
        let closed = match self.state {
            State::Open => Closed::Open,
            State::Connecting => Closed::Connecting,
            State::Closed | State::Due(_) => Closed::Nothing,
        };
        self.state = State::Closed;
        closed
    }
}

/// What [`Socket::close`] closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// An open socket.
    Open,
    /// A socket that was being opened.
    Connecting,
    /// Nothing.
    Nothing,
}
