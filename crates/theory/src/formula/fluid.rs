//! Fluid limits: what a large crowd does on average. The relative error of one run shrinks with the square root of the
//! scale (Newell, *Applications of Queueing Theory*, 1971).

use super::Births;

/// A crowd that comes at the rate base + extra e^(-t / tau) and is drained at a constant rate between the two.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spike {
    /// Who comes.
    pub(crate) births: Births,
    /// Drained, a second.
    pub(crate) drain: f64,
}

impl Spike {
    /// When most wait: the arrival rate has fallen to the drain, at tau ln(A / (μ - b)).
    pub(crate) fn peak_at(self) -> f64 {
        self.births.tau * (self.births.extra / (self.drain - self.births.base)).ln()
    }

    /// How many wait at `t`, while any do: A tau (1 - e^(-t / tau)) - (μ - b) t.
    pub(crate) fn waiting_at(self, t: f64) -> f64 {
        let Births { base, extra, tau } = self.births;
        -extra * tau * (-t / tau).exp_m1() - (self.drain - base) * t
    }

    /// The longest wait: that of who comes at the peak.
    pub(crate) fn longest_wait(self) -> f64 {
        self.waiting_at(self.peak_at()) / self.drain
    }

    /// When nobody waits any more: the root of `waiting_at` beyond the peak, by bisection.
    pub(crate) fn clear_at(self) -> f64 {
        let Births { base, extra, tau } = self.births;
        let (mut early, mut late) = (self.peak_at(), extra * tau / (self.drain - base));
        // Each step halves the bracket: more than the digits of a float.
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

/// A crowd that is there at once, loses its patience at the rate theta each, and is drained at a constant rate:
/// q' = -θ q - μ.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Burst {
    /// The crowd.
    pub(crate) buyers: f64,
    /// Mean patience, seconds.
    pub(crate) patience: f64,
    /// Drained, a second.
    pub(crate) drain: f64,
}

impl Burst {
    /// When nobody is left: ln(1 + θ q0 / μ) / θ.
    pub(crate) fn empty_at(self) -> f64 {
        (self.buyers / (self.patience * self.drain)).ln_1p() * self.patience
    }

    /// The share that gives up: whoever was not drained until then.
    pub(crate) fn gave_up(self) -> f64 {
        1.0 - self.drain * self.empty_at() / self.buyers
    }
}

/// A constant load on a fleet that grows in steps, all of them before the backlog is gone.
#[derive(Clone, Debug)]
pub(crate) struct Steps {
    /// Arrivals a second.
    pub(crate) arrival_rate: f64,
    /// What one instance does a second.
    pub(crate) service_rate: f64,
    /// From when on (seconds, ascending from 0) how many instances serve.
    pub(crate) fleet: Vec<(f64, f64)>,
}

impl Steps {
    /// The greatest backlog, and when it is gone: a sum of straight lines. `None` if it never is, or is gone before the
    /// last step.
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
