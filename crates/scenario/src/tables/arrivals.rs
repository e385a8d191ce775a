//! When buyers arrive.

use std::time::Duration;

use super::Overrides;
use crate::arrival::{ArrivalPhase, Level, Shape, ShapeKind};
use crate::diagnostic::Problem;
use crate::duration::{ANY_LENGTH, SOME_LENGTH, Written};
use crate::keys::kind::{Instant, Length, OneOf, Or, Rates, Shares, Whole};
use crate::keys::{Keys, field, key};
use crate::plan::Plan;
use tiketi_core::units::{Rate, SimTime};

/// More buyers than a machine can start.
const BUYERS_MAX: u32 = 10_000_000;

pub(super) fn arrivals(
    keys: &mut Keys<'_, '_, Plan>,
    end: Option<Duration>,
    overrides: &Overrides,
) -> Option<Vec<ArrivalPhase>> {
    let run = Run {
        end,
        is_cut: overrides.duration.is_some(),
    };
    let phases = keys.list(
        key("arrivals", "How buyers arrive over time. Phases add up."),
        Some("arrivals"),
        |plan| &plan.arrivals,
        |keys| phase(keys, run),
    );
    let mut phases = phases.values?;
    let report = |message: String| {
        let problem = Problem::new(message).expected(format!("1 to {BUYERS_MAX}"));
        keys.complain(&["arrivals"], problem);
    };
    let planned: f64 = phases.iter().map(ArrivalPhase::total).sum();
    if planned.round() < 1.0 {
        report("the arrivals add up to 0 buyers".to_owned());
        return None;
    }
    if let Some(buyers) = overrides.buyers {
        scale(&mut phases, f64::from(buyers) / planned);
    }
    let planned: f64 = phases.iter().map(ArrivalPhase::total).sum();
    if planned.round() < 1.0 || planned > f64::from(BUYERS_MAX) {
        report(format!("the arrivals add up to {planned:.0} buyers"));
        return None;
    }
    Some(phases)
}

/// Multiplies every phase. Whole buyers that rounding takes from one phase go to the next.
fn scale(phases: &mut [ArrivalPhase], factor: f64) {
    let mut carried = 0.0;
    let mut whole = |buyers: &mut u32| {
        let wanted = f64::from(*buyers) * factor + carried;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "casts of floats saturate, and the total is checked afterwards"
        )]
        let rounded = wanted.round() as u32;
        carried = wanted - f64::from(rounded);
        *buyers = rounded;
    };
    let scaled = |rate: &mut Rate| {
        *rate = Rate::try_from(rate.per_second() * factor).expect("a finite factor, not negative");
    };
    for phase in phases {
        match &mut phase.shape {
            Shape::Poisson { rate, .. } => scaled(rate),
            Shape::Step { levels, .. } => {
                levels.iter_mut().for_each(|level| scaled(&mut level.rate));
            }
            Shape::Ramp {
                start_rate,
                end_rate,
                ..
            } => {
                scaled(start_rate);
                scaled(end_rate);
            }
            Shape::Flash { buyers, base, .. } => {
                whole(buyers);
                scaled(base);
            }
            Shape::Onsale { buyers, .. } => whole(buyers),
        }
    }
}

/// The run that phases must fit into.
#[derive(Clone, Copy)]
struct Run {
    /// Its end; `None` if that has a problem.
    end: Option<Duration>,
    /// Whether its length comes from the command line: then phases that last longer are cut off.
    is_cut: bool,
}

type Phase<'k, 'd> = Keys<'k, 'd, ArrivalPhase>;

fn phase(keys: &mut Phase<'_, '_>, run: Run) -> Option<ArrivalPhase> {
    let (shape, count) = keys.variants(
        key("shape", "How the rate of arrivals changes over time."),
        |phase| phase.shape.kind(),
        |keys, kind| {
            let shape = match kind {
                ShapeKind::Poisson => poisson(keys, run),
                ShapeKind::Step => step(keys, run),
                ShapeKind::Ramp => ramp(keys, run),
                ShapeKind::Flash => flash(keys, run),
                ShapeKind::Onsale => onsale(keys, run),
            };
            let count = keys.value(
                key(
                    "count",
                    "Whether exactly the planned number of buyers arrives, or a Poisson draw with that mean.",
                ),
                OneOf::new(),
                |phase| phase.count,
            );
            Some((shape, count))
        },
    )?;
    Some(ArrivalPhase {
        shape: shape?,
        count: count?,
    })
}

fn poisson(keys: &mut Phase<'_, '_>, run: Run) -> Option<Shape> {
    let rate = keys.field(
        key("rate", "Buyers per second."),
        Rates,
        field!(shape: Shape::Poisson { rate }),
    );
    let (from, until) = window(keys, run, "from");
    Some(Shape::Poisson {
        rate: rate?,
        from: from?,
        until: until?,
    })
}

fn step(keys: &mut Phase<'_, '_>, run: Run) -> Option<Shape> {
    let from = start(keys, run, "from");
    let levels = keys.list(
        key(
            "levels",
            "Rates and how long each lasts, one after the other.",
        ),
        None,
        |phase| match &phase.shape {
            Shape::Step { levels, .. } => levels,
            Shape::Poisson { .. }
            | Shape::Ramp { .. }
            | Shape::Flash { .. }
            | Shape::Onsale { .. } => &[],
        },
        level,
    );
    let mut levels = levels.values?;
    let lasts = levels.iter().map(|level| level.lasts);
    let lasts = lasts.fold(Duration::ZERO, Duration::saturating_add);
    let (from, end) = (from?, run.end?);
    let left = end - from.since_start();
    if lasts > left && !run.is_cut {
        let last = Written(lasts.saturating_add(from.since_start()));
        report_after_end(
            keys,
            end,
            "levels",
            &format!("the last level ends at {last}"),
        );
    }
    cut(&mut levels, left);
    Some(Shape::Step { from, levels })
}

fn level(keys: &mut Keys<'_, '_, Level>) -> Option<Level> {
    let rate = keys.value(key("rate", "Buyers per second."), Rates, |level| level.rate);
    let lasts = keys.value(
        key("lasts", "Length of the level."),
        Length(SOME_LENGTH),
        |level| level.lasts,
    );
    Some(Level {
        rate: rate?,
        lasts: lasts?,
    })
}

/// Shortens the levels, from the last one on, until they last `left` at most.
fn cut(levels: &mut Vec<Level>, mut left: Duration) {
    for level in levels.iter_mut() {
        level.lasts = level.lasts.min(left);
        left -= level.lasts;
    }
    levels.retain(|level| !level.lasts.is_zero());
}

fn ramp(keys: &mut Phase<'_, '_>, run: Run) -> Option<Shape> {
    let (from, until) = window(keys, run, "from");
    let start_rate = keys.field(
        key("start_rate", "Buyers per second at `from`."),
        Rates,
        field!(shape: Shape::Ramp { start_rate }),
    );
    let end_rate = keys.field(
        key("end_rate", "Buyers per second at `until`."),
        Rates,
        field!(shape: Shape::Ramp { end_rate }),
    );
    Some(Shape::Ramp {
        from: from?,
        until: until?,
        start_rate: start_rate?,
        end_rate: end_rate?,
    })
}

fn flash(keys: &mut Phase<'_, '_>, run: Run) -> Option<Shape> {
    let buyers = buyers(keys);
    let from = start(keys, run, "from");
    let rise = keys.field(
        key("rise", "How long the rate rises."),
        Length(ANY_LENGTH),
        field!(shape: Shape::Flash { rise }),
    );
    let decay = decay(keys);
    let base = keys.field(
        key(
            "base",
            "Buyers per second who arrive throughout, as part of `buyers`.",
        ),
        Rates,
        field!(shape: Shape::Flash { base }),
    );
    let until = end(keys, run, "from", from);
    let (from, until, rise) = (from?, until?, rise?);
    if from + rise > until {
        let message = format!("the rise ({}) ends after the phase", Written(rise));
        let problem = Problem::new(message).help("shorten `rise` or move `until`");
        keys.complain(&["rise", "until"], problem);
    }
    let (buyers, base) = (buyers?, base?);
    let of_base = base.per_second() * (until - from).as_secs_f64();
    if of_base > f64::from(buyers) {
        let message = format!("the base rate alone adds up to {of_base:.0} of {buyers} buyers");
        let problem = Problem::new(message).help("lower `base` or raise `buyers`");
        keys.complain(&["base", "buyers"], problem);
    }
    Some(Shape::Flash {
        buyers,
        from,
        rise,
        decay: decay?,
        base,
        until,
    })
}

fn onsale(keys: &mut Phase<'_, '_>, run: Run) -> Option<Shape> {
    let buyers = buyers(keys);
    let opens_at = start(keys, run, "opens_at");
    let waiting_before = keys.field(
        key(
            "waiting_before",
            "Share of the buyers who wait for the opening and are released with it.",
        ),
        Shares::Any,
        field!(shape: Shape::Onsale { waiting_before }),
    );
    let jitter = keys.field(
        key(
            "jitter",
            "Time over which the waiting buyers are spread after the opening.",
        ),
        Length(ANY_LENGTH),
        field!(shape: Shape::Onsale { jitter }),
    );
    let decay = decay(keys);
    let until = end(keys, run, "opens_at", opens_at);
    let (opens_at, until, jitter) = (opens_at?, until?, jitter?);
    if opens_at + jitter > until {
        let message = format!("the jitter ({}) ends after the phase", Written(jitter));
        keys.complain(&["jitter"], Problem::new(message));
    }
    Some(Shape::Onsale {
        buyers: buyers?,
        opens_at,
        waiting_before: waiting_before?,
        jitter,
        decay: decay?,
        until,
    })
}

fn buyers(keys: &mut Phase<'_, '_>) -> Option<u32> {
    keys.field(
        key("buyers", "Buyers in the whole phase."),
        Whole(1..=BUYERS_MAX),
        |phase| phase.shape.buyers(),
    )
}

fn decay(keys: &mut Phase<'_, '_>) -> Option<Duration> {
    keys.field(
        key(
            "decay",
            "Time constant of the exponential decay of the rate.",
        ),
        Length(SOME_LENGTH),
        |phase| phase.shape.decay(),
    )
}

/// First and last instant of a phase.
fn window(
    keys: &mut Phase<'_, '_>,
    run: Run,
    start_key: &'static str,
) -> (Option<SimTime>, Option<SimTime>) {
    let first = start(keys, run, start_key);
    (first, end(keys, run, start_key, first))
}

/// The first instant, which is before the end of the run.
fn start(keys: &mut Phase<'_, '_>, run: Run, name: &'static str) -> Option<SimTime> {
    let doc = match name {
        "opens_at" => "When the sale opens.",
        _ => "When the phase starts.",
    };
    let at = keys.field(key(name, doc), Instant, |phase| Some(phase.shape.start()))?;
    match run.end {
        Some(end) if at.since_start() >= end => {
            let what = format!("`{name}` ({}) is", Written(at.since_start()));
            report_after_end(keys, end, name, &what);
            None
        }
        Some(_) | None => Some(at),
    }
}

/// The last instant, which is after the first one.
fn end(
    keys: &mut Phase<'_, '_>,
    run: Run,
    start_key: &'static str,
    first: Option<SimTime>,
) -> Option<SimTime> {
    let until = keys.field(
        key(
            "until",
            "When the phase ends; `end` for the end of the run.",
        ),
        Or("end", Length(SOME_LENGTH)),
        |phase| Some(phase.shape.until().map(SimTime::since_start)),
    )?;
    let end = run.end?;
    let last = match until {
        None => end,
        Some(until) if until > end && run.is_cut => end,
        Some(until) if until > end => {
            let what = format!("`until` ({}) is", Written(until));
            report_after_end(keys, end, "until", &what);
            return None;
        }
        Some(until) => until,
    };
    let last = SimTime::ZERO + last;
    if let Some(first) = first
        && last <= first
    {
        let (first, last) = (Written(first.since_start()), Written(last.since_start()));
        let message = format!("`until` ({last}) is not after `{start_key}` ({first})");
        keys.complain(&["until", start_key], Problem::new(message));
        return None;
    }
    Some(last)
}

fn report_after_end(keys: &Phase<'_, '_>, end: Duration, key: &str, what: &str) {
    let message = format!("{what} after the end of the run ({})", Written(end));
    let help = "lengthen `clock.duration`, or move the arrivals to an earlier time";
    keys.complain(&[key], Problem::new(message).help(help));
}
