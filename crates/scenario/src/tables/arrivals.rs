//! When buyers arrive.

use std::time::Duration;

use super::{Overrides, limits};
use crate::arrival::{ArrivalPhase, Level, Shape, ShapeKind};
use crate::diagnostic::Problem;
use crate::duration::Written;
use crate::keys::kind::{Instant, Length, OneOf, Or, Rates, Shares, Whole};
use crate::keys::{Form, Keys, field, key};
use crate::plan::Plan;
use tiketi_core::units::{Rate, SimTime};

pub(super) fn arrivals(
    keys: &mut Keys<'_, '_, Plan>,
    end: Option<Duration>,
    overrides: &Overrides,
) -> Option<Vec<ArrivalPhase>> {
    let stated = keys
        .read()
        .and_then(|root| root.peek("clock").find("duration"));
    // What a flag says is not the fault of the key that it replaces.
    let stated = stated.filter(|_| overrides.duration.is_none());
    let place = stated.map_or(0..0, |duration| duration.span());
    let run = Run {
        end,
        place: (place.start, place.end),
        is_cut: overrides.duration.is_some(),
    };
    let phases = keys.list(
        key("arrivals", "How buyers arrive over time. Phases add up."),
        limits::PHASES,
        Some("arrivals"),
        |plan| &plan.arrivals,
        |keys| phase(keys, run),
    );
    let mut phases = phases.values?;
    let planned = |phases: &[ArrivalPhase]| phases.iter().map(ArrivalPhase::total).sum::<f64>();
    let report = |buyers: f64| {
        let problem = Problem::new(format!("the arrivals add up to {buyers:.0} buyers"));
        let problem = problem.expected(limits::BUYERS.widened());
        keys.complain(&["arrivals"], problem.help(limits::BUYERS.why));
    };
    let written = planned(&phases);
    if written.round() < 1.0 {
        report(written);
        return None;
    }
    if let Some(buyers) = overrides.buyers {
        scale(&mut phases, f64::from(buyers) / written);
    }
    let total = planned(&phases);
    if total.round() < 1.0 || total > f64::from(limits::BUYERS.max) {
        report(total);
        return None;
    }
    if let Some(rate) = phases
        .iter()
        .filter_map(rate_max)
        .find(|rate| !limits::ARRIVAL_RATE.permit(*rate))
    {
        let problem = Problem::new(format!(
            "with `--buyers`, {rate:.0} buyers arrive per second"
        ));
        let problem = problem.expected(Form::Rate(limits::ARRIVAL_RATE));
        keys.complain(&["arrivals"], problem.help(limits::ARRIVAL_RATE.why));
        return None;
    }
    Some(phases)
}

/// The highest stated rate of a phase, per second; `None` if it states none.
fn rate_max(phase: &ArrivalPhase) -> Option<f64> {
    match &phase.shape {
        Shape::Poisson { rate, .. } | Shape::Flash { base: rate, .. } => Some(rate.per_second()),
        Shape::Step { levels, .. } => {
            let rates = levels.iter().map(|level| level.rate.per_second());
            rates.reduce(f64::max)
        }
        Shape::Ramp {
            start_rate,
            end_rate,
            ..
        } => Some(start_rate.per_second().max(end_rate.per_second())),
        Shape::Onsale { .. } => None,
    }
}

/// Multiplies every phase. Whole buyers that rounding takes from one phase go to the next; a phase without buyers ends.
fn scale(phases: &mut Vec<ArrivalPhase>, factor: f64) {
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
    for phase in phases.iter_mut() {
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
            Shape::Flash {
                buyers,
                base,
                from,
                until,
                ..
            } => {
                whole(buyers);
                scaled(base);
                // Rounding may leave fewer buyers than the base rate adds up to.
                let length = until.saturating_since(*from).as_secs_f64();
                let most = Rate::try_from(f64::from(*buyers) / length);
                *base = most.map_or(*base, |most| if most < *base { most } else { *base });
            }
            Shape::Onsale { buyers, .. } => whole(buyers),
        }
    }
    phases.retain(|phase| phase.shape.buyers() != Some(0));
}

/// The run that phases must fit into.
#[derive(Clone, Copy)]
struct Run {
    /// Its end; `None` if that has a problem.
    end: Option<Duration>,
    /// First and last byte of `clock.duration` in the file; zeros if the file does not state it.
    place: (usize, usize),
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
        Rates(limits::ARRIVAL_RATE),
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
        limits::PHASES,
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
            (run, end),
            "levels",
            &format!("the last level ends at {last}"),
        );
    }
    cut(&mut levels, left);
    Some(Shape::Step { from, levels })
}

fn level(keys: &mut Keys<'_, '_, Level>) -> Option<Level> {
    let rate = keys.value(
        key("rate", "Buyers per second."),
        Rates(limits::ARRIVAL_RATE),
        |level| level.rate,
    );
    let lasts = keys.value(
        key("lasts", "Length of the level."),
        Length(limits::SPAN),
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
    // What is left of a level may be too short for a scenario to state.
    levels.retain(|level| level.lasts >= limits::SPAN.min);
}

fn ramp(keys: &mut Phase<'_, '_>, run: Run) -> Option<Shape> {
    let (from, until) = window(keys, run, "from");
    let start_rate = keys.field(
        key("start_rate", "Buyers per second at `from`."),
        Rates(limits::ARRIVAL_RATE),
        field!(shape: Shape::Ramp { start_rate }),
    );
    let end_rate = keys.field(
        key("end_rate", "Buyers per second at `until`."),
        Rates(limits::ARRIVAL_RATE),
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
        Length(limits::DELAY),
        field!(shape: Shape::Flash { rise }),
    );
    let decay = decay(keys);
    let base = keys.field(
        key(
            "base",
            "Buyers per second who arrive throughout, as part of `buyers`.",
        ),
        Rates(limits::ARRIVAL_RATE),
        field!(shape: Shape::Flash { base }),
    );
    let until = end(keys, run, "from", from);
    let (from, until, rise) = (from?, until?, rise?);
    if from + rise > until {
        let message = format!("the rise ({}) ends after the phase", Written(rise));
        let problem = Problem::new(message).expected("a rise within the phase");
        let problem = problem.help("shorten `rise` or move `until`");
        keys.complain(&["rise", "until"], problem);
    }
    let (buyers, base) = (buyers?, base?);
    let of_base = base.per_second() * (until - from).as_secs_f64();
    // A base rate of all buyers is fine, also if it was divided and multiplied.
    if of_base > f64::from(buyers) * (1.0 + 1e-9) {
        let message = format!("the base rate alone adds up to {of_base:.0} of {buyers} buyers");
        let problem = Problem::new(message).expected(format!("{buyers} at most"));
        let problem = problem.help("lower `base` or raise `buyers`");
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
        Length(limits::DELAY),
        field!(shape: Shape::Onsale { jitter }),
    );
    let decay = decay(keys);
    let until = end(keys, run, "opens_at", opens_at);
    let (opens_at, until, jitter) = (opens_at?, until?, jitter?);
    if opens_at + jitter > until {
        let message = format!("the jitter ({}) ends after the phase", Written(jitter));
        let problem = Problem::new(message).expected("a jitter within the phase");
        keys.complain(
            &["jitter", "until"],
            problem.help("shorten `jitter` or move `until`"),
        );
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
        Whole(limits::BUYERS),
        |phase| phase.shape.buyers(),
    )
}

fn decay(keys: &mut Phase<'_, '_>) -> Option<Duration> {
    keys.field(
        key(
            "decay",
            "Time constant of the exponential decay of the rate.",
        ),
        Length(limits::SPAN),
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
            report_after_end(keys, (run, end), name, &what);
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
        Or("end", Length(limits::SPAN)),
        |phase| Some(phase.shape.until().map(SimTime::since_start)),
    )?;
    let end = run.end?;
    let last = match until {
        None => end,
        Some(until) if until > end && run.is_cut => end,
        Some(until) if until > end => {
            let what = format!("`until` ({}) is", Written(until));
            report_after_end(keys, (run, end), "until", &what);
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
        let problem = Problem::new(message).expected(format!("an instant after {first}"));
        let help = format!("move `until` to a later time, or `{start_key}` to an earlier one");
        keys.complain(&["until", start_key], problem.help(help));
        return None;
    }
    Some(last)
}

/// Reports an instant after the end of the run: where it is stated, or else where the end is.
fn report_after_end(
    keys: &Phase<'_, '_>,
    (run, end): (Run, Duration),
    key: &'static str,
    what: &str,
) {
    let end = Written(end);
    let Some(section) = keys.read() else { return };
    let message = format!("{what} after the end of the run ({end})");
    let problem = |message| {
        let problem = Problem::new(message).expected(format!("an instant before {end}"));
        problem.help("lengthen `clock.duration`, or move the arrivals to an earlier time")
    };
    match section.find(key) {
        Some(value) if value.is_in_file() => value.complain(problem(message)),
        Some(_) | None => {
            let message = format!("the default of {message}");
            section.report(problem(message).at(run.place.0..run.place.1));
        }
    }
}
