//! Every key of a scenario, with its place in a base file and its form.

use tiketi_scenario::describe;
use tiketi_scenario::keys::{Form, KeyDescription, TableDescription};
use toml::{Table, Value};

/// A scenario with an element in every list, so that every key has a value that can be replaced.
pub(crate) const BASE: &str = r#"
name = "base"
seed = 5
arrivals = [
    { shape = "onsale", buyers = 8, opens_at = "1s", decay = "5s", jitter = "100ms", waiting_before = 0.5, until = "30s" },
    { shape = "poisson", rate = "1/s", from = "1s", until = "5s" },
    { shape = "step", from = "2s", levels = [{ rate = "1/s", lasts = "3s" }, { rate = 0.5, lasts = "4s" }] },
    { shape = "ramp", start_rate = 0, end_rate = "1/s", from = "1s", until = "6s" },
    { shape = "flash", buyers = 6, base = "0.1/s", from = "1s", rise = "1s", decay = "5s", until = "20s" },
]
faults = [
    { at = "10s", lasts = "2s", action = "az-power-interruption", zone = "b" },
    { at = "14s", action = "terminate-instances", zone = "a", count = 1 },
    { at = "15s", lasts = "2s", action = "pause-instances", zone = "a", count = 1 },
    { at = "18s", lasts = "2s", action = "lose-alb-node", zone = "a" },
    { at = "21s", lasts = "2s", action = "lose-primary", part = "redis" },
    { at = "24s", lasts = "2s", action = "pause-primary", part = "database" },
    { at = "27s", lasts = "2s", action = "delay-replica", part = "redis", lag = "1s" },
    { at = "30s", lasts = "2s", action = "fill-redis-memory", share = 0.5 },
    { at = "33s", lasts = "2s", action = "hold-database-connections", count = 5 },
    { at = "39s", lasts = "2s", action = "cpu-stress", zone = "a", count = 1, load = 0.5 },
    { at = "42s", lasts = "2s", action = "network-latency", zone = "a", peer = "all", delay = "20ms", jitter = "5ms" },
    { at = "45s", lasts = "2s", action = "network-packet-loss", zone = "b", peer = "buyers", loss = 0.1 },
    { at = "48s", lasts = "2s", action = "start-zonal-autoshift", zone = "b" },
    { at = "33s", lasts = "2s", action = "slow-dns", delay = "1s", unanswered = 0.1 },
    { at = "50s", lasts = "2s", action = "exec", name = "a command", run = ["true", "-x"], end = ["true"], timeout = "5s" },
    { at = "52s", lasts = "2s", action = "fis", name = "an experiment", template = "EXT1a2b", timeout = "5s" },
    { at = "36s", lasts = "2s", action = "asg-insufficient-instance-capacity-error", zone = "a" },
]
[availability]
faults = [{ action = "az-power-interruption", per_year = 1, lasts = "1h", detection = "1m" }]
[clock]
duration = "60s"
warmup = "5s"
[show]
title = "A show"
sections = [{ name = "R", rows = 5, seats_per_row = 10, price = 110_000 }]
[waiting_room]
active_max = 10
[server]
rate_limit = 100
[buyers]
browse = "1s"
patience = { distribution = "weibull", shape = 0.7, mean = "5m" }
seat_pick = { distribution = "lognormal", median = "2s", sigma = 0.5 }
seat_repick = { distribution = "exponential", mean = "1s" }
payment = { distribution = "uniform", from = "2s", to = "4s" }
[topology]
nat_gateways = ["a"]
[topology.instances]
initial = { a = 2, b = 1 }
[scaling]
boot = "20s"
monitor.phase = "3s"
instance_maintenance_policy = { min_healthy_percentage = 90, max_healthy_percentage = 120 }
default_instance_warmup = "5s"
suspended_processes = ["AZRebalance"]
instance_refreshes = [{ at = "20s", min_healthy_percentage = 80, max_healthy_percentage = 130, instance_warmup = "5s", checkpoint_percentages = [50, 100], checkpoint_delay = "2s", cancel_at = "50s" }]
scheduled = [{ name = "more", at = "9s", late = "1s", min = 2, max = 9, desired = 3 }]
policies = [
    { name = "high", metric = "queue_size", alarm = { above = 3 }, kind = "simple", adjust = 1 },
    { name = "low", metric = "cpu_utilization", alarm = { below = 2 }, kind = "step", steps = [{ from = -1, to = 0, adjust = -1 }, { from = 0, adjust = 1 }] },
]
[target]
allow = ["staging.example"]
show = "1e6f"
"#;

/// A scenario for servers that exist already.
pub(crate) const EXISTING: &str = r#"
name = "existing"
[topology.data_tier]
redis = "redis://127.0.0.1:6379"
database = "postgres://me@127.0.0.1/tickets"
prefix = "run:"
schema = "run"
"#;

/// A step on the way to a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// The value of a key.
    Key(String),
    /// An element of a list.
    Element(usize),
}

/// A key that has a value in a file.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) path: Vec<Step>,
    pub(crate) form: Form,
    /// Whether its name is fixed, and so can be misspelled.
    pub(crate) is_named: bool,
}

impl Place {
    /// The name of the key.
    pub(crate) fn name(&self) -> &str {
        match self.path.last() {
            Some(Step::Key(name)) => name,
            Some(Step::Element(_)) | None => "",
        }
    }

    /// The path as messages show it, such as `faults[0].zone`.
    pub(crate) fn shown(&self) -> String {
        let mut shown = String::new();
        for step in &self.path {
            match step {
                Step::Key(name) if shown.is_empty() => shown.push_str(name),
                Step::Key(name) => shown = format!("{shown}.{name}"),
                Step::Element(index) => shown = format!("{shown}[{index}]"),
            }
        }
        shown
    }

    /// The file with another value here.
    pub(crate) fn with(&self, file: &Table, value: Value) -> Table {
        let mut file = file.clone();
        let (last, above) = self.path.split_last().expect("a path has a key");
        let table = inner(&mut file, above);
        if let (Step::Key(name), Some(table)) = (last, table) {
            table.insert(name.clone(), value);
        }
        file
    }

    /// The file with another name for this key.
    pub(crate) fn renamed(&self, file: &Table, name: &str) -> Table {
        let mut file = file.clone();
        let (_, above) = self.path.split_last().expect("a path has a key");
        if let Some(table) = inner(&mut file, above) {
            let value = table.remove(self.name()).expect("the key has a value");
            table.insert(name.to_owned(), value);
        }
        file
    }
}

/// The table at a path.
fn inner<'t>(file: &'t mut Table, path: &[Step]) -> Option<&'t mut Table> {
    let (first, rest) = match path {
        [] => return Some(file),
        [Step::Key(name), rest @ ..] => (file.get_mut(name)?, rest),
        [Step::Element(_), ..] => return None,
    };
    let mut value = first;
    let mut rest = rest;
    while let [Step::Element(index), more @ ..] = rest {
        value = value.as_array_mut()?.get_mut(*index)?;
        rest = more;
    }
    inner(value.as_table_mut()?, rest)
}

/// The file as a run would keep it, which states every value; and all of its keys.
pub(crate) fn stated(text: &str) -> (Table, Vec<Place>) {
    let plan = super::files::plan(text);
    let file: Table = plan.to_toml().parse().expect("a written scenario is TOML");
    let mut places = Vec::new();
    collect(&describe(), &file, &[], &mut places);
    (file, places)
}

fn collect(description: &TableDescription, table: &Table, above: &[Step], places: &mut Vec<Place>) {
    for key in description.keys.iter().filter(|key| is_of(key, table)) {
        let Some(value) = table.get(key.name) else {
            continue;
        };
        let path = [above, &[Step::Key(key.name.to_owned())]].concat();
        places.push(Place {
            path: path.clone(),
            form: key.form.clone(),
            is_named: true,
        });
        below(&key.form, value, &path, places);
    }
}

/// Whether the table is of a variant that has the key.
fn is_of(key: &KeyDescription, table: &Table) -> bool {
    key.when.as_ref().is_none_or(|when| {
        let chosen = table.get(when.key).and_then(Value::as_str);
        chosen.is_some_and(|chosen| when.is.contains(&chosen))
    })
}

fn below(form: &Form, value: &Value, path: &[Step], places: &mut Vec<Place>) {
    match (form, value) {
        (Form::Table(inner), Value::Table(table)) => collect(inner, table, path, places),
        (Form::List { of, .. }, Value::Array(elements)) => {
            for (index, element) in elements.iter().enumerate() {
                let path = [path, &[Step::Element(index)]].concat();
                below(of, element, &path, places);
            }
        }
        (Form::Map { of, .. }, Value::Table(table)) => {
            for (name, value) in table {
                let path = [path, &[Step::Key(name.clone())]].concat();
                places.push(Place {
                    path: path.clone(),
                    form: (**of).clone(),
                    is_named: false,
                });
                below(of, value, &path, places);
            }
        }
        (Form::Either(forms), value) => {
            for form in forms {
                below(form, value, path, places);
            }
        }
        _ => {}
    }
}
