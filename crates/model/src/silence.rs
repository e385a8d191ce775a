//! A zone that loses power: nothing in it answers, and no connection is closed.
//!
//! ```text
//! request ─▶ silent node ─┬─ kept connection ─▶ no response until the buyer's timeout
//!                         └─ new connection ──▶ times out ─▶ the next address of the name
//! request ─▶ node ─▶ silent instance ─▶ 504 from the load balancer, or the buyer's timeout
//! socket through either ─▶ nothing is heard until a heartbeat is missing, or the load balancer's idle timeout
//! ```
//!
//! What a client of Redis or of the database notices is in the machines of the data tier.

use std::time::Duration;

use rand::RngExt;

use super::calls::{Call, CallRef, Reply, Step};
use super::crowd::{Browser, LineState};
use super::entry::Entry;
use super::fleet::Instance;
use super::outbox::Room;
use super::patience::Patience;
use super::world::World;
use tiketi_buyer::observation::Failure;
use tiketi_core::units::{BuyerId, SimTime, ZoneId};
use tiketi_scenario::operation::Operation;

impl World<'_> {
    /// The load-balancer node of a zone falls silent, with all requests and sockets that go through it, whichever instance
    /// they are for. The system goes on with the requests.
    pub(super) fn silence_node(&mut self, now: SimTime, zone: ZoneId) {
        let stale = self.calls.kept(zone);
        self.front.silence_node(zone, stale);
        // Who is connecting to a node has no request at it yet, and who is about to get the response has none there any more.
        let through = |call: &Call| {
            let is_elsewhere = matches!(call.step, Step::Name | Step::Connection | Step::Home);
            call.node == zone.0 && !call.is_abandoned && !is_elsewhere
        };
        for call in self.calls.matching(through) {
            if let Some(open) = self.calls.find(call) {
                open.is_abandoned = true;
                let hung = *open;
                self.hang(now, hung, self.patience(hung.operation, Step::Connection));
            }
        }
        let lines = self.crowd.sockets(|browser| browser.line_node == zone.0);
        for buyer in lines {
            self.silence_line(now, buyer);
        }
    }

    /// An instance falls silent, with everything on it.
    pub(super) fn silence_instance(&mut self, now: SimTime, instance: u32) {
        let Some((calls, lines)) = self.take_down(now, instance) else {
            return;
        };
        self.fleet.of(instance).silence();
        for call in calls {
            let Some(cut) = self.calls.remove(call) else {
                continue;
            };
            self.fleet.of(instance).calls -= 1;
            if !cut.is_abandoned {
                self.hang(now, cut, self.patience(cut.operation, Step::Answer));
            }
        }
        for buyer in lines {
            self.silence_line(now, buyer);
        }
    }

    /// Power is back in a zone: its hosts answer what arrives on old connections with a reset.
    pub(super) fn end_silence(&mut self, now: SimTime, zone: ZoneId) {
        self.front.end_silence(zone);
        for instance in self.fleet.end_silence(zone) {
            self.cut_silent_lines(now, |browser| browser.line_instance == instance);
        }
        self.cut_silent_lines(now, |browser| browser.line_node == zone.0);
    }

    /// Cuts the silent sockets that meet a condition: their peers hear of it.
    pub(super) fn cut_silent_lines(&mut self, now: SimTime, is_meant: impl Fn(&Browser) -> bool) {
        let silent: Vec<u32> = self.silent_lines.keys().copied().collect();
        for buyer in silent {
            if is_meant(self.crowd.browser(BuyerId(buyer))) {
                self.cut_line(now, BuyerId(buyer));
            }
        }
    }

    /// A request for a node that has fallen silent: on a connection that the edge kept it gets no response; to open another
    /// one takes until the timeout.
    pub(super) fn meet_silent_node(&mut self, now: SimTime, mut call: Call, zone: ZoneId) {
        call.node = zone.0;
        if call.operation != Operation::SocketConnect && self.front.use_stale(zone) {
            return self.hang(now, call, self.patience(call.operation, Step::Connection));
        }
        call.step = Step::Connection;
        call.reply = Reply::Failed(Failure::ConnectTimeout);
        let connect_timeout = self.connect_timeout(call.operation);
        let call = self.calls.insert(call);
        self.wait_until(call, now + connect_timeout);
    }

    /// A connection was not accepted in time: everybody avoids the address until the next lookup, and the request goes to
    /// another one.
    pub(super) fn after_connection(&mut self, now: SimTime, call: CallRef) {
        let Some(mut call) = self.calls.remove(call).filter(|call| !call.is_abandoned) else {
            return;
        };
        call.is_watched = false;
        match self.front.handle_connect_failure(now, ZoneId(call.node)) {
            Some(reached) => self.forward(now, call, reached),
            None => self.deliver(now, &call),
        }
    }

    /// A request that a node forwards to an instance that has fallen silent: on a connection that the node kept it gets no
    /// response; to open another one takes until the timeout.
    pub(super) fn meet_silent_instance(&mut self, now: SimTime, call: Call, instance: u32) {
        let (idle, failure) = self.patience(call.operation, Step::Answer);
        let alb = &self.plan.topology.alb;
        let connect = now.saturating_since(call.sent) + alb.connect_timeout;
        let patience = if self.fleet.of(instance).use_stale() || connect >= idle {
            (idle, failure)
        } else {
            (connect, Failure::Status(504))
        };
        self.hang(now, call, patience);
    }

    /// A socket that was silent until now is given up.
    pub(super) fn handle_silence(&mut self, now: SimTime, buyer: BuyerId) {
        if self.silent_lines.get(&buyer.0) == Some(&now) {
            self.cut_line(now, buyer);
        }
    }

    /// Removes a silent socket from what its instance still sends to.
    pub(super) fn forget_silent_line(&mut self, buyer: BuyerId) {
        self.silent_lines.remove(&buyer.0);
        let browser = self.crowd.browser(buyer);
        let instance = browser.line_instance;
        let rooms = take_rooms(browser);
        let instance = self.fleet.of(instance);
        for room in rooms.into_iter().flatten() {
            let deaf = deaf_in(instance, room);
            *deaf = deaf.saturating_sub(1);
        }
    }

    /// From now on nothing passes through a socket. Both ends believe that it is open.
    fn silence_line(&mut self, now: SimTime, buyer: BuyerId) {
        let given_up_at = self.given_up_at(now, buyer);
        self.set_watching(buyer, false);
        let instance = self.crowd.browser(buyer).line_instance;
        self.settle_messages(instance, now);
        let browser = self.crowd.browser(buyer);
        browser.line = LineState::Silent;
        let rooms = [
            browser.hears_queue.then_some(Room::Queue),
            browser.hears_seats.then_some(Room::Seats),
        ];
        let instance = self.fleet.of(instance);
        // What it was to get is due, and lost.
        instance.outbox.handle_closed(buyer);
        for room in rooms.into_iter().flatten() {
            instance.outbox.handle_left(room);
            instance.handle_deaf(room);
        }
        self.silent_lines.insert(buyer.0, given_up_at);
        self.calendar.enter(given_up_at, Entry::SilenceEnd(buyer.0));
    }

    /// When a socket that falls silent at `now` is given up: the browser misses a ping; before that, a load balancer that
    /// works closes a connection that is idle for too long.
    fn given_up_at(&mut self, now: SimTime, buyer: BuyerId) -> SimTime {
        let server = &self.plan.server;
        // Where a socket is between two pings is as good as random.
        let to_next_ping = server.ping_interval.mul_f64(self.heartbeat.random::<f64>());
        let missed_at = now + to_next_ping + server.ping_timeout;
        let browser = self.crowd.browser(buyer);
        if self.front.is_silent(ZoneId(browser.line_node)) {
            return missed_at;
        }
        let since_ping = server.ping_interval.saturating_sub(to_next_ping);
        let idle_for = if browser.hears_seats {
            Duration::ZERO // Seats are taken all the time.
        } else if browser.hears_queue {
            let since_update: f64 = self.heartbeat.random();
            since_ping.min(self.plan.waiting_room.update_every.mul_f64(since_update))
        } else {
            since_ping
        };
        let idle_timeout = self.plan.topology.alb.idle_timeout;
        missed_at.min(now + idle_timeout.saturating_sub(idle_for))
    }

    /// Lets a request end without a response.
    fn hang(&mut self, now: SimTime, call: Call, (patience, failure): Patience) {
        let hung = Call {
            step: Step::Answer,
            reply: Reply::Failed(failure),
            instance: u32::MAX,
            is_abandoned: false,
            is_watched: false,
            ..call
        };
        let ends_at = (hung.sent + patience).max(now);
        let hung = self.calls.insert(hung);
        self.calendar.enter(ends_at, Entry::Step(hung));
    }
}

/// The rooms that a socket was in; it is in none afterwards.
fn take_rooms(browser: &mut Browser) -> [Option<Room>; 2] {
    let queue = std::mem::take(&mut browser.hears_queue);
    let seats = std::mem::take(&mut browser.hears_seats);
    [queue.then_some(Room::Queue), seats.then_some(Room::Seats)]
}

const fn deaf_in(instance: &mut Instance, room: Room) -> &mut u32 {
    match room {
        Room::Queue => &mut instance.queue_room_deaf,
        Room::Seats => &mut instance.seats_room_deaf,
    }
}
