//! CPU credits of a burstable (T3) instance: what it earns, spends, and owes.
//!
//! A credit is one vCPU at full speed for one minute. An instance earns credits all the time, at a rate equal to its
//! *baseline* of all vCPUs together, and accumulates at most 24 hours of earnings. Without credits a `standard` instance
//! is throttled to the baseline; an `unlimited` one continues at full speed and owes *surplus* credits, which later
//! earnings pay back. AWS charges surplus beyond 24 hours of earnings at once, and the rest when the instance ends.
//! (Amazon EC2 User Guide, "Burstable performance instances".)
//!
//! The back end is one Node thread, so work uses at most one vCPU. The operating system's own use is ignored, and so is
//! the boot: it spends what it earns (assumption).

use std::time::Duration;

use tiketi_core::units::SimTime;
use tiketi_scenario::topology::{CreditMode, Instances};

/// How long earnings are kept, and how much surplus may be owed before it is charged.
const KEPT_FOR: Duration = Duration::from_secs(24 * 3_600);

const CREDITS_PER_VCPU_HOUR: f64 = 60.0;

/// The account of one instance.
///
/// All work goes through [`Self::handle_work`], in the order in which the CPU does it.
#[derive(Clone, Debug)]
pub struct CreditAccount {
    /// Credits per second; also the vCPUs that the baseline allows, divided by 60.
    earns: f64,
    mode: CreditMode,
    /// Earnings and spending are recorded up to this time.
    entered_until: SimTime,
    /// In credits; a negative balance is surplus owed.
    balance: f64,
    charged: f64,
}

impl CreditAccount {
    /// Opens the account of an instance that existed before the run, with the earnings of 24 idle hours (assumption);
    /// `None` if its class has no credits.
    pub fn initial(instances: &Instances) -> Option<Self> {
        let mut account = Self::launched(instances, SimTime::ZERO)?;
        account.balance = account.kept_max();
        Some(account)
    }

    /// Opens the account of an instance whose application answers from `now` on: a T3 gets no launch credits. `None`
    /// if its class has no credits.
    pub fn launched(instances: &Instances, now: SimTime) -> Option<Self> {
        Some(Self {
            earns: instances.class.credits_per_hour()? / 3_600.0,
            mode: instances.credits,
            entered_until: now,
            balance: 0.0,
            charged: 0.0,
        })
    }

    /// Records work that takes one vCPU `work` at full speed and starts at `start`. Returns how long it takes: longer if
    /// the credits of a standard instance run out.
    ///
    /// Work must be recorded in order, and must not start before the previous work is done.
    pub fn handle_work(&mut self, start: SimTime, work: Duration) -> Duration {
        self.earn_until(start);
        let taken = self.time_for(work);
        let seconds = taken.as_secs_f64();
        let spent = work.as_secs_f64() / 60.0;
        self.balance += self.earns * seconds - spent;
        self.entered_until += taken;
        match self.mode {
            // A negative balance here is a rounding error.
            CreditMode::Standard => self.balance = self.balance.max(0.0),
            CreditMode::Unlimited => self.charge_beyond(self.kept_max()),
        }
        taken
    }

    /// Ends the instance: the surplus it owes is charged.
    pub fn handle_end(&mut self, now: SimTime) {
        self.earn_until(now);
        self.charge_beyond(0.0);
    }

    /// Returns the relative speed of work that starts at `now`: 1, or the baseline of a standard instance without credits
    /// (0.4 for a t3.medium).
    pub fn speed(&self, now: SimTime) -> f64 {
        match self.mode {
            CreditMode::Unlimited => 1.0,
            CreditMode::Standard if self.balance_at(now) > 0.0 => 1.0,
            CreditMode::Standard => self.baseline(),
        }
    }

    /// Returns the credits at `now`; a negative balance is surplus owed.
    pub fn balance(&self, now: SimTime) -> f64 {
        self.balance_at(now)
    }

    /// Returns the surplus charged so far, in vCPU-hours.
    pub const fn surplus_charged(&self) -> f64 {
        self.charged / CREDITS_PER_VCPU_HOUR
    }

    /// Full speed while the balance lasts, then the baseline.
    fn time_for(&self, work: Duration) -> Duration {
        let baseline = self.baseline();
        if self.mode == CreditMode::Unlimited || baseline >= 1.0 {
            return work;
        }
        // It keeps earning while it works, so the balance falls by the difference of the two rates.
        let lasts = self.balance / (1.0 / 60.0 - self.earns);
        let rest = work.as_secs_f64() - lasts;
        if rest <= 0.0 {
            return work;
        }
        Duration::from_secs_f64(lasts + rest / baseline)
    }

    fn earn_until(&mut self, now: SimTime) {
        self.balance = self.balance_at(now);
        self.entered_until = self.entered_until.max(now);
    }

    fn balance_at(&self, now: SimTime) -> f64 {
        let idle = now.saturating_since(self.entered_until).as_secs_f64();
        (self.balance + self.earns * idle).min(self.kept_max())
    }

    fn charge_beyond(&mut self, owed_max: f64) {
        let beyond = -self.balance - owed_max;
        if beyond > 0.0 {
            self.charged += beyond;
            self.balance += beyond;
        }
    }

    /// The number of vCPUs at full speed that the earnings pay for.
    fn baseline(&self) -> f64 {
        self.earns * 60.0
    }

    fn kept_max(&self) -> f64 {
        self.earns * KEPT_FOR.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use tiketi_core::instance_class::InstanceClass;
    use tiketi_station::Profile;

    use super::*;

    fn instances(class: InstanceClass, credits: CreditMode) -> Instances {
        Instances {
            class,
            credits,
            profile: Profile::native(),
            initial: vec![1],
        }
    }

    fn launched(credits: CreditMode) -> CreditAccount {
        CreditAccount::launched(&instances(InstanceClass::T3Medium, credits), SimTime::ZERO)
            .expect("a T3 has credits")
    }

    /// Keeps the vCPU busy for `minutes`, one piece of work after the other; returns the minutes it took.
    fn busy_for(account: &mut CreditAccount, from: SimTime, minutes: u64) -> f64 {
        const PIECE: Duration = Duration::from_millis(100);
        let mut now = from;
        for _ in 0..minutes * 600 {
            now += account.handle_work(now, PIECE);
        }
        (now - from).as_secs_f64() / 60.0
    }

    fn is_near(value: f64, wanted: f64) -> bool {
        (value - wanted).abs() < 1e-6
    }

    #[test]
    fn an_instance_keeps_the_credits_of_a_day() {
        for (class, cap) in [
            (InstanceClass::T3Micro, 288.0),
            (InstanceClass::T3Small, 576.0),
            (InstanceClass::T3Medium, 576.0),
            (InstanceClass::T3Large, 864.0),
            (InstanceClass::T3Xlarge, 2_304.0),
            (InstanceClass::T32xlarge, 4_608.0),
        ] {
            let instances = instances(class, CreditMode::Standard);
            let account = CreditAccount::initial(&instances).expect("a T3 has credits");
            assert!(is_near(account.balance(SimTime::ZERO), cap), "{class}");
            assert!(is_near(account.balance(SimTime::from_secs(86_400)), cap));
        }
        let fixed = instances(InstanceClass::M5Large, CreditMode::Standard);
        assert!(CreditAccount::initial(&fixed).is_none());
    }

    #[test]
    fn one_thread_never_exhausts_the_credits_of_an_xlarge() {
        let instances = instances(InstanceClass::T3Xlarge, CreditMode::Standard);
        let mut account = CreditAccount::launched(&instances, SimTime::ZERO).expect("a T3");
        assert!(is_near(busy_for(&mut account, SimTime::ZERO, 100), 100.0));
        let end = SimTime::from_secs(6_000);
        assert!(
            is_near(account.balance(end), 60.0),
            "earns 1.6, spends 1 per minute"
        );
    }

    #[test]
    fn a_new_standard_instance_works_at_the_baseline_almost_at_once() {
        let mut account = launched(CreditMode::Standard);
        // Five idle minutes earn two credits; at full speed they last 2 / (1 - 0.4) minutes.
        let start = SimTime::from_secs(300);
        assert!(is_near(account.balance(start), 2.0));
        assert!(is_near(account.speed(start), 1.0));
        let lasts = 2.0 / 0.6;
        let taken = busy_for(&mut account, start, 10);
        assert!(
            is_near(taken, lasts + (10.0 - lasts) / 0.4),
            "{taken} minutes"
        );
        let end = SimTime::from_secs_f64(300.0 + taken * 60.0);
        assert!(account.balance(end) < 1e-6);
        assert!(is_near(account.surplus_charged(), 0.0));
    }

    #[test]
    fn one_long_piece_of_work_takes_as_long_as_many_short_ones() {
        let start = SimTime::from_secs(300);
        let mut whole = launched(CreditMode::Standard);
        let mut cut = launched(CreditMode::Standard);
        let taken = whole.handle_work(start, Duration::from_secs(600));
        assert!(is_near(
            taken.as_secs_f64() / 60.0,
            busy_for(&mut cut, start, 10)
        ));
    }

    #[test]
    fn an_instance_with_credits_runs_at_full_speed_for_hours() {
        let instances = instances(InstanceClass::T3Medium, CreditMode::Standard);
        let mut account = CreditAccount::initial(&instances).expect("a T3 has credits");
        assert!(is_near(busy_for(&mut account, SimTime::ZERO, 900), 900.0));
        // 576 credits at a loss of 0.6 a minute last 960 minutes.
        let taken = busy_for(&mut account, SimTime::from_secs(900 * 60), 100);
        assert!(is_near(taken, 60.0 + 40.0 / 0.4), "{taken} minutes");
    }

    #[test]
    fn an_unlimited_instance_keeps_its_speed_and_is_charged_what_it_owes_when_it_ends() {
        let mut account = launched(CreditMode::Unlimited);
        assert!(is_near(busy_for(&mut account, SimTime::ZERO, 10), 10.0));
        let end = SimTime::from_secs(600);
        assert!(is_near(account.balance(end), -6.0), "10 spent, 4 earned");
        assert!(is_near(account.surplus_charged(), 0.0), "not yet");
        account.handle_end(end);
        assert!(is_near(account.surplus_charged(), 0.1));
        account.handle_end(end);
        assert!(is_near(account.surplus_charged(), 0.1), "charged once");
    }

    #[test]
    fn idle_time_pays_the_surplus_back() {
        let mut account = launched(CreditMode::Unlimited);
        busy_for(&mut account, SimTime::ZERO, 10);
        account.handle_end(SimTime::from_secs(600 + 15 * 60));
        assert!(is_near(account.surplus_charged(), 0.0));
    }

    #[test]
    fn surplus_beyond_a_day_of_earnings_is_charged_while_the_instance_runs() {
        let mut account = launched(CreditMode::Unlimited);
        busy_for(&mut account, SimTime::ZERO, 1_000);
        // 600 owed, of which a day earns 576.
        assert!((account.surplus_charged() - 24.0 / 60.0).abs() < 1e-3);
    }

    #[test]
    fn a_piece_of_work_is_not_paid_for_by_later_earnings() {
        let mut account = launched(CreditMode::Standard);
        let taken = account.handle_work(SimTime::ZERO, Duration::from_millis(4));
        assert_eq!(taken, Duration::from_millis(10));
        let idle = account.balance(SimTime::from_secs(60));
        assert!(is_near(idle, 0.4 * 59.99 / 60.0), "{idle}");
    }
}
