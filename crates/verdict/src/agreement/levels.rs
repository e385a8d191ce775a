//! Levels of two runs over time, such as the number of instances: how far apart they are on average.

use tiketi_measure::Measurements;
use tiketi_measure::gauges::Gauges;

/// A level of two runs over the time in which both are known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Levels {
    /// Mean of each run.
    pub(super) means: [f64; 2],
    /// Mean of the absolute difference. Unlike the difference of the means, it does not cancel out when one run is first
    /// above and later below the other.
    pub(super) distance: f64,
}

/// Compares a level second by second; `None` if there is no second in which it is known in both runs.
pub(super) fn compare(runs: [&Measurements; 2], level: fn(&Gauges) -> u32) -> Option<Levels> {
    let [base, new] = runs.map(|run| by_second(run, level));
    let both = base
        .zip(new)
        .filter_map(|(base, new)| Some((f64::from(base?), f64::from(new?))));
    // Summed up as they come: a run may have millions of seconds.
    let (mut seconds, mut sums, mut apart) = (0.0, [0.0, 0.0], 0.0);
    for (base, new) in both {
        seconds += 1.0;
        sums[0] += base;
        sums[1] += new;
        apart += (base - new).abs();
    }
    (seconds > 0.0).then(|| Levels {
        means: sums.map(|sum| sum / seconds),
        distance: apart / seconds,
    })
}

/// Returns the level at each second. A reading is valid until the next one; before the first the level is `None`.
///
/// Per second and not per tick, because the ticks of a long run are wider than those of a short one.
fn by_second(run: &Measurements, level: fn(&Gauges) -> u32) -> impl Iterator<Item = Option<u32>> {
    let width = usize::try_from(run.series.width_secs()).unwrap_or(usize::MAX);
    let read = run.series.ticks().iter().scan(None, move |last, tick| {
        // A second without a reading keeps the level of the last one.
        *last = tick.gauges.as_ref().map(level).or(*last);
        Some(*last)
    });
    let seconds = usize::try_from(run.ending.ended_at.as_secs()).unwrap_or(usize::MAX);
    read.flat_map(move |level| std::iter::repeat_n(level, width))
        .take(seconds)
}
