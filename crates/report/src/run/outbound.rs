//! What was called outside the VPC: which way calls took, what the payment provider answered, and what it cost.

use serde::Serialize;

use super::page::pairs;
use crate::number::Number;
use crate::page::{Cell, Column, List, Prose, Section, Table};
use tiketi_cloud::notice::{Notice, What};
use tiketi_core::fault::catalog::FaultKind;
use tiketi_core::units::{SimTime, ZoneId};
use tiketi_cost::Statement;
use tiketi_cost::price_book::Currency;
use tiketi_measure::Measurements;
use tiketi_measure::ending::{ChargeFacts, Destination, FinalState, ProviderFigures, Use, Way};
use tiketi_network::Path;
use tiketi_scenario::topology::Topology;

/// Bytes that a price per gigabyte is for, as AWS bills them.
const BYTES_PER_GB: f64 = 1_073_741_824.0;

/// Calls of instances to the payment provider and to S3.
#[derive(Clone, Debug, Serialize)]
pub struct OutboundReport {
    /// Calls by zone, destination and way.
    pub ways: Vec<WayOut>,
    /// How the provider answered; `None` if it was not counted.
    pub provider: Option<ProviderFigures>,
    /// The provider's ledger compared with the paid orders; `None` if it was not.
    pub charges: Option<ChargeFacts>,
    /// Faults that affect such calls, in the order in which they started.
    pub faults: Vec<OutboundFault>,
    /// Currency of the costs.
    pub currency: Option<Currency>,
}

/// Calls from one zone to one destination that took the same way.
#[derive(Clone, Debug, Serialize)]
pub struct WayOut {
    /// The destination.
    pub to: Destination,
    /// Name of the zone of the instances.
    pub zone: String,
    /// The way in words.
    pub way: String,
    /// Whether there was a way at all.
    pub is_open: bool,
    /// Attempts.
    pub calls: u64,
    /// When the first one was made, in seconds.
    pub first_seconds: f64,
    /// When the last one was made, in seconds.
    pub last_seconds: f64,
    /// Bytes in both directions.
    pub bytes: u64,
    /// What the bytes cost at the prices of the book; `None` if it has no price for them.
    pub cost: Option<f64>,
}

/// A fault, or a remedy, that affects calls out of the VPC.
#[derive(Clone, Debug, Serialize)]
pub struct OutboundFault {
    /// What it is.
    pub action: FaultKind,
    /// Name of its zone; `None` if it has none.
    pub zone: Option<String>,
    /// When it started, in seconds.
    pub from_seconds: f64,
    /// When it ended, in seconds; `None` if it lasted to the end of the run or is momentary.
    pub until_seconds: Option<f64>,
}

/// What was measured; `None` without any calls, or if they were not counted.
pub(super) fn report(run: &Measurements) -> Option<OutboundReport> {
    let system = run.ending.system.as_ref()?;
    let uses = system.outbound.as_ref().filter(|uses| !uses.is_empty())?;
    let (topology, statement) = (&run.plan.topology, run.ending.statement.as_ref());
    Some(OutboundReport {
        ways: uses
            .iter()
            .map(|one| way_out(one, topology, statement))
            .collect(),
        provider: system.provider,
        charges: charges(&run.ending.state),
        faults: faults(&run.timeline, topology),
        currency: statement.map(|statement| statement.currency),
    })
}

fn charges(state: &FinalState) -> Option<ChargeFacts> {
    match state {
        FinalState::Read(facts) => facts.charges,
        FinalState::Unread { .. } => None,
    }
}

fn way_out(one: &Use, topology: &Topology, statement: Option<&Statement>) -> WayOut {
    WayOut {
        to: one.to,
        zone: name(topology, one.zone),
        way: in_words(one.way, topology),
        is_open: one.way != Way::Closed,
        calls: one.calls,
        first_seconds: seconds(one.first),
        last_seconds: seconds(one.last),
        bytes: one.bytes_out + one.bytes_back,
        cost: statement.and_then(|statement| cost(one, statement)),
    }
}

fn in_words(way: Way, topology: &Topology) -> String {
    match way {
        Way::Closed => "no way out".to_owned(),
        Way::Open(Path::Endpoint) => "S3 endpoint".to_owned(),
        Way::Open(Path::InternetGateway) => "internet gateway".to_owned(),
        Way::Open(Path::Local { .. }) => "within the VPC".to_owned(),
        Way::Open(Path::NatGateway { zone, is_detour }) => {
            let gateway = format!("NAT gateway of zone {}", name(topology, zone));
            if is_detour {
                format!("{gateway} (detour)")
            } else {
                gateway
            }
        }
    }
}

/// What the bytes cost; `None` if the book has no price for one of the items that they are billed as.
#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 bytes")]
fn cost(one: &Use, statement: &Statement) -> Option<f64> {
    let price = |(item, bytes): &(_, u64)| {
        let line = statement.run.lines.iter().find(|line| line.item == *item);
        if *bytes == 0 {
            return Some(0.0);
        }
        Some(*bytes as f64 / BYTES_PER_GB * line?.unit_price?)
    };
    // The sum of nothing is -0.
    one.billed()
        .iter()
        .map(price)
        .sum::<Option<f64>>()
        .map(|sum| sum + 0.0)
}

/// Faults and remedies that change the way out or what is at its end.
fn faults(timeline: &[Notice], topology: &Topology) -> Vec<OutboundFault> {
    let started = timeline.iter().filter_map(|notice| match notice.what {
        What::FaultStruck { action, zone, .. } if is_about_calls(action) => {
            Some((notice.at, action, zone))
        }
        _ => None,
    });
    let ended = |from: SimTime, kind: FaultKind, of: Option<ZoneId>| {
        let mut later = timeline.iter().filter(|notice| notice.at >= from);
        let end = later.find(|notice| match notice.what {
            What::FaultHealed { action, zone, .. } => (action, zone) == (kind, of),
            _ => false,
        });
        end.map(|notice| seconds(notice.at))
    };
    let fault = |(from, action, zone)| OutboundFault {
        action,
        zone: Option::map(zone, |zone| name(topology, zone)),
        from_seconds: seconds(from),
        until_seconds: ended(from, action, zone),
    };
    started.map(fault).collect()
}

const fn is_about_calls(action: FaultKind) -> bool {
    match action {
        FaultKind::AzPowerInterruption
        | FaultKind::LoseNatGateway
        | FaultKind::ReplaceRoute
        | FaultKind::S3Unavailable
        | FaultKind::LoseS3Endpoint
        | FaultKind::ProviderSlow
        | FaultKind::ProviderDown => true,
        FaultKind::TerminateInstances
        | FaultKind::PauseInstances
        | FaultKind::CpuStress
        | FaultKind::NetworkLatency
        | FaultKind::NetworkPacketLoss
        | FaultKind::LoseAlbNode
        | FaultKind::StartZonalAutoshift
        | FaultKind::AsgInsufficientInstanceCapacityError
        | FaultKind::LosePrimary
        | FaultKind::PausePrimary
        | FaultKind::DelayReplica
        | FaultKind::FillRedisMemory
        | FaultKind::HoldDatabaseConnections
        | FaultKind::SlowDns
        | FaultKind::Exec
        | FaultKind::Fis => false,
    }
}

/// The section of the report.
pub(super) fn section(report: &OutboundReport) -> Section {
    let columns = vec![
        Column::label("To"),
        Column::label("From zone"),
        Column::label("Way"),
        Column::number("Calls"),
        Column::number("First"),
        Column::number("Last"),
        Column::number("Bytes"),
        Column::number("Cost"),
    ];
    let rows = report.ways.iter().map(|way| row(way, report.currency));
    let section = Section::new("Calls out of the VPC")
        .with(Prose::muted(
            "Instances call the payment provider to authorize a payment before its order is committed, and to charge it after \
             that. A receipt is uploaded to S3. Each attempt counts. Costs are those of the bytes at the prices of the book, if \
             it has prices of their own for them; NAT gateways themselves are in the bill.",
        ))
        .with(Table::new(columns).with_rows(rows))
        .with(pairs("Payments", payments(report)));
    if report.faults.is_empty() {
        return section;
    }
    let faults = report
        .faults
        .iter()
        .map(|fault| lasted(fault, &report.ways));
    section.with(List::titled(
        "Faults and repairs on the way",
        faults.collect(),
    ))
}

fn row(way: &WayOut, currency: Option<Currency>) -> Vec<Cell> {
    let cost = way.cost.zip(currency);
    let cost = cost.map(|(amount, currency)| Number::money(amount, currency));
    vec![
        Cell::text(destination(way.to)),
        Cell::text(&way.zone),
        Cell::text(&way.way),
        Cell::count(way.calls),
        Cell::number(Number::seconds(way.first_seconds)),
        Cell::number(Number::seconds(way.last_seconds)),
        Cell::number(Number::bytes(way.bytes)),
        Cell::number(cost),
    ]
}

const fn destination(to: Destination) -> &'static str {
    match to {
        Destination::Provider => "the provider",
        Destination::S3 => "S3",
    }
}

fn payments(report: &OutboundReport) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut add = |name: &str, told: String| rows.push((name.to_owned(), told));
    let lost: u64 = report
        .ways
        .iter()
        .filter(|way| way.to == Destination::Provider && !way.is_open)
        .map(|way| way.calls)
        .sum();
    if let Some(figures) = &report.provider {
        add(
            "Authorizations",
            format!(
                "{} given, {} declined, {} failed",
                Number::count(figures.authorized),
                Number::count(figures.declined),
                Number::count(figures.failed)
            ),
        );
        add(
            "Charges",
            format!(
                "{} made, {} rejected",
                Number::count(figures.charged),
                Number::count(figures.not_charged)
            ),
        );
    }
    add(
        "Calls that did not reach the provider",
        Number::count(lost).to_string(),
    );
    if let Some(charges) = &report.charges {
        add(
            "Ledger after the settlement",
            format!(
                "{} payments charged, {} of them by the settlement; {} orders without a charge",
                Number::count(charges.charges),
                Number::count(charges.settled),
                Number::count(charges.orders_without_charge)
            ),
        );
    }
    rows
}

/// One fault, and the ways that calls took while it lasted and did not take before it.
fn lasted(fault: &OutboundFault, ways: &[WayOut]) -> String {
    let at = Number::seconds(fault.from_seconds);
    let zone = fault.zone.as_ref();
    let zone = zone.map_or_else(String::new, |zone| format!(" in zone {zone}"));
    let until = fault.until_seconds.map_or_else(String::new, |until| {
        format!(", until {}", Number::seconds(until))
    });
    let end = fault.until_seconds.unwrap_or(f64::INFINITY);
    let is_new = |way: &&WayOut| (fault.from_seconds..=end).contains(&way.first_seconds);
    let new: Vec<_> = ways
        .iter()
        .filter(is_new)
        .filter(|way| way.first_seconds > 0.0)
        .map(|way| {
            format!(
                "{} calls from zone {} to {} ({})",
                Number::count(way.calls),
                way.zone,
                destination(way.to),
                way.way
            )
        })
        .collect();
    let new = if new.is_empty() {
        String::new()
    } else {
        format!(". New from then on: {}", new.join(", "))
    };
    format!("{at}: {}{zone}{until}{new}", fault.action)
}

fn name(topology: &Topology, zone: ZoneId) -> String {
    let known = topology.zones.get(zone.index());
    known.map_or_else(|| zone.0.to_string(), |zone| zone.name.clone())
}

fn seconds(at: SimTime) -> f64 {
    at.since_start().as_secs_f64()
}
