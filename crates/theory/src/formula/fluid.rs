//! Fluid limits: the average behavior of many buyers. The relative error of one run shrinks with the square root of the
//! scale (Newell, *Applications of Queueing Theory*, 1971).

use super::Births;

/// Buyers who arrive at the rate base + extra e^(-t / tau) and are served at a constant rate between base and base + extra.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spike {
    /// The arrival rate.
    pub(crate) births: Births,
    /// Service rate, per second.
    pub(crate) drain: f64,
}

impl Spike {
    /// Returns when the queue is longest: when the arrival rate has fallen to the service rate, at tau ln(A / (μ - b)).
    pub(crate) fn peak_at(self) -> f64 {
        self.births.tau * (self.births.extra / (self.drain - self.births.base)).ln()
    }

    /// Returns the queue length at `t`, as long as it is positive: A tau (1 - e^(-t / tau)) - (μ - b) t.
    pub(crate) fn waiting_at(self, t: f64) -> f64 {
        let Births { base, extra, tau } = self.births;
        -extra * tau * (-t / tau).exp_m1() - (self.drain - base) * t
    }

    /// Returns the longest wait, which is that of an arrival at the peak.
    pub(crate) fn longest_wait(self) -> f64 {
        self.waiting_at(self.peak_at()) / self.drain
    }

    /// Returns when the queue is empty: the root of `waiting_at` after the peak, by bisection.
    pub(crate) fn clear_at(self) -> f64 {
        let Births { base, extra, tau } = self.births;
        let (mut early, mut late) = (self.peak_at(), extra * tau / (self.drain - base));
        // Each step halves the bracket; 100 steps exceed the precision of a float.
        for _ in 0..100 {
            let middle = f64::midpoint(early, late);
            if self.waiting_at(middle) > 0.0 {
                early = middle;
            } else {
                late = middle;
            }
        }
        early
    }
}

/// Buyers who arrive at once, give up at the rate theta each, and are served at a constant rate: q' = -θ q - μ.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Burst {
    /// Number of buyers.
    pub(crate) buyers: f64,
    /// Mean patience, in seconds.
    pub(crate) patience: f64,
    /// Service rate, per second.
    pub(crate) drain: f64,
}

impl Burst {
    /// Returns when nobody is left: ln(1 + θ q0 / μ) / θ.
    pub(crate) fn empty_at(self) -> f64 {
        (self.buyers / (self.patience * self.drain)).ln_1p() * self.patience
    }

    /// Returns the share that gives up, which is everybody who was not served until then.
    pub(crate) fn gave_up(self) -> f64 {
        1.0 - self.drain * self.empty_at() / self.buyers
    }
}

/// A constant load on a fleet that grows in steps, all before the backlog is cleared.
#[derive(Clone, Debug)]
pub(crate) struct Steps {
    /// Arrivals per second.
    pub(crate) arrival_rate: f64,
    /// Jobs per second that one instance can serve.
    pub(crate) service_rate: f64,
    /// Start times, in seconds, ascending from 0, and the number of instances from then on.
    pub(crate) fleet: Vec<(f64, f64)>,
}

impl Steps {
    /// Returns the largest backlog and when it is cleared; `None` if it never is, or before the last step. The backlog is
    /// piecewise linear.
    pub(crate) fn backlog(&self) -> Option<(f64, f64)> {
        let growth = |instances: f64| self.arrival_rate - self.service_rate * instances;
        let (mut backlog, mut peak) = (0.0_f64, 0.0_f64);
        for step in self.fleet.windows(2) {
            backlog += growth(step[0].1) * (step[1].0 - step[0].0);
            peak = peak.max(backlog);
            if backlog <= 0.0 {
                return None;
            }
        }
        let &(since, instances) = self.fleet.last()?;
        let shrinking = -growth(instances);
        (shrinking > 0.0 && backlog > 0.0).then(|| (peak, since + backlog / shrinking))
    }
}
