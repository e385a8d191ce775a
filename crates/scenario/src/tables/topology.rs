//! The architecture: zones, subnets, instances, load balancer.

use tiketi_station::Profile;

use super::subnets::{Placed, Subnets, check_sizes, check_subnets, subnets};
use super::{Overrides, data_tier, edge, limits, network};
use crate::diagnostic::Problem;
use crate::document::Section;
use crate::duration::Written;
use crate::environment::Environment;
use crate::keys::kind::{Kind, Length, List, OneOf, Or, Subnet, Truth, Whole, Word, Zone};
use crate::keys::{Form, Keys, key};
use crate::network::Routes;
use crate::page::{inline_table, list, text};
use crate::plan::Plan;
use crate::scaling::Scaling;
use crate::topology::{self, Alb, HealthCheck, Instances, Topology};
use crate::value::{Value, one_of};
use tiketi_core::units::ZoneId;

/// Service-time profiles that come with the program.
pub const PROFILES: [&str; 2] = ["t3-medium-node", "native"];

/// Keys that affect live runs of the testbed only.
pub(super) const LIVE: [Environment; 3] = [
    Environment::Embedded,
    Environment::Servers,
    Environment::External,
];

/// Keys that affect the model only.
pub(super) const MODEL: [Environment; 1] = [Environment::Model];

/// What the topology depends on besides its own keys.
pub(super) struct Context<'s> {
    /// The names of the zones; `None` if they have a problem.
    pub(super) zones: Option<&'s [String]>,
    /// The scaling; `None` if it has a problem.
    pub(super) scaling: Option<&'s Scaling>,
    /// Command-line flags, which may replace the profile and the data tier.
    pub(super) overrides: &'s Overrides,
}

/// The names of the zones, which other tables refer to.
pub(super) fn zone_names(keys: &Keys<'_, '_, Plan>) -> Option<Vec<String>> {
    if let Some(plan) = keys.written() {
        return Some(names_of(&plan.topology));
    }
    let section = keys.read()?.peek("topology");
    let value = section.expect("zones", zones_form)?;
    let elements = value.elements(limits::ZONES)?;
    let names = List(ZoneName, limits::ZONES).read(&value)?;
    for (index, (name, element)) in names.iter().zip(&elements).enumerate() {
        if names[..index].contains(name) {
            let problem = Problem::new(format!("zone `{name}` is listed twice"));
            let problem = problem.expected("each zone once");
            element.complain(problem.help("remove it, or give it another name"));
            return None;
        }
    }
    Some(names)
}

pub(super) fn names_of(topology: &Topology) -> Vec<String> {
    topology
        .zones
        .iter()
        .map(|zone| zone.name.clone())
        .collect()
}

fn zones_form() -> Form {
    List(ZoneName, limits::ZONES).form()
}

/// The name of a zone: without commas, which separate columns, and none of the words that stand in place of a zone.
struct ZoneName;

/// Words that scenarios have in place of a zone.
const NO_ZONES: [&str; 2] = ["none", "each-zone"];

impl ZoneName {
    fn is_valid(name: &str) -> bool {
        let is_plain = |c: char| c.is_alphanumeric() || " -_.".contains(c);
        (1..=32).contains(&name.chars().count())
            && name.chars().all(is_plain)
            && name.chars().any(char::is_alphanumeric)
            && name.trim() == name
            && !NO_ZONES.contains(&name)
    }
}

impl Kind for ZoneName {
    type Value = String;

    fn form(&self) -> Form {
        Form::Syntax {
            expected: "1 to 32 letters, digits, spaces and `-_.`, such as \"a\"",
            hint: "columns and file names contain it, and \"none\" and \"each-zone\" have other meanings",
        }
    }

    fn read(&self, value: &Value<'_>) -> Option<String> {
        let name = value.as_str().filter(|name| Self::is_valid(name));
        if name.is_none() {
            value.reject(&self.form());
        }
        name.map(str::to_owned)
    }

    fn write(&self, value: &String) -> String {
        text(value)
    }
}

fn nat_form() -> Form {
    let zone = Zone { names: None };
    List(zone, limits::NAT_ZONES).form().or_word("each-zone")
}

/// The zone at an index, which [`limits::ZONES`] keeps small.
pub(super) fn zone_at(index: usize) -> Option<ZoneId> {
    u8::try_from(index).ok().map(ZoneId)
}

pub(super) fn topology(
    keys: &mut Keys<'_, '_, Topology>,
    context: &Context<'_>,
) -> Option<Topology> {
    let vpc = keys.value(
        key("vpc", "Address range of the VPC."),
        Subnet,
        |topology| topology.vpc,
    );
    // Other tables needed the zones before, and have reported their problems.
    keys.special(
        key("zones", "Availability zones."),
        zones_form,
        |section| section.find("zones"),
        |topology| list(names_of(topology).iter().map(|name| text(name))),
    );
    let nat_gateways = keys.special(
        key(
            "nat_gateways",
            "Zones with a NAT gateway of their own; `each-zone` for all.",
        ),
        nat_form,
        |section| zones_with_nat(section, context.zones),
        |topology| {
            let with_nat = topology.zones.iter().filter(|zone| zone.nat_gateway);
            list(with_nat.map(|zone| text(&zone.name)))
        },
    );
    let s3_endpoint = keys.value(
        key(
            "s3_endpoint",
            "Whether S3 is reached through a gateway endpoint, which is free, instead of NAT.",
        ),
        Truth,
        |topology| topology.s3_endpoint,
    );
    let data_tier = data_tier::data_tier(keys);
    let subnets = keys.section(
        key(
            "subnets",
            "Address ranges of the subnets: one table per tier, one range per zone.",
        ),
        |topology| topology,
        |keys| Some(subnets(keys, context.zones)),
    );
    check_subnets(keys, subnets.as_ref(), vpc);
    let routes = keys.section(
        key(
            "routes",
            "Default routes: where the route tables of the subnets send traffic for the internet, one per tier or per zone.",
        ),
        |topology| topology,
        |keys| {
            let zones = network::Zones {
                names: context.zones,
                with_nat: nat_gateways.as_deref(),
            };
            network::routes(keys, zones)
        },
    );
    let security_groups = keys.section(
        key(
            "security_groups",
            "Who may open connections to what: the sources that the inbound rules of each security group admit.",
        ),
        |topology| &topology.security_groups,
        network::security_groups,
    );
    check_sizes(subnets.as_ref(), context.scaling);
    let instances = keys.section(
        key("instances", "The back-end instances."),
        |topology| topology,
        |keys| instances(keys, context),
    );
    let edge = edge::section(keys);
    let alb = keys.section(
        key("alb", "The Application Load Balancer."),
        |topology| &topology.alb,
        alb,
    );
    let redis = keys.section(
        key("redis", "ElastiCache for Redis."),
        |topology| topology,
        |keys| data_tier::redis(keys, context.zones),
    );
    let database = keys.section(
        key("database", "The PostgreSQL database."),
        |topology| topology,
        |keys| data_tier::database(keys, context.zones),
    );
    let zones = zones(context.zones?, &nat_gateways?, &subnets?, &routes?);
    Some(Topology {
        vpc: vpc?,
        zones: zones?,
        security_groups: security_groups?,
        instances: instances?,
        edge: edge?,
        alb: alb?,
        data_tier: context.overrides.data_tier.clone().or(data_tier)?,
        redis: redis?,
        database: database?,
        s3_endpoint: s3_endpoint?,
    })
}

fn zones(
    names: &[String],
    with_nat: &[ZoneId],
    subnets: &Subnets<'_>,
    routes: &[Routes],
) -> Option<Vec<topology::Zone>> {
    let zone = |(index, name): (usize, &String)| {
        let id = zone_at(index)?;
        let range = |tier: &Vec<Option<Placed<'_>>>| Some(tier.get(index)?.as_ref()?.range);
        Some(topology::Zone {
            name: name.clone(),
            public: range(&subnets.public)?,
            private: range(&subnets.private)?,
            data: range(&subnets.data)?,
            nat_gateway: with_nat.contains(&id),
            routes: *routes.get(index)?,
        })
    };
    names.iter().enumerate().map(zone).collect()
}

fn zones_with_nat(section: &Section<'_>, zones: Option<&[String]>) -> Option<Vec<ZoneId>> {
    let value = section.expect("nat_gateways", nat_form)?;
    let zones = zones?;
    if value.is_word("each-zone") {
        return (0..zones.len()).map(zone_at).collect();
    }
    let names = Some(zones);
    let with_nat = List(Zone { names }, limits::NAT_ZONES).read(&value.or_word("each-zone"))?;
    let twice = |(index, zone): (usize, &ZoneId)| with_nat[..index].contains(zone);
    if with_nat.iter().enumerate().any(twice) {
        let problem = value.problem(", which lists a zone twice");
        let problem = problem.expected("each zone once, or \"each-zone\"");
        value.complain(problem.help("a zone has one NAT gateway; remove it from the list"));
        return None;
    }
    Some(with_nat)
}

/// Reports a key that should name a zone and does not; `what` says what it is for.
pub(super) fn report_unknown_zone(
    section: &Section<'_>,
    key: &toml::Spanned<toml::de::DeString<'_>>,
    what: &str,
    zones: &[String],
) {
    let name = key.get_ref().as_ref();
    if zones.iter().any(|zone| zone == name) {
        return;
    }
    let problem = Problem::new(format!("{what}, which is not a zone of this scenario"))
        .expected(one_of(zones))
        .did_you_mean(name, zones.iter().map(String::as_str));
    section.report(problem.at(key.span()));
}

fn instances(keys: &mut Keys<'_, '_, Topology>, context: &Context<'_>) -> Option<Instances> {
    let class = keys.value(
        key("class", "EC2 instance type. It sets the speed of a virtual CPU, how many there are, and the CPU credits. Node.js uses one virtual CPU, so CloudWatch shows at most 50 % with two of them, 25 % with four."),
        OneOf::new(),
        |topology| topology.instances.class,
    );
    let credits = keys.value(
        key("credits", "A burstable instance without CPU credits: `standard` slows down to its baseline, `unlimited` continues at full speed for a surcharge.")
            .only(&MODEL),
        OneOf::new(),
        |topology| topology.instances.credits,
    );
    let profile = keys.special(
        key("profile", "Service-time profile: how long each operation takes on the virtual CPU. `--profile` replaces it."),
        || Word(&PROFILES).form(),
        |section| profile(section, context.overrides),
        |topology| text(&topology.instances.profile.name),
    );
    let initial = keys.special(
        key("initial", "Instances in service at the start: `min` spreads `scaling.min` over the zones, `{ a = 2, b = 1 }` states them per zone."),
        initial_form,
        |section| initial(section, context),
        |topology| {
            let zones = topology.zones.iter().zip(&topology.instances.initial);
            inline_table(zones.map(|(zone, count)| (zone.name.as_str(), count.to_string())))
        },
    );
    Some(Instances {
        class: class?,
        credits: credits?,
        profile: profile?,
        initial: initial?,
    })
}

/// A profile from a file may have any name, and a run with it writes that name into its scenario: with a profile from
/// the command line, the name is not checked.
fn profile(section: &Section<'_>, overrides: &Overrides) -> Option<Profile> {
    let named = section.expect("profile", || Word(&PROFILES).form());
    overrides.profile.clone().or_else(|| {
        let name = Word(&PROFILES).read(&named?)?;
        Profile::named(&name)
    })
}

fn initial_form() -> Form {
    let by_zone = Form::Map {
        keys: "the name of a zone",
        of: Box::new(Form::Whole(limits::FLEET.widened())),
    };
    by_zone.or_word("min")
}

fn initial(section: &Section<'_>, context: &Context<'_>) -> Option<Vec<u32>> {
    let value = section.expect("initial", initial_form)?;
    let (zones, scaling) = (context.zones?, context.scaling);
    if value.is_word("min") {
        return scaling.map(|scaling| spread(scaling.min, zones.len()));
    }
    let initial = fleet_by_zone(&value, zones)?;
    if let Some(scaling) = scaling.filter(|scaling| scaling.min <= scaling.max) {
        let total: u32 = initial.iter().sum();
        if total < scaling.min || total > scaling.max {
            let (min, max) = (scaling.min, scaling.max);
            let message = format!("the fleet starts with {total} instances");
            let problem = Problem::new(message).expected(format!("{min} to {max}"));
            value.complain(
                problem.help("change `scaling.min` or `scaling.max`, or start with others"),
            );
        }
    }
    Some(initial)
}

/// Reads `{ a = 2, b = 1 }`.
fn fleet_by_zone(value: &Value<'_>, zones: &[String]) -> Option<Vec<u32>> {
    if !value.is_table() {
        let expected = "\"min\", or a table such as { a = 2, b = 1 }";
        value.reject_with(
            expected,
            "write the number of instances of each zone in braces",
        );
        return None;
    }
    let section = value.section()?;
    let mut fleet = vec![0; zones.len()];
    let mut all_read = true;
    for (key, count) in section.entries() {
        let name = key.get_ref().as_ref();
        let count = count.whole(limits::FLEET);
        report_unknown_zone(&section, key, &format!("instances in `{name}`"), zones);
        match (zones.iter().position(|zone| zone == name), count) {
            (Some(zone), Some(count)) => fleet[zone] = count,
            _ => all_read = false,
        }
    }
    all_read.then_some(fleet)
}

/// Spreads instances over zones; the first zones get the remainder.
fn spread(total: u32, zones: usize) -> Vec<u32> {
    let zones = u32::try_from(zones).expect("there are six zones at most");
    let of_zone = |zone| total / zones + u32::from(zone < total % zones);
    (0..zones).map(of_zone).collect()
}

/// A range of whole seconds, as AWS states its limits.
const fn seconds(from: u64, to: u64) -> Length {
    Length(limits::aws_seconds(from, to))
}

fn alb(keys: &mut Keys<'_, '_, Alb>) -> Option<Alb> {
    let health_check = keys.table(
        key("health_check", "Health checks of the target group."),
        |alb| &alb.health_check,
        health_check,
    );
    let deregistration_delay = keys.value(
        key(
            "deregistration_delay",
            "How long a draining target keeps its connections.",
        ),
        seconds(0, 3_600),
        |alb| alb.deregistration_delay,
    );
    let stickiness = keys.value(
        key("stickiness", "Lifetime of the `AWSALB` cookie, renewed with each request; `none` switches stickiness off."),
        Or("none", seconds(1, 7 * 86_400)),
        |alb| alb.stickiness,
    );
    let idle_timeout = keys.value(
        key(
            "idle_timeout",
            "Idle time after which a connection is closed; a request without a response gets 504.",
        ),
        seconds(1, 4_000),
        |alb| alb.idle_timeout,
    );
    let connect_timeout = keys.value(
        key(
            "connect_timeout",
            "How long the load balancer waits for a target to accept a connection before 504.",
        ),
        Length(limits::TIMEOUT),
        |alb| alb.connect_timeout,
    );
    let dns_ttl = keys.value(
        key("dns_ttl", "Time to live of the load balancer's DNS record."),
        Length(limits::DELAY),
        |alb| alb.dns_ttl,
    );
    Some(Alb {
        health_check: health_check?,
        deregistration_delay: deregistration_delay?,
        stickiness: stickiness?,
        idle_timeout: idle_timeout?,
        connect_timeout: connect_timeout?,
        dns_ttl: dns_ttl?,
    })
}

fn health_check(keys: &mut Keys<'_, '_, HealthCheck>) -> Option<HealthCheck> {
    let interval = keys.value(
        key(
            "interval",
            "Time between two checks of one load-balancer node on one target.",
        ),
        seconds(5, 300),
        |check| check.interval,
    );
    let timeout = keys.value(
        key("timeout", "Time after which a check has failed."),
        seconds(2, 120),
        |check| check.timeout,
    );
    let healthy_count = keys.value(
        key(
            "healthy_count",
            "Passed checks in a row that make an unhealthy target healthy; a new target needs one.",
        ),
        Whole(limits::CHECKS),
        |check| check.healthy_count,
    );
    let unhealthy_count = keys.value(
        key(
            "unhealthy_count",
            "Failed checks in a row that make a target unhealthy.",
        ),
        Whole(limits::CHECKS),
        |check| check.unhealthy_count,
    );
    if let (Some(interval), Some(timeout)) = (interval, timeout)
        && timeout >= interval
    {
        let (timeout, interval) = (Written(timeout), Written(interval));
        let message = format!("`timeout` ({timeout}) must be shorter than `interval` ({interval})");
        let problem = Problem::new(message).expected(format!("a `timeout` below {interval}"));
        keys.complain(
            &["timeout", "interval"],
            problem.help("shorten `timeout` or lengthen `interval`"),
        );
    }
    Some(HealthCheck {
        interval: interval?,
        timeout: timeout?,
        healthy_count: healthy_count?,
        unhealthy_count: unhealthy_count?,
    })
}
