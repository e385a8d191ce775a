//! All tables of a scenario: their keys, what they mean, and what must fit together.
//!
//! Each file describes the keys of some tables. Reading a table builds its part of the [`Plan`] and checks
//! combinations of keys; `None` means that a problem has been reported.

mod alarm;
mod api;
mod arrivals;
mod availability;
mod buyers;
mod commands;
mod data_tier;
mod edge;
mod existing_servers;
mod faults;
mod gates;
mod limits;
mod missing;
mod network;
mod observe;
mod outlook;
mod overrides;
mod provider;
mod replacement;
mod scaling;
mod schedule;
mod show;
mod subnets;
mod topology;

use std::time::Duration;

use toml::de::DeTable;

use super::diagnostic::{Diagnostics, Problem, syntax_problem};
use super::document::{Layer, Problems, Section};
use super::duration::Written;
use super::keys::kind::{Length, List, Number, Or, Text, Truth, Whole, Word};
use super::keys::{Describing, Form, Keys, Limits, TableDescription, key};
use super::page::{Page, text};
use super::plan::{Clock, Cost, Plan, SelfCheck, Target};
use super::reach::Bounds;
pub use api::{load as load_api, problems as api_problems};
use outlook::Outlook;
pub use overrides::Overrides;
pub use topology::PROFILES;

/// The documented architecture, which gives every key its default. Its comments are the reference for users.
pub const PRESET: &str = include_str!("../presets/tiketi.toml");

/// Names of presets.
const PRESETS: [&str; 1] = ["tiketi"];

/// Limits on the length of a run.
pub const DURATION: Limits<Duration> = limits::RUN;

/// Limits on the number of buyers of a run.
pub const BUYERS: Limits<u32> = limits::BUYERS;

/// The price books that come with the program.
pub const PRICE_BOOKS: [&str; 2] = ["documented-krw", "aws-ap-northeast-2"];

/// A valid scenario.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The resolved scenario.
    pub plan: Plan,
    /// What is probably not meant; empty if nothing is.
    pub warnings: Diagnostics,
}

/// Resolves the scenario `text` of the file `source_name`, or reports everything that is wrong with it.
///
/// Values of `overrides` (command-line flags) take precedence over the file, and the file over the preset.
pub fn load(source_name: &str, text: &str, overrides: &Overrides) -> Result<Plan, Diagnostics> {
    load_with_warnings(source_name, text, overrides).map(|loaded| loaded.plan)
}

/// As [`load`], and also returns warnings.
pub fn load_with_warnings(
    source_name: &str,
    text: &str,
    overrides: &Overrides,
) -> Result<Loaded, Diagnostics> {
    let preset = DeTable::parse(PRESET).expect("a test parses the preset");
    let problems = Problems::over_preset(text, preset.get_ref());
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        problems.report(syntax_problem(error, text));
    }
    if !errors.is_empty() {
        // Keys that are missing because of a syntax error would be reported as problems of their own.
        return Err(Diagnostics::new(source_name, text, problems.into_list()));
    }
    let file = Layer {
        table: document.get_ref(),
        header: Some((0, 0)),
    };
    let preset = Layer {
        table: preset.get_ref(),
        header: None,
    };
    let root = Section::new(String::new(), vec![file, preset], &problems);
    let given = Given {
        source_name,
        text,
        overrides,
    };
    let plan = plan(&mut Keys::reading(root), &given);
    let warnings = Diagnostics::warnings(source_name, text, problems.take_warnings());
    let list = problems.into_list();
    match plan {
        Some(plan) if list.is_empty() => Ok(Loaded { plan, warnings }),
        _ => {
            assert!(!list.is_empty(), "a scenario was rejected without a reason");
            Err(Diagnostics::new(source_name, text, list))
        }
    }
}

/// Describes every key of a scenario: what it means, what its values look like, and its default.
pub fn describe() -> TableDescription {
    let preset = PRESET.parse().expect("a test parses the preset");
    let mut root = Describing::new(&preset);
    plan(&mut Keys::describing(&mut root), &Given::NOTHING);
    root.into_table()
}

impl Plan {
    /// Writes the scenario *as run*: every value is stated, so that the run can be repeated even if the preset changes.
    /// Loading it returns the same plan.
    pub fn to_toml(&self) -> String {
        let mut page = Page::default();
        plan(&mut Keys::writing(self, &mut page), &Given::NOTHING);
        let lines = page.lines("");
        if self.question.is_empty() {
            lines
        } else {
            format!("# {}\n\n{lines}", self.question)
        }
    }
}

/// What a plan is read from besides the keys of its file.
struct Given<'g> {
    source_name: &'g str,
    text: &'g str,
    overrides: &'g Overrides,
}

impl Given<'_> {
    /// Nothing, for writing and describing.
    const NOTHING: Self = Self {
        source_name: "",
        text: "",
        overrides: &Overrides::NONE,
    };
}

fn plan(keys: &mut Keys<'_, '_, Plan>, given: &Given<'_>) -> Option<Plan> {
    let name = name_key(keys, given.source_name);
    preset_key(keys);
    let seed = keys.value(
        key(
            "seed",
            "Seed of every random stream. The same scenario and seed give the same buyers.",
        ),
        Whole(SEEDS),
        |plan| plan.seed,
    );
    let (end, clock) = keys
        .section(
            key("clock", "Length and speed of the run."),
            |plan| &plan.clock,
            |keys| Some(clock(keys, given.overrides)),
        )
        .unwrap_or_default();
    let arrivals = arrivals::arrivals(keys, end, given.overrides);
    let zones = topology::zone_names(keys);
    let zones = zones.as_deref();
    let faults = faults::faults(keys, zones, end);
    let availability = keys.section(
        key(
            "availability",
            "What a year brings, for the availability per year.",
        ),
        |plan| &plan.availability,
        |keys| availability::availability(keys, faults.as_deref()),
    );
    let show = keys.section(key("show", "What is sold."), |plan| &plan.show, show::show);
    let waiting_room = keys.section(
        key("waiting_room", "The queue of buyers in front of the show."),
        |plan| &plan.waiting_room,
        show::waiting_room,
    );
    let server = keys.section(
        key("server", "Limits and cache times of the application."),
        |plan| &plan.server,
        show::server,
    );
    let provider = keys.section(
        key(
            "provider",
            "The payment provider, a server outside the VPC, and how the application calls it.",
        ),
        |plan| &plan.provider,
        provider::provider,
    );
    let buyers = keys.section(
        key(
            "buyers",
            "How buyers behave. Each buyer draws from these distributions.",
        ),
        |plan| &plan.buyers,
        buyers::temperament,
    );
    let scaling = keys.section(
        key(
            "scaling",
            "The Auto Scaling group: its limits, policies and alarms.",
        ),
        |plan| &plan.scaling,
        |keys| scaling::scaling(keys, end),
    );
    let context = topology::Context {
        zones,
        scaling: scaling.as_ref(),
        overrides: given.overrides,
    };
    // Read after the scaling, which its subnets must have room for; written before it.
    keys.write_next_before("scaling");
    let topology = keys.section(
        key(
            "topology",
            "The architecture: zones, subnets and what runs in them.",
        ),
        |plan| &plan.topology,
        |keys| topology::topology(keys, &context),
    );
    if let (Some(topology), Some(faults)) = (&topology, &faults) {
        missing::report_missing_parts(keys, topology, faults);
    }
    let bounds = Bounds {
        duration: end,
        call_timeout: buyers.as_ref().map(|buyers| buyers.call_timeout),
        seats: show.as_ref().map(|show| u64::from(show.seats_total())),
    };
    let gates = gates::gates(keys, &bounds);
    if let Some(root) = keys.read() {
        let outlook = Outlook {
            end,
            arrivals: arrivals.as_deref(),
            buyers: buyers.as_ref(),
            class: topology.as_ref().map(|topology| topology.instances.class),
            edge: topology.as_ref().map(|topology| &topology.edge),
        };
        outlook.report(root, scaling.as_ref());
    }
    let self_check = keys.section(
        key("self_check", "Limits beyond which a run is inconclusive."),
        |plan| &plan.self_check,
        self_check,
    );
    let cost = keys.section(
        key("cost", "How the run is priced."),
        |plan| &plan.cost,
        cost,
    );
    let target = keys.section(
        key("target", "The system under test, for runs with `--target`."),
        |plan| &plan.target,
        |keys| target(keys, given.overrides),
    );
    buyers::check(keys, buyers.as_ref(), arrivals.as_deref(), target.as_ref());
    Some(Plan {
        name: name?,
        question: question(given.text),
        seed: given.overrides.seed.or(seed)?,
        clock: clock?,
        show: show?,
        waiting_room: waiting_room?,
        arrivals: arrivals?,
        buyers: buyers?,
        server: server?,
        provider: provider?,
        topology: topology?,
        scaling: scaling?,
        faults: faults?,
        availability: availability?,
        gates: gates?,
        self_check: self_check?,
        cost: cost?,
        target: target?,
    })
}

/// Valid names in words.
const NAME_EXPECTED: &str = "1 to 64 lowercase letters, digits and hyphens";

/// Why other names are invalid.
const NAME_HINT: &str = "the report's folder has this name, so write it like `rush-of-fans`";

/// Seeds of random streams.
const SEEDS: Limits<u64> = Limits::new(0, u64::MAX, "a seed is a number of 64 bits, not negative");

fn name_key(keys: &mut Keys<'_, '_, Plan>, source_name: &str) -> Option<String> {
    keys.special(
        key(
            "name",
            "Name of the scenario and of its report folder. Without it, the name of the file.",
        ),
        || Form::Syntax {
            expected: NAME_EXPECTED,
            hint: NAME_HINT,
        },
        |root| name("scenario", source_name, root),
        |plan| text(&plan.name),
    )
}

fn preset_key(keys: &mut Keys<'_, '_, Plan>) {
    keys.optional(
        key(
            "preset",
            "Where defaults come from: the documented TIKETI architecture.",
        ),
        Word(&PRESETS),
        |_| Some(PRESETS[0].to_owned()),
    );
}

/// The name of a scenario, or of something else (`what`): as written, or else the name of its file.
pub fn name(what: &str, source_name: &str, root: &Section<'_>) -> Option<String> {
    let is_valid = |name: &str| {
        !name.is_empty()
            && name.len() <= 64
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && !name.starts_with('-')
    };
    if let Some(written) = root.find("name") {
        let name = written.text()?;
        if !is_valid(name) {
            written.reject_with(NAME_EXPECTED, NAME_HINT);
            return None;
        }
        return Some(name.to_owned());
    }
    let file = source_name.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = file.strip_suffix(".toml").unwrap_or(file);
    if !is_valid(stem) {
        let message = format!("the file name `{stem}` cannot be the name of the {what}");
        let problem = Problem::new(message).expected(NAME_EXPECTED);
        root.complain(&[], problem.help("add a line such as `name = \"rush\"`"));
        return None;
    }
    Some(stem.to_owned())
}

/// The first paragraph of the file's first comment: the question that the scenario asks. Empty if there is none.
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

/// The end of the run, which other tables are checked against even if the rest of the clock has a problem, and the
/// clock.
fn clock(
    keys: &mut Keys<'_, '_, Clock>,
    overrides: &Overrides,
) -> (Option<Duration>, Option<Clock>) {
    let duration = keys.value(
        key(
            "duration",
            "Length of the run. Arrivals and buyers stop at its end.",
        ),
        Length(limits::RUN),
        |clock| clock.duration,
    );
    let duration = match overrides.duration {
        Some(length) if !limits::RUN.permit(length) => {
            let problem = Problem::new(format!("`--duration` is {}", Written(length)));
            let problem = problem.expected(limits::RUN).help(limits::RUN.why);
            keys.complain(&[], problem);
            None
        }
        length => length.or(duration),
    };
    let warmup = keys.value(
        key(
            "warmup",
            "Start of the run that is measured but not judged.",
        ),
        Length(limits::WARMUP),
        |clock| clock.warmup,
    );
    let speed = keys.value(
        key(
            "speed",
            "Scenario seconds per real second in live runs of the testbed; 1 is real time.",
        )
        .only(&topology::LIVE),
        Number(limits::SPEED),
        |clock| clock.speed,
    );
    if let (Some(duration), Some(warmup)) = (duration, warmup)
        && warmup >= duration
    {
        let (warmup, duration) = (Written(warmup), Written(duration));
        // What a flag says is not the fault of the key that it replaces.
        let (flag, places, help): (_, &[&str], _) = match overrides.duration {
            Some(_) => (
                ", set with `--duration`",
                &["warmup"],
                "shorten `warmup`, or run longer",
            ),
            None => (
                "",
                &["warmup", "duration"],
                "shorten `warmup` or lengthen `duration`",
            ),
        };
        let message =
            format!("`warmup` ({warmup}) must be shorter than the run ({duration}{flag})");
        let problem = Problem::new(message).expected(format!("a `warmup` below {duration}"));
        keys.complain(places, problem.help(help));
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

fn self_check(keys: &mut Keys<'_, '_, SelfCheck>) -> Option<SelfCheck> {
    let send_lag_p99_max = keys.value(
        key(
            "send_lag_p99_max",
            "Highest 99th percentile of the load generator's scheduling delay, in scenario time.",
        ),
        Length(limits::SEND_LAG),
        |check| check.send_lag_p99_max,
    );
    let stall_max = keys.value(
        key(
            "stall_max",
            "Longest real time that a part of the tool may stand still without a fault.",
        )
        .only(&topology::LIVE),
        Length(limits::STALL),
        |check| check.stall_max,
    );
    Some(SelfCheck {
        send_lag_p99_max: send_lag_p99_max?,
        stall_max: stall_max?,
    })
}

fn cost(keys: &mut Keys<'_, '_, Cost>) -> Option<Cost> {
    let prices = keys.value(key("prices", "Price book."), Word(&PRICE_BOOKS), |cost| {
        cost.prices.clone()
    });
    let onsales_per_month = keys.value(
        key(
            "onsales_per_month",
            "Sales of this kind per month, for the monthly statement.",
        ),
        Whole(limits::SALES),
        |cost| cost.onsales_per_month,
    );
    Some(Cost {
        prices: prices?,
        onsales_per_month: onsales_per_month?,
    })
}

fn target(keys: &mut Keys<'_, '_, Target>, overrides: &Overrides) -> Option<Target> {
    let allow = keys.value(
        key(
            "allow",
            "Hosts that `--target` may name besides loopback: the owner of each permits this load.",
        ),
        List(Text, limits::HOSTS),
        |target| target.allow.clone(),
    );
    let show = keys.value(
        key(
            "show",
            "Id of the show to buy; `none` takes the first one on sale.",
        ),
        Or("none", Text),
        |target| target.show.clone(),
    );
    let reuse_users = keys.value(
        key(
            "reuse_users",
            "Whether buyers may share users if the file of `--users` or `--tokens` has fewer of them than there are buyers.",
        ),
        Truth,
        |target| target.reuse_users,
    );
    let api = api::api(keys);
    let observe = keys.section(
        key(
            "observe",
            "Levels of the target that a metrics server knows: they are read into the report.",
        ),
        |target| &target.observe,
        observe::observe,
    );
    Some(Target {
        allow: allow?,
        show: show?,
        reuse_users: reuse_users?,
        api: overrides.api.clone().or(api?),
        observe: observe?,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use toml::{Table, Value};

    use super::*;
    use crate::keys::{Default, KeyDescription};

    /// Calls `visit` with every key, also those of tables in lists.
    fn each_key<'t>(table: &'t TableDescription, visit: &mut impl FnMut(&'t KeyDescription)) {
        for key in &table.keys {
            visit(key);
            each_table(&key.form, &mut |table| each_key(table, visit));
        }
    }

    fn each_table<'f>(form: &'f Form, visit: &mut dyn FnMut(&'f TableDescription)) {
        match form {
            Form::Table(table) => visit(table),
            Form::List { of, .. } | Form::Map { of, .. } => each_table(of, visit),
            Form::Either(forms) => forms.iter().for_each(|form| each_table(form, visit)),
            Form::Text { .. }
            | Form::Syntax { .. }
            | Form::Truth
            | Form::Whole(_)
            | Form::Number(_)
            | Form::Share { .. }
            | Form::Rate(_)
            | Form::Length(_)
            | Form::OneOf(_) => {}
        }
    }

    /// Reports the keys of a table of the preset that nothing describes.
    fn report_undescribed(path: &str, table: &Table, described: &TableDescription) -> Vec<String> {
        let check = |(name, value): (&String, &Value)| {
            let path = format!("{path}.{name}");
            let Some(key) = described.key(name) else {
                return vec![path];
            };
            let mut inner = Vec::new();
            each_table(&key.form, &mut |described| {
                for table in tables_in(value) {
                    inner.extend(report_undescribed(&path, table, described));
                }
            });
            inner
        };
        table.iter().flat_map(check).collect()
    }

    fn tables_in(value: &Value) -> Vec<&Table> {
        match value {
            Value::Table(table) => vec![table],
            Value::Array(elements) => elements.iter().flat_map(tables_in).collect(),
            _ => Vec::new(),
        }
    }

    /// The comments of the preset as one text.
    fn comments() -> String {
        let lines = PRESET.lines().filter_map(|line| line.strip_prefix('#'));
        let words = lines.flat_map(str::split_whitespace);
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_preset_documents_every_key_in_the_words_of_its_description() {
        let (comments, description) = (comments(), describe());
        let mut undocumented = BTreeSet::new();
        each_key(&description, &mut |key| {
            let sentence = key.doc.trim_end_matches('.');
            let lowercase_start = sentence.replacen("The", "the", 1);
            if !comments.contains(sentence) && !comments.contains(&lowercase_start) {
                undocumented.insert(format!("{}: {}", key.name, key.doc));
            }
        });
        assert!(undocumented.is_empty(), "{undocumented:#?}");
    }

    #[test]
    fn every_key_of_the_preset_is_described() {
        let (mut preset, description): (Table, _) = (PRESET.parse().unwrap(), describe());
        let each = preset.remove("each").expect("defaults of elements");
        let undescribed = report_undescribed("preset", &preset, &description);
        assert!(undescribed.is_empty(), "{undescribed:#?}");

        let mut known = BTreeSet::new();
        each_key(&description, &mut |key| {
            if !matches!(key.default, Default::Required | Default::Optional) {
                known.insert(key.name);
            }
        });
        let tables = tables_in(&each)[0].iter();
        let defaults = tables.flat_map(|(name, value)| match name.as_str() {
            "database_kind" | "database_class" | "redis_class" | "network_profile" => {
                tables_in(value)[0].values().flat_map(tables_in).collect()
            }
            _ => tables_in(value),
        });
        for name in defaults.flat_map(Table::keys) {
            assert!(known.contains(name.as_str()), "each.….{name}");
        }
    }

    #[test]
    fn defaults_of_the_description_are_those_of_an_empty_scenario() {
        let description = describe();
        let clock = &description.key("clock").expect("a table").form;
        let Form::Table(clock) = clock else {
            panic!("{clock:?}");
        };
        let warmup = clock.key("warmup").expect("a key");
        assert_eq!(warmup.default, Default::Value(Value::from("30s")));
        let plan = load("empty.toml", "", &Overrides::default()).expect("the preset is valid");
        assert_eq!(plan.clock.warmup, Duration::from_secs(30));
    }

    #[test]
    fn keys_of_variants_name_the_variants_that_have_them() {
        let description = describe();
        let Form::List { of: faults, .. } = &description.key("faults").expect("a list").form else {
            panic!("faults are a list");
        };
        let Form::Table(fault) = &**faults else {
            panic!("faults are tables");
        };
        let lasts = fault.key("lasts").expect("a key").when.as_ref();
        let lasts = lasts.expect("some faults have no length");
        assert_eq!(lasts.key, "action");
        let all = tiketi_core::fault::catalog::FaultKind::ALL.len();
        assert_eq!(
            lasts.is.len(),
            all - 3,
            "all but the momentary ones and commands"
        );
        for momentary in ["terminate-instances", "replace-route"] {
            assert!(!lasts.is.contains(&momentary));
        }
    }
}
