//! The subnets of each zone: their keys, and the checks that they fit into the VPC and hold the fleet.

use ipnet::Ipv4Net;

use super::topology::report_unknown_zone;
use crate::diagnostic::Problem;
use crate::document::Section;
use crate::keys::kind::{Kind as _, Subnet};
use crate::keys::{Form, Keys, key};
use crate::page::inline_table;
use crate::scaling::Scaling;
use crate::topology::{self, Topology};
use crate::value::Value;

/// Addresses of each subnet that AWS reserves.
const ADDRESSES_RESERVED: u64 = 5;

/// A tier of subnets: one in each zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tier {
    Public,
    Private,
    Data,
}

impl Tier {
    const fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Data => "data",
        }
    }
}

/// One subnet of one zone, with its place in the file.
pub(super) struct Placed<'d> {
    tier: Tier,
    zone: String,
    pub(super) range: Ipv4Net,
    value: Value<'d>,
}

impl Placed<'_> {
    /// The subnet in words, such as `the private subnet of zone a, 10.0.11.0/24,`.
    fn in_words(&self) -> String {
        let (tier, zone, range) = (self.tier.name(), &self.zone, self.range);
        format!("the {tier} subnet of zone {zone}, {range},")
    }
}

/// The subnets of each tier, one per zone; `None` where one has a problem.
pub(super) struct Subnets<'d> {
    pub(super) public: Vec<Option<Placed<'d>>>,
    pub(super) private: Vec<Option<Placed<'d>>>,
    pub(super) data: Vec<Option<Placed<'d>>>,
}

impl<'d> Subnets<'d> {
    fn placed(&self) -> Vec<&Placed<'d>> {
        let tiers = [&self.public, &self.private, &self.data];
        tiers.into_iter().flatten().flatten().collect()
    }
}

pub(super) fn subnets<'d>(
    keys: &mut Keys<'_, 'd, Topology>,
    zones: Option<&[String]>,
) -> Subnets<'d> {
    let mut tier = |tier: Tier, doc, range: fn(&topology::Zone) -> Ipv4Net| {
        let placed = keys.special(
            key(tier.name(), doc),
            || Form::Map {
                keys: "the name of a zone",
                of: Box::new(Subnet.form()),
            },
            |section| Some(tier_subnets(section, tier, zones)),
            |topology| {
                let zones = topology.zones.iter();
                inline_table(zones.map(|zone| (zone.name.as_str(), Subnet.write(&range(zone)))))
            },
        );
        placed.unwrap_or_default()
    };
    Subnets {
        public: tier(
            Tier::Public,
            "For the load-balancer node and the NAT gateway of each zone.",
            |zone| zone.public,
        ),
        private: tier(
            Tier::Private,
            "For the instances and Redis of each zone.",
            |zone| zone.private,
        ),
        data: tier(Tier::Data, "For the database of each zone.", |zone| {
            zone.data
        }),
    }
}

/// The subnets of one tier, one per zone; `None` where one has a problem.
fn tier_subnets<'d>(
    subnets: &Section<'d>,
    tier: Tier,
    zones: Option<&[String]>,
) -> Vec<Option<Placed<'d>>> {
    let section = subnets.section(tier.name());
    let entries = section.entries();
    let Some(zones) = zones else {
        return Vec::new();
    };
    let tier_name = tier.name();
    for (key, value) in &entries {
        let name = key.get_ref().as_ref();
        if value.is_in_file() {
            let what = format!("a {tier_name} subnet for `{name}`");
            report_unknown_zone(&section, key, &what, zones);
        }
    }
    let placed = |zone: &String| {
        let of_zone = entries.iter().filter(|(key, _)| key.get_ref() == zone);
        let Some((_, value)) = of_zone.max_by_key(|(_, value)| value.is_in_file()) else {
            let problem = Problem::new(format!("zone `{zone}` has no {tier_name} subnet"));
            let help = format!("add `{zone} = \"10.0.x.0/24\"` to `topology.subnets.{tier_name}`");
            let problem = problem.expected("one range per zone");
            subnets.complain(&[tier_name], problem.help(help));
            return None;
        };
        Some(Placed {
            tier,
            zone: zone.clone(),
            range: Subnet.read(value)?,
            value: value.clone(),
        })
    };
    zones.iter().map(placed).collect()
}

/// Reports subnets outside the VPC and subnets that overlap.
pub(super) fn check_subnets(
    keys: &Keys<'_, '_, Topology>,
    subnets: Option<&Subnets<'_>>,
    vpc: Option<Ipv4Net>,
) {
    let subnets = subnets.map(Subnets::placed).unwrap_or_default();
    for (index, subnet) in subnets.iter().enumerate() {
        let (name, range) = (subnet.in_words(), subnet.range);
        if let Some(vpc) = vpc.filter(|vpc| !vpc.contains(&range)) {
            let message = format!("{name} is outside the VPC, {vpc}");
            let problem = Problem::new(message).expected(format!("a range within {vpc}"));
            let problem = problem.help("move the subnet, or choose another `topology.vpc`");
            if subnet.value.is_in_file() {
                subnet.value.complain(problem);
            } else {
                keys.complain(&["vpc"], problem);
            }
        }
        let overlaps =
            |other: &&&Placed<'_>| other.range.contains(&range) || range.contains(&other.range);
        if let Some(other) = subnets[..index].iter().find(overlaps) {
            let other_name = other.in_words();
            let message = format!("{name} overlaps {}", other_name.trim_end_matches(','));
            let stated = if subnet.value.is_in_file() {
                subnet
            } else {
                other
            };
            let problem = Problem::new(message).expected("ranges that do not overlap");
            stated
                .value
                .complain(problem.help("give each subnet a range of its own"));
        }
    }
}

/// Reports subnets that are too small for what may run in them.
pub(super) fn check_sizes(subnets: Option<&Subnets<'_>>, scaling: Option<&Scaling>) {
    /// What AWS asks for per load-balancer node, and one for the NAT gateway.
    const PUBLIC_ADDRESSES: u64 = 8 + 1;
    let Some(scaling) = scaling else { return };
    // Rebalancing may exceed the maximum by a tenth. If the other zones are lost, the whole fleet is here, with Redis.
    let fleet = u64::from(scaling.fleet_max() + scaling.fleet_max().div_ceil(10)) + 1;
    for placed in subnets.map(Subnets::placed).unwrap_or_default() {
        let free = (1_u64 << (32 - placed.range.prefix_len())) - ADDRESSES_RESERVED;
        let (needed, for_what) = match placed.tier {
            Tier::Public => (PUBLIC_ADDRESSES, "a load-balancer node and a NAT gateway"),
            Tier::Private => (fleet, "Redis and the largest fleet in one zone"),
            Tier::Data => continue,
        };
        if free < needed {
            let name = placed.in_words();
            let message = format!("{name} has {free} free addresses; {for_what} need {needed}");
            let problem =
                Problem::new(message).expected(format!("{needed} free addresses or more"));
            placed
                .value
                .complain(problem.help("use a larger range, or lower `scaling.max`"));
        }
    }
}
