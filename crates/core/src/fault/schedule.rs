//! When planned faults start and end.

use std::collections::VecDeque;

use super::catalog::Fault;
use crate::units::SimTime;

/// The faults of a run, ordered by time.
#[derive(Clone, Debug)]
pub struct Schedule {
    strikes: VecDeque<Strike>,
}

/// The start or the end of a fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Strike {
    /// The fault.
    pub fault: Fault,
    /// Its start or its end.
    pub kind: StrikeKind,
}

/// Start or end of a fault. At the same instant ends come before starts, so that one fault can directly follow another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StrikeKind {
    /// The fault ends.
    Healed,
    /// The fault starts.
    Struck,
}

impl Strike {
    /// When it was planned. Drivers pass this instant to the control plane even when they are late.
    pub fn at(&self) -> SimTime {
        match self.kind {
            StrikeKind::Struck => self.fault.at,
            StrikeKind::Healed => self.fault.heal_at(),
        }
    }
}

impl Schedule {
    /// Schedules `faults`. A momentary fault has a start only, and so has a command that lasts until it exits; any other that
    /// lasts no time is left out.
    pub fn new<'f>(faults: impl IntoIterator<Item = &'f Fault>) -> Self {
        let kinds = |fault: &Fault| -> &'static [StrikeKind] {
            let kind = fault.action.kind();
            if kind.is_momentary() {
                &[StrikeKind::Struck]
            } else if !fault.lasts.is_zero() {
                &[StrikeKind::Struck, StrikeKind::Healed]
            } else if kind.is_command() {
                &[StrikeKind::Struck]
            } else {
                &[]
            }
        };
        let strikes = |fault: &'f Fault| {
            kinds(fault).iter().map(move |&kind| Strike {
                fault: fault.clone(),
                kind,
            })
        };
        let mut strikes: Vec<Strike> = faults.into_iter().flat_map(strikes).collect();
        strikes.sort_by_key(|strike| (strike.at(), strike.kind));
        Self {
            strikes: strikes.into(),
        }
    }

    /// When the next start or end is due; `None` if none is left.
    pub fn poll_timeout(&self) -> Option<SimTime> {
        self.strikes.front().map(Strike::at)
    }

    /// The next start or end that is due at `now`. Call it until it returns `None`.
    pub fn poll_due(&mut self, now: SimTime) -> Option<Strike> {
        self.strikes.pop_front_if(|strike| strike.at() <= now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fault::catalog::{Action, Connections};
    use crate::units::ZoneId;

    fn fault(at: u64, lasts: u64, zone: u8) -> Fault {
        Fault {
            at: SimTime::from_secs(at),
            lasts: Duration::from_secs(lasts),
            action: Action::AzPowerInterruption {
                zone: ZoneId(zone),
                connections: Connections::Silent,
            },
        }
    }

    #[test]
    fn a_momentary_fault_starts_and_has_no_end() {
        let zone = ZoneId(0);
        let fault = Fault {
            at: SimTime::from_secs(40),
            lasts: Duration::ZERO,
            action: Action::TerminateInstances { zone, count: 1 },
        };
        let mut schedule = Schedule::new(std::slice::from_ref(&fault));
        let strike = schedule.poll_due(fault.at).expect("is due");
        assert_eq!(strike.kind, StrikeKind::Struck);
        assert_eq!(schedule.poll_timeout(), None);
    }

    #[test]
    fn a_command_has_an_end_only_if_the_scenario_says_how_long_it_lasts() {
        let command = |lasts| Fault {
            at: SimTime::from_secs(40),
            lasts: Duration::from_secs(lasts),
            action: Action::Exec {
                name: None,
                run: vec!["true".to_owned()],
                end: Vec::new(),
                timeout: Duration::from_secs(1),
            },
        };
        let kinds = |lasts| {
            let mut schedule = Schedule::new([&command(lasts)]);
            let due = std::iter::from_fn(|| schedule.poll_due(SimTime::from_secs(100)));
            due.map(|strike| strike.kind).collect::<Vec<_>>()
        };
        assert_eq!(kinds(0), [StrikeKind::Struck]);
        assert_eq!(kinds(9), [StrikeKind::Struck, StrikeKind::Healed]);
    }

    #[test]
    fn each_fault_starts_once_and_ends_once_in_order_of_time() {
        let (late, early) = (fault(100, 60, 0), fault(40, 60, 1));
        let mut schedule = Schedule::new([&late, &early]);
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
