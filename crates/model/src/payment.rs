//! Calls of instances out of the VPC: the attempts of a payment, and what is done after its answer.
//!
//! ```text
//! payment ─▶ attempt ─▶ path? provider? in time? ─▶ commit ─▶ charge, receipt (errands, with attempts of their own)
//!               ▲ pause ◀──────────── no ┘
//! ```

use std::time::Duration;

use super::calls::{Call, CallRef, Reply, Step};
use super::entry::Entry;
use super::world::World;
use tiketi_buyer::observation::Failure;
use tiketi_core::units::{SimTime, ZoneId};
use tiketi_measure::ending::ChargeFacts;
use tiketi_network::{Destination, Network, Party, Path, Refusal};
use tiketi_outbound::bytes::{self, Exchange};
use tiketi_outbound::{Decision, NotCharged};

/// Something that an instance does in the background after a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Errand {
    what: What,
    instance: u32,
    reservation: u32,
    /// Attempts so far.
    made: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// Charges the buyer.
    Capture,
    /// Gives up the authorization.
    Void,
    /// Uploads the receipt to S3.
    Receipt,
}

/// Errands that wait for their next attempt, in slots that are reused.
#[derive(Debug, Default)]
pub(super) struct Errands {
    slots: Vec<Option<Errand>>,
}

impl Errands {
    fn insert(&mut self, errand: Errand) -> u32 {
        // Few wait at a time: only while something outside is broken.
        let free = self.slots.iter().position(Option::is_none);
        let slot = free.unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[slot] = Some(errand);
        u32::try_from(slot).expect("fewer errands than payments")
    }

    fn take(&mut self, slot: u32) -> Option<Errand> {
        self.slots.get_mut(slot as usize)?.take()
    }
}

impl World<'_> {
    /// How long a payment in progress keeps its seat: the longest time at the provider and two waits for the database.
    pub(super) fn payment_grace(&self) -> Duration {
        self.plan.provider.calls().longest() + 2 * self.plan.topology.database.pool_connect_timeout
    }

    /// Starts an attempt to have a payment authorized.
    pub(super) fn ask_provider(&mut self, now: SimTime, call: CallRef, open: &Call) {
        let zone = self.fleet.of(open.instance).zone;
        let path = self.call_out(now, zone, Destination::Provider);
        let gives_up_at = now + self.plan.provider.timeout;
        let step = match path {
            Ok(path) => {
                let bytes = bytes::provider_call();
                self.count_bytes((zone, Destination::Provider), path, bytes);
                let draw = self.plan.provider.draw(&mut self.provider_draws);
                let payment = (open.subject, open.subject);
                let answer = self.provider.handle_authorize(now, payment, draw);
                if answer.at > gives_up_at {
                    (Step::NoProvider, gives_up_at)
                } else {
                    let step = match answer.decision {
                        Decision::Authorized => Step::Provider,
                        Decision::Declined => Step::Declined,
                        Decision::Failed => Step::NoProvider,
                    };
                    (step, answer.at)
                }
            }
            Err(_) => (Step::NoProvider, gives_up_at),
        };
        let attempt = self.calls.find(call).expect("the caller has it");
        attempt.attempts += 1;
        attempt.path = path.ok();
        attempt.gives_up_at = gives_up_at;
        self.step_at(call, step.0, step.1);
    }

    /// The provider has answered. If the way has changed meanwhile, the answer does not arrive.
    pub(super) fn after_provider(&mut self, now: SimTime, call: CallRef, open: &Call) {
        let zone = self.fleet.of(open.instance).zone;
        if self.way_out(zone, Destination::Provider).ok() != open.path {
            return self.step_at(call, Step::NoProvider, open.gives_up_at.max(now));
        }
        if open.step == Step::Declined {
            return self.answer(now, call, Reply::Refused);
        }
        self.ask_database(now, call, Step::Commit);
    }

    /// An attempt has failed: there is another one after a pause, or none.
    pub(super) fn without_provider(&mut self, now: SimTime, call: CallRef, open: &Call) {
        match self.plan.provider.calls().pause_after(open.attempts) {
            Some(pause) => self.step_at(call, Step::ProviderPause, now + pause),
            None => self.answer(now, call, Reply::Failed(Failure::Status(502))),
        }
    }

    /// Commits to the charge and the receipt of a paid order; both happen in the background.
    pub(super) fn after_payment(&mut self, now: SimTime, open: &Call) {
        self.start_errand(now, What::Capture, open);
        if self.plan.server.receipt_bytes > 0 {
            self.start_errand(now, What::Receipt, open);
        }
    }

    /// Charges an order that was paid before: the instance that committed it may have ended before it could.
    pub(super) fn charge_again(&mut self, now: SimTime, open: &Call) {
        self.start_errand(now, What::Capture, open);
    }

    /// Gives up the authorization of a payment whose order was refused.
    pub(super) fn give_up_payment(&mut self, now: SimTime, open: &Call) {
        self.start_errand(now, What::Void, open);
    }

    fn start_errand(&mut self, now: SimTime, what: What, open: &Call) {
        let errand = Errand {
            what,
            instance: open.instance,
            reservation: open.subject,
            made: 0,
        };
        self.attempt_errand(now, errand);
    }

    /// Makes the next attempt of an errand that has waited for it.
    pub(super) fn handle_errand(&mut self, now: SimTime, slot: u32) {
        if let Some(errand) = self.errands.take(slot) {
            self.attempt_errand(now, errand);
        }
    }

    fn attempt_errand(&mut self, now: SimTime, mut errand: Errand) {
        // What an instance has not done when it ends is not done.
        let instance = self.fleet.find(errand.instance);
        let Some(zone) = instance.filter(|one| !one.is_gone()).map(|one| one.zone) else {
            return;
        };
        if let Some(until) = self.fleet.paused_until(now, errand.instance) {
            return self.postpone(until, errand);
        }
        let failed_at = match self.do_errand(now, zone, errand) {
            Outcome::Done => return,
            Outcome::Rejected => now,
            Outcome::Silence => now + self.plan.provider.timeout,
        };
        errand.made += 1;
        if let Some(pause) = self.plan.provider.calls().pause_after(errand.made) {
            self.postpone(failed_at + pause, errand);
        }
    }

    fn postpone(&mut self, at: SimTime, errand: Errand) {
        let slot = self.errands.insert(errand);
        self.calendar.enter(at, Entry::Errand(slot));
    }

    fn do_errand(&mut self, now: SimTime, zone: ZoneId, errand: Errand) -> Outcome {
        let (to, exchange) = match errand.what {
            What::Capture | What::Void => (Destination::Provider, bytes::provider_call()),
            What::Receipt => {
                let size = u64::from(self.plan.server.receipt_bytes);
                (Destination::S3, bytes::upload(size))
            }
        };
        let Ok(path) = self.call_out(now, zone, to) else {
            return Outcome::Silence;
        };
        self.count_bytes((zone, to), path, exchange);
        match errand.what {
            What::Receipt => self.outbound.handle_upload(),
            What::Void if self.provider.is_down() => return Outcome::Rejected,
            What::Void => self.provider.ledger_mut().void(&errand.reservation),
            What::Capture => {
                return match self.provider.handle_capture(&errand.reservation) {
                    Ok(()) => Outcome::Done,
                    Err(NotCharged::Down | NotCharged::NotAuthorized) => Outcome::Rejected,
                };
            }
        }
        Outcome::Done
    }

    /// Looks up the way of a call, and notes the attempt.
    fn call_out(&mut self, now: SimTime, zone: ZoneId, to: Destination) -> Result<Path, Refusal> {
        let path = self.way_out(zone, to);
        self.outbound.handle_call(now, (zone, to), path);
        path
    }

    fn way_out(&self, zone: ZoneId, to: Destination) -> Result<Path, Refusal> {
        let network = Network::without(&self.plan.topology, &self.cloud.lost);
        network.path(Party::Instance(zone), to.party())
    }

    fn count_bytes(&mut self, call: (ZoneId, Destination), path: Path, exchange: Exchange) {
        let bytes = (exchange.out, exchange.back);
        self.outbound.handle_bytes(call, path, bytes);
    }

    /// Settles the payments of all paid orders, and compares both.
    pub(super) fn settle_payments(&mut self) -> ChargeFacts {
        let orders: Vec<u32> = self.seats.orders().map(|order| order.0).collect();
        let ledger = self.provider.ledger_mut();
        ledger.settle(&orders);
        ledger.facts(orders.iter().map(|order| (*order, *order)))
    }
}

/// How an attempt of an errand ended.
enum Outcome {
    Done,
    /// The other end has rejected it.
    Rejected,
    /// Nothing was heard.
    Silence,
}
