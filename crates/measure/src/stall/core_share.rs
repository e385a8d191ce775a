//! Notices that a thread shares its core with something else until nothing of the core is left. Pure.
//!
//! CPU time alone hides that: a thread that gets half of a core shows 50 %, although it wanted more. The time that it
//! waited on a run queue is what it did not get.

use std::time::Duration;

use super::Lapse;

/// Share of the time in which a thread ran or waited for a core, above which the core counts as full (assumption, the same
/// as for CPU time alone).
pub const DEMAND_MAX: f64 = 0.9;
/// Share of the time that the thread only waited, below which a full core is its own doing (assumption); its own load is
/// judged over the whole run.
const WAITED_MIN: f64 = 0.1;
/// Real time for which the core must be full to be reported (assumption: shorter bursts show up as scheduling delay).
const LASTS_MIN: Duration = Duration::from_secs(3);

/// What a thread has got of a core so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoreUse {
    /// Time on a core.
    pub ran: Duration,
    /// Time on a run queue: it could have run, and did not.
    pub waited: Duration,
}

/// Samples of one thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct CoreShare {
    last: Option<(u64, CoreUse)>,
    /// The stretch of full samples that lasts until now.
    full: Option<Lapse>,
}

impl CoreShare {
    /// Handles a sample. Returns the stretch that ended with it, if it was long enough to be reported.
    pub fn handle_sample(&mut self, at_unix_ns: u64, used: CoreUse) -> Option<Lapse> {
        let (from, before) = self.last.replace((at_unix_ns, used))?;
        let passed = Duration::from_nanos(at_unix_ns.saturating_sub(from));
        if passed.is_zero() {
            return None;
        }
        let share = |now: Duration, then: Duration| {
            now.saturating_sub(then).as_secs_f64() / passed.as_secs_f64()
        };
        let ran = share(used.ran, before.ran);
        let waited = share(used.waited, before.waited);
        if ran + waited < DEMAND_MAX || waited < WAITED_MIN {
            return self.end();
        }
        let began = self.full.map_or(from, |full| full.from_unix_ns);
        self.full = Some(Lapse::between(began, at_unix_ns));
        None
    }

    /// Ends the watch. Returns the stretch in progress, if it was long enough to be reported.
    pub fn end(&mut self) -> Option<Lapse> {
        self.full.take().filter(|full| full.lasted >= LASTS_MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// Feeds one sample per second; each adds `ran` and `waited` milliseconds.
    fn watch(samples: &[(u64, u64)]) -> (Vec<Lapse>, Option<Lapse>) {
        let mut share = CoreShare::default();
        let mut used = CoreUse {
            ran: Duration::ZERO,
            waited: Duration::ZERO,
        };
        share.handle_sample(0, used);
        let mut lapses = Vec::new();
        for (second, &(ran, waited)) in (1..).zip(samples) {
            used.ran += Duration::from_millis(ran);
            used.waited += Duration::from_millis(waited);
            lapses.extend(share.handle_sample(second * SECOND, used));
        }
        let open = share.end();
        (lapses, open)
    }

    #[test]
    fn half_a_core_with_a_neighbor_on_the_other_half_is_reported() {
        let (lapses, open) = watch(&[(50, 5), (460, 540), (460, 540), (460, 540), (50, 5)]);
        assert_eq!(lapses, [Lapse::between(SECOND, 4 * SECOND)]);
        assert_eq!(open, None);
    }

    #[test]
    fn a_full_core_at_the_end_is_reported_too() {
        let (lapses, open) = watch(&[(460, 540); 4]);
        assert_eq!(lapses, []);
        assert_eq!(open, Some(Lapse::between(0, 4 * SECOND)));
    }

    #[test]
    fn own_load_a_short_burst_and_a_neighbor_that_leaves_room_are_not() {
        assert_eq!(watch(&[(990, 10); 10]), (Vec::new(), None));
        assert_eq!(
            watch(&[(460, 540), (460, 540), (50, 5)]),
            (Vec::new(), None)
        );
        assert_eq!(watch(&[(300, 300); 10]), (Vec::new(), None));
    }
}
