//! Folds observations into frames. Its memory use does not depend on the length of the run.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::series::Tick;
use super::tally::Tally;
use super::ticks::Ticks;
use tiketi_buyer::observation::{
    Call, Learned, LeaveReason, Observation, Outcome, SocketChange, Start,
};
use tiketi_core::units::SimTime;
use tiketi_scenario::Plan;

/// Folds the observations of one load worker.
#[derive(Debug)]
pub struct Recorder {
    /// End of the warm-up: what is judged counts only from here on.
    judged_from: SimTime,
    /// Whether a load generator sends the requests, which can be late.
    has_generator: bool,
    tally: Tally,
    ticks: Ticks,
}

/// Everything a recorder has observed since its last frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    pub(super) tally: Tally,
    /// By scenario second.
    pub(super) ticks: Vec<(u64, Tick)>,
}

impl Recorder {
    /// Creates a recorder for a live run of `plan`.
    pub fn new(plan: &Plan) -> Self {
        Self {
            judged_from: SimTime::ZERO + plan.clock.warmup,
            has_generator: true,
            tally: Tally::default(),
            ticks: Ticks::default(),
        }
    }

    /// Creates a recorder for a simulation of `plan`, which has no load generator: no scheduling delay is recorded.
    pub fn of_simulation(plan: &Plan) -> Self {
        Self {
            has_generator: false,
            ..Self::new(plan)
        }
    }

    /// Records one observation.
    pub fn observe(&mut self, observation: &Observation) {
        match *observation {
            Observation::Arrival {
                intended,
                sent,
                start,
            } => self.observe_arrival(intended, sent, start),
            Observation::Call(ref call) => self.observe_call(call),
            Observation::PageLoad(ref call) => self.observe_page_load(call),
            Observation::Stage { at, stage, is_bot } => {
                self.tally.stages[stage as usize] += 1;
                self.tally.bot_stages[stage as usize] += u64::from(is_bot);
                self.tick(at).stages[stage as usize] += 1;
            }
            Observation::Admitted {
                at,
                waited,
                learned,
            } => {
                self.tally.admissions.count(learned, waited);
                self.tick(at).admitted[learned as usize] += 1;
                if at >= self.judged_from {
                    self.tally.waiting_time.record(waited);
                }
            }
            Observation::AdmittedAtOnce { at } => {
                self.tally.admissions.at_once += 1;
                self.tick(at).admitted[Learned::OnEntry as usize] += 1;
            }
            Observation::Reloaded { .. } => self.tally.reloads += 1,
            // Only a target has sessions that end; its buyers write it down.
            Observation::LoggedOut { .. } => {}
            Observation::Dropped { then, .. } => self.tally.dropped.count(then),
            Observation::Left { at, reason, waited } => {
                // Counts of buyers cover the whole run, warm-up included: every buyer who starts must also end.
                self.tally.left[reason as usize] += 1;
                self.tick(at).left += 1;
                if let (LeaveReason::OutOfPatience, Some(waited)) = (reason, waited)
                    && at >= self.judged_from
                {
                    self.tally.waited_at_abandonment.record(waited);
                }
            }
            // As with buyers, the whole run counts: every poll that was due must have ended in one way or another.
            Observation::Polls(polls) => self.tally.polls.add(polls),
            Observation::Socket { at, change } => self.observe_socket(at, change),
            Observation::Message { at, delay } => self.observe_messages(at, delay, 1),
        }
    }

    /// Records that `receivers` buyers received one message at the same time, `delay` after its publication; `None` if the
    /// message does not carry its publication time.
    pub fn observe_messages(&mut self, at: SimTime, delay: Option<Duration>, receivers: u64) {
        self.tally.messages += receivers;
        self.tick(at).messages += receivers;
        if let (true, Some(delay)) = (at >= self.judged_from, delay) {
            self.tally.fan_out_delay.record_many(delay, receivers);
        }
    }

    /// Returns everything observed since the last frame, and forgets it.
    pub fn take_frame(&mut self) -> Frame {
        Frame {
            tally: std::mem::take(&mut self.tally),
            ticks: self.ticks.take(),
        }
    }

    fn observe_arrival(&mut self, intended: SimTime, sent: SimTime, start: Start) {
        self.tally.arrivals.due += 1;
        match start {
            Start::Started => {
                self.tally.arrivals.started += 1;
                self.tick(intended).started += 1;
                // An arrival that was not sent has no delay.
                if intended >= self.judged_from {
                    self.observe_send(intended, sent);
                }
            }
            Start::Shed => {
                self.tally.arrivals.shed += 1;
                self.tick(intended).shed += 1;
            }
            Start::NoCredential => self.tally.arrivals.without_credential += 1,
        }
    }

    fn observe_call(&mut self, call: &Call) {
        // From when the request was due, not from when it was sent: a slow system delays the next request, and measuring
        // from `sent` would hide that delay (coordinated omission).
        let response_time = call.answered.saturating_since(call.intended);
        self.tick(call.intended).calls_due += 1;
        let tick = self.tick(call.answered);
        tick.response.record(response_time);
        match call.outcome {
            Outcome::Ok => tick.calls_ok += 1,
            Outcome::Refused => tick.calls_refused += 1,
            Outcome::Failed(failure) => {
                tick.calls_failed += 1;
                *tick.failures.entry(failure).or_default() += 1;
            }
        }
        // Traffic is billed from the first byte, so the warm-up counts.
        self.tally.bytes += u64::from(call.bytes);
        // By when it was due, so that the warm-up ends at the same request whatever the speed of the system.
        if call.intended < self.judged_from {
            self.tally.calls_in_warmup += 1;
            return;
        }
        self.observe_send(call.intended, call.sent);
        self.tally.operations[call.operation.index()].record(call);
    }

    fn observe_page_load(&mut self, call: &Call) {
        self.tally.bytes += u64::from(call.bytes);
        if call.intended >= self.judged_from {
            self.observe_send(call.intended, call.sent);
            self.tally.page_loads.record(call);
        }
    }

    fn observe_send(&mut self, intended: SimTime, sent: SimTime) {
        if self.has_generator {
            self.tally.send_lag.record(sent.saturating_since(intended));
        }
    }

    fn observe_socket(&mut self, at: SimTime, change: SocketChange) {
        let sockets = &mut self.tally.sockets;
        let step = match change {
            SocketChange::Connected => {
                sockets.connected += 1;
                1
            }
            SocketChange::Reconnected => {
                sockets.reconnected += 1;
                1
            }
            SocketChange::Closed => {
                sockets.closed += 1;
                -1
            }
            SocketChange::Lost => {
                sockets.lost += 1;
                -1
            }
        };
        let tick = self.tick(at);
        tick.sockets_change += step;
        tick.sockets_lost += u64::from(change == SocketChange::Lost);
    }

    fn tick(&mut self, at: SimTime) -> &mut Tick {
        self.ticks.of(at.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::super::example;
    use super::*;
    use tiketi_scenario::operation::Operation;

    /// A system that is down must not look alive because the edge still answers.
    #[test]
    fn page_loads_at_the_edge_are_no_requests_to_the_system() {
        let plan = example::plan();
        let mut recorder = Recorder::new(&plan);
        let due = SimTime::ZERO + plan.clock.warmup;
        recorder.observe(&Observation::PageLoad(Call {
            operation: Operation::PageLoad,
            intended: due,
            sent: due,
            answered: due + Duration::from_millis(20),
            outcome: Outcome::Ok,
            bytes: 111_000,
        }));
        let frame = recorder.take_frame();
        assert_eq!(frame.tally.calls(), (0, 0));
        assert_eq!(frame.tally.operation(None).calls(), 0);
        assert_eq!(frame.tally.operation(Some(Operation::PageLoad)).ok, 1);
        assert_eq!(frame.tally.bytes, 111_000);
        assert!(frame.ticks.is_empty());
    }

    #[test]
    fn neither_admission_nor_abandonment_in_the_warmup_is_judged() {
        let plan = example::plan();
        let warmup_end = SimTime::ZERO + plan.clock.warmup;
        let second = Duration::from_secs(1);
        let mut recorder = Recorder::new(&plan);
        for at in [SimTime::ZERO + second, warmup_end, warmup_end + second] {
            recorder.observe(&Observation::Admitted {
                at,
                waited: second,
                learned: Learned::Poll,
            });
            recorder.observe(&Observation::Left {
                at,
                reason: LeaveReason::OutOfPatience,
                waited: Some(second),
            });
        }
        let tally = recorder.take_frame().tally;
        assert_eq!(tally.waiting_time.count(), 2);
        assert_eq!(tally.waited_at_abandonment.count(), 2);
        assert_eq!(tally.admissions.of(Learned::Poll).count, 3);
        assert_eq!(
            tally.left_for(LeaveReason::OutOfPatience),
            3,
            "counts cover the whole run"
        );
    }
}
