//! From the raw scenario to the [`Plan`]: defaults, names, ranges, and what must fit together.
//!
//! Each file resolves one table. A function reads all of its keys first and builds last, so that one bad value hides
//! no other; `None` means that a problem has been reported.

mod arrivals;
mod buyers;
mod data_tier;
mod faults;
mod gates;
mod overrides;
mod scaling;
mod schedule;
mod show;
mod topology;

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::DeTable;

pub use overrides::Overrides;

use crate::diagnostic::{Diagnostics, Problem};
use crate::document::{Layer, Problems, Section};
use crate::duration::{self, Written};
use crate::plan::{Clock, Cost, Plan, SelfCheck, Target};
pub use topology::{INSTANCE_CLASSES, PROFILES};

/// The documented architecture.
const PRESET_TIKETI: &str = include_str!("../presets/tiketi.toml");

/// The price books that come with the program.
pub const PRICE_BOOKS: [&str; 2] = ["documented-krw", "aws-ap-northeast-2"];

/// Any length of time, nothing included.
const ANY_LENGTH: RangeInclusive<Duration> = Duration::ZERO..=duration::LENGTH_MAX;

/// Any length of time that is more than nothing.
const SOME_LENGTH: RangeInclusive<Duration> = Duration::from_nanos(1)..=duration::LENGTH_MAX;

/// Scenario seconds in a wall second that no machine holds.
const SPEED_MAX: f64 = 1_000.0;

/// Resolves the scenario `text` of the file `source_name`, or reports all that is wrong with it.
///
/// Values of `overrides` (flags of the command line) win over the file's, the file's over the preset's.
pub fn load(source_name: &str, text: &str, overrides: &Overrides) -> Result<Plan, Diagnostics> {
    let problems = Problems::new(text);
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        problems.report(Problem::new(error.message()).at(span));
    }
    if !errors.is_empty() {
        // Half a document would only produce problems that are none.
        return Err(Diagnostics::new(source_name, text, problems.into_list()));
    }
    let preset = DeTable::parse(PRESET_TIKETI).expect("a test reads the preset");
    let root = Section::new(
        String::new(),
        vec![
            Layer {
                table: document.get_ref(),
                header: Some((0, 0)),
            },
            Layer {
                table: preset.get_ref(),
                header: None,
            },
        ],
        &problems,
    );
    let plan = resolve(source_name, text, overrides, &root);
    drop(root);
    let list = problems.into_list();
    match plan {
        Some(plan) if list.is_empty() => Ok(plan),
        _ => {
            assert!(!list.is_empty(), "a scenario was refused without a reason");
            Err(Diagnostics::new(source_name, text, list))
        }
    }
}

fn resolve(
    source_name: &str,
    text: &str,
    overrides: &Overrides,
    root: &Section<'_>,
) -> Option<Plan> {
    if let Some(preset) = root.find("preset") {
        preset.word(&["tiketi"]);
    }
    let name = name("scenario", source_name, root);
    let seed = root.value("seed").and_then(|seed| seed.whole(0..=u64::MAX));
    let (end, clock) = clock(root, overrides);
    let each = |key| {
        let each = root.preset_layer("each").expect("a test reads the preset");
        root.layer_in(each, key)
    };
    let show = show::show(&root.section("show"));
    let waiting_room = show::waiting_room(&root.section("waiting_room"));
    let arrivals = arrivals::arrivals(root, each("arrivals"), end, overrides);
    let buyers = buyers::temperament(&root.section("buyers"));
    let server = show::server(&root.section("server"));
    let scaling_section = root.section("scaling");
    let fallbacks = scaling::Fallbacks {
        policy: each("policy"),
        alarm: each("alarm"),
        scheduled: each("scheduled"),
    };
    let scaling = scaling::scaling(&scaling_section, &fallbacks, end);
    let topology_section = root.section("topology");
    let zones = topology::zone_names(&topology_section);
    let context = topology::Context {
        zones: zones.as_deref(),
        scaling_section: &scaling_section,
        scaling: scaling.as_ref(),
        profile: overrides.profile.as_ref(),
        data_tier: overrides.data_tier.as_ref(),
        redis: each("redis"),
        database: each("database"),
        connections_max: each("connections_max"),
        cores: each("cores"),
    };
    let topology = topology::topology(&topology_section, &context);
    let faults = faults::faults(root, zones.as_deref(), end);
    let gates = gates::gates(&root.topmost("gates"));
    let self_check = self_check(&root.section("self_check"));
    let cost = cost(&root.section("cost"));
    let target = target(&root.section("target"));
    Some(Plan {
        name: name?,
        question: question(text),
        seed: overrides.seed.or(seed)?,
        clock: clock?,
        show: show?,
        waiting_room: waiting_room?,
        arrivals: arrivals?,
        buyers: buyers?,
        server: server?,
        topology: topology?,
        scaling: scaling?,
        faults: faults?,
        gates: gates?,
        self_check: self_check?,
        cost: cost?,
        target: target?,
    })
}

/// The name of a scenario (or of a `what` else): as written, else that of its file.
pub fn name(what: &str, source_name: &str, root: &Section<'_>) -> Option<String> {
    let legal = "lower-case words, digits and hyphens";
    let is_legal = |name: &str| {
        !name.is_empty()
            && name.len() <= 64
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && !name.starts_with('-')
    };
    if let Some(written) = root.find("name") {
        let name = written.text()?;
        if !is_legal(name) {
            written.refuse(legal);
            return None;
        }
        return Some(name.to_owned());
    }
    let file = source_name.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = file.strip_suffix(".toml").unwrap_or(file);
    if !is_legal(stem) {
        let problem = Problem::new(format!("`{stem}` cannot name the {what}")).legal(legal);
        root.complain(&[], problem.help("add a line such as `name = \"rush\"`"));
        return None;
    }
    Some(stem.to_owned())
}

/// The first paragraph of the file's first comment: the question that the scenario asks.
pub fn question(text: &str) -> String {
    let comment = text
        .lines()
        .map(str::trim)
        .skip_while(|line| line.is_empty());
    comment
        .map_while(|line| line.strip_prefix('#'))
        .map(str::trim)
        .take_while(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The end of the run, which others are held against even if the rest of the clock is wrong, and the whole clock.
fn clock(root: &Section<'_>, overrides: &Overrides) -> (Option<Duration>, Option<Clock>) {
    let section = root.section("clock");
    let duration = section.value("duration");
    let duration = duration.and_then(|value| value.length(SOME_LENGTH));
    let duration = overrides.duration.or(duration);
    let warmup = section.value("warmup");
    let warmup = warmup.and_then(|value| value.length(ANY_LENGTH));
    let speed = section.value("speed").and_then(|value| {
        value.number("above 0, at most 1000", |speed| {
            speed > 0.0 && speed <= SPEED_MAX
        })
    });
    if let (Some(duration), Some(warmup)) = (duration, warmup)
        && warmup >= duration
    {
        let (warmup, duration) = (Written(warmup), Written(duration));
        let message = format!("`warmup` of {warmup} leaves nothing of a {duration} run");
        let problem = Problem::new(message).help("shorten `warmup` or lengthen `duration`");
        section.complain(&["warmup", "duration"], problem);
    }
    let speed = overrides.speed.or(speed);
    let clock = duration.zip(warmup).zip(speed);
    let clock = clock.map(|((duration, warmup), speed)| Clock {
        duration,
        warmup,
        speed,
    });
    (duration, clock)
}

fn self_check(section: &Section<'_>) -> Option<SelfCheck> {
    let limit = section.value("send_lag_p99_max")?;
    Some(SelfCheck {
        send_lag_p99_max: limit.length(SOME_LENGTH)?,
    })
}

fn cost(section: &Section<'_>) -> Option<Cost> {
    let prices = section.value("prices");
    let prices = prices.and_then(|value| value.word(&PRICE_BOOKS));
    let onsales = section.value("onsales_per_month");
    let onsales = onsales.and_then(|value| value.whole(0..=10_000));
    Some(Cost {
        prices: prices?,
        onsales_per_month: onsales?,
    })
}

fn target(section: &Section<'_>) -> Option<Target> {
    let hosts = section.value("allow").and_then(|value| value.elements());
    let allow = hosts.and_then(|hosts| {
        let hosts = hosts.iter().map(|host| host.text().map(str::to_owned));
        hosts.collect::<Vec<_>>().into_iter().collect()
    });
    let show = section.value("show");
    let show = show.and_then(|value| value.unless("none", |v| v.text().map(str::to_owned)));
    Some(Target {
        allow: allow?,
        show: show?,
    })
}
