//! The architecture: zones, subnets, instances.

use ipnet::Ipv4Net;
use tiketi_station::Profile;

use super::data_tier;
use crate::data_tier::DataTier;
use crate::diagnostic::Problem;
use crate::document::{Layer, Section};
use crate::scaling::Scaling;
use crate::topology::{CreditMode, Instances, Topology, Zone};
use crate::value::Value;
use tiketi_core::units::ZoneId;

/// EC2 instance types that the price books and the profiles know.
pub const INSTANCE_CLASSES: [&str; 4] = ["t3.micro", "t3.small", "t3.medium", "t3.large"];

/// Service-time profiles that come with the program.
pub const PROFILES: [&str; 2] = ["t3-medium-node", "native"];

/// A region has six zones at most, and a [`ZoneId`] must hold them.
const ZONES_MAX: usize = 6;

/// Addresses of each subnet that AWS keeps for itself.
const ADDRESSES_KEPT: u64 = 5;

/// What hangs on other tables while the topology is resolved.
pub(super) struct Context<'s, 'd> {
    pub(super) zones: Option<&'s [String]>,
    pub(super) scaling_section: &'s Section<'d>,
    pub(super) scaling: Option<&'s Scaling>,
    /// Service times in place of those the scenario names.
    pub(super) profile: Option<&'s Profile>,
    /// The data tier in place of the one the scenario names.
    pub(super) data_tier: Option<&'s DataTier>,
    /// Defaults by the class of the Redis node.
    pub(super) redis: Option<Layer<'d>>,
    /// Defaults by the kind of the database, and its connections and cores by class.
    pub(super) database: Option<Layer<'d>>,
    pub(super) connections_max: Option<Layer<'d>>,
    pub(super) cores: Option<Layer<'d>>,
}

/// The names of the zones.
pub(super) fn zone_names(section: &Section<'_>) -> Option<Vec<String>> {
    let value = section.value("zones")?;
    let elements = value.elements()?;
    let names: Vec<_> = elements.iter().map(Value::text).collect();
    let names: Vec<_> = names.into_iter().collect::<Option<_>>()?;
    if names.is_empty() || names.len() > ZONES_MAX {
        value.refuse(format!("a list of 1 to {ZONES_MAX} zones"));
        return None;
    }
    for (index, (name, element)) in names.iter().zip(&elements).enumerate() {
        if names[..index].contains(name) {
            element.complain(Problem::new(format!("zone `{name}` is listed twice")));
            return None;
        }
    }
    Some(names.into_iter().map(str::to_owned).collect())
}

/// The zone that a value names.
pub(super) fn zone_id(value: &Value<'_>, zones: &[String]) -> Option<ZoneId> {
    let name = value.text()?;
    let index = zones.iter().position(|zone| zone == name);
    if index.is_none() {
        let problem = value.refusal(", which is no zone").legal(zones.join(", "));
        value.complain(problem.did_you_mean(name, zones.iter().map(String::as_str)));
    }
    zone_at(index?)
}

/// The zone at a place of the list, which [`ZONES_MAX`] keeps short.
pub(super) fn zone_at(index: usize) -> Option<ZoneId> {
    u8::try_from(index).ok().map(ZoneId)
}

pub(super) fn topology(section: &Section<'_>, context: &Context<'_, '_>) -> Option<Topology> {
    let vpc = section.value("vpc").and_then(|value| subnet(&value));
    let zones = zones(section, context, vpc);
    let instances = instances(&section.section("instances"), context);
    let alb = data_tier::alb(&section.section("alb"));
    let data_tier = data_tier::data_tier(section);
    let redis = data_tier::redis(section, context);
    let database = data_tier::database(section, context);
    let s3_endpoint = section.value("s3_endpoint").and_then(|value| value.truth());
    Some(Topology {
        vpc: vpc?,
        zones: zones?,
        instances: instances?,
        alb: alb?,
        data_tier: context.data_tier.cloned().or(data_tier)?,
        redis: redis?,
        database: database?,
        s3_endpoint: s3_endpoint?,
    })
}

/// An address range whose address is the range's first.
fn subnet(value: &Value<'_>) -> Option<Ipv4Net> {
    let legal = "an IPv4 range such as \"10.0.11.0/24\", of size /16 to /28";
    let range: Ipv4Net = value.parsed(legal)?;
    if !(16..=28).contains(&range.prefix_len()) {
        value.refuse(legal);
        return None;
    }
    if range != range.trunc() {
        let problem = value
            .refusal(", which has bits beyond its size")
            .legal(legal);
        value.complain(problem.help(format!("did you mean \"{}\"?", range.trunc())));
        return None;
    }
    Some(range)
}

/// One subnet of one zone, while subnets are compared.
struct Placed<'d> {
    tier: &'static str,
    zone: String,
    range: Ipv4Net,
    value: Value<'d>,
}

impl Placed<'_> {
    fn name(&self) -> String {
        format!("the {} subnet of zone {}", self.tier, self.zone)
    }
}

fn zones<'d>(
    section: &Section<'d>,
    context: &Context<'_, 'd>,
    vpc: Option<Ipv4Net>,
) -> Option<Vec<Zone>> {
    let subnets = section.section("subnets");
    let nat_gateways = section.value("nat_gateways");
    let tiers: Vec<_> = ["public", "private", "data"]
        .into_iter()
        .map(|tier| tier_subnets(&subnets, tier, context.zones))
        .collect();
    let names = context.zones?;
    let with_nat = nat_gateways.and_then(|value| zones_with_nat(&value, names));
    let placed: Vec<_> = tiers.iter().flatten().flatten().collect();
    check_subnets(section, &placed, vpc);
    check_sizes(&placed, context.scaling);
    let with_nat = with_nat?;
    let zone = |(index, name): (usize, &String)| {
        let id = zone_at(index)?;
        let nat_gateway = with_nat.contains(&id);
        let range = |tier: usize| Some(tiers[tier].get(index)?.as_ref()?.range);
        Some(Zone {
            name: name.clone(),
            public: range(0)?,
            private: range(1)?,
            data: range(2)?,
            nat_gateway,
        })
    };
    names.iter().enumerate().map(zone).collect()
}

/// The zones that have a NAT gateway of their own.
fn zones_with_nat(value: &Value<'_>, zones: &[String]) -> Option<Vec<ZoneId>> {
    if value.is_word("each-zone") {
        return (0..zones.len()).map(zone_at).collect();
    }
    let listed = value.elements()?;
    let ids: Vec<_> = listed.iter().map(|zone| zone_id(zone, zones)).collect();
    ids.into_iter().collect()
}

/// The subnets of one tier, an entry a zone; `None` where one is wrong.
fn tier_subnets<'d>(
    subnets: &Section<'d>,
    tier: &'static str,
    zones: Option<&[String]>,
) -> Vec<Option<Placed<'d>>> {
    let section = subnets.section(tier);
    let entries = section.entries();
    let Some(zones) = zones else {
        return Vec::new();
    };
    for (key, value) in &entries {
        let name = key.get_ref().as_ref();
        if value.is_in_file() && !zones.iter().any(|zone| zone == name) {
            let problem = Problem::new(format!("a {tier} subnet for `{name}`, which is no zone"))
                .legal(zones.join(", "))
                .did_you_mean(name, zones.iter().map(String::as_str));
            section.report(problem.at(key.span()));
        }
    }
    let placed = |zone: &String| {
        let of_zone = |value: &&(_, Value<'d>)| key_is(value.0, zone);
        let stated = entries
            .iter()
            .filter(of_zone)
            .max_by_key(|(_, value)| value.is_in_file());
        let Some((_, value)) = stated else {
            let problem = Problem::new(format!("zone `{zone}` has no {tier} subnet"));
            let help = format!("add `{zone} = \"10.0.x.0/24\"` to `topology.subnets.{tier}`");
            subnets.complain(&[tier], problem.help(help));
            return None;
        };
        Some(Placed {
            tier,
            zone: zone.clone(),
            range: subnet(value)?,
            value: value.clone(),
        })
    };
    zones.iter().map(placed).collect()
}

fn key_is(key: &toml::Spanned<toml::de::DeString<'_>>, name: &str) -> bool {
    key.get_ref().as_ref() == name
}

/// Reports subnets outside the VPC and subnets that overlap.
fn check_subnets(section: &Section<'_>, subnets: &[&Placed<'_>], vpc: Option<Ipv4Net>) {
    for (index, subnet) in subnets.iter().enumerate() {
        let (name, range) = (subnet.name(), subnet.range);
        if let Some(vpc) = vpc.filter(|vpc| !vpc.contains(&range)) {
            let message = format!("{name}, {range}, is outside the VPC, {vpc}");
            let problem = Problem::new(message).legal(format!("ranges within {vpc}"));
            if subnet.value.is_in_file() {
                subnet.value.complain(problem);
            } else {
                section.complain(&["vpc"], problem);
            }
        }
        let overlaps =
            |other: &&&Placed<'_>| other.range.contains(&range) || range.contains(&other.range);
        if let Some(other) = subnets[..index].iter().find(overlaps) {
            let message = format!(
                "{name}, {range}, overlaps {}, {}",
                other.name(),
                other.range
            );
            let stated = if subnet.value.is_in_file() {
                subnet
            } else {
                other
            };
            let problem = Problem::new(message);
            stated
                .value
                .complain(problem.help("give each subnet a range of its own"));
        }
    }
}

/// Reports subnets that cannot hold what may run in them.
fn check_sizes(subnets: &[&Placed<'_>], scaling: Option<&Scaling>) {
    /// What an ALB node asks of its subnet, beside the NAT gateway.
    const PUBLIC_ADDRESSES: u64 = 8 + 1;
    let Some(scaling) = scaling else { return };
    // Rebalancing may exceed the maximum by a tenth; with the other zones lost all of it is here, beside Redis.
    let fleet = u64::from(scaling.fleet_max() + scaling.fleet_max().div_ceil(10)) + 1;
    for placed in subnets {
        let free = (1_u64 << (32 - placed.range.prefix_len())) - ADDRESSES_KEPT;
        let (needed, for_what) = match placed.tier {
            "public" => (PUBLIC_ADDRESSES, "a load balancer and a NAT gateway"),
            "private" => (fleet, "the largest fleet in one zone, and Redis"),
            _ => continue,
        };
        if free < needed {
            let (name, range) = (placed.name(), placed.range);
            let message = format!(
                "{name}, {range}, has {free} addresses that AWS leaves free; {for_what} need {needed}"
            );
            let problem = Problem::new(message);
            placed
                .value
                .complain(problem.help("take a larger range, or lower `scaling.max`"));
        }
    }
}

fn instances(section: &Section<'_>, context: &Context<'_, '_>) -> Option<Instances> {
    let class = section.value("class");
    let class = class.and_then(|value| value.word(&INSTANCE_CLASSES));
    let modes = [
        ("unlimited", CreditMode::Unlimited),
        ("standard", CreditMode::Standard),
    ];
    let credits = section.value("credits");
    let credits = credits.and_then(|value| value.choice(&modes));
    // A profile from a file of its own may have any name; so may the one a run with it wrote into its scenario.
    let named = section.value("profile");
    let profile = context.profile.cloned().or_else(|| {
        let name = named.and_then(|value| value.word(&PROFILES))?;
        Profile::named(&name)
    });
    let initial = section.value("initial");
    let stated = initial.as_ref().is_some_and(|value| !value.is_word("min"));
    let (zones, scaling) = (context.zones?, context.scaling);
    let initial = if stated {
        initial.and_then(|value| fleet_by_zone(&value, zones))
    } else {
        scaling.map(|scaling| spread(scaling.min, zones.len()))
    };
    if let (Some(initial), Some(scaling)) = (&initial, scaling)
        && scaling.min <= scaling.max
    {
        let total: u32 = initial.iter().sum();
        if total < scaling.min || total > scaling.max {
            let (min, max) = (scaling.min, scaling.max);
            let message = format!("the fleet starts with {total} instances");
            let problem = Problem::new(message).legal(format!("{min} to {max}"));
            if section.is_in_file("initial") {
                section.complain(&["initial"], problem);
            } else {
                context.scaling_section.complain(&["min", "max"], problem);
            }
        }
    }
    Some(Instances {
        class: class?,
        credits: credits?,
        profile: profile?,
        initial: initial?,
    })
}

/// Reads `{ a = 2, b = 1 }`.
fn fleet_by_zone(value: &Value<'_>, zones: &[String]) -> Option<Vec<u32>> {
    if !value.is_table() {
        value.refuse("\"min\", or a table such as { a = 2, b = 1 }");
        return None;
    }
    let section = value.section()?;
    let mut fleet = vec![0; zones.len()];
    let mut all_read = true;
    for (key, count) in section.entries() {
        let name = key.get_ref().as_ref();
        let count = count.whole(0..=1_000);
        let zone = zones.iter().position(|zone| zone == name);
        if zone.is_none() {
            let problem = Problem::new(format!("instances in `{name}`, which is no zone"))
                .legal(zones.join(", "))
                .did_you_mean(name, zones.iter().map(String::as_str));
            section.report(problem.at(key.span()));
        }
        match (zone, count) {
            (Some(zone), Some(count)) => fleet[zone] = count,
            _ => all_read = false,
        }
    }
    all_read.then_some(fleet)
}

/// Spreads instances over zones, the first ones getting what does not divide.
fn spread(total: u32, zones: usize) -> Vec<u32> {
    let zones = u32::try_from(zones).expect("there are six zones at most");
    let of_zone = |zone| total / zones + u32::from(zone < total % zones);
    (0..zones).map(of_zone).collect()
}
