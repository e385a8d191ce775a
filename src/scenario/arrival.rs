//! How buyers appear over time: an open workload with a closed-form cumulative.
//!
//! A shape is a sum of *parts*, each with an expected number of buyers and a law of arrival with a closed-form
//! cumulative and inverse. So the total is known up front, and instants are drawn by inversion.

use std::time::Duration;

use rand::RngExt;
use rand_distr::Distribution as _;
use serde::{Deserialize, Serialize};

use super::plan::Plan;
use crate::rng::{Stream, Streams};
use crate::units::{Rate, Share, SimTime};

/// One phase of arrivals; phases add up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArrivalPhase {
    /// The shape and its parameters.
    pub shape: Shape,
    /// Whether the planned number comes exactly, or as a Poisson draw around it.
    pub count: Count,
}

/// How many come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Count {
    /// Exactly the planned number.
    Exact,
    /// A Poisson draw with the planned number as mean.
    Poisson,
}

/// The shape of one phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "shape")]
pub enum Shape {
    /// A constant rate.
    Poisson {
        /// Buyers a second.
        rate: Rate,
        /// First instant.
        from: SimTime,
        /// Last instant.
        until: SimTime,
    },
    /// Constant rates one after another.
    Step {
        /// First instant.
        from: SimTime,
        /// Rate and length of each level.
        levels: Vec<Level>,
    },
    /// A rate that grows or falls linearly.
    Ramp {
        /// First instant.
        from: SimTime,
        /// Last instant.
        until: SimTime,
        /// Rate at `from`.
        start_rate: Rate,
        /// Rate at `until`.
        end_rate: Rate,
    },
    /// A linear rise, then an exponential decay towards a base rate; scaled to a number of buyers.
    Flash {
        /// Buyers in the whole flash, the base included.
        buyers: u32,
        /// Start of the rise.
        from: SimTime,
        /// Length of the rise.
        rise: Duration,
        /// Time constant of the decay.
        decay: Duration,
        /// Rate that stays.
        base: Rate,
        /// Last instant.
        until: SimTime,
    },
    /// A crowd that waits for the opening, then an exponential decay.
    Onsale {
        /// Buyers in the whole opening.
        buyers: u32,
        /// The opening.
        opens_at: SimTime,
        /// Part of the crowd that is there before the opening and released with it.
        waiting_before: Share,
        /// How far the released crowd is spread after the opening (people do not click in the same millisecond).
        jitter: Duration,
        /// Time constant of the decay.
        decay: Duration,
        /// Last instant.
        until: SimTime,
    },
}

/// One level of [`Shape::Step`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// Buyers a second.
    pub rate: Rate,
    /// Length of the level.
    pub lasts: Duration,
}

impl ArrivalPhase {
    /// Buyers planned to have come by `at`.
    pub fn planned(&self, at: SimTime) -> f64 {
        let by = at.as_secs_f64();
        let parts = self.shape.parts();
        parts
            .iter()
            .map(|part| part.buyers * part.law.cumulative(by))
            .sum()
    }

    /// Buyers planned in all.
    pub fn total(&self) -> f64 {
        self.shape.parts().iter().map(|part| part.buyers).sum()
    }

    /// When each buyer of the phase comes, in no order.
    fn draw(&self, streams: Streams, phase: u64, arrivals: &mut Vec<SimTime>) {
        let parts = self.shape.parts();
        let mut stream = streams.numbered("arrivals", phase);
        let numbers = match self.count {
            Count::Exact => apportion(&parts),
            Count::Poisson => parts
                .iter()
                .map(|part| poisson(part.buyers, &mut stream))
                .collect(),
        };
        for (part, number) in parts.iter().zip(numbers) {
            arrivals.extend((0..number).map(|_| {
                let share = stream.random::<f64>();
                SimTime::from_secs_f64(part.law.inverse(share))
            }));
        }
    }
}

/// When each buyer of the run comes: the first is [`BuyerId`](crate::units::BuyerId) 0, and so on.
///
/// Deterministic, so that every load worker can draw all of them and take its share.
pub fn arrival_times(plan: &Plan) -> Vec<SimTime> {
    let streams = Streams::new(plan.seed);
    let mut arrivals = Vec::new();
    for (index, phase) in (0..).zip(&plan.arrivals) {
        phase.draw(streams, index, &mut arrivals);
    }
    arrivals.sort_unstable();
    arrivals
}

/// Buyers of a shape that come by one law.
#[derive(Clone, Copy, Debug)]
struct Part {
    /// Expected number.
    buyers: f64,
    law: Law,
}

/// How the buyers of a part are spread over time; instants and lengths in seconds.
#[derive(Clone, Copy, Debug)]
enum Law {
    /// A density that changes linearly from `start` to `end`; only their ratio counts.
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

    /// The part of the buyers that has come by `at`.
    fn cumulative(self, at: f64) -> f64 {
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
                x * (2.0 * start + (end - start) * x) / (start + end)
            }
            Self::Decay { from, length, tau } => {
                let passed = (at - from).clamp(0.0, length);
                (-passed / tau).exp_m1() / (-length / tau).exp_m1()
            }
        }
    }

    /// When the part `share` of the buyers has come: the inverse of [`Self::cumulative`].
    fn inverse(self, share: f64) -> f64 {
        match self {
            Self::Linear {
                from,
                length,
                start,
                end,
            } => {
                // Solves start x + (end - start) x^2 / 2 = share (start + end) / 2 in the form without cancellation.
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
    fn parts(&self) -> Vec<Part> {
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
                let of_base = base.per_second() * length;
                let of_flash = (f64::from(*buyers) - of_base).max(0.0);
                let flash = Flash {
                    from,
                    length,
                    rise: rise.as_secs_f64(),
                    tau: decay.as_secs_f64(),
                };
                let mut parts = flash.parts(of_flash);
                parts.push(Part {
                    buyers: of_base,
                    law: Law::even(from, length),
                });
                parts
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
                let later = Law::Decay {
                    from,
                    length,
                    tau: decay.as_secs_f64(),
                };
                vec![
                    Part {
                        buyers: waiting,
                        law: Law::even(from, jitter.as_secs_f64()),
                    },
                    Part {
                        buyers: f64::from(*buyers) - waiting,
                        law: later,
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

/// A linear rise to a peak, then an exponential decay that begins at the peak's rate.
struct Flash {
    from: f64,
    length: f64,
    rise: f64,
    tau: f64,
}

impl Flash {
    fn parts(&self, buyers: f64) -> Vec<Part> {
        let decay_length = (self.length - self.rise).max(0.0);
        // Areas under a curve whose peak is 1.
        let rise_area = self.rise / 2.0;
        let decay_area = -self.tau * (-decay_length / self.tau).exp_m1();
        let peak = buyers / (rise_area + decay_area);
        let rise = Law::Linear {
            from: self.from,
            length: self.rise,
            start: 0.0,
            end: 1.0,
        };
        let mut parts = vec![Part {
            buyers: peak * rise_area,
            law: rise,
        }];
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

/// Whole numbers of buyers for the parts: their sum is the rounded total, each within one of what was planned.
fn apportion(parts: &[Part]) -> Vec<u64> {
    let mut planned = 0.0;
    let mut given = 0;
    let share = |part: &Part| {
        planned += part.buyers;
        let number = whole(planned) - given;
        given += number;
        number
    };
    parts.iter().map(share).collect()
}

fn poisson(mean: f64, stream: &mut Stream) -> u64 {
    // No law exists for a mean of zero: nobody comes.
    rand_distr::Poisson::new(mean).map_or(0, |law| whole(law.sample(stream)))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers of buyers are not negative and below 2^53"
)]
fn whole(number: f64) -> u64 {
    number.round() as u64
}
