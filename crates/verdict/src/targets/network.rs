//! The claims about the network: subnets, route tables and security groups, looked up in the scenario. A live run also tries to
//! open connections that they forbid; what was not tried, each claim says. Claims about the way out also say what calls did in
//! the run.

use std::collections::BTreeSet;

use ipnet::Ipv4Net;

use super::{Checked, Evidence, Found, outbound};
use tiketi_core::units::ZoneId;
use tiketi_measure::Engine;
use tiketi_measure::ending::ProbeOutcome;
use tiketi_network::{Kind, Lost, Network, Party, Path, from_outside};
use tiketi_scenario::network::DefaultRoute;
use tiketi_scenario::topology::{Topology, Zone};

/// Addresses that AWS reserves in each subnet (documented: "Subnet CIDR blocks", Amazon VPC user guide).
const ADDRESSES_KEPT: u64 = 5;

/// The range of the VPC, and the public and private subnet of each of its two zones (documented, B2).
const DOCUMENTED: (&str, [(&str, &str); 2]) = (
    "10.0.0.0/16",
    [
        ("10.0.1.0/24", "10.0.11.0/24"),
        ("10.0.2.0/24", "10.0.12.0/24"),
    ],
);

/// B2: ranges are as documented, none overlap, all lie inside the VPC, and the largest fleet fits.
pub(super) fn subnets(evidence: &Evidence<'_>) -> Checked {
    let topology = &evidence.run.plan.topology;
    if !is_documented(topology) {
        return Err("this scenario has other zones or address ranges".into());
    }
    let subnets: Vec<_> = topology.zones.iter().flat_map(ranges).collect();
    // Each pair is checked once: a subnet is compared with those before it.
    let overlapping = subnets.iter().enumerate().filter(|(index, subnet)| {
        let mut before = subnets[..*index].iter();
        before.any(|other| other.contains(*subnet) || subnet.contains(other))
    });
    let overlapping = overlapping.count();
    let inside = subnets
        .iter()
        .filter(|subnet| topology.vpc.contains(*subnet));
    let inside = inside.count();
    let room = topology
        .zones
        .iter()
        .map(|zone| addresses(zone.private))
        .min();
    let room = room.ok_or("the scenario has no zones")?;
    // When the other zones are lost, the whole fleet is in this one, next to Redis.
    let needed = u64::from(evidence.run.plan.scaling.fleet_max()) + 1;
    let measured = format!(
        "in the scenario: {} subnets, {overlapping} overlapping, {inside} inside {}; a private subnet has {room} addresses, \
         and the whole fleet and Redis need {needed} in one zone",
        subnets.len(),
        topology.vpc,
    );
    let is_sound = overlapping == 0 && inside == subnets.len() && room >= needed;
    Ok(found(evidence, is_sound, measured))
}

/// What a lookup in the scenario found.
fn found(evidence: &Evidence<'_>, as_documented: bool, measured: String) -> Found {
    let left_out = match evidence.run.ending.engine {
        Engine::Live => "the network itself (subnets are loopback addresses here)",
        Engine::Model => "the network itself (not simulated)",
    };
    Found::new(as_documented, measured).without(left_out)
}

/// A3: the load balancer is the only part that strangers can open a connection to.
pub(super) fn way_in(evidence: &Evidence<'_>) -> Checked {
    let open = from_outside(&evidence.run.plan.topology);
    let measured = format!(
        "in the scenario: open to the internet: {}",
        kinds_in_words(&open)
    );
    let lookup = (open == [Kind::LoadBalancer], measured);
    Ok(tried(evidence, lookup, &TIERS))
}

/// The parts that nobody outside may reach.
const TIERS: [Kind; 3] = [Kind::Instance, Kind::Redis, Kind::Database];

/// What a lookup in the scenario found, and the results of attempts from outside to reach `parts`. An attempt that got
/// through refutes the claim, even if the lookup agrees with it.
fn tried(
    evidence: &Evidence<'_>,
    (as_documented, measured): (bool, String),
    parts: &[Kind],
) -> Found {
    let probes = &evidence.run.ending.probes;
    let of = |kind: Kind| {
        let to = probes.iter().filter(move |probe| probe.to == kind);
        to.map(|probe| probe.outcome).max_by_key(|it| weight(*it))
    };
    let outcomes: Vec<_> = parts.iter().map(|kind| (*kind, of(*kind))).collect();
    if outcomes.iter().all(|(_, outcome)| outcome.is_none()) {
        return found(evidence, as_documented, measured);
    }
    let words = outcomes.iter().filter_map(|(kind, outcome)| {
        let outcome = match (*outcome)? {
            ProbeOutcome::Answered => "got through",
            ProbeOutcome::Refused => "refused",
            ProbeOutcome::RefusedByPassword => {
                "refused by password (it cannot tell addresses apart)"
            }
        };
        Some(format!("{} {outcome}", kind.name()))
    });
    let words: Vec<_> = words.collect();
    let measured = format!(
        "{measured}; tried from a buyer's address: {}",
        words.join(", ")
    );
    let is_closed = outcomes
        .iter()
        .all(|(_, outcome)| outcome.is_none_or(ProbeOutcome::is_refused));
    let mut found = Found::new(as_documented && is_closed, measured);
    for (kind, outcome) in outcomes {
        if outcome.is_none() {
            found = found.without(not_tried(kind));
        }
    }
    found
}

/// Of several attempts to reach a part, the one with the greatest weight counts: one that got through refutes all others.
const fn weight(outcome: ProbeOutcome) -> u8 {
    match outcome {
        ProbeOutcome::Refused => 0,
        ProbeOutcome::RefusedByPassword => 1,
        ProbeOutcome::Answered => 2,
    }
}

/// Why the run could not try to reach a part.
const fn not_tried(kind: Kind) -> &'static str {
    match kind {
        Kind::Redis => "Redis (in memory it has no address)",
        Kind::Database => "the database (in memory it has no address)",
        Kind::Internet | Kind::LoadBalancer | Kind::Instance | Kind::S3 => "other parts",
    }
}

/// A6: instances are reached only through the load balancer, and leave only through NAT.
pub(super) fn tiers(evidence: &Evidence<'_>) -> Checked {
    let topology = &evidence.run.plan.topology;
    let network = Network::new(topology);
    let reaches = |from: &Kind| {
        let pairs = topology
            .zone_ids()
            .flat_map(|from| topology.zone_ids().map(move |to| (from, to)));
        let mut paths = pairs
            .map(|(source, target)| network.path(from.in_zone(source), Party::Instance(target)));
        paths.any(|path| path.is_ok())
    };
    let reach: Vec<Kind> = Kind::ALL.into_iter().filter(reaches).collect();
    let outside = from_outside(topology);
    let leaves: Vec<Path> = topology
        .zone_ids()
        .filter_map(|zone| network.path(Party::Instance(zone), Party::Internet).ok())
        .collect();
    let by_nat = leaves
        .iter()
        .filter(|path| matches!(path, Path::NatGateway { .. }));
    let by_nat = by_nat.count();
    let measured = format!(
        "in the scenario: instances are reached from: {}; open to the internet: {}; in {by_nat} of {} zones instances leave \
         through NAT, in {} another way",
        kinds_in_words(&reach),
        kinds_in_words(&outside),
        topology.zones.len(),
        leaves.len() - by_nat
    );
    let as_documented = reach == [Kind::LoadBalancer]
        && outside == [Kind::LoadBalancer]
        && by_nat == topology.zones.len();
    let found = tried(evidence, (as_documented, measured), &TIERS);
    Ok(if evidence.run.ending.probes.is_empty() {
        found
    } else {
        found.without("the way out through NAT (looked up)")
    })
}

/// A18: one NAT gateway per zone, and when one is down the other can be used.
pub(super) fn gateways(evidence: &Evidence<'_>) -> Checked {
    let topology = &evidence.run.plan.topology;
    if !topology.zones.iter().all(|zone| zone.nat_gateway) || topology.zones.len() < 2 {
        return Err("this scenario does not have a NAT gateway in each of several zones".into());
    }
    if let Some(shown) = outbound::losses(evidence) {
        return Ok(Found::new(shown.other_was_used, shown.in_words));
    }
    let cut_off = cut_off_by_each(topology);
    let measured = format!(
        "in the scenario: one in each zone; {}. A route table names one gateway, so the other is used only after somebody \
         changes the route",
        cut_off_in_words(topology, &cut_off)
    );
    let other_is_used = cut_off.iter().all(|(_, zones)| zones.is_empty());
    Ok(found(evidence, other_is_used, measured))
}

/// A20: nobody outside reaches the database.
pub(super) fn database(evidence: &Evidence<'_>) -> Checked {
    let topology = &evidence.run.plan.topology;
    let is_closed = !from_outside(topology).contains(&Kind::Database);
    let network = Network::new(topology);
    let reaches = |from: &Kind| {
        let mut zones = topology.zone_ids();
        zones.any(|zone| {
            network
                .path(from.in_zone(zone), Party::Database(zone))
                .is_ok()
        })
    };
    let reach: Vec<Kind> = Kind::ALL.into_iter().filter(reaches).collect();
    let measured = format!(
        "in the scenario: the database is reached from: {}",
        kinds_in_words(&reach)
    );
    Ok(tried(evidence, (is_closed, measured), &[Kind::Database]))
}

/// B3: default routes, and what a lost NAT gateway breaks.
pub(super) fn routes(evidence: &Evidence<'_>) -> Checked {
    let topology = &evidence.run.plan.topology;
    let leads_out = |zone: &&Zone| zone.routes.public == DefaultRoute::InternetGateway;
    let public = topology.zones.iter().filter(leads_out).count();
    let uses_own = |zone: &ZoneId| {
        topology.zones[zone.index()].routes.private == DefaultRoute::NatGateway(*zone)
    };
    let own = topology.zone_ids().filter(uses_own).count();
    let count = topology.zones.len();
    let measured = format!(
        "in the scenario: {public} of {count} public subnets lead to the internet gateway, {own} of {count} private ones to the \
         NAT gateway of their zone; {}",
        cut_off_in_words(topology, &cut_off_by_each(topology))
    );
    let as_documented = public == count && own == count;
    let shown = outbound::losses(evidence).map(|shown| shown.in_words);
    let Some(shown) = shown.or_else(|| outbound::gateways_used(evidence)) else {
        return Ok(found(evidence, as_documented, measured));
    };
    let found = Found::new(as_documented, format!("{measured}; {shown}"));
    Ok(found.without_unless(
        !outbound::lost_gateways(evidence).is_empty(),
        "what breaks when a gateway is lost",
    ))
}

/// The zones whose instances cannot reach the internet while the NAT gateway of a zone is lost, for each gateway.
fn cut_off_by_each(topology: &Topology) -> Vec<(ZoneId, Vec<ZoneId>)> {
    let with_gateway = topology
        .zone_ids()
        .filter(|zone| topology.zones[zone.index()].nat_gateway);
    let each = with_gateway.map(|gateway| {
        let lost = Lost {
            nat_gateways: BTreeSet::from([gateway]),
            ..Lost::default()
        };
        let network = Network::without(topology, &lost);
        let is_cut_off = |zone: &ZoneId| {
            network
                .path(Party::Instance(*zone), Party::Internet)
                .is_err()
        };
        (gateway, topology.zone_ids().filter(is_cut_off).collect())
    });
    each.collect()
}

fn cut_off_in_words(topology: &Topology, cut_off: &[(ZoneId, Vec<ZoneId>)]) -> String {
    let name = |zone: &ZoneId| topology.zones[zone.index()].name.as_str();
    let each = cut_off.iter().map(|(gateway, zones)| {
        let gateway = name(gateway);
        if zones.is_empty() {
            return format!(
                "without the gateway of zone {gateway} all instances still reach the internet"
            );
        }
        let zones: Vec<_> = zones.iter().map(name).collect();
        let zones = zones.join(" and ");
        format!(
            "without the gateway of zone {gateway}, instances in {zones} do not reach the internet"
        )
    });
    let each: Vec<_> = each.collect();
    if each.is_empty() {
        return "there is no NAT gateway".to_owned();
    }
    each.join("; ")
}

fn kinds_in_words(kinds: &[Kind]) -> String {
    if kinds.is_empty() {
        return "nothing".to_owned();
    }
    let names: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
    names.join(", ")
}

fn is_documented(topology: &Topology) -> bool {
    let (vpc, zones) = DOCUMENTED;
    let is = |range: Ipv4Net, documented: &str| documented.parse::<Ipv4Net>() == Ok(range);
    let same = topology
        .zones
        .iter()
        .zip(zones)
        .all(|(zone, (public, private))| is(zone.public, public) && is(zone.private, private));
    same && topology.zones.len() == zones.len() && is(topology.vpc, vpc)
}

fn ranges(zone: &Zone) -> [Ipv4Net; 3] {
    [zone.public, zone.private, zone.data]
}

fn addresses(subnet: Ipv4Net) -> u64 {
    (1_u64 << (32 - subnet.prefix_len())).saturating_sub(ADDRESSES_KEPT)
}
