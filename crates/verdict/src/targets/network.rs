//! The claim about the network: subnets and their addresses, checked in the scenario.

use ipnet::Ipv4Net;

use super::{Checked, Evidence, Found};
use tiketi_measure::Engine;
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
    let subnets: Vec<_> = topology.zones.iter().flat_map(tiers).collect();
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
    let left_out = match evidence.run.ending.engine {
        Engine::Live => "the network itself (subnets are loopback addresses here)",
        Engine::Model => "the network itself (not simulated)",
    };
    Ok(Found::new(is_sound, measured).without(left_out))
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

fn tiers(zone: &Zone) -> [Ipv4Net; 3] {
    [zone.public, zone.private, zone.data]
}

fn addresses(subnet: Ipv4Net) -> u64 {
    (1_u64 << (32 - subnet.prefix_len())).saturating_sub(ADDRESSES_KEPT)
}
