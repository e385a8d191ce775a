//! What the system does with a call, step by step: load balancer, processor, Redis, database, payment provider.
//!
//! The steps are those of the reference server's handlers, and so is the response when a step fails.
//!
//! A call has one entry in the calendar at a time: the end of its current step. What a step does to Redis, the database or
//! the seats happens at that instant, not when the step begins. So two calls that overlap see each other's effects in the
//! order in which the real servers would make them.

use std::time::Duration;

use rand::RngExt;

use super::buyers::is_idempotent;
use super::calls::{Call, CallRef, Reply, Step};
use super::entry::Entry;
use super::tier::{Cached, SHOW};
use super::world::World;
use tiketi_buyer::observation::Failure;
use tiketi_core::units::{BuyerId, InstanceId, SimTime, ZoneId};
use tiketi_data_tier::{
    Asked, Begun, Done, Place, QueueState, ReservationNumber, SeatNumber, Transaction,
};
use tiketi_scenario::operation::Operation;

/// The payment provider takes 0.5 to 1.5 s [contract].
const PROVIDER_MS: std::ops::Range<u64> = 500..1_500;
/// Time until a payment fails because the provider cannot be reached: the connect timeout of the back end's HTTP client
/// [assumption].
const PROVIDER_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of a buyer's request with its headers [assumption].
const REQUEST_BYTES: u64 = 700;

const BAD_GATEWAY: Reply = Reply::Failed(Failure::Status(502));
const UNAVAILABLE: Reply = Reply::Failed(Failure::Status(503));

impl World<'_> {
    /// Sends a buyer's call, which was due at `intended`.
    pub(super) fn send(
        &mut self,
        now: SimTime,
        buyer: BuyerId,
        (operation, subject): (Operation, u32),
        intended: SimTime,
    ) {
        let mut call = Call {
            buyer,
            operation,
            step: Step::Answer,
            reply: Reply::Failed(Failure::ConnectRefused),
            node: 0,
            instance: u32::MAX,
            subject,
            intended,
            sent: now,
            is_abandoned: false,
            is_watched: false,
        };
        let Some(node) = self.front.node(now) else {
            return self.refuse(now, call);
        };
        call.node = node.0;
        self.traffic.handle_request(REQUEST_BYTES);
        let cookie = self.crowd.browser(buyer).cookie;
        let Some(route) = self.front.route(now, node, cookie) else {
            call.reply = UNAVAILABLE;
            return self.refuse(now, call);
        };
        self.crowd.browser(buyer).cookie = route.cookie.or(cookie);
        let number = route.instance.0;
        let time = self.service.time(operation);
        let Some(instance) = self
            .fleet
            .find(number)
            .filter(|instance| instance.listens(now))
        else {
            // Nothing listens there: the instance still boots, or it is gone and the health checks have not noticed yet.
            call.reply = BAD_GATEWAY;
            return self.refuse(now, call);
        };
        call.instance = number;
        call.step = Step::Processor;
        instance.calls += 1;
        if instance.zone != node {
            self.traffic.handle_crossing(REQUEST_BYTES);
        }
        let done_at = instance.book(now, time);
        let call = self.calls.insert(call);
        self.wait_until(call, done_at);
    }

    /// Ends a call that reached no instance: the load balancer answers, or the connection is refused.
    fn refuse(&mut self, now: SimTime, call: Call) {
        let latency = self.service.latency(call.operation);
        let call = self.calls.insert(call);
        self.calendar.enter(now + latency, Entry::Step(call));
    }

    /// Handles the end of a call's current step.
    pub(super) fn handle_step(&mut self, now: SimTime, call: CallRef) {
        let Some(&mut open) = self.calls.find(call) else {
            return;
        };
        if let Some(until) = self.fleet.paused_until(now, open.instance) {
            // A paused process handles the result when it resumes.
            return self.wait_until(call, until);
        }
        match open.step {
            Step::Processor => self.after_processor(now, call, &open),
            Step::Cache => self.after_cache(now, call, &open),
            Step::NoCache => self.without_cache(now, call, &open),
            Step::Provider => self.ask_database(now, call, Step::Commit),
            Step::Announce => self.after_announce(now, call, &open),
            Step::Answer => self.end_call(now, call),
            Step::Database | Step::Commit => {
                unreachable!("the database tells its end through its own entry")
            }
        }
    }

    fn after_processor(&mut self, now: SimTime, call: CallRef, open: &Call) {
        if let Some(wait) = self.over_the_rate(now, open) {
            return self.answer(now, call, Reply::TooMany(wait));
        }
        let commands = match open.operation {
            Operation::SocketConnect => return self.answer(now, call, Reply::Done),
            Operation::PaymentProcess => return self.ask_database(now, call, Step::Database),
            Operation::PageLoad | Operation::ShowList | Operation::ShowDetail => 1,
            Operation::SeatList | Operation::SeatReserve => 1,
            Operation::QueueLeave => 2,
            Operation::QueueStatus => 2,
            Operation::QueueCheck => 3,
        };
        if self.is_far(open, self.cloud.redis_zone) {
            self.traffic.handle_far_redis();
        }
        match self.redis.ask(now, commands) {
            Asked::Done(at) => self.step_at(call, Step::Cache, at),
            Asked::Silent(gives_up_at) => self.step_at(call, Step::NoCache, gives_up_at),
            Asked::Down => self.without_cache(now, call, open),
        }
    }

    /// Continues without Redis: calls that only read the cache or renew a place go to the database; the queue fails.
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
                    // By the contract, `queued` is false for every buyer who is not in the line, admitted or unknown.
                    Ok(QueueState::Active | QueueState::Unknown) => {
                        let _ = self.redis.touch(now, SHOW, buyer);
                        Reply::Admitted
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
                // A failed renewal of the place must not stop a sale.
                let _ = self.redis.touch(now, SHOW, buyer);
                self.ask_database(now, call, Step::Database);
            }
            Operation::SocketConnect | Operation::PaymentProcess => {
                unreachable!("neither asks Redis first")
            }
        }
    }

    fn after_lookup(&mut self, now: SimTime, call: CallRef, what: Cached) {
        if let Ok(Some(())) = self.redis.cached(now, &what) {
            self.answer(now, call, Reply::Done);
        } else {
            self.ask_database(now, call, Step::Database);
        }
    }

    /// Starts the database transaction that the call needs in this step.
    fn ask_database(&mut self, now: SimTime, call: CallRef, step: Step) {
        let open = self.calls.find(call).expect("the caller has it");
        open.step = step;
        let (operation, instance, subject) = (open.operation, open.instance, open.subject);
        let asked = *open;
        self.count_query(&asked);
        // Its end is unknown: all connections may be busy, or the writer lost. So the call needs an entry for its timeout now.
        self.watch(call);
        let transaction = match operation {
            Operation::SeatReserve => Transaction::Write {
                seat: Some(SeatNumber(subject)),
            },
            Operation::PaymentProcess => Transaction::Write { seat: None },
            _ => Transaction::Read,
        };
        self.database
            .handle_request(now, InstanceId(instance), call.slot(), transaction);
        self.handle_database(now);
    }

    /// Advances the database to `now`, handles the transactions that ended, and enters its next event.
    ///
    /// The database keeps its own order of events; the calendar has one entry for the earliest. An entry that was overtaken
    /// by an earlier one stays and does no harm: the database then has nothing to do.
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
            self.database_due = Some(due);
            self.calendar.enter(due.max(now), Entry::Database);
        }
    }

    fn after_database(&mut self, now: SimTime, call: CallRef, done: Done) {
        let Some(&mut open) = self.calls.find(call) else {
            return;
        };
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
                let grace = Duration::from_millis(PROVIDER_MS.end)
                    + 2 * self.plan.topology.database.pool_connect_timeout;
                match self.seats.begin_payment(now, (buyer, reservation), grace) {
                    Ok(Begun::Open) => self.ask_provider(now, call, &open),
                    Ok(Begun::PaidBefore) => self.answer(now, call, Reply::Paid),
                    Err(_) => self.answer(now, call, Reply::Refused),
                }
            }
            (Operation::PaymentProcess, _) => {
                let reservation = ReservationNumber(open.subject);
                match self.seats.commit_payment(now, buyer, reservation) {
                    Ok(()) => self.announce(now, call, Reply::Paid),
                    Err(_) => self.answer(now, call, Reply::Refused),
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

    /// Caches a response of the database, if Redis accepts the write.
    fn fill_cache(&mut self, now: SimTime, what: Cached) {
        let server = &self.plan.server;
        let ttl = match what {
            Cached::ShowList => server.show_list_ttl,
            Cached::ShowDetail => server.show_detail_ttl,
        };
        let _ = self.redis.store(now, (what, ttl), ());
    }

    /// Calls the payment provider through the NAT gateway of the instance's zone, or of the first zone that has one.
    fn ask_provider(&mut self, now: SimTime, call: CallRef, open: &Call) {
        let zone = self.fleet.of(open.instance).zone;
        let Some(way_out) = self.cloud.way_out(zone) else {
            let open = self.calls.find(call).expect("the caller has it");
            open.reply = BAD_GATEWAY;
            return self.step_at(call, Step::Answer, now + PROVIDER_CONNECT_TIMEOUT);
        };
        self.traffic.handle_payment(way_out != zone);
        let takes = Duration::from_millis(self.provider.random_range(PROVIDER_MS));
        self.step_at(call, Step::Provider, now + takes);
    }

    /// Publishes a committed sale through Redis: drops the cached stock, informs the sockets, gives the active place back.
    /// If Redis fails, the sale stays committed and the buyer still gets the response.
    fn announce(&mut self, now: SimTime, call: CallRef, reply: Reply) {
        let open = self.calls.find(call).expect("the caller has it");
        open.reply = reply;
        match self.redis.ask(now, 2) {
            Asked::Done(at) => self.step_at(call, Step::Announce, at),
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

    /// Sends the response; it leaves the instance at `now`, or when a paused process resumes.
    fn answer(&mut self, now: SimTime, call: CallRef, reply: Reply) {
        let Some(open) = self.calls.find(call) else {
            return;
        };
        open.reply = reply;
        open.step = Step::Answer;
        let operation = open.operation;
        let instance = open.instance;
        let latency = self.service.latency(operation);
        // The database has answered, but a paused process cannot pass the response on.
        let leaves_at = self.fleet.paused_until(now, instance).unwrap_or(now);
        if leaves_at == now && latency.is_zero() {
            return self.end_call(now, call);
        }
        self.wait_until(call, leaves_at + latency);
    }

    /// Ends a call: its response arrives, unless the buyer has given up.
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
        }
        self.deliver(now, &ended);
        if ended.instance != u32::MAX {
            self.handle_connection_gone(now, ended.instance);
        }
    }

    /// Ends a call whose instance or load-balancer node is gone.
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

    fn step_at(&mut self, call: CallRef, step: Step, at: SimTime) {
        let open = self.calls.find(call).expect("the caller has it");
        open.step = step;
        self.wait_until(call, at);
    }

    /// Enters the end of a step, and the buyer's timeout if that comes first.
    ///
    /// Most calls end long before their timeout. Entering every timeout would double the calendar.
    fn wait_until(&mut self, call: CallRef, at: SimTime) {
        let open = self.calls.find(call).expect("the caller has it");
        if at > open.sent + self.plan.buyers.call_timeout {
            self.watch(call);
        }
        self.calendar.enter(at, Entry::Step(call));
    }

    fn watch(&mut self, call: CallRef) {
        let open = self.calls.find(call).expect("the caller has it");
        if !open.is_watched && !open.is_abandoned {
            open.is_watched = true;
            let overdue = open.sent + self.plan.buyers.call_timeout;
            self.calendar.enter(overdue, Entry::Overdue(call));
        }
    }

    fn over_the_rate(&mut self, now: SimTime, open: &Call) -> Option<u32> {
        let limit = self.plan.server.rate_limit?;
        if open.operation == Operation::SocketConnect {
            return None;
        }
        // If Redis cannot count, nobody is rejected.
        let counted = self.redis.count_request(now, open.buyer, limit);
        let wait = counted.ok().flatten()?;
        Some(u32::try_from(wait.as_secs() + 1).expect("a window is a minute"))
    }

    fn count_query(&mut self, open: &Call) {
        if self.is_far(open, self.cloud.database_zone) {
            let bytes = self.service.answer_bytes(open.operation);
            self.traffic.handle_far_database(u64::from(bytes));
        }
        if !is_idempotent(open.operation) {
            let is_replicated = self.plan.topology.database.standby.is_some();
            self.traffic.handle_commit(is_replicated);
        }
    }

    fn is_far(&mut self, open: &Call, zone: ZoneId) -> bool {
        self.fleet.of(open.instance).zone != zone
    }
}
