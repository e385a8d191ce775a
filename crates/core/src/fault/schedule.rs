//! When planned faults strike and heal.

use std::collections::VecDeque;

use super::catalog::Fault;
use crate::units::SimTime;

/// The faults of a run, in order of time.
#[derive(Clone, Debug)]
pub struct Schedule {
    strikes: VecDeque<Strike>,
}

/// The beginning or the end of a fault.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Strike {
    /// The fault.
    pub fault: Fault,
    /// Its beginning or its end.
    pub kind: StrikeKind,
}

/// Beginning or end of a fault; ends come first in an order by time, so that a fault can follow another without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StrikeKind {
    /// The fault is over.
    Healed,
    /// The fault begins.
    Struck,
}

impl Strike {
    /// When it was planned; tell the control plane this instant, however late the driver is.
    pub fn at(&self) -> SimTime {
        match self.kind {
            StrikeKind::Struck => self.fault.at,
            StrikeKind::Healed => self.fault.heal_at(),
        }
    }
}

impl Schedule {
    /// Plans the strikes of `faults`. A momentary one never heals; any other that lasts no time breaks nothing.
    pub fn new(faults: &[Fault]) -> Self {
        let kinds = |fault: &Fault| match (fault.action.is_momentary(), fault.lasts.is_zero()) {
            (true, _) => &[StrikeKind::Struck][..],
            (false, false) => &[StrikeKind::Struck, StrikeKind::Healed],
            (false, true) => &[],
        };
        let strikes = |fault: &Fault| {
            let fault = *fault;
            kinds(&fault)
                .iter()
                .map(move |&kind| Strike { fault, kind })
        };
        let mut strikes: Vec<Strike> = faults.iter().flat_map(strikes).collect();
        strikes.sort_by_key(|strike| (strike.at(), strike.kind));
        Self {
            strikes: strikes.into(),
        }
    }

    /// When the next strike is due; `None` if all are over.
    pub fn poll_timeout(&self) -> Option<SimTime> {
        self.strikes.front().map(Strike::at)
    }

    /// The next strike that is due at `now`; call until `None`.
    pub fn poll_due(&mut self, now: SimTime) -> Option<Strike> {
        self.strikes.pop_front_if(|strike| strike.at() <= now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fault::catalog::Action;
    use crate::units::ZoneId;

    fn fault(at: u64, lasts: u64, zone: u8) -> Fault {
        Fault {
            at: SimTime::from_secs(at),
            lasts: Duration::from_secs(lasts),
            action: Action::AzPowerInterruption { zone: ZoneId(zone) },
        }
    }

    #[test]
    fn what_is_momentary_strikes_and_never_heals() {
        let zone = ZoneId(0);
        let fault = Fault {
            at: SimTime::from_secs(40),
            lasts: Duration::ZERO,
            action: Action::TerminateInstances { zone, count: 1 },
        };
        let mut schedule = Schedule::new(&[fault]);
        let strike = schedule.poll_due(fault.at).expect("is due");
        assert_eq!(strike.kind, StrikeKind::Struck);
        assert_eq!(schedule.poll_timeout(), None);
    }

    #[test]
    fn each_fault_strikes_once_and_heals_once_in_order_of_time() {
        let (late, early) = (fault(100, 60, 0), fault(40, 60, 1));
        let mut schedule = Schedule::new(&[late, early]);
        let mut seen = Vec::new();
        while let Some(at) = schedule.poll_timeout() {
            let just_before = SimTime::from_nanos(at.as_nanos() - 1);
            assert_eq!(schedule.poll_due(just_before), None);
            let strike = schedule.poll_due(at).expect("is due");
            seen.push((at.as_secs(), strike.fault == early, strike.kind));
        }
        assert_eq!(
            seen,
            [
                (40, true, StrikeKind::Struck),
                (100, true, StrikeKind::Healed),
                (100, false, StrikeKind::Struck),
                (160, false, StrikeKind::Healed),
            ]
        );
    }
}
