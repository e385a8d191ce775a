//! What the fleet knows of stalls: what instances report, which faults explain it, and who has not been heard of.

use super::{Fleet, Server};
use crate::clock::unix_now_ns;
use tiketi_core::units::InstanceId;
use tiketi_measure::stall::{Book, Lapse, Noticed, StallKind, ToolPart};

impl Fleet {
    /// Returns what was noticed so far, and forgets it.
    pub(crate) fn take_stalls(&mut self, now_unix_ns: u64) -> Book {
        let mut stalls = std::mem::take(&mut self.stalls);
        for (&instance, member) in &self.members {
            // An instance that is stopped at this moment has not reported it.
            let heartbeat = match &member.server {
                Server::Awaited => None,
                Server::Thread(_) => member.heartbeat.as_ref(),
                Server::Process(server) => Some(server.process.heartbeat()),
            };
            let overdue = heartbeat.and_then(|heartbeat| heartbeat.overdue(now_unix_ns));
            if let Some(lapse) = overdue {
                let (part, kind) = (ToolPart::Instance(instance), StallKind::Stopped);
                stalls.handle_lapse(part, kind, Noticed::InSupervisor, lapse);
            }
        }
        stalls
    }

    /// Notes that an instance did not run for a while; one that was ended in between does not matter.
    pub(super) fn handle_stall(&mut self, instance: InstanceId, lapse: Lapse) {
        let noticed = match self.members.get(&instance).map(|member| &member.server) {
            Some(Server::Process(_)) => Noticed::BySelf,
            Some(Server::Thread(_)) => Noticed::InSupervisor,
            Some(Server::Awaited) | None => return,
        };
        let (part, kind) = (ToolPart::Instance(instance), StallKind::Stopped);
        self.stalls.handle_lapse(part, kind, noticed, lapse);
    }

    /// Notes that an instance has ended, although nothing ended it.
    pub(super) fn handle_crash(&mut self, instance: InstanceId) {
        self.stalls
            .handle_ended(ToolPart::Instance(instance), unix_now_ns());
    }

    /// Notes that a fault pauses an instance.
    pub(super) fn handle_pause(&mut self, instance: InstanceId) {
        self.stalls
            .handle_fault(ToolPart::Instance(instance), unix_now_ns());
    }

    /// Notes that the fault that paused an instance has ended.
    pub(super) fn handle_resume(&mut self, instance: InstanceId) {
        self.stalls
            .handle_fault_end(ToolPart::Instance(instance), unix_now_ns());
    }
}
