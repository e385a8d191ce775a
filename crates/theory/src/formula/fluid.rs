//! Fluid limits: the average behavior of many buyers. The relative error of one run shrinks with the square root of the
//! scale (Newell, *Applications of Queueing Theory*, 1971).
//!
//! With finitely many buyers the mean differs from the limit. Of a maximum this *bias* is of a lower order than the noise of one run,
//! but it does not average out: chance can only add to the largest queue. Arrivals are Poisson and service times constant, so the
//! variance of the queue grows with the number of arrivals.

use super::Births;
use crate::case::Limit;

/// Mean of the maximum of W(t) - t²/2 over all t, where W is a two-sided Brownian motion (Daniels and Skyrme, *The maximum of a
/// random walk whose mean path has a maximum*, Advances in Applied Probability 17, 1985).
const PARABOLA_MAX: f64 = 0.996_193;

/// Buyers who arrive at the rate base + extra e^(-t / tau) and are served at a constant rate between base and base + extra.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spike {
    /// The arrival rate.
    pub(crate) births: Births,
    /// Service rate, per second.
    pub(crate) drain: f64,
}

impl Spike {
    /// Returns the time of the peak at `scale`. The path around it is a parabola in the leading order, so the place of its maximum
    /// has no bias; the next term is of the order of its variance over tau.
    pub(crate) fn peak_at_limit(self, scale: f64) -> Limit {
        let variance = (self.drain / self.bend().powi(2) / scale).powf(2.0 / 3.0);
        Limit {
            value: self.peak_at(),
            bias: 0.0,
            within: variance / self.births.tau + 1.0 / (self.drain * scale),
        }
    }

    /// Returns the queue at the peak at `scale`. The bias is the mean maximum of a Brownian motion with parabolic drift.
    pub(crate) fn peak_limit(self, scale: f64) -> Limit {
        let bias = PARABOLA_MAX * (self.drain.powi(2) / self.bend() / scale.powi(2)).cbrt();
        Limit {
            value: self.waiting_at(self.peak_at()),
            bias,
            // One buyer, and the terms after the leading one, which are smaller by the same factor of the scale.
            within: 1.0 / scale + 0.1 * bias,
        }
    }

    /// Returns the longest wait at `scale`.
    pub(crate) fn longest_wait_limit(self, scale: f64) -> Limit {
        let peak = self.peak_limit(scale);
        Limit {
            value: self.longest_wait(),
            bias: peak.bias / self.drain,
            within: peak.within / self.drain,
        }
    }

    /// Returns when the queue is empty at `scale`. The noise has mean 0 at that time, so only the curvature of the path biases it.
    pub(crate) fn clear_at_limit(self, scale: f64) -> Limit {
        let Births { base, extra, tau } = self.births;
        let clear_at = self.clear_at();
        let decayed = extra * (-clear_at / tau).exp();
        let slope = self.drain - base - decayed;
        let variance = self.drain * clear_at / scale / slope.powi(2);
        let bias = -0.5 * decayed / tau * variance / slope;
        Limit {
            value: clear_at,
            bias,
            within: bias.abs() + 1.0 / (self.drain * scale),
        }
    }

    /// Returns how fast the arrival rate falls at the peak, in buyers per second squared.
    fn bend(self) -> f64 {
        (self.drain - self.births.base) / self.births.tau
    }

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

    /// Returns when nobody is left at `scale`. Without bias is e^(θ T), which the path is linear in; so T has that of a logarithm.
    pub(crate) fn empty_at_limit(self, scale: f64) -> Limit {
        let (theta, end) = (1.0 / self.patience, self.empty_at());
        // The variance of T: the integral of e^(2θ (s - T)) θ q(s) over the time until then, divided by μ². With
        // q(s) = (μ / θ) (e^(θ (T - s)) - 1) it is elementary.
        let decay = (-theta * end).exp();
        let variance = (0.5 * (1.0 - decay).powi(2)) / (theta * self.drain) / scale;
        Limit {
            value: end,
            bias: -0.5 * theta * variance,
            // The last service, and the first, which starts without a wait.
            within: 2.0 / (self.drain * scale),
        }
    }

    /// Returns the share that gives up at `scale`.
    pub(crate) fn gave_up_limit(self, scale: f64) -> Limit {
        let empty_at = self.empty_at_limit(scale);
        Limit {
            value: self.gave_up(),
            bias: -self.drain * empty_at.bias / self.buyers,
            within: self.drain * empty_at.within / self.buyers,
        }
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
    /// Returns the largest backlog and when it is cleared, at `scale`; `None` as for [`Self::backlog`].
    ///
    /// The peak is a corner of the path. Chance adds the larger of two maxima, of the path before the corner and of that after it;
    /// each is exponential with the rate 2 |drift| / variance.
    pub(crate) fn backlog_limits(&self, scale: f64) -> Option<(Limit, Limit)> {
        let (peak, clear_at) = self.backlog()?;
        let drift = |instances: f64| (self.arrival_rate - self.service_rate * instances).abs();
        let corner = self
            .fleet
            .windows(2)
            .find(|step| self.arrival_rate <= self.service_rate * step[1].1)?;
        let (before, after) = (corner[0].1, corner[1].1);
        let rates = [before, after].map(|instances| 2.0 * drift(instances) / self.arrival_rate);
        let larger = 1.0 / rates[0] + 1.0 / rates[1] - 1.0 / (rates[0] + rates[1]);
        let &(_, last) = self.fleet.last()?;
        Some((
            Limit {
                value: peak,
                bias: if larger.is_finite() {
                    larger / scale
                } else {
                    0.0
                },
                // Jobs in service are part of the limit's backlog, but do not wait.
                within: before / scale,
            },
            Limit {
                value: clear_at,
                bias: 0.0,
                within: last / (drift(last) * scale),
            },
        ))
    }

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
