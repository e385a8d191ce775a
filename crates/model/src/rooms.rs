//! Messages over sockets: admissions, queue updates, seats.
//!
//! With 10,000 sockets, each seat sold is 10,000 messages; delivering each to its buyer would be most of the work of a run.
//! So a message to a room takes the CPU time of its sockets on each instance, is counted for all of them at once, and is
//! delivered only to buyers who would react to it.

use std::time::Duration;

use tiketi_buyer::{Emission, Message};
use tiketi_core::units::{BuyerId, InstanceId, SimTime};

use super::crowd::{LineState, user_of};
use super::entry::Entry;
use super::fleet::Instance;
use super::outbox::{Arrived, Receivers, Room};
use super::tier::{Cached, SHOW, seat_id};
use super::traffic::Traffic;
use super::world::World;
use tiketi_data_tier::SeatNumber;
use tiketi_measure::Recorder;

/// Returns how many sockets of an instance are in a room.
const fn sockets(room: Room, instance: &Instance) -> u32 {
    match room {
        Room::Queue => instance.queue_room,
        Room::Seats => instance.seats_room,
    }
}

/// Returns how many silent sockets of an instance are in a room.
const fn deaf(room: Room, instance: &Instance) -> u32 {
    match room {
        Room::Queue => instance.queue_room_deaf,
        Room::Seats => instance.seats_room_deaf,
    }
}

/// How a socket was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    /// By the buyer: messages that are still to be sent are not due any more.
    ByBuyer,
    /// By the system or a fault: messages that are still to be sent are lost.
    Lost,
}

impl World<'_> {
    /// The tick of the waiting room: gives free shopping slots to the head of the queue, and tells the buyers who are admitted.
    pub(super) fn handle_admission(&mut self, now: SimTime) {
        let every = self.plan.waiting_room.admit_every;
        self.calendar.enter(now + every, Entry::Admission);
        if self.admit_at_edge(now) {
            self.redis.sweep_sessions(now);
            return;
        }
        // An instance runs the tick; without any, nobody is admitted.
        let is_served = self.fleet.answering(now).next().is_some();
        if !is_served || self.redis.book(now, 1).is_none() {
            return;
        }
        let mut admitted = std::mem::take(&mut self.admitted);
        // Where Redis fails, nobody is admitted.
        let _ = self.redis.admit(now, SHOW, &mut admitted);
        let late = self.message_delay();
        for buyer in admitted.drain(..) {
            // A buyer who is not told is admitted all the same, and learns it from the next poll.
            let Some(published) = self.redis.book(now, 1) else {
                continue;
            };
            let browser = self.crowd.browser(buyer);
            if browser.line == LineState::Open {
                let instance = browser.line_instance;
                let time = self.service.fan_out(1);
                let served = self.fleet.of(instance);
                let told = served.book_broadcast(published, time) + late;
                let receivers = Receivers::Buyer(buyer);
                served.outbox.handle_published(published, told, receivers);
                self.messages_due += 1;
                self.calendar.enter(told, Entry::Invitation(buyer.0));
            } else if browser.line == LineState::Silent {
                let instance = browser.line_instance;
                // A running instance still sends the message, but it does not arrive.
                self.messages_due += u64::from(!self.fleet.of(instance).is_gone());
            }
        }
        self.admitted = admitted;
    }

    pub(super) fn handle_invitation(&mut self, now: SimTime, buyer: BuyerId) {
        let browser = *self.crowd.browser(buyer);
        if browser.line != LineState::Open {
            return;
        }
        // A buyer whose socket was lost in the meantime may have another one, perhaps to another instance.
        self.settle_messages(browser.line_instance, now);
        let served = self.fleet.of(browser.line_instance);
        if !served.outbox.has_letter_for(buyer, now) {
            return;
        }
        let user = user_of(buyer);
        self.tell(now, buyer, Message::EntryAllowed { user });
    }

    /// Publishes the size of the queue if it has changed.
    pub(super) fn handle_queue_update(&mut self, now: SimTime) {
        if self.room.is_some() {
            return; // Nobody waits with a socket.
        }
        let every = self.plan.waiting_room.update_every;
        self.calendar.enter(now + every, Entry::QueueUpdate);
        let is_served = self.fleet.answering(now).next().is_some();
        if !is_served || self.redis.book(now, 2).is_none() || !self.redis.announce_size(SHOW) {
            return;
        }
        // The message matters only to browsers that poll when they receive it.
        let on_update = self.plan.buyers.poll.on_update;
        for (instance, told) in self.publish(now, Room::Queue) {
            if on_update {
                self.calendar.enter(told, Entry::QueueNews(instance));
            }
        }
    }

    /// Every waiting buyer with a socket on the instance polls at once, as browsers do.
    pub(super) fn handle_queue_news(&mut self, now: SimTime, instance: u32) {
        let listeners = self
            .crowd
            .sockets(|browser| browser.hears_queue && browser.line_instance == instance);
        for buyer in listeners {
            self.tell(now, buyer, Message::QueueUpdated);
        }
    }

    /// Publishes that a seat was held or paid to all buyers who have the seat map open. The message is counted, but not
    /// delivered to each buyer: whether a seat is taken is looked up when a buyer chooses it (`tell_taken_seats`).
    pub(super) fn announce_seat_taken(&mut self, now: SimTime) {
        self.publish(now, Room::Seats);
    }

    /// Frees the seats of holds that have expired.
    pub(super) fn handle_hold_end(&mut self, now: SimTime) {
        if self.hold_end_due == Some(now) {
            self.hold_end_due = None;
        }
        let mut released = Vec::new();
        if self.database.answers() && self.fleet.answering(now).next().is_some() {
            self.seats.release_expired(now, &mut released);
        }
        let seat_of = |reservation| self.seats.reservation(reservation)?.1;
        let released: Vec<_> = released.into_iter().filter_map(seat_of).collect();
        if !released.is_empty() {
            // Without Redis there is nothing to invalidate.
            let _ = self.redis.invalidate(now, &Cached::ShowDetail);
        }
        for seat in released {
            self.announce_seat_released(now, seat);
        }
        self.schedule_hold_end(now);
    }

    /// Schedules the end of the next hold that expires. While the database or all instances are down, that is tried again each
    /// second.
    pub(super) fn schedule_hold_end(&mut self, now: SimTime) {
        let Some(due) = self.seats.next_expiry() else {
            return;
        };
        let due = if due > now {
            due
        } else {
            now + Duration::from_secs(1)
        };
        if self.hold_end_due.is_none_or(|entered| due < entered) {
            self.hold_end_due = Some(due);
            self.calendar.enter(due, Entry::HoldEnd);
        }
    }

    /// Publishes that a seat is free again, and schedules the delivery where somebody watches for one.
    fn announce_seat_released(&mut self, now: SimTime, seat: SeatNumber) {
        for (instance, told) in self.publish(now, Room::Seats) {
            let watched = (instance, 0)..=(instance, u32::MAX);
            if self.watchers.range(watched).next().is_some() {
                let instance = u16::try_from(instance).expect("fewer than 65,536 launches");
                let seat = seat.0;
                self.calendar
                    .enter(told, Entry::SeatNews { instance, seat });
            }
        }
    }

    /// Tells the buyers on the instance who watch for a seat that one is free.
    pub(super) fn handle_seat_news(&mut self, now: SimTime, instance: u32, seat: u32) {
        let watched = (instance, 0)..=(instance, u32::MAX);
        let watchers: Vec<u32> = self
            .watchers
            .range(watched)
            .map(|(_, buyer)| *buyer)
            .collect();
        let seat = seat_id(SeatNumber(seat));
        for buyer in watchers {
            self.tell(now, BuyerId(buyer), Message::SeatReleased { seat });
        }
    }

    fn tell(&mut self, now: SimTime, buyer: BuyerId, message: Message) {
        if let Some(mut journey) = self.crowd.take(buyer) {
            journey.handle_message(now, message);
            self.drive(now, buyer, journey);
        }
    }

    /// Publishes a message to a room, and returns when each instance has sent it to its sockets.
    fn publish(&mut self, now: SimTime, room: Room) -> Vec<(u32, SimTime)> {
        let Some(published) = self.redis.book(now, 1) else {
            return Vec::new();
        };
        let late = self.message_delay();
        let listening: Vec<u32> = self.fleet.listening(now).collect();
        let mut told = Vec::with_capacity(listening.len());
        for number in listening {
            let instance = self.fleet.of(number);
            let receivers = sockets(room, instance);
            // The instance does not know that some hear nothing: it sends to them, and that is lost.
            let addressed = receivers + deaf(room, instance);
            if addressed == 0 {
                continue;
            }
            let done = instance.book_broadcast(published, self.service.fan_out(addressed)) + late;
            self.messages_due += u64::from(addressed);
            if receivers == 0 {
                continue;
            }
            let letter = Receivers::Room(room, receivers);
            instance.outbox.handle_published(published, done, letter);
            told.push((number, done));
        }
        told
    }

    /// Counts the messages of an instance that arrived before `now`.
    pub(super) fn settle_messages(&mut self, instance: u32, now: SimTime) {
        let outbox = &mut self.fleet.of(instance).outbox;
        while let Some(arrived) = outbox.poll_arrived(now) {
            count(&mut self.recorder, &mut self.traffic, arrived);
        }
    }

    /// Counts the messages of all instances that arrived before `now`.
    pub(super) fn settle_all_messages(&mut self, now: SimTime) {
        for instance in self.fleet.alive() {
            while let Some(arrived) = instance.outbox.poll_arrived(now) {
                count(&mut self.recorder, &mut self.traffic, arrived);
            }
        }
    }

    /// Returns how many messages to sockets have arrived or been lost: those that are still on their way are neither.
    pub(super) fn messages_settled(&mut self) -> u64 {
        let on_their_way = self
            .fleet
            .alive()
            .map(|instance| instance.outbox.receivers());
        self.messages_due - on_their_way.sum::<u64>()
    }

    /// Adds a socket to a room, and the room to its session.
    pub(super) fn join_room(&mut self, buyer: BuyerId, emission: Emission) {
        let browser = self.crowd.browser(buyer);
        let instance = self.fleet.of(browser.line_instance);
        match emission {
            // Messages to that room are not simulated.
            Emission::JoinEvent => {}
            Emission::JoinQueue => {
                browser.joined_queue = true;
                if !std::mem::replace(&mut browser.hears_queue, true) {
                    instance.queue_room += 1;
                }
            }
            Emission::JoinSeatSelection => {
                browser.joined_seats = true;
                if !std::mem::replace(&mut browser.hears_seats, true) {
                    instance.seats_room += 1;
                }
            }
        }
    }

    /// Adds a reconnected socket to the rooms of its session.
    pub(super) fn rejoin_rooms(&mut self, buyer: BuyerId) {
        let browser = *self.crowd.browser(buyer);
        if browser.joined_queue {
            self.join_room(buyer, Emission::JoinQueue);
        }
        if browser.joined_seats {
            self.join_room(buyer, Emission::JoinSeatSelection);
        }
    }

    /// Removes a socket from its rooms.
    pub(super) fn leave_rooms(&mut self, now: SimTime, buyer: BuyerId, closing: Closing) {
        let instance = self.crowd.browser(buyer).line_instance;
        self.settle_messages(instance, now);
        let browser = self.crowd.browser(buyer);
        let hears_queue = std::mem::replace(&mut browser.hears_queue, false);
        let hears_seats = std::mem::replace(&mut browser.hears_seats, false);
        let instance = self.fleet.of(instance);
        instance.queue_room = instance.queue_room.saturating_sub(u32::from(hears_queue));
        instance.seats_room = instance.seats_room.saturating_sub(u32::from(hears_seats));
        let mut missed = instance.outbox.handle_closed(buyer);
        for (hears, room) in [(hears_queue, Room::Queue), (hears_seats, Room::Seats)] {
            if hears {
                missed += instance.outbox.handle_left(room);
            }
        }
        match closing {
            Closing::ByBuyer => self.messages_due -= missed,
            Closing::Lost => {}
        }
    }

    /// Ends the draining of an instance if its last connection is gone.
    pub(super) fn handle_connection_gone(&mut self, now: SimTime, instance: u32) {
        let served = self.fleet.of(instance);
        if served.is_draining && served.is_idle() {
            served.is_draining = false;
            self.handle_drained(now, InstanceId(instance));
        }
    }
}

fn count(recorder: &mut Recorder, traffic: &mut Traffic, arrived: Arrived) {
    let receivers = u64::from(arrived.receivers);
    recorder.observe_messages(arrived.at, Some(arrived.delay), receivers);
    traffic.handle_messages(receivers);
}
