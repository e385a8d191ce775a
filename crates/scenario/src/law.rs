//! The closed forms behind the shapes of arrivals: each part has a cumulative distribution and its inverse.

use super::arrival::{Level, Shape};
use tiketi_core::units::SimTime;

/// Buyers of a shape who arrive by one law.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// Expected number.
    pub(super) buyers: f64,
    pub(super) law: Law,
}

/// How the buyers of a part are spread over time. Instants and lengths are in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Law {
    /// A density that changes linearly from `start` to `end`; only their ratio matters.
    Linear {
        from: f64,
        length: f64,
        start: f64,
        end: f64,
    },
    /// A density that decays exponentially, cut off after `length`.
    Decay { from: f64, length: f64, tau: f64 },
}

impl Law {
    const fn even(from: f64, length: f64) -> Self {
        Self::Linear {
            from,
            length,
            start: 1.0,
            end: 1.0,
        }
    }

    /// Share of the buyers who have arrived by `at`.
    pub(super) fn cumulative(self, at: f64) -> f64 {
        match self {
            Self::Linear {
                from,
                length,
                start,
                end,
            } => {
                if length <= 0.0 {
                    return if at >= from { 1.0 } else { 0.0 };
                }
                let x = ((at - from) / length).clamp(0.0, 1.0);
                if start + end <= 0.0 {
                    return x;
                }
                x * (2.0 * start + (end - start) * x) / (start + end)
            }
            Self::Decay { from, length, tau } => {
                let passed = (at - from).clamp(0.0, length);
                (-passed / tau).exp_m1() / (-length / tau).exp_m1()
            }
        }
    }

    /// When this share of the buyers has arrived: the inverse of [`Self::cumulative`].
    pub(super) fn inverse(self, share: f64) -> f64 {
        match self {
            Self::Linear {
                from,
                length,
                start,
                end,
            } => {
                // Solves start x + (end - start) x^2 / 2 = share (start + end) / 2, in the form that avoids cancellation.
                let area = share * (start + end);
                let root = (start * start + (end - start) * area).max(0.0).sqrt();
                let divisor = start + root;
                let x = if divisor > 0.0 { area / divisor } else { 0.0 };
                from + length * x.clamp(0.0, 1.0)
            }
            Self::Decay { from, length, tau } => {
                let passed = -tau * (share * (-length / tau).exp_m1()).ln_1p();
                from + passed.clamp(0.0, length)
            }
        }
    }
}

impl Shape {
    /// The parts that add up to the shape.
    pub(super) fn parts(&self) -> Vec<Part> {
        let window = |from: SimTime, until: SimTime| {
            let length = until.saturating_since(from).as_secs_f64();
            (from.as_secs_f64(), length)
        };
        match self {
            Self::Poisson { rate, from, until } => {
                let (from, length) = window(*from, *until);
                vec![Part {
                    buyers: rate.per_second() * length,
                    law: Law::even(from, length),
                }]
            }
            Self::Step { from, levels } => step_parts(*from, levels),
            Self::Ramp {
                from,
                until,
                start_rate,
                end_rate,
            } => {
                let (from, length) = window(*from, *until);
                let (start, end) = (start_rate.per_second(), end_rate.per_second());
                let law = Law::Linear {
                    from,
                    length,
                    start,
                    end,
                };
                vec![Part {
                    buyers: f64::midpoint(start, end) * length,
                    law,
                }]
            }
            Self::Flash {
                buyers,
                from,
                rise,
                decay,
                base,
                until,
            } => {
                let (from, length) = window(*from, *until);
                let flash = Flash {
                    from,
                    length,
                    rise: rise.as_secs_f64(),
                    tau: decay.as_secs_f64(),
                };
                flash.parts(f64::from(*buyers), base.per_second() * length)
            }
            Self::Onsale {
                buyers,
                opens_at,
                waiting_before,
                jitter,
                decay,
                until,
            } => {
                let (from, length) = window(*opens_at, *until);
                let waiting = f64::from(*buyers) * waiting_before.get();
                let tau = decay.as_secs_f64();
                vec![
                    Part {
                        buyers: waiting,
                        law: Law::even(from, jitter.as_secs_f64()),
                    },
                    Part {
                        buyers: f64::from(*buyers) - waiting,
                        law: Law::Decay { from, length, tau },
                    },
                ]
            }
        }
    }
}

fn step_parts(from: SimTime, levels: &[Level]) -> Vec<Part> {
    let mut start = from.as_secs_f64();
    let part = |level: &Level| {
        let length = level.lasts.as_secs_f64();
        let law = Law::even(start, length);
        start += length;
        Part {
            buyers: level.rate.per_second() * length,
            law,
        }
    };
    levels.iter().map(part).collect()
}

/// A linear rise to a peak, then an exponential decay from there, on top of a constant base.
struct Flash {
    from: f64,
    length: f64,
    rise: f64,
    tau: f64,
}

impl Flash {
    fn parts(&self, buyers: f64, of_base: f64) -> Vec<Part> {
        let decay_length = (self.length - self.rise).max(0.0);
        // Areas under a curve with a peak of 1.
        let rise_area = self.rise / 2.0;
        let decay_area = -self.tau * (-decay_length / self.tau).exp_m1();
        let peak = (buyers - of_base).max(0.0) / (rise_area + decay_area);
        let rise = Law::Linear {
            from: self.from,
            length: self.rise,
            start: 0.0,
            end: 1.0,
        };
        let mut parts = vec![
            Part {
                buyers: of_base,
                law: Law::even(self.from, self.length),
            },
            Part {
                buyers: peak * rise_area,
                law: rise,
            },
        ];
        if decay_length > 0.0 {
            let decay = Law::Decay {
                from: self.from + self.rise,
                length: decay_length,
                tau: self.tau,
            };
            parts.push(Part {
                buyers: peak * decay_area,
                law: decay,
            });
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use tiketi_core::units::Rate;

    #[test]
    fn a_rate_of_zero_plans_no_buyers() {
        let shape = Shape::Ramp {
            from: SimTime::ZERO,
            until: SimTime::from_secs(10),
            start_rate: Rate::default(),
            end_rate: Rate::default(),
        };
        let part = shape.parts()[0];
        assert!((part.buyers * part.law.cumulative(5.0)).abs() < 1e-12);
        assert!(part.law.inverse(0.5).is_finite());
    }

    proptest! {
        #[test]
        fn the_inverse_undoes_the_cumulative(
            from in 0.0..1e4_f64,
            length in 0.01..1e5_f64,
            (start, end) in (0.0..1e3_f64, 0.001..1e3_f64),
            tau in 0.01..1e5_f64,
            share in 0.0..1.0_f64,
        ) {
            let laws = [
                Law::Linear { from, length, start, end },
                Law::Linear { from, length, start: end, end: start },
                Law::Decay { from, length, tau },
            ];
            for law in laws {
                let at = law.inverse(share);
                prop_assert!((from..=from + length).contains(&at), "{law:?}: {at}");
                // Rounding of `at` moves the cumulative by the density at `at`.
                let slack = 1e-9 + 1e-11 * (from + length) * (1.0 / tau + 2.0 / length);
                prop_assert!((law.cumulative(at) - share).abs() < slack, "{law:?} at {share}");
            }
        }
    }
}
