//! When buyers come.

use std::time::Duration;

use super::{ANY_LENGTH, Overrides, SOME_LENGTH};
use crate::arrival::{ArrivalPhase, Count, Level, Shape};
use crate::diagnostic::Problem;
use crate::document::{Layer, Section};
use crate::duration::Written;
use tiketi_core::units::{Rate, SimTime};

/// More buyers than a run can number and a machine can start.
const BUYERS_MAX: u32 = 10_000_000;

pub(super) fn arrivals<'d>(
    root: &Section<'d>,
    fallback: Option<Layer<'d>>,
    end: Option<Duration>,
    overrides: &Overrides,
) -> Option<Vec<ArrivalPhase>> {
    let phases = root.elements("arrivals", fallback);
    let is_cut = overrides.duration.is_some();
    let resolved: Vec<_> = phases
        .iter()
        .map(|section| {
            Phase {
                section,
                end,
                is_cut,
            }
            .resolve()
        })
        .collect();
    let mut resolved: Vec<_> = resolved.into_iter().collect::<Option<_>>()?;
    let planned: f64 = resolved.iter().map(ArrivalPhase::total).sum();
    if planned.round() < 1.0 {
        let problem = Problem::new("nobody comes: the arrivals add up to 0 buyers");
        let problem = problem.legal(format!("1 to {BUYERS_MAX}"));
        root.complain(&["arrivals"], problem);
        return None;
    }
    if let Some(buyers) = overrides.buyers {
        scale(&mut resolved, f64::from(buyers) / planned);
    }
    let planned: f64 = resolved.iter().map(ArrivalPhase::total).sum();
    if planned.round() < 1.0 || planned > f64::from(BUYERS_MAX) {
        let problem = Problem::new(format!("the arrivals add up to {planned:.0} buyers"));
        let problem = problem.legal(format!("1 to {BUYERS_MAX}"));
        root.complain(&["arrivals"], problem);
        return None;
    }
    Some(resolved)
}

/// Multiplies every phase; whole buyers that rounding takes from one phase go to the next.
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

/// One phase while it is read.
struct Phase<'s, 'd> {
    section: &'s Section<'d>,
    end: Option<Duration>,
    /// Whether the run's length comes from the command line: then phases that last longer are cut.
    is_cut: bool,
}

impl Phase<'_, '_> {
    fn resolve(&self) -> Option<ArrivalPhase> {
        let shapes = ["poisson", "step", "ramp", "flash", "onsale"];
        let Some(shape) = self.section.value("shape").and_then(|v| v.word(&shapes)) else {
            self.section.accept_any_key();
            return None;
        };
        let counts = [("exact", Count::Exact), ("poisson", Count::Poisson)];
        let count = self.section.value("count").and_then(|v| v.choice(&counts));
        let shape = match shape.as_str() {
            "poisson" => self.poisson(),
            "step" => self.step(),
            "ramp" => self.ramp(),
            "flash" => self.flash(),
            _ => self.onsale(),
        };
        Some(ArrivalPhase {
            shape: shape?,
            count: count?,
        })
    }

    fn poisson(&self) -> Option<Shape> {
        let rate = self.rate("rate");
        let (from, until) = self.window("from");
        Some(Shape::Poisson {
            rate: rate?,
            from: from?,
            until: until?,
        })
    }

    fn step(&self) -> Option<Shape> {
        let from = self.instant("from");
        let levels = self.section.elements("levels", None);
        let levels: Vec<_> = levels.iter().map(level).collect();
        let mut levels: Vec<Level> = levels.into_iter().collect::<Option<_>>()?;
        let lasts = levels.iter().map(|level| level.lasts);
        let lasts = lasts.fold(Duration::ZERO, Duration::saturating_add);
        let (from, end) = (from?, self.end?);
        let left = end - from.since_start();
        if lasts > left && !self.is_cut {
            let last = Written(lasts.saturating_add(from.since_start()));
            self.report_after_end("levels", &format!("the last level ends at {last}"));
        }
        cut(&mut levels, left);
        Some(Shape::Step { from, levels })
    }

    fn ramp(&self) -> Option<Shape> {
        let start_rate = self.rate("start_rate");
        let end_rate = self.rate("end_rate");
        let (from, until) = self.window("from");
        Some(Shape::Ramp {
            from: from?,
            until: until?,
            start_rate: start_rate?,
            end_rate: end_rate?,
        })
    }

    fn flash(&self) -> Option<Shape> {
        let buyers = self.buyers();
        let rise = self.length("rise");
        let decay = self.some_length("decay");
        let base = self.rate("base");
        let (from, until) = self.window("from");
        let (from, until, rise) = (from?, until?, rise?);
        if from + rise > until {
            let message = format!("the rise of {} ends after the phase", Written(rise));
            let problem = Problem::new(message).help("shorten `rise` or move `until`");
            self.section.complain(&["rise", "until"], problem);
        }
        let (buyers, base) = (buyers?, base?);
        let of_base = base.per_second() * (until - from).as_secs_f64();
        if of_base > f64::from(buyers) {
            let message = format!("the base rate alone brings {of_base:.0} of {buyers} buyers");
            let problem = Problem::new(message).help("lower `base` or raise `buyers`");
            self.section.complain(&["base", "buyers"], problem);
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

    fn onsale(&self) -> Option<Shape> {
        let buyers = self.buyers();
        let waiting_before = self.section.value("waiting_before");
        let waiting_before = waiting_before.and_then(|value| value.share());
        let jitter = self.length("jitter");
        let decay = self.some_length("decay");
        let (opens_at, until) = self.window("opens_at");
        let (opens_at, until, jitter) = (opens_at?, until?, jitter?);
        if opens_at + jitter > until {
            let message = format!("the jitter of {} ends after the phase", Written(jitter));
            self.section.complain(&["jitter"], Problem::new(message));
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

    fn buyers(&self) -> Option<u32> {
        self.section.value("buyers")?.whole(1..=BUYERS_MAX)
    }

    fn rate(&self, key: &'static str) -> Option<Rate> {
        self.section.value(key)?.rate()
    }

    fn length(&self, key: &'static str) -> Option<Duration> {
        self.section.value(key)?.length(ANY_LENGTH)
    }

    fn some_length(&self, key: &'static str) -> Option<Duration> {
        self.section.value(key)?.length(SOME_LENGTH)
    }

    /// An instant before the end of the run.
    fn instant(&self, key: &'static str) -> Option<SimTime> {
        let at = self.length(key)?;
        if self.end.is_some_and(|end| at >= end) {
            self.report_after_end(key, &format!("`{key}` is {}", Written(at)));
            return None;
        }
        Some(SimTime::ZERO + at)
    }

    /// The first instant, under the given key, and the last one.
    fn window(&self, start_key: &'static str) -> (Option<SimTime>, Option<SimTime>) {
        let start = self.instant(start_key);
        let until = self.section.value("until");
        let until = until.and_then(|value| value.unless("end", |v| v.length(SOME_LENGTH)));
        let (Some(until), Some(end)) = (until, self.end) else {
            return (start, None);
        };
        let last = match until {
            None => end,
            Some(until) if until > end && self.is_cut => end,
            Some(until) if until > end => {
                self.report_after_end("until", &format!("`until` is {}", Written(until)));
                return (start, None);
            }
            Some(until) => until,
        };
        let last = SimTime::ZERO + last;
        if let Some(first) = start
            && last <= first
        {
            let (first, last) = (Written(first.since_start()), Written(last.since_start()));
            let message = format!("`until` of {last} is not after `{start_key}` of {first}");
            self.section
                .complain(&["until", start_key], Problem::new(message));
            return (start, None);
        }
        (start, Some(last))
    }

    fn report_after_end(&self, key: &str, what: &str) {
        let end = Written(self.end.unwrap_or_default());
        let problem = Problem::new(format!("{what}, after the end of the run at {end}"));
        let help = "lengthen `clock.duration`, or let the arrivals come earlier";
        self.section.complain(&[key], problem.help(help));
    }
}

/// Shortens the levels, from the last one on, until they last `left` at most.
fn cut(levels: &mut Vec<Level>, mut left: Duration) {
    for level in levels.iter_mut() {
        level.lasts = level.lasts.min(left);
        left -= level.lasts;
    }
    levels.retain(|level| !level.lasts.is_zero());
}

fn level(section: &Section<'_>) -> Option<Level> {
    let rate = section.value("rate").and_then(|value| value.rate());
    let lasts = section.value("lasts");
    let lasts = lasts.and_then(|value| value.length(SOME_LENGTH));
    Some(Level {
        rate: rate?,
        lasts: lasts?,
    })
}
