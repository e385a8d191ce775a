//! The path of a request through the system: load balancer, CPU, Redis, database, payment provider.
//!
//! ```text
//! send ─▶ CPU ─┬─▶ Redis ─┬─▶ response                             queue check, status, leave; a cached show
//!              │          └─▶ database ─▶ response                 a show that is not cached; the seat list
//!              │                       └─▶ announce ─▶ response    a reservation
//!              ├─▶ database ─▶ provider ─▶ commit ─▶ announce ─▶ response      a payment
//!              └─▶ response                                        opening a socket; over the rate limit
//! ```
//!
//! The steps are those of the reference server's handlers, and a step that fails gives the response that they give. Two rules
//! always apply. An effect happens at the instant its step ends, so what is lost with an instance is exactly what it had
//! not finished. And a buyer who gives up does not stop the server: the request runs to its end, and its response is
//! dropped.

use std::time::Duration;

use super::buyers::is_idempotent;
use super::calls::{Call, CallRef, Reply, Step};
use super::entry::Entry;
use super::front::Reached;
use super::paths::REQUEST_BYTES;
use super::tier::{Cached, SHOW};
use super::world::World;
use tiketi_buyer::observation::Failure;
use tiketi_core::units::{BuyerId, DataTierPart, InstanceId, SimTime, ZoneId};
use tiketi_data_tier::{
    Asked, Begun, Done, Place, QueueState, ReservationNumber, SeatNumber, Transaction,
};
use tiketi_scenario::operation::Operation;
use tiketi_scenario::topology::Way;

const BAD_GATEWAY: Reply = Reply::Failed(Failure::Status(502));
const UNAVAILABLE: Reply = Reply::Failed(Failure::Status(503));
const FORBIDDEN: Reply = Reply::Failed(Failure::Status(403));

impl World<'_> {
    /// Sends a request of a buyer that was due at `intended`.
    pub(super) fn send(
        &mut self,
        now: SimTime,
        buyer: BuyerId,
        about: (Operation, u32),
        intended: SimTime,
    ) {
        let call = Call::new(now, buyer, about, intended);
        if let Some(call) = self.leave_home(now, call) {
            self.send_on(now, call);
        }
    }

    /// Sends a request that has left its buyer.
    pub(super) fn send_on(&mut self, now: SimTime, call: Call) {
        match self.way(call.operation) {
            Way::Direct => self.send_to_load_balancer(now, call),
            Way::Through | Way::Room => self.send_to_edge(now, call),
        }
    }

    /// Sends a request to the load balancer, from the buyer or from an edge location.
    pub(super) fn send_to_load_balancer(&mut self, now: SimTime, call: Call) {
        self.look_up_load_balancer(now);
        match self.front.node(now) {
            Some(Reached::Nothing { until }) => self.wait_for_name(now, call, until),
            Some(reached) => self.forward(now, call, reached),
            None => self.refuse(now, call),
        }
    }

    /// Takes a request on from what its connection has reached.
    pub(super) fn forward(&mut self, now: SimTime, call: Call, reached: Reached) {
        match reached {
            Reached::Node(zone) if self.paths.are_clear() => self.reach_node(now, call, zone),
            Reached::Node(zone) => self.travel_to_node(now, call, zone),
            Reached::Silence(zone) => self.meet_silent_node(now, call, zone),
            Reached::Nothing { until } => self.wait_for_name(now, call, until),
        }
    }

    /// A node forwards a request that has arrived. The request may end here: no target is registered, or nothing listens
    /// there.
    pub(super) fn reach_node(&mut self, now: SimTime, mut call: Call, node: ZoneId) {
        call.node = node.0;
        let (buyer, operation) = (call.buyer, call.operation);
        self.traffic.handle_request(REQUEST_BYTES);
        let cookie = self.crowd.browser(buyer).cookie;
        let Some(route) = self.front.route(now, node, cookie) else {
            call.reply = UNAVAILABLE;
            return self.refuse(now, call);
        };
        call.cookie = route.cookie;
        let number = route.instance.0;
        let time = self.service.time(operation);
        let Some(instance) = self
            .fleet
            .find(number)
            .filter(|instance| instance.listens(now))
        else {
            // The target is still booting, or it is gone and the health checks have not noticed.
            if self.fleet.find(number).is_some_and(|one| one.is_silent()) {
                return self.meet_silent_instance(now, call, number);
            }
            call.reply = BAD_GATEWAY;
            return self.refuse(now, call);
        };
        call.instance = number;
        call.step = Step::Processor;
        instance.handle_call();
        let zone = instance.zone;
        if zone != node {
            self.traffic.handle_crossing(REQUEST_BYTES);
            if !self.paths.are_clear() {
                let late = self.way_to_instance(&call, zone);
                call.step = Step::ToInstance;
                let call = self.calls.insert(call);
                return self.wait_until(call, now + late);
            }
        }
        // The CPU is first come, first served, so the end of the work is known on arrival, and no queue has to be kept.
        let done_at = instance.book(now, time);
        let call = self.calls.insert(call);
        self.wait_until(call, done_at);
    }

    /// Ends a request that reaches no instance: the load balancer responds, or nothing does.
    fn refuse(&mut self, now: SimTime, call: Call) {
        let way_back = if call.reply == Reply::Failed(Failure::ConnectRefused) {
            Duration::ZERO
        } else {
            self.way_back(&call)
        };
        let latency = self.service.latency(call.operation) + way_back;
        let call = self.calls.insert(call);
        self.calendar.enter(now + latency, Entry::Step(call));
    }

    /// Ends the current step of a request.
    pub(super) fn handle_step(&mut self, now: SimTime, call: CallRef) {
        // The request may have been cut in the meantime, together with its instance or node.
        let Some(&mut open) = self.calls.find(call) else {
            return;
        };
        if open.step == Step::Home {
            return self.after_home(now, call);
        }
        if let Some(until) = self.fleet.paused_until(now, open.instance) {
            // The stopped process takes note of it when it continues.
            return self.wait_until(call, until);
        }
        match open.step {
            Step::Access => self.after_access(now, call),
            Step::SiteName => self.after_site_lookup(now, call),
            Step::Edge => self.after_way_to_edge(now, call),
            Step::Name => self.after_name(now, call),
            Step::Connection => self.after_connection(now, call),
            Step::ToNode => self.after_way_to_node(now, call),
            Step::ToInstance => self.after_way_to_instance(now, call, &open),
            Step::Processor => self.after_processor(now, call, &open),
            Step::Cache => self.after_cache(now, call, &open),
            Step::NoCache => self.without_cache(now, call, &open),
            Step::Provider | Step::Declined => self.after_provider(now, call, &open),
            Step::NoProvider => self.without_provider(now, call, &open),
            Step::ProviderPause => self.ask_provider(now, call, &open),
            Step::Announce => self.after_announce(now, call, &open),
            Step::Answer | Step::Home => self.end_call(now, call),
            Step::Database | Step::Commit => {
                unreachable!("the database ends these steps through its own entry")
            }
        }
    }

    fn after_processor(&mut self, now: SimTime, call: CallRef, open: &Call) {
        if let Some(wait) = self.over_the_rate(now, open) {
            return self.answer(now, call, Reply::TooMany(wait));
        }
        if !self.is_admitted(now, open) {
            return self.answer(now, call, FORBIDDEN);
        }
        // The numbers of Redis commands are those of the handlers. They take time on its single thread, which is all that
        // matters here; what they do happens in `after_cache`.
        let commands = match open.operation {
            Operation::SocketConnect => return self.answer(now, call, Reply::Done),
            Operation::PaymentProcess => return self.ask_database(now, call, Step::Database),
            // The pass says that the buyer is admitted, and Redis does not know the slot.
            Operation::SeatList | Operation::SeatReserve if self.touch_at_edge(now, open.buyer) => {
                return self.ask_database(now, call, Step::Database);
            }
            Operation::PageLoad | Operation::ShowList | Operation::ShowDetail => 1,
            Operation::SeatList | Operation::SeatReserve => 1,
            Operation::QueueLeave => 2,
            Operation::QueueStatus => 2,
            Operation::QueueCheck => 3,
        };
        if self.is_far(open, self.cloud.primaries.zone(DataTierPart::Redis)) {
            self.traffic.handle_far_redis();
        }
        let late = match self.trips_to_redis(open, commands) {
            Ok(late) => late,
            Err(given_up) => return self.step_at(call, Step::NoCache, now + given_up),
        };
        match self.redis.ask(now, commands) {
            Asked::Done(at) => self.step_at(call, Step::Cache, at + late),
            Asked::Silent(gives_up_at) => self.step_at(call, Step::NoCache, gives_up_at),
            Asked::Down => self.without_cache(now, call, open),
        }
    }

    /// Continues without Redis, which does not answer. Requests that only read the cache or renew a slot do without it; those
    /// about the queue fail, because the queue is only there.
    fn without_cache(&mut self, now: SimTime, call: CallRef, open: &Call) {
        match open.operation {
            Operation::QueueCheck | Operation::QueueStatus | Operation::QueueLeave => {
                self.answer(now, call, UNAVAILABLE);
            }
            Operation::PageLoad
            | Operation::ShowList
            | Operation::ShowDetail
            | Operation::SeatList
            | Operation::SeatReserve
            | Operation::SocketConnect
            | Operation::PaymentProcess => self.ask_database(now, call, Step::Database),
        }
    }

    fn after_cache(&mut self, now: SimTime, call: CallRef, open: &Call) {
        let buyer = open.buyer;
        match open.operation {
            Operation::QueueCheck => {
                let reply = match self.redis.enter(now, SHOW, buyer) {
                    Ok(Place::Active) => Reply::Admitted,
                    Ok(Place::Waiting) => Reply::Queued,
                    Err(_) => UNAVAILABLE,
                };
                self.answer(now, call, reply);
            }
            Operation::QueueStatus => {
                let reply = match self.redis.status(now, SHOW, buyer) {
                    Ok(QueueState::Waiting) => Reply::Queued,
                    // By the API contract a buyer who is not waiting may enter, whether admitted or unknown.
                    Ok(state @ (QueueState::Active | QueueState::Unknown)) => {
                        let _ = self.redis.touch(now, SHOW, buyer);
                        if state == QueueState::Active {
                            Reply::Admitted
                        } else {
                            Reply::Dropped
                        }
                    }
                    Err(_) => UNAVAILABLE,
                };
                self.answer(now, call, reply);
            }
            Operation::QueueLeave => {
                let reply = self
                    .redis
                    .leave(now, SHOW, buyer)
                    .map_or(UNAVAILABLE, |()| Reply::Done);
                self.answer(now, call, reply);
            }
            Operation::PageLoad | Operation::ShowList => {
                self.after_lookup(now, call, Cached::ShowList);
            }
            Operation::ShowDetail => self.after_lookup(now, call, Cached::ShowDetail),
            Operation::SeatList | Operation::SeatReserve => {
                // If renewing the slot fails, the request goes on: the database decides about the seat.
                let _ = self.redis.touch(now, SHOW, buyer);
                self.ask_database(now, call, Step::Database);
            }
            Operation::SocketConnect | Operation::PaymentProcess => {
                unreachable!("neither asks Redis first")
            }
        }
    }

    fn after_lookup(&mut self, now: SimTime, call: CallRef, what: Cached) {
        if let Ok(Some(&version)) = self.redis.cached(now, &what) {
            match what {
                Cached::ShowDetail => self.seats.handle_cached_read(now, version),
                // The list does not say how many tickets are left.
                Cached::ShowList => {}
            }
            self.answer(now, call, Reply::Done);
        } else {
            self.ask_database(now, call, Step::Database);
        }
    }

    /// Requests the transaction that the request needs in this step.
    pub(super) fn ask_database(&mut self, now: SimTime, call: CallRef, step: Step) {
        let open = self.calls.find(call).expect("the caller has it");
        open.step = step;
        let (operation, instance, subject) = (open.operation, open.instance, open.subject);
        let asked = *open;
        self.count_query(&asked);
        // Unlike at other stations, the end of this step is not known in advance: a connection may have to be waited for, the
        // cores are shared, and the primary may be lost. So the timeout is always scheduled.
        self.watch(call);
        let transaction = match operation {
            Operation::SeatReserve => Transaction::Write {
                seat: Some(SeatNumber(subject)),
            },
            Operation::PaymentProcess => Transaction::Write { seat: None },
            _ => Transaction::Read,
        };
        let travel = self.trips_to_database(&asked, transaction);
        self.database.handle_distant_request(
            now,
            InstanceId(instance),
            call.slot(),
            (transaction, travel),
        );
        self.handle_database(now);
    }

    /// Handles what the database has finished, and schedules what it does next.
    pub(super) fn handle_database(&mut self, now: SimTime) {
        if self.database_due.is_some_and(|due| due <= now) {
            self.database_due = None;
        }
        self.database.handle_timeout(now);
        while let Some((slot, done)) = self.database.poll_done() {
            if let Some(call) = self.calls.in_slot(slot) {
                self.after_database(now, call, done);
            }
        }
        if let Some(due) = self.database.poll_timeout()
            && self.database_due.is_none_or(|entered| due < entered)
        {
            // Entries cannot be moved, so an earlier one is added, and the later one finds nothing to do.
            self.database_due = Some(due);
            self.calendar.enter(due.max(now), Entry::Database);
        }
    }

    fn after_database(&mut self, now: SimTime, call: CallRef, done: Done) {
        let Some(&mut open) = self.calls.find(call) else {
            return;
        };
        // No connection in time or none left, or the primary was lost: the handler responds with 503.
        if done != Done::Ok {
            return self.answer(now, call, UNAVAILABLE);
        }
        let buyer = open.buyer;
        match (open.operation, open.step) {
            (Operation::SeatReserve, _) => {
                let seat = SeatNumber(open.subject);
                let length = self.plan.show.hold;
                match self.seats.hold(now, (buyer, seat), length) {
                    Ok(reservation) => {
                        self.schedule_hold_end(now);
                        self.announce(now, call, Reply::Held(reservation.0));
                    }
                    Err(_) => self.answer(now, call, Reply::Refused),
                }
            }
            (Operation::PaymentProcess, Step::Database) => {
                let reservation = ReservationNumber(open.subject);
                // The hold must not expire while the payment is on its way.
                let grace = self.payment_grace();
                match self.seats.begin_payment(now, (buyer, reservation), grace) {
                    Ok(Begun::Open) => self.ask_provider(now, call, &open),
                    Ok(Begun::PaidBefore) => {
                        self.charge_again(now, &open);
                        self.answer(now, call, Reply::Paid);
                    }
                    Err(_) => self.answer(now, call, Reply::Refused),
                }
            }
            // The second transaction, after the provider has confirmed. The grace has kept the hold until now, unless a
            // failover has undone it.
            (Operation::PaymentProcess, _) => {
                let reservation = ReservationNumber(open.subject);
                match self.seats.commit_payment(now, buyer, reservation) {
                    Ok(()) => {
                        self.after_payment(now, &open);
                        self.finish_at_edge(now, buyer);
                        self.announce(now, call, Reply::Paid);
                    }
                    Err(_) => {
                        self.give_up_payment(now, &open);
                        self.answer(now, call, Reply::Refused);
                    }
                }
            }
            (Operation::SeatList, _) => self.answer(now, call, Reply::Seats),
            (Operation::ShowDetail, _) => {
                self.fill_cache(now, Cached::ShowDetail);
                self.answer(now, call, Reply::Done);
            }
            _ => {
                self.fill_cache(now, Cached::ShowList);
                self.answer(now, call, Reply::Done);
            }
        }
    }

    /// Caches what the database has answered, if Redis accepts it.
    fn fill_cache(&mut self, now: SimTime, what: Cached) {
        let server = &self.plan.server;
        let ttl = match what {
            Cached::ShowList => server.show_list_ttl,
            Cached::ShowDetail => server.show_detail_ttl,
        };
        let version = self.seats.stock_version();
        let _ = self.redis.store(now, (what, ttl), version);
    }

    /// Announces through Redis what was committed: the cached show is invalidated, the seat is published to the sockets, and a
    /// paid buyer's shopping slot is freed. If Redis is down, the commit stands and only the announcement is missing.
    fn announce(&mut self, now: SimTime, call: CallRef, reply: Reply) {
        let open = self.calls.find(call).expect("the caller has it");
        open.reply = reply;
        let asking = *open;
        let late = match self.trips_to_redis(&asking, 2) {
            Ok(late) => late,
            Err(given_up) => return self.step_at(call, Step::Answer, now + given_up),
        };
        match self.redis.ask(now, 2) {
            Asked::Done(at) => self.step_at(call, Step::Announce, at + late),
            Asked::Silent(gives_up_at) => self.step_at(call, Step::Answer, gives_up_at),
            Asked::Down => self.answer(now, call, reply),
        }
    }

    fn after_announce(&mut self, now: SimTime, call: CallRef, open: &Call) {
        let _ = self.redis.invalidate(now, &Cached::ShowDetail);
        self.announce_seat_taken(now);
        if open.reply == Reply::Paid {
            let _ = self.redis.leave(now, SHOW, open.buyer);
        }
        self.answer(now, call, open.reply);
    }

    /// Sends the response, which leaves the instance at `now`.
    pub(super) fn answer(&mut self, now: SimTime, call: CallRef, reply: Reply) {
        let Some(open) = self.calls.find(call) else {
            return;
        };
        open.reply = reply;
        open.step = Step::Answer;
        let answered = *open;
        let instance = answered.instance;
        let latency = self.service.latency(answered.operation) + self.way_back(&answered);
        // A paused instance passes nothing on, even if another part of the system has answered in the meantime.
        let leaves_at = self.fleet.paused_until(now, instance).unwrap_or(now);
        // An entry for this very instant would only take space in the calendar.
        if leaves_at == now && latency.is_zero() {
            return self.end_call(now, call);
        }
        self.wait_until(call, leaves_at + latency);
    }

    /// Ends a request: its response arrives, whether or not the buyer still waits for it.
    fn end_call(&mut self, now: SimTime, call: CallRef) {
        let Some(ended) = self.calls.remove(call) else {
            return;
        };
        if ended.instance != u32::MAX {
            let bytes = u64::from(self.service.answer_bytes(ended.operation));
            self.traffic.handle_answer(bytes);
            let instance = self.fleet.of(ended.instance);
            instance.calls -= 1;
            instance.requests += 1;
            if instance.zone != ZoneId(ended.node) {
                self.traffic.handle_crossing(bytes);
            }
            if !ended.is_abandoned && ended.cookie.is_some() {
                self.crowd.browser(ended.buyer).cookie = ended.cookie;
            }
        }
        self.deliver(now, &ended);
        if ended.instance != u32::MAX {
            self.handle_connection_gone(now, ended.instance);
        }
    }

    /// Ends a request at once because its instance or node is gone.
    pub(super) fn cut_call(&mut self, now: SimTime, call: CallRef, failure: Failure) {
        let Some(mut cut) = self.calls.remove(call) else {
            return;
        };
        if cut.instance != u32::MAX {
            self.fleet.of(cut.instance).calls -= 1;
        }
        cut.reply = Reply::Failed(failure);
        self.deliver(now, &cut);
    }

    pub(super) fn step_at(&mut self, call: CallRef, step: Step, at: SimTime) {
        let open = self.calls.find(call).expect("the caller has it");
        open.step = step;
        self.wait_until(call, at);
    }

    /// Returns the seconds to wait if the buyer is over the rate limit; `None` if not, or if there is no limit.
    fn over_the_rate(&mut self, now: SimTime, open: &Call) -> Option<u32> {
        let limit = self.plan.server.rate_limit?;
        if open.operation == Operation::SocketConnect {
            return None;
        }
        // Where Redis cannot count, nobody is turned away.
        let counted = self.redis.count_request(now, open.buyer, limit);
        let wait = counted.ok().flatten()?;
        Some(u32::try_from(wait.as_secs() + 1).expect("a window is a minute"))
    }

    /// Meters the traffic of a query that crosses zones, and the replication of a write.
    fn count_query(&mut self, open: &Call) {
        if self.is_far(open, self.cloud.primaries.zone(DataTierPart::Database)) {
            let bytes = self.service.answer_bytes(open.operation);
            self.traffic.handle_far_database(u64::from(bytes));
        }
        if !is_idempotent(open.operation) {
            let is_replicated = self.plan.topology.database.standby.is_some();
            self.traffic.handle_commit(is_replicated);
        }
    }

    /// Returns whether a request is served in another zone than this one.
    fn is_far(&mut self, open: &Call, zone: ZoneId) -> bool {
        self.fleet.of(open.instance).zone != zone
    }
}
