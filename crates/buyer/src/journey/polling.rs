//! How a buyer waits in the queue: with a socket, and with polls at fixed intervals.

use std::time::Duration;

use super::{Journey, Page, Step};
use crate::observation::{Learned, Stage};
use tiketi_core::units::SimTime;
use tiketi_scenario::topology::RoomPlace;

impl Journey {
    /// The same visit, to a system whose waiting room is elsewhere. At the edge, nobody waits with a socket.
    #[must_use]
    pub const fn waiting_at(mut self, room: RoomPlace) -> Self {
        self.room = room;
        self
    }

    /// Waits in the queue: opens the socket, unless the queue is at the edge, and polls.
    pub(super) fn wait(&mut self, now: SimTime) {
        if self.queued_since.is_none() {
            self.queued_since = Some(now);
            self.gives_up_at = Some(now + self.draws.patience(&self.temperament));
            self.reach(now, Stage::Queued);
            if self.page == Page::First {
                self.opens = self.draws.elsewhere(&self.temperament);
            }
        }
        self.step = Step::Waiting;
        self.plan_reload(now);
        self.join_due = self.socket.is_open();
        match self.room {
            RoomPlace::Application if self.channel.queue => self.socket.want(now),
            RoomPlace::Application | RoomPlace::Edge => {}
        }
        self.schedule_poll(now, now);
        if std::mem::take(&mut self.announced) {
            self.enter(now, Learned::Message);
        }
    }

    /// Waits, or goes on waiting, and polls next after a pause that the system has chosen.
    pub(super) fn stay(&mut self, now: SimTime, pause: Duration) {
        if self.step == Step::Waiting {
            self.passage.handle_queued(self.socket.is_open());
        } else {
            self.wait(now);
        }
        if self.step == Step::Waiting {
            self.poll_at(now, now + pause);
        }
    }

    /// Goes on to the seat map because the system says that the buyer no longer waits, whether admitted or dropped.
    pub(super) fn walk_in(&mut self, now: SimTime, admitted: Option<bool>) {
        let since = self.queued_since.take();
        let way = self.passage.handle_not_queued(now, admitted, since);
        self.observe_way(way);
        self.go_inside(now);
    }

    /// Schedules the next poll at a fixed interval from when the last one was due; overdue polls are skipped.
    pub(super) fn schedule_poll(&mut self, now: SimTime, last: SimTime) {
        let interval = self.poll_interval();
        let next = last + interval;
        self.poll_at(now, if next > now { next } else { now + interval });
    }

    pub(super) fn poll_interval(&self) -> Duration {
        let poll = &self.temperament.poll;
        let mut steps = self.temperament.poll_by_position.iter().rev();
        if self.draws.is_bot() {
            self.temperament.bots.poll
        } else if let Some(step) = steps.find(|step| self.position > step.beyond) {
            step.every
        } else if self.socket.is_open() {
            poll.connected
        } else {
            poll.disconnected
        }
    }

    /// Schedules the next poll, in place of one that is scheduled already.
    pub(super) fn poll_at(&mut self, now: SimTime, at: SimTime) {
        self.drop_poll(now);
        self.polls.handle_scheduled();
        self.due = Some(at);
    }

    /// Cancels the scheduled poll of a waiting buyer, if there is one.
    pub(super) fn drop_poll(&mut self, now: SimTime) {
        let Some(due) = self.due.filter(|_| self.step == Step::Waiting) else {
            return;
        };
        // While a request is in flight, the next one waits for its response, not for the load generator.
        let late = match self.in_flight {
            Some(_) => Duration::ZERO,
            None => now.saturating_since(due.max(self.answered_at)),
        };
        self.polls.handle_cancelled(late, self.poll_interval());
        self.due = None;
    }
}
