//! The report of a run as a page: the answer, what decided it, then everything that explains it.

use tiketi_core::instance_class::InstanceClass;
use tiketi_measure::{Engine, Measurements};
use tiketi_scenario::data_tier::DataTier;
use tiketi_scenario::topology::Instances;
use tiketi_verdict::audit::{AuditVerdict, Finding};
use tiketi_verdict::slo::{GateResult, GateVerdict};
use tiketi_verdict::validity::ValidityCheck;

use super::document::{Document, LoadWorker, RunHeader, TargetHeader};
use super::{
    access, availability, buyers, cause, charts, claims, commands, cost, data_tier, deployment,
    edge, findings, habits, headline, latency, network, observed, outbound, recovery,
};
use crate::number::{Number, NumberKind};
use crate::page::{
    Block, Cell, Column, ColumnKind, KeyMetric, List, Page, Prose, Section, Status, Table,
};
use crate::wording::capitalized;

/// Makes the page of a run from its report and its measurements.
pub fn page(document: &Document, run: &Measurements) -> Page {
    let why = document.verdicts.cause.as_ref().and_then(cause::section);
    let is_target = document.run.target.is_some();
    let mut sections: Vec<_> = findings::section(&document.verdicts.defects)
        .into_iter()
        .chain(why)
        .collect();
    sections.extend([
        key_metrics(document),
        gates(document),
        integrity(&document.verdicts.audits, is_target),
        validity(document),
        Section::new("Over time").with(charts::of_run(run)),
    ]);
    sections.extend(commands::section(run));
    sections.extend(recovery::sections(document, run));
    sections.extend(availability::section(&document.verdicts.availability));
    sections.extend(deployment::section(&document.verdicts.deployments));
    sections.extend(observed::section(run));
    sections.extend(document.data_tier.as_ref().and_then(data_tier::section));
    sections.extend(document.edge.as_ref().map(edge::section));
    sections.extend(document.outbound.as_ref().map(outbound::section));
    sections.push(buyers::section(document));
    sections.push(latency::section(document, run));
    sections.extend(
        document
            .cost
            .as_ref()
            .map(|bill| cost::section(bill, document)),
    );
    // The network and the claims are those of an architecture that a target need not have.
    if !is_target {
        sections.push(network::section(&run.plan.topology, &run.ending.probes));
        let verdicts = &document.verdicts;
        sections.push(claims::section(&verdicts.targets, &verdicts.described));
    }
    Page {
        title: title(&document.run),
        context: context(&document.run),
        headline: headline::headline(run, &document.verdicts),
        sections,
        closing: closing(document, run),
        run_again: document.run.run_again.clone(),
        exit_code: Some(document.exit_code),
    }
}

fn title(run: &RunHeader) -> String {
    if run.question.is_empty() {
        run.scenario.clone()
    } else {
        run.question.clone()
    }
}

/// What was run, where, and how fast.
fn context(run: &RunHeader) -> String {
    let mut parts = vec![format!("Scenario {}", run.scenario)];
    parts.push(match run.engine {
        Engine::Live => "live run (real traffic)".to_owned(),
        Engine::Model => "simulated run (no traffic)".to_owned(),
    });
    parts.extend(run.data_tier.and_then(data_tier_name));
    parts.extend(run.target.as_ref().map(|target| {
        let show = match &target.title {
            Some(title) => format!("“{title}”"),
            None => target.show.clone(),
        };
        let TargetHeader { url, mapping, .. } = target;
        let unchecked = if target.certificates_unchecked {
            " (certificates not checked: --insecure)"
        } else {
            ""
        };
        let version = if target.http2 { " (HTTP/2)" } else { "" };
        format!("target {url}{version}{unchecked} · show {show} · API mapping {mapping}")
    }));
    let network = run.network.as_ref();
    parts.extend(network.map(|network| format!("buyers’ network {network}")));
    parts.push(times(run));
    parts.push(format!("seed {}", run.seed));
    if !run.began.is_empty() {
        parts.push(run.began.clone());
    }
    parts.join(" · ")
}

/// The data tier of a live run.
fn data_tier_name(name: &str) -> Option<String> {
    let means = match name {
        "embedded" => "in-memory stores",
        "servers" => "Redis and PostgreSQL with replicas",
        "external" => "existing servers, not affected by faults",
        // A simulated run says so already.
        "model" => return None,
        _ => return Some(format!("data tier: {name}")),
    };
    Some(format!("data tier: {name} ({means})"))
}

fn times(run: &RunHeader) -> String {
    let scenario = Number::seconds(run.scenario_seconds);
    let real = Number::seconds(run.wall_seconds);
    match run.engine {
        Engine::Live => format!(
            "{scenario} of scenario time in {real} of real time (speed {})",
            Number::decimal(run.speed)
        ),
        Engine::Model => format!(
            "{scenario} of scenario time simulated in {real} ({}× real time)",
            Number::new(run.speed, NumberKind::Count)
        ),
    }
}

fn key_metrics(document: &Document) -> Section {
    let all = document.calls.last();
    let metric = |name: &str, value: Option<Number>, note: String| KeyMetric {
        name: name.to_owned(),
        value,
        note,
    };
    let paid = document.funnel.last().map_or(0, |step| step.buyers);
    let p99 = all.and_then(|row| row.response_time.p99);
    let sockets = &document.sockets;
    let mut metrics = vec![
        metric(
            "Buyers",
            Some(Number::count(document.arrivals.started)),
            format!("{} bought a ticket", Number::count(paid)),
        ),
        metric(
            "Response time p(99)",
            p99.map(Number::seconds),
            "as buyers experienced it".to_owned(),
        ),
        metric(
            "Failed requests",
            Some(Number::count(all.map_or(0, |row| row.failed))),
            format!("of {}", Number::count(all.map_or(0, |row| row.calls))),
        ),
        metric(
            "Requests per second",
            Some(Number::decimal(document.calls_per_second)),
            format!(
                "{} successful",
                Number::decimal(document.useful_calls_per_second)
            ),
        ),
        metric(
            "Peak connections",
            Some(Number::count(sockets.peak)),
            format!(
                "{} dropped, {} reconnected",
                Number::count(sockets.counts.lost),
                Number::count(sockets.counts.reconnected)
            ),
        ),
    ];
    metrics.extend(document.cost.as_ref().map(|bill| {
        let money = |amount| Number::amount(amount, bill.currency);
        let each = bill.per_thousand_buyers.as_ref();
        let each = each.map(|each| format!("{} per 1,000 buyers", money(each)));
        metric(
            "Cost of this sale",
            Some(money(&bill.run.total)),
            each.unwrap_or_default(),
        )
    }));
    Section::new("Key metrics").with(Block::Metrics(metrics))
}

fn gates(document: &Document) -> Section {
    let gates = &document.verdicts.gates;
    let section = Section::new("Gates");
    if gates.is_empty() {
        return section.with(Prose::new("The scenario has no gates."));
    }
    let columns = vec![
        Column::status(),
        Column::label("Metric"),
        Column::label("Required"),
        Column::number("Measured"),
    ];
    section
        .with(Prose::muted(
            "Objectives of the scenario, which decide whether the run passes. One that was not measured makes it inconclusive.",
        ))
        .with(Table::new(columns).with_rows(gates.iter().map(gate_row)))
}

fn gate_row(gate: &GateVerdict) -> Vec<Cell> {
    let status = match gate.result {
        GateResult::Passed => Status::Pass,
        GateResult::Failed => Status::Fail,
        GateResult::NotMeasured => Status::Unknown,
    };
    let measured = match (&gate.shown, &gate.reason) {
        (Some(shown), _) => Cell::text(shown),
        (None, Some(reason)) => Cell::text(format!("not measured: {reason}")),
        (None, None) => Cell::text("not measured"),
    };
    vec![
        Cell::status(status),
        Cell::code(&gate.metric),
        Cell::code(&gate.condition),
        match status {
            Status::Fail => measured.colored(status),
            _ => measured,
        },
    ]
}

fn integrity(audits: &[AuditVerdict], is_target: bool) -> Section {
    let row = |audit: &AuditVerdict| {
        let summary = Cell::text(&audit.summary);
        let (status, told) = match &audit.finding {
            Finding::Held { .. } => (Status::Pass, summary),
            Finding::Violated { evidence } => (Status::Fail, summary.with_note(evidence)),
            Finding::CouldNotCheck { reason } => (
                Status::Unknown,
                Cell::text(format!("not checked: {reason}")),
            ),
        };
        vec![
            Cell::status(status),
            Cell::text(capitalized(audit.audit.name())),
            told,
        ]
    };
    let columns = vec![Column::status(), Column::label(""), Column::prose("")];
    let (title, note) = if is_target {
        (
            "Checks by what buyers saw",
            "The database of the target is not accessible, so these checks use the responses that buyers got, and the seat map before \
             and after the load. They can show a defect; they cannot show that there is none.",
        )
    } else {
        (
            "Data-integrity checks",
            "Checked against the final state of the system. Whatever fails, no seat may be sold twice and no paid order lost.",
        )
    };
    Section::new(title)
        .with(Prose::muted(note))
        .with(Table::new(columns).with_rows(audits.iter().map(row)))
}

fn validity(document: &Document) -> Section {
    let row = |check: &ValidityCheck| {
        vec![
            Cell::status(Status::of(check.ok)),
            Cell::text(capitalized(check.name)),
            Cell::text(&check.evidence),
        ]
    };
    let columns = vec![Column::status(), Column::label(""), Column::prose("")];
    let checks = document.verdicts.validity.iter().map(row);
    let note = match document.run.engine {
        Engine::Live => {
            "If any check fails, the tool may have been the bottleneck, and the run is inconclusive."
        }
        Engine::Model => {
            "If any check fails, the run is inconclusive. A simulated run has no load generator that could be too slow."
        }
    };
    let section = Section::new("Validity of the measurement")
        .with(Prose::muted(note))
        .with(Table::new(columns).with_rows(checks));
    if document.generator.is_empty() {
        return section;
    }
    section.with(workers(&document.generator))
}

fn workers(workers: &[LoadWorker]) -> Table {
    let columns = vec![
        Column::label("Load worker"),
        Column::number("Peak connections"),
        Column::number("Memory"),
        Column::number("Per connection"),
        Column::number("Peak memory"),
        Column::number("CPU time"),
        Column::number("Open files"),
    ];
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "bytes of memory are positive and far below 2^64"
    )]
    let each = |bytes: f64| Number::bytes(bytes as u64);
    let rows = workers.iter().enumerate().map(|(index, worker)| {
        vec![
            Cell::text((index + 1).to_string()),
            Cell::count(worker.connected_peak),
            Cell::number(Number::bytes(worker.resident_connected_bytes)),
            Cell::number(worker.bytes_per_connected.map(each)),
            Cell::number(Number::bytes(worker.resident_peak_bytes)),
            Cell::number(Number::seconds(worker.cpu_seconds)),
            Cell::text(format!(
                "{} of {}",
                Number::count(worker.files_peak),
                Number::count(worker.files_limit)
            )),
        ]
    });
    Table::new(columns).with_rows(rows)
}

fn closing(document: &Document, run: &Measurements) -> Vec<String> {
    let network = access::sentence(run);
    let mut lines = vec![system(run)];
    lines.extend(network);
    lines.extend(habits::left_out(run));
    lines.extend([
        "All times are scenario time unless marked as real time.".to_owned(),
        document.program.clone(),
    ]);
    lines
}

/// What the numbers come from.
fn system(run: &Measurements) -> String {
    let instances = &run.plan.topology.instances;
    let (profile, class) = (&instances.profile.name, on_class(instances));
    let cpu = seen_by_cloudwatch(instances.class);
    match (run.ending.engine, &run.ending.system) {
        (Engine::Model, _) => format!(
            "Simulated: buyers, load balancer, instances, Redis and the database are models, and no traffic was sent. \
             Instances are modeled as {class} with the service times of profile `{profile}`, which states what was \
             measured and what is an assumption. {cpu} `tiketi-sim compare --model` reports how well the model agrees with a \
             live run."
        ),
        (Engine::Live, Some(_)) => {
            let data = match &run.plan.topology.data_tier {
                DataTier::Embedded => "Redis and PostgreSQL are replaced by in-memory stores",
                DataTier::Servers => {
                    "Redis and PostgreSQL are real servers with replicas on this machine; added link delays stand for the \
                     distance between zones"
                }
                DataTier::External(_) => {
                    "Redis and PostgreSQL are existing servers, which belong to no zone: faults did not affect them, and \
                     none failed over"
                }
            };
            format!(
                "Measured: load balancer, DNS and network are real, on loopback addresses. Instances are emulated as \
                 {class} with the service times of profile `{profile}`, which states what was measured and what is an \
                 assumption. {cpu} {data}."
            )
        }
        (Engine::Live, None) if run.plan.buyers.network.is_applied() => {
            "Measured against an existing system; nothing but the network of the buyers is emulated."
                .to_owned()
        }
        (Engine::Live, None) => {
            "Measured against an existing system; nothing is emulated.".to_owned()
        }
    }
}

/// The instance type, and how its speed follows from the one that the profile was measured on.
fn on_class(instances: &Instances) -> String {
    let (class, speed) = (instances.class, instances.speed());
    if class.name() == instances.profile.class {
        return class.to_string();
    }
    let measured_on = &instances.profile.class;
    format!(
        "{class} (a thread runs at {speed:.2} times the speed of a {measured_on}; assumption: in proportion to the clock)"
    )
}

/// What CloudWatch shows of an application with one thread.
fn seen_by_cloudwatch(class: InstanceClass) -> String {
    format!(
        "Node.js uses one of the {} virtual CPUs: when it is fully busy, CloudWatch and its alarms see {} %, and the column \
         `cpu` of timeseries.csv has 1.",
        class.vcpus(),
        class.cpu_utilization_max()
    )
}

/// A table of names and texts.
pub(super) fn pairs(title: impl Into<String>, rows: Vec<(String, String)>) -> Table {
    let rows = rows.into_iter();
    Table::pairs(ColumnKind::Prose)
        .titled(title)
        .with_rows(rows.map(|(name, told)| vec![Cell::text(name), Cell::text(told)]))
}

/// A list with a title.
pub(super) fn list(title: &str, items: Vec<String>) -> Block {
    List::titled(title, items).into()
}
