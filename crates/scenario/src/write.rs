//! A plan as a scenario file: every value spelled out, so that the run can be repeated whatever the preset becomes.

mod topology;

use std::time::Duration;

use self::topology::{topology, zone_name};
use super::arrival::{ArrivalPhase, Count, Level, Shape};
use super::distribution::Distribution;
use super::page::{Page, instant, length, list, or_word, rate, table, text};
use super::plan::{Plan, Retry, Temperament};
use super::scaling::{
    Alarm, Comparison, HealthType, LaunchHook, Metric, MissingData, PolicyKind, Scaling,
    ScheduledAction,
};
use tiketi_core::fault::catalog::Action;
use tiketi_core::units::DataTierPart;

impl Plan {
    /// The scenario *as run*: loading it gives this plan again.
    pub fn to_toml(&self) -> String {
        let mut page = Page::default();
        if !self.question.is_empty() {
            page.line(format_args!("# {}", self.question));
            page.line("");
        }
        page.entry("name", text(&self.name));
        page.entry("preset", text("tiketi"));
        page.entry("seed", self.seed);
        page.entry("arrivals", list(self.arrivals.iter().map(arrival)));
        page.entry("faults", self.faults());
        self.sale(&mut page);
        buyers(&mut page, &self.buyers);
        topology(&mut page, &self.topology);
        scaling(&mut page, &self.scaling);
        self.judgment(&mut page);
        page.text
    }

    fn faults(&self) -> String {
        let faults = self.faults.iter().map(|fault| {
            let mut entries = vec![("at", instant(fault.at))];
            if !fault.action.is_momentary() {
                entries.push(("lasts", length(fault.lasts)));
            }
            entries.push(("action", text(fault.action.name())));
            entries.extend(self.action(fault.action));
            table(&entries)
        });
        list(faults)
    }

    /// What an action says of itself.
    fn action(&self, action: Action) -> Vec<(&'static str, String)> {
        let in_zone = |zone| ("zone", zone_name(&self.topology, zone));
        let of = |part| {
            let part = match part {
                DataTierPart::Redis => "redis",
                DataTierPart::Database => "database",
            };
            ("part", text(part))
        };
        match action {
            Action::AzPowerInterruption { zone } | Action::LoseAlbNode { zone } => {
                vec![in_zone(zone)]
            }
            Action::TerminateInstances { zone, count } | Action::PauseInstances { zone, count } => {
                vec![in_zone(zone), ("count", count.to_string())]
            }
            Action::LosePrimary { part } | Action::PausePrimary { part } => vec![of(part)],
            Action::DelayReplica { part, lag } => vec![of(part), ("lag", length(lag))],
            Action::FillRedisMemory { share } => vec![("share", share.get().to_string())],
            Action::HoldDatabaseConnections { count } => vec![("count", count.to_string())],
        }
    }

    /// Clock, show, waiting room, server.
    fn sale(&self, page: &mut Page) {
        page.header("clock");
        page.entry("duration", length(self.clock.duration));
        page.entry("warmup", length(self.clock.warmup));
        page.entry("speed", self.clock.speed);
        page.header("show");
        page.entry("title", text(&self.show.title));
        page.entry("hold", length(self.show.hold));
        let sections = self.show.sections.iter().map(|section| {
            table(&[
                ("name", text(&section.name)),
                ("rows", section.rows.to_string()),
                ("seats_per_row", section.seats_per_row.to_string()),
                ("price", section.price.0.to_string()),
            ])
        });
        page.entry("sections", list(sections));
        page.header("waiting_room");
        page.entry("active_max", self.waiting_room.active_max);
        page.entry("admit_every", length(self.waiting_room.admit_every));
        page.entry("idle_timeout", length(self.waiting_room.idle_timeout));
        page.entry("update_every", length(self.waiting_room.update_every));
        page.header("server");
        page.entry(
            "rate_limit",
            or_word(self.server.rate_limit.as_ref(), "none", u32::to_string),
        );
        page.entry("session_ttl", length(self.server.session_ttl));
        page.entry("show_list_ttl", length(self.server.show_list_ttl));
        page.entry("show_detail_ttl", length(self.server.show_detail_ttl));
    }

    /// Gates, limits of the measurement, prices, target.
    fn judgment(&self, page: &mut Page) {
        page.header("gates");
        for gates in self
            .gates
            .chunk_by(|one, next| one.selector() == next.selector())
        {
            let conditions = gates.iter().map(|gate| text(&gate.text));
            page.entry(&text(&gates[0].selector()), list(conditions));
        }
        page.header("self_check");
        page.entry("send_lag_p99_max", length(self.self_check.send_lag_p99_max));
        page.header("cost");
        page.entry("prices", text(&self.cost.prices));
        page.entry("onsales_per_month", self.cost.onsales_per_month);
        page.header("target");
        page.entry(
            "allow",
            list(self.target.allow.iter().map(|host| text(host))),
        );
        page.entry(
            "show",
            or_word(self.target.show.as_ref(), "none", |show| text(show)),
        );
    }
}

fn buyers(page: &mut Page, buyers: &Temperament) {
    page.header("buyers");
    page.entry("browse", distribution(buyers.browse));
    page.entry("patience", distribution(buyers.patience));
    page.entry("seat_pick", distribution(buyers.seat_pick));
    page.entry("seat_repick", distribution(buyers.seat_repick));
    page.entry("conflicts_max", buyers.conflicts_max);
    page.entry("payment", distribution(buyers.payment));
    page.entry("pays", buyers.pays.get());
    page.entry(
        "poll",
        table(&[
            ("connected", length(buyers.poll.connected)),
            ("disconnected", length(buyers.poll.disconnected)),
            ("on_update", buyers.poll.on_update.to_string()),
        ]),
    );
    page.entry("retry", retry(buyers.retry));
    page.entry("reconnect", retry(buyers.reconnect));
    page.entry("call_timeout", length(buyers.call_timeout));
}

fn scaling(page: &mut Page, scaling: &Scaling) {
    page.header("scaling");
    page.entry("min", scaling.min);
    page.entry("max", scaling.max);
    page.entry("pending", length(scaling.pending));
    page.entry("boot", distribution(scaling.boot));
    let health_type = match scaling.health_type {
        HealthType::Ec2 => "ec2",
        HealthType::Elb => "elb",
    };
    page.entry("health_type", text(health_type));
    page.entry("grace", length(scaling.grace));
    let launch_hook = match scaling.launch_hook {
        LaunchHook::None => "none",
        LaunchHook::UntilAnswers => "until-answers",
    };
    page.entry("launch_hook", text(launch_hook));
    let phase = scaling.monitor.phase.as_ref();
    page.entry(
        "monitor",
        table(&[
            ("period", length(scaling.monitor.period)),
            ("phase", or_word(phase, "random", |phase| length(*phase))),
            ("ingest", length(scaling.monitor.ingest)),
        ]),
    );
    let policies = scaling.policies.iter().map(|policy| {
        let metric = match policy.alarm.metric {
            Metric::QueueSize => "queue_size",
            Metric::CpuUtilization => "cpu_utilization",
        };
        let mut entries = vec![
            ("name", text(&policy.name)),
            ("metric", text(metric)),
            ("alarm", alarm(&policy.alarm)),
        ];
        entries.extend(policy_kind(&policy.kind));
        table(&entries)
    });
    page.entry("policies", list(policies));
    page.entry("scheduled", list(scaling.scheduled.iter().map(scheduled)));
}

fn scheduled(action: &ScheduledAction) -> String {
    let late = or_word(action.late.as_ref(), "random", |late| length(*late));
    let mut entries = vec![
        ("name", text(&action.name)),
        ("at", instant(action.at)),
        ("late", late),
    ];
    let sizes = [
        ("min", action.min),
        ("max", action.max),
        ("desired", action.desired),
    ];
    let stated = |(key, size): (_, Option<u32>)| size.map(|size| (key, size.to_string()));
    entries.extend(sizes.into_iter().filter_map(stated));
    table(&entries)
}

fn alarm(alarm: &Alarm) -> String {
    let side = match alarm.comparison {
        Comparison::Above => "above",
        Comparison::Below => "below",
    };
    let missing = match alarm.missing {
        MissingData::Missing => "missing",
        MissingData::NotBreaching => "notBreaching",
        MissingData::Breaching => "breaching",
        MissingData::Ignore => "ignore",
    };
    let (m, n) = (alarm.datapoints_to_alarm, alarm.evaluation_periods);
    table(&[
        (side, alarm.threshold.to_string()),
        ("period", length(alarm.period)),
        ("datapoints", text(&format!("{m} of {n}"))),
        ("missing", text(missing)),
    ])
}

fn policy_kind(kind: &PolicyKind) -> Vec<(&'static str, String)> {
    match kind {
        PolicyKind::Simple { adjust, cooldown } => vec![
            ("kind", text("simple")),
            ("adjust", adjust.to_string()),
            ("cooldown", length(*cooldown)),
        ],
        PolicyKind::Step { steps, warmup } => {
            let steps = steps.iter().map(|step| {
                let bound = |name, bound: Option<f64>| bound.map(|at| (name, at.to_string()));
                let mut entries = vec![("adjust", step.adjust.to_string())];
                entries.extend(bound("from", step.from));
                entries.extend(bound("to", step.to));
                table(&entries)
            });
            vec![
                ("kind", text("step")),
                ("steps", list(steps)),
                ("warmup", length(*warmup)),
            ]
        }
    }
}

fn arrival(phase: &ArrivalPhase) -> String {
    let count = match phase.count {
        Count::Exact => "exact",
        Count::Poisson => "poisson",
    };
    let (shape, mut entries) = shape(&phase.shape);
    entries.insert(0, ("shape", text(shape)));
    entries.push(("count", text(count)));
    table(&entries)
}

fn shape(shape: &Shape) -> (&'static str, Vec<(&'static str, String)>) {
    match shape {
        Shape::Poisson {
            rate: per_second,
            from,
            until,
        } => (
            "poisson",
            vec![
                ("rate", rate(*per_second)),
                ("from", instant(*from)),
                ("until", instant(*until)),
            ],
        ),
        Shape::Step { from, levels } => (
            "step",
            vec![("from", instant(*from)), ("levels", steps(levels))],
        ),
        Shape::Ramp {
            from,
            until,
            start_rate,
            end_rate,
        } => (
            "ramp",
            vec![
                ("from", instant(*from)),
                ("until", instant(*until)),
                ("start_rate", rate(*start_rate)),
                ("end_rate", rate(*end_rate)),
            ],
        ),
        Shape::Flash {
            buyers,
            from,
            rise,
            decay,
            base,
            until,
        } => (
            "flash",
            vec![
                ("buyers", buyers.to_string()),
                ("from", instant(*from)),
                ("rise", length(*rise)),
                ("decay", length(*decay)),
                ("base", rate(*base)),
                ("until", instant(*until)),
            ],
        ),
        Shape::Onsale {
            buyers,
            opens_at,
            waiting_before,
            jitter,
            decay,
            until,
        } => (
            "onsale",
            vec![
                ("buyers", buyers.to_string()),
                ("opens_at", instant(*opens_at)),
                ("waiting_before", waiting_before.get().to_string()),
                ("jitter", length(*jitter)),
                ("decay", length(*decay)),
                ("until", instant(*until)),
            ],
        ),
    }
}

fn steps(levels: &[Level]) -> String {
    let level =
        |level: &Level| table(&[("rate", rate(level.rate)), ("lasts", length(level.lasts))]);
    list(levels.iter().map(level))
}

fn distribution(distribution: Distribution) -> String {
    let seconds = |seconds: f64| length(Duration::from_secs_f64(seconds));
    let (kind, parameters) = match distribution {
        Distribution::Constant { value } => ("constant", vec![("value", seconds(value))]),
        Distribution::Uniform { from, to } => (
            "uniform",
            vec![("from", seconds(from)), ("to", seconds(to))],
        ),
        Distribution::Exponential { mean } => ("exponential", vec![("mean", seconds(mean))]),
        Distribution::Lognormal { median, sigma } => (
            "lognormal",
            vec![("median", seconds(median)), ("sigma", sigma.to_string())],
        ),
        Distribution::Weibull { shape, mean } => (
            "weibull",
            vec![("shape", shape.to_string()), ("mean", seconds(mean))],
        ),
    };
    let mut entries = vec![("distribution", text(kind))];
    entries.extend(parameters);
    table(&entries)
}

fn retry(retry: Retry) -> String {
    let tries_max = or_word(retry.tries_max.as_ref(), "none", u32::to_string);
    table(&[
        ("first", length(retry.first)),
        ("max", length(retry.max)),
        ("jitter", retry.jitter.get().to_string()),
        ("tries_max", tries_max),
    ])
}
