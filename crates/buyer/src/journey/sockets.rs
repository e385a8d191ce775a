//! What the buyer's page does about its socket.

use std::sync::Arc;

use super::{Journey, Step};
use crate::observation::SocketChange;
use crate::socket::Closed;
use tiketi_core::units::SimTime;

impl Journey {
    /// Handles that the socket is open.
    pub fn handle_socket_open(&mut self, now: SimTime) {
        let change = self.socket.handle_open();
        self.observe_socket(now, change);
        self.join_due = true;
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
