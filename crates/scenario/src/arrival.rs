//! How buyers appear over time: an open workload with a closed-form cumulative.
//!
//! A shape is a sum of *parts*, each with an expected number of buyers and a law of arrival with a closed-form
//! cumulative and inverse. So the total is known up front, and instants are drawn by inversion.

use std::time::Duration;

use rand::RngExt;
use rand_distr::Distribution as _;
use serde::{Deserialize, Serialize};

use super::law::Part;
use super::plan::Plan;
use tiketi_core::rng::{Stream, Streams};
use tiketi_core::units::{Rate, Share, SimTime};

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

/// When each buyer of the run comes: the first is [`BuyerId`](tiketi_core::units::BuyerId) 0, and so on.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(per_second: f64) -> Rate {
        Rate::try_from(per_second).unwrap()
    }

    /// One phase of each shape, all from 10 s on.
    fn shapes() -> Vec<Shape> {
        let (from, until) = (SimTime::from_secs(10), SimTime::from_secs(310));
        vec![
            Shape::Poisson {
                rate: rate(10.0),
                from,
                until,
            },
            Shape::Step {
                from,
                levels: [(2.0, 100), (20.0, 50), (0.0, 50), (5.0, 100)]
                    .map(|(per_second, seconds)| Level {
                        rate: rate(per_second),
                        lasts: Duration::from_secs(seconds),
                    })
                    .to_vec(),
            },
            Shape::Ramp {
                from,
                until,
                start_rate: rate(0.0),
                end_rate: rate(20.0),
            },
            Shape::Ramp {
                from,
                until,
                start_rate: rate(15.0),
                end_rate: rate(1.0),
            },
            Shape::Flash {
                buyers: 3_000,
                from,
                rise: Duration::from_secs(20),
                decay: Duration::from_secs(45),
                base: rate(2.0),
                until,
            },
            Shape::Onsale {
                buyers: 3_000,
                opens_at: from,
                waiting_before: Share::try_from(0.135).unwrap(),
                jitter: Duration::from_secs(1),
                decay: Duration::from_secs(45),
                until,
            },
        ]
    }

    fn drawn(shape: &Shape, count: Count, seed: u64) -> Vec<SimTime> {
        let mut arrivals = Vec::new();
        let phase = ArrivalPhase {
            shape: shape.clone(),
            count,
        };
        phase.draw(Streams::new(seed), 0, &mut arrivals);
        arrivals.sort_unstable();
        arrivals
    }

    fn phase(shape: &Shape) -> ArrivalPhase {
        ArrivalPhase {
            shape: shape.clone(),
            count: Count::Exact,
        }
    }

    #[test]
    fn totals_are_the_areas_under_the_shapes() {
        let totals = [3_000.0, 1_700.0, 3_000.0, 2_400.0, 3_000.0, 3_000.0];
        for (shape, total) in shapes().iter().zip(totals) {
            let phase = phase(shape);
            assert!((phase.total() - total).abs() < 1e-6, "{shape:?}");
            let end = phase.planned(SimTime::from_secs(310));
            assert!((end - total).abs() < 1e-6, "{shape:?}: {end}");
            assert!(phase.planned(SimTime::from_secs(10)).abs() < 1e-9);
        }
    }

    #[test]
    fn exact_counts_are_exact_and_within_the_window() {
        for shape in shapes() {
            let arrivals = drawn(&shape, Count::Exact, 5);
            assert_eq!(arrivals.len() as u64, whole(phase(&shape).total()));
            assert!(arrivals[0] >= SimTime::from_secs(10));
            assert!(arrivals[arrivals.len() - 1] <= SimTime::from_secs(310));
        }
    }

    #[test]
    fn poisson_counts_vary_around_the_plan() {
        for shape in shapes() {
            let total = phase(&shape).total();
            let runs = 200_u32;
            let numbers: Vec<f64> = (0..runs)
                .map(|seed| drawn(&shape, Count::Poisson, seed.into()).len() as f64)
                .collect();
            let mean = numbers.iter().sum::<f64>() / f64::from(runs);
            let squares = numbers.iter().map(|number| (number - mean).powi(2));
            let variance = squares.sum::<f64>() / f64::from(runs - 1);
            // Five standard errors: of the mean, sqrt(total / runs); of the variance, total sqrt(2 / runs).
            let mean_error = (mean - total).abs() / (total / f64::from(runs)).sqrt();
            assert!(mean_error < 5.0, "{shape:?}: mean {mean} of {total}");
            let variance_error = (variance / total - 1.0).abs() / (2.0 / f64::from(runs)).sqrt();
            assert!(variance_error < 5.0, "{shape:?}: variance {variance}");
        }
    }

    /// Kolmogorov-Smirnov: the largest distance between the drawn and the planned cumulative.
    #[test]
    fn arrivals_follow_the_closed_form() {
        for shape in shapes() {
            let phase = phase(&shape);
            let arrivals = drawn(&shape, Count::Exact, 17);
            let number = arrivals.len() as f64;
            let distance = (0_u32..)
                .zip(&arrivals)
                .map(|(index, at)| {
                    let planned = phase.planned(*at) / phase.total();
                    let below = (planned - f64::from(index) / number).abs();
                    below.max((planned - f64::from(index + 1) / number).abs())
                })
                .fold(0.0, f64::max);
            // Exceeded with probability 0.001 by draws that do follow it.
            let critical = 1.95 / number.sqrt();
            assert!(distance < critical, "{shape:?}: {distance} of {critical}");
        }
    }

    #[test]
    fn the_waiting_crowd_comes_within_the_jitter_of_the_opening() {
        let onsale = &shapes()[5];
        let second = SimTime::from_secs(11);
        let arrivals = drawn(onsale, Count::Exact, 1);
        let early = arrivals.iter().filter(|at| **at <= second).count();
        // 405 waited; of the others, one in 45 comes in the first second.
        assert!((430..=500).contains(&early), "{early}");
    }

    #[test]
    fn a_released_crowd_without_jitter_comes_at_once() {
        let mut onsale = shapes()[5].clone();
        if let Shape::Onsale { jitter, .. } = &mut onsale {
            *jitter = Duration::ZERO;
        }
        let arrivals = drawn(&onsale, Count::Exact, 1);
        let opening = SimTime::from_secs(10);
        assert_eq!(arrivals.iter().filter(|at| **at == opening).count(), 405);
        assert!((phase(&onsale).planned(opening) - 405.0).abs() < 1e-9);
    }

    #[test]
    fn the_same_seed_draws_the_same_arrivals_and_another_one_others() {
        for shape in shapes() {
            let first = drawn(&shape, Count::Poisson, 3);
            assert_eq!(first, drawn(&shape, Count::Poisson, 3));
            assert_ne!(first, drawn(&shape, Count::Poisson, 4));
        }
    }
}
