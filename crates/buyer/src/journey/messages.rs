//! What a buyer does about the messages of the server.

use super::{Journey, Step};
use crate::action::Message;
use crate::observation::{AfterDrop, Learned, LeaveReason};
use crate::seat_choice::SeatChoice;
use tiketi_core::units::SimTime;

impl Journey {
    /// Handles a message from the server.
    pub fn handle_message(&mut self, now: SimTime, message: Message) {
        match message {
            Message::EntryAllowed { user } => {
                let is_meant = user == self.user || !self.temperament.checks_admission;
                if is_meant && self.step == Step::Waiting {
                    self.enter(now, Learned::Message);
                } else if is_meant && self.step == Step::QueueCheck && self.in_flight.is_some() {
                    self.announced = true;
                } else if user == self.user {
                    let way = self.passage.handle_announced();
                    self.observe_way(way);
                }
            }
            Message::QueueUpdated => {
                if self.step == Step::Waiting && self.temperament.poll.on_update {
                    self.poll_at(now, now);
                }
            }
            Message::StillQueued => {
                if self.step == Step::Waiting {
                    self.passage.handle_queued(self.socket.is_open());
                }
            }
            Message::SoldOut => {
                if matches!(self.step, Step::Waiting | Step::Watching) {
                    self.leave(now, LeaveReason::SoldOut, true);
                }
            }
            Message::QueueCleared => {
                if self.step == Step::Waiting {
                    self.drop_poll(now);
                    self.observe_drop(now, AfterDrop::Rejoined);
                    self.go(Step::QueueCheck, now);
                }
            }
            Message::SeatLocked { seat, user } => {
                let is_asked_for = self.in_flight.is_some() && self.choice.favorite() == Some(seat);
                if user == Some(self.user) || is_asked_for {
                    return;
                }
                self.choice.drop_seat(seat);
                if self.step == Step::Picking && self.choice.favorite().is_none() {
                    // `due` stays: the map is loaded again at the time of the pick.
                    self.step = Step::SeatMap;
                }
            }
            Message::SeatReleased { seat } => {
                if self.step == Step::Watching {
                    self.choice = SeatChoice::only(seat);
                    let pause = self.draws.seat_repick(&self.temperament);
                    self.go(Step::Picking, now + pause);
                }
            }
            Message::Other => {}
        }
    }
}
