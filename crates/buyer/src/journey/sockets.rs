//! What the buyer's page does about its socket.

use std::sync::Arc;
use std::time::Duration;

use super::{Journey, Step};
use crate::observation::SocketChange;
use crate::socket::Closed;
use tiketi_core::units::SimTime;

/// What the messages of a system's push channel are about: while there is nothing to hear, buyers do not open it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel {
    /// The queue.
    pub queue: bool,
    /// Seats.
    pub seats: bool,
    /// Whether it is opened with the page of the show, so that it is open when the buyer enters the queue.
    pub early: bool,
}

impl Channel {
    /// Everything, as with Socket.IO.
    pub const ALL: Self = Self {
        queue: true,
        seats: true,
        early: false,
    };
    /// Nothing: there is no channel.
    pub const NONE: Self = Self {
        queue: false,
        seats: false,
        early: false,
    };
}

impl Journey {
    /// The same visit, to a system whose push channel has messages about these things only.
    #[must_use]
    pub const fn listening_to(mut self, channel: Channel) -> Self {
        self.channel = channel;
        self
    }

    /// Opens the socket of a page that has it open before the queue.
    pub(super) fn listen_early(&mut self, now: SimTime) {
        if self.channel.early {
            self.socket.want(now);
        }
    }

    /// Opens the socket for messages about seats, or closes it if there are none. A buyer who may yet get the message about the
    /// admission keeps it.
    pub(super) fn listen_inside(&mut self, now: SimTime) {
        if self.channel.seats {
            self.socket.want(now);
            self.join_due = self.socket.is_open();
        } else if !self.passage.is_in_doubt() {
            self.close_socket(now);
        }
    }

    /// Closes the socket.
    pub(super) fn close_socket(&mut self, now: SimTime) {
        match self.socket.close() {
            Closed::Open => {
                self.close_due = true;
                self.observe_socket(now, SocketChange::Closed);
            }
            Closed::Connecting => self.close_due = true,
            Closed::Nothing => {}
        }
        self.join_due = false;
        self.event_due = false;
    }

    /// Handles that the socket is open.
    pub fn handle_socket_open(&mut self, now: SimTime) {
        let change = self.socket.handle_open();
        self.observe_socket(now, change);
        self.join_due = true;
        self.event_due = self.temperament.joins_event_room;
        self.passage.handle_socket_open(now, self.queued_since);
        if self.step == Step::Waiting {
            let connected = self.poll_interval();
            let pause = match change {
                // Reconnects come in bursts. A random phase keeps the polls from coming in bursts too.
                SocketChange::Reconnected => self.draws.part_of(connected),
                SocketChange::Connected | SocketChange::Closed | SocketChange::Lost => connected,
            };
            self.poll_at(now, now + pause);
        }
    }

    /// Handles that the socket was lost or could not be opened.
    pub fn handle_socket_lost(&mut self, now: SimTime) {
        let temperament = Arc::clone(&self.temperament);
        let was_open = self
            .socket
            .handle_lost(now, &temperament, &mut self.draws.backoff);
        self.handle_without_socket(now, was_open);
    }

    /// As [`Self::handle_socket_lost`], if the server has asked to wait for `pause` before the next attempt.
    pub fn handle_socket_lost_for(&mut self, now: SimTime, pause: Duration) {
        self.handle_socket_lost(now);
        self.socket.wait_until(now + pause);
    }

    /// Handles that the server has closed the socket with a disconnect packet.
    pub fn handle_disconnected(&mut self, now: SimTime) {
        if self.temperament.returns_after_disconnect {
            return self.handle_socket_lost(now);
        }
        let was_open = self.socket.close() == Closed::Open;
        self.handle_without_socket(now, was_open);
    }

    fn handle_without_socket(&mut self, now: SimTime, was_open: bool) {
        self.join_due = false;
        self.event_due = false;
        self.passage.handle_socket_lost();
        if !was_open {
            return;
        }
        self.observe_socket(now, SocketChange::Lost);
        if self.step == Step::Waiting {
            // The page's poll timer runs all the time but only matters while disconnected, so its phase is uniform.
            let next = now + self.draws.part_of(self.poll_interval());
            self.due = self.due.map(|due| due.min(next));
        }
    }
}
