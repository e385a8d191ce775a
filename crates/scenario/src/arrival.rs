//! How buyers arrive over time: an open workload with a closed-form cumulative distribution.
//!
//! A shape is a sum of *parts*. Each part has an expected number of buyers and a law of arrival whose cumulative
//! distribution and inverse are closed forms. So the total is known up front, and instants are drawn by inversion.

use std::time::Duration;

use rand::RngExt;
use rand_distr::Distribution as _;
use serde::{Deserialize, Serialize};

use super::law::Part;
use super::plan::Plan;
use tiketi_core::names;
use tiketi_core::rng::{Stream, Streams};
use tiketi_core::units::{Rate, Share, SimTime};

/// One phase of arrivals; phases add up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArrivalPhase {
    /// The shape and its parameters.
    pub shape: Shape,
    /// Whether exactly the planned number arrives, or a Poisson draw with that mean.
    pub count: Count,
}

/// How many buyers arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Exactly the planned number.
    Exact,
    /// A Poisson draw with the planned number as mean.
    Poisson,
}

names!(Count {
    Exact = "exact",
    Poisson = "poisson",
});

/// The shape of one phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "shape")]
pub enum Shape {
    /// A constant rate.
    Poisson {
        /// Buyers per second.
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
    /// A rate that rises or falls linearly.
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
    /// A linear rise, then an exponential decay to a base rate, scaled to a number of buyers.
    Flash {
        /// Buyers in the whole flash, the base included.
        buyers: u32,
        /// Start of the rise.
        from: SimTime,
        /// Length of the rise.
        rise: Duration,
        /// Time constant of the decay.
        decay: Duration,
        /// Rate throughout the phase.
        base: Rate,
        /// Last instant.
        until: SimTime,
    },
    /// Buyers who wait for the opening, then an exponential decay.
    Onsale {
        /// Buyers in the whole phase.
        buyers: u32,
        /// The opening.
        opens_at: SimTime,
        /// Share of the buyers who wait for the opening and are released with it.
        waiting_before: Share,
        /// Time over which they are spread after the opening: people do not click in the same millisecond.
        jitter: Duration,
        /// Time constant of the decay.
        decay: Duration,
        /// Last instant.
        until: SimTime,
    },
}

/// When the sale opens: the first opening of all phases; `None` if no phase has one.
pub fn opening(phases: &[ArrivalPhase]) -> Option<SimTime> {
    let openings = phases.iter().filter_map(|phase| match phase.shape {
        Shape::Onsale { opens_at, .. } => Some(opens_at),
        Shape::Poisson { .. } | Shape::Step { .. } | Shape::Ramp { .. } | Shape::Flash { .. } => {
            None
        }
    });
    openings.min()
}

/// One level of [`Shape::Step`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// Buyers per second.
    pub rate: Rate,
    /// Length of the level.
    pub lasts: Duration,
}

/// A [`Shape`] without its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShapeKind {
    /// [`Shape::Poisson`].
    Poisson,
    /// [`Shape::Step`].
    Step,
    /// [`Shape::Ramp`].
    Ramp,
    /// [`Shape::Flash`].
    Flash,
    /// [`Shape::Onsale`].
    Onsale,
}

names!(ShapeKind {
    Poisson = "poisson",
    Step = "step",
    Ramp = "ramp",
    Flash = "flash",
    Onsale = "onsale",
});

impl Shape {
    /// The shape without its parameters.
    pub const fn kind(&self) -> ShapeKind {
        match self {
            Self::Poisson { .. } => ShapeKind::Poisson,
            Self::Step { .. } => ShapeKind::Step,
            Self::Ramp { .. } => ShapeKind::Ramp,
            Self::Flash { .. } => ShapeKind::Flash,
            Self::Onsale { .. } => ShapeKind::Onsale,
        }
    }

    /// The first instant.
    pub(crate) const fn start(&self) -> SimTime {
        match self {
            Self::Poisson { from, .. }
            | Self::Step { from, .. }
            | Self::Ramp { from, .. }
            | Self::Flash { from, .. } => *from,
            Self::Onsale { opens_at, .. } => *opens_at,
        }
    }

    /// The last instant; `None` if levels determine it.
    pub(crate) const fn until(&self) -> Option<SimTime> {
        match self {
            Self::Poisson { until, .. }
            | Self::Ramp { until, .. }
            | Self::Flash { until, .. }
            | Self::Onsale { until, .. } => Some(*until),
            Self::Step { .. } => None,
        }
    }

    /// The number of buyers; `None` if rates determine it.
    pub(crate) const fn buyers(&self) -> Option<u32> {
        match self {
            Self::Flash { buyers, .. } | Self::Onsale { buyers, .. } => Some(*buyers),
            Self::Poisson { .. } | Self::Step { .. } | Self::Ramp { .. } => None,
        }
    }

    /// The time constant of the decay; `None` if the rate does not decay.
    pub(crate) const fn decay(&self) -> Option<Duration> {
        match self {
            Self::Flash { decay, .. } | Self::Onsale { decay, .. } => Some(*decay),
            Self::Poisson { .. } | Self::Step { .. } | Self::Ramp { .. } => None,
        }
    }
}

impl ArrivalPhase {
    /// Buyers planned to have arrived by `at`.
    pub fn planned(&self, at: SimTime) -> f64 {
        let by = at.as_secs_f64();
        let parts = self.shape.parts();
        parts
            .iter()
            .map(|part| part.buyers * part.law.cumulative(by))
            .sum()
    }

    /// Total number of planned buyers.
    pub fn total(&self) -> f64 {
        self.shape.parts().iter().map(|part| part.buyers).sum()
    }

    /// Draws when each buyer of the phase arrives, in no particular order.
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

/// Draws when each buyer of the run arrives: the first is [`BuyerId`](tiketi_core::units::BuyerId) 0, and so on.
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

/// Whole numbers of buyers for the parts. Their sum is the rounded total; each is within one of the planned number.
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
    // The Poisson distribution needs a positive mean.
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

    /// JSON tags a shape with the same name that scenarios use.
    #[test]
    fn shapes_are_tagged_with_the_names_of_their_kinds() {
        for shape in shapes() {
            let json = serde_json::to_value(&shape).expect("a shape is JSON");
            assert_eq!(json["shape"], shape.kind().name());
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
    fn poisson_counts_vary_around_the_planned_number() {
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

    /// Kolmogorov-Smirnov test: the largest distance between the drawn and the planned cumulative distribution.
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
            // Draws that follow the distribution exceed this with probability 0.001.
            let critical = 1.95 / number.sqrt();
            assert!(distance < critical, "{shape:?}: {distance} of {critical}");
        }
    }

    #[test]
    fn waiting_buyers_arrive_within_the_jitter_of_the_opening() {
        let onsale = &shapes()[5];
        let second = SimTime::from_secs(11);
        let arrivals = drawn(onsale, Count::Exact, 1);
        let early = arrivals.iter().filter(|at| **at <= second).count();
        // 405 waited; about one in 45 of the others arrives in the first second.
        assert!((430..=500).contains(&early), "{early}");
    }

    #[test]
    fn waiting_buyers_without_jitter_arrive_at_once() {
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
    fn arrivals_repeat_for_the_same_seed_and_differ_for_another() {
        for shape in shapes() {
            let first = drawn(&shape, Count::Poisson, 3);
            assert_eq!(first, drawn(&shape, Count::Poisson, 3));
            assert_ne!(first, drawn(&shape, Count::Poisson, 4));
        }
    }
}
