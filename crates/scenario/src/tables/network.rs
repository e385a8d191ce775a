//! Route tables and security groups: their keys, and the checks that the application can be reached and can work.

use super::topology::{report_unknown_zone, zone_at};
use super::{limits, topology};
use crate::diagnostic::Problem;
use crate::keys::kind::{Kind, List, OneOf};
use crate::keys::{Form, Key, Keys, key};
use crate::network::{DefaultRoute, Routes, SecurityGroups, Source};
use crate::page::{inline_table, text};
use crate::topology::Topology;
use crate::value::Value;
use tiketi_core::units::ZoneId;

/// Before the name of the zone of a NAT gateway.
const GATEWAY_OF: &str = "nat-gateway-";

/// What the routes depend on.
#[derive(Clone, Copy)]
pub(super) struct Zones<'z> {
    /// The names of the zones; `None` if they have a problem.
    pub(super) names: Option<&'z [String]>,
    /// Those with a NAT gateway; `None` if the key has a problem.
    pub(super) with_nat: Option<&'z [ZoneId]>,
}

/// A default route as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    Exactly(DefaultRoute),
    /// To the NAT gateway of the same zone, or else of the first zone that has one.
    NearestGateway,
}

/// The default route of a subnet.
struct Route<'z> {
    names: Option<&'z [String]>,
}

impl Kind for Route<'_> {
    type Value = Written;

    fn form(&self) -> Form {
        Form::Syntax {
            expected: "\"internet-gateway\", \"nat-gateway\", \"nat-gateway-\" with the name of a zone, or \"none\"",
            hint: "\"nat-gateway\" is that of the same zone, or else of the first zone that has one",
        }
    }

    fn read(&self, value: &Value<'_>) -> Option<Written> {
        let word = value.as_str();
        let read = match word {
            Some("internet-gateway") => Some(Written::Exactly(DefaultRoute::InternetGateway)),
            Some("none") => Some(Written::Exactly(DefaultRoute::None)),
            Some("nat-gateway") => Some(Written::NearestGateway),
            word => {
                let zone = word.and_then(|word| word.strip_prefix(GATEWAY_OF));
                let position = |zone| self.names?.iter().position(|name| name == zone);
                let zone = zone.and_then(position).and_then(zone_at);
                zone.map(|zone| Written::Exactly(DefaultRoute::NatGateway(zone)))
            }
        };
        if read.is_none() {
            value.reject(&self.form());
        }
        read
    }

    fn write(&self, value: &Written) -> String {
        match value {
            Written::Exactly(DefaultRoute::InternetGateway) => text("internet-gateway"),
            Written::Exactly(DefaultRoute::None) => text("none"),
            Written::Exactly(DefaultRoute::NatGateway(zone)) => {
                let names = self.names.expect("a plan has zones");
                text(&format!("{GATEWAY_OF}{}", names[zone.index()]))
            }
            Written::NearestGateway => text("nat-gateway"),
        }
    }
}

/// The default routes of each zone; `None` if one has a problem.
pub(super) fn routes(keys: &mut Keys<'_, '_, Topology>, zones: Zones<'_>) -> Option<Vec<Routes>> {
    let mut tier = |key: Key, of: fn(&Routes) -> DefaultRoute| {
        let name = key.name();
        keys.special(
            key,
            || {
                let one = Route { names: None }.form();
                let by_zone = Form::Map {
                    keys: "the name of a zone",
                    of: Box::new(one.clone()),
                };
                Form::Either(vec![by_zone, one])
            },
            |section| {
                let value = section.find(name)?;
                tier_routes(&value, name, zones)
            },
            |topology| {
                let names = topology::names_of(topology);
                let route = Route {
                    names: Some(&names),
                };
                let zones = topology.zones.iter();
                inline_table(zones.map(|zone| {
                    let written = Written::Exactly(of(&zone.routes));
                    (zone.name.as_str(), route.write(&written))
                }))
            },
        )
    };
    let public = tier(
        key(
            "public",
            "Of the subnets of the load-balancer nodes and the NAT gateways.",
        ),
        |routes| routes.public,
    );
    let private = tier(
        key("private", "Of the subnets of the instances and Redis."),
        |routes| routes.private,
    );
    let data = tier(key("data", "Of the subnets of the database."), |routes| {
        routes.data
    });
    let (public, private, data) = (public?, private?, data?);
    let of_zone = |zone: usize| Routes {
        public: public[zone],
        private: private[zone],
        data: data[zone],
    };
    Some((0..public.len()).map(of_zone).collect())
}

/// The default routes of one tier, one per zone.
fn tier_routes(value: &Value<'_>, tier: &str, zones: Zones<'_>) -> Option<Vec<DefaultRoute>> {
    let names = zones.names?;
    let route = Route { names: Some(names) };
    if !value.is_table() {
        let written = route.read(value)?;
        let of_zone = |zone| resolve(value, written, zone_at(zone)?, tier, zones);
        return (0..names.len()).map(of_zone).collect();
    }
    let section = value.section()?;
    let entries = section.entries();
    for (key, _) in &entries {
        let what = format!("a route of the {tier} subnet for `{}`", key.get_ref());
        report_unknown_zone(&section, key, &what, names);
    }
    let of_zone = |(index, name): (usize, &String)| {
        let Some((_, value)) = entries.iter().find(|(key, _)| key.get_ref() == name) else {
            let message = format!("the {tier} subnet of zone `{name}` has no route table");
            let problem = Problem::new(message).expected("one route per zone");
            let help = format!("add `{name} = \"none\"`, or another route, to `routes.{tier}`");
            value.complain(problem.help(help));
            return None;
        };
        resolve(value, route.read(value)?, zone_at(index)?, tier, zones)
    };
    // All zones are read, so that one with a problem does not hide those of others.
    let read: Vec<_> = names.iter().enumerate().map(of_zone).collect();
    read.into_iter().collect()
}

/// The route that is meant for the subnet of `zone`; `None` if AWS would not have it.
fn resolve(
    value: &Value<'_>,
    written: Written,
    zone: ZoneId,
    tier: &str,
    zones: Zones<'_>,
) -> Option<DefaultRoute> {
    let (names, with_nat) = (zones.names?, zones.with_nat?);
    let route = match written {
        Written::Exactly(route) => route,
        Written::NearestGateway => {
            let nearest = with_nat.iter().find(|of| **of == zone);
            let nearest = nearest.or_else(|| with_nat.iter().min());
            nearest.map_or(DefaultRoute::None, |of| DefaultRoute::NatGateway(*of))
        }
    };
    let name = &names[zone.index()];
    if let DefaultRoute::NatGateway(of) = route
        && !with_nat.contains(&of)
    {
        let gateway = &names[of.index()];
        let message = format!(
            "the {tier} subnet of zone {name} has a route to the NAT gateway of zone {gateway}, which has none (AWS: \
             InvalidNatGatewayID.NotFound)"
        );
        let problem = Problem::new(message).expected("a zone of `topology.nat_gateways`");
        value.complain(problem.help(format!(
            "add \"{gateway}\" to `topology.nat_gateways`, or choose another gateway"
        )));
        return None;
    }
    if tier == "public" && route != DefaultRoute::InternetGateway {
        let message = format!(
            "the public subnet of zone {name} has no route to the internet gateway, so nobody reaches its load-balancer node \
             and its NAT gateway reaches nobody"
        );
        let problem = Problem::new(message).expected("\"internet-gateway\"");
        value.complain(
            problem.help(
                "AWS asks for this route for internet-facing load balancers and NAT gateways",
            ),
        );
        return None;
    }
    Some(route)
}

/// The security groups.
pub(super) fn security_groups(keys: &mut Keys<'_, '_, SecurityGroups>) -> Option<SecurityGroups> {
    let mut group = |key, needs: Needed, of: fn(&SecurityGroups) -> &Vec<Source>| {
        let rules = Rules(needs);
        keys.special(
            key,
            || rules.form(),
            |section| rules.read(&section.find(key.name())?),
            |groups| rules.write(of(groups)),
        )
    };
    let load_balancer = group(
        key("load_balancer", "To the load-balancer nodes."),
        Needed {
            sources: &[Source::Internet],
            else_what: "nobody can reach the application",
        },
        |groups| &groups.load_balancer,
    );
    let instances = group(
        key("instances", "To the instances."),
        Needed {
            sources: &[Source::LoadBalancer, Source::Vpc, Source::Internet],
            else_what: "the load balancer cannot reach the instances, and nobody can reach the application",
        },
        |groups| &groups.instances,
    );
    let redis = group(
        key("redis", "To the Redis nodes."),
        Needed {
            sources: &[Source::Instances, Source::Vpc, Source::Internet],
            else_what: "the instances cannot reach Redis",
        },
        |groups| &groups.redis,
    );
    let database = group(
        key("database", "To the database nodes."),
        Needed {
            sources: &[Source::Instances, Source::Vpc, Source::Internet],
            else_what: "the instances cannot reach the database",
        },
        |groups| &groups.database,
    );
    Some(SecurityGroups {
        load_balancer: load_balancer?,
        instances: instances?,
        redis: redis?,
        database: database?,
    })
}

/// Sources of which a group must admit at least one.
#[derive(Clone, Copy)]
struct Needed {
    sources: &'static [Source],
    /// What follows otherwise.
    else_what: &'static str,
}

/// The inbound rules of one group.
struct Rules(Needed);

impl Rules {
    fn sources() -> List<OneOf<Source>> {
        List(OneOf::new(), limits::INBOUND_RULES)
    }
}

impl Kind for Rules {
    type Value = Vec<Source>;

    fn form(&self) -> Form {
        Self::sources().form()
    }

    fn read(&self, value: &Value<'_>) -> Option<Vec<Source>> {
        let rules = Self::sources().read(value)?;
        let twice = |(index, source): (usize, &Source)| rules[..index].contains(source);
        if rules.iter().enumerate().any(twice) {
            let problem =
                value.problem(", which has a rule twice (AWS: InvalidPermission.Duplicate)");
            value.complain(
                problem
                    .expected("each source once")
                    .help("remove it from the list"),
            );
            return None;
        }
        let Needed { sources, else_what } = self.0;
        if !rules.iter().any(|source| sources.contains(source)) {
            let names: Vec<_> = sources.iter().map(|source| source.name()).collect();
            let names = names.join(", ");
            let problem = value.problem(&format!(": {else_what}"));
            let problem = problem.expected(format!("a list with one of {names}"));
            value.complain(problem.help(format!("add \"{}\"", sources[0].name())));
            return None;
        }
        Some(rules)
    }

    fn write(&self, value: &Vec<Source>) -> String {
        Self::sources().write(value)
    }
}

#[cfg(test)]
mod tests {
    use crate::network::DefaultRoute;
    use crate::{Overrides, Plan, load};
    use tiketi_core::units::ZoneId;

    fn read(keys: &str) -> Result<Plan, String> {
        let text = format!("name = \"x\"\n{keys}\n");
        load("x.toml", &text, &Overrides::default()).map_err(|problems| problems.to_string())
    }

    fn private_routes(keys: &str) -> Vec<DefaultRoute> {
        let plan = read(keys).expect("is valid");
        let again = load("x.toml", &plan.to_toml(), &Overrides::default());
        let again = again.expect("what is written is valid");
        assert_eq!(again.topology, plan.topology, "{}", plan.to_toml());
        let zones = plan.topology.zones.iter();
        zones.map(|zone| zone.routes.private).collect()
    }

    #[test]
    fn private_subnets_use_the_gateway_of_their_zone_or_else_the_first_one() {
        let gateway = |zone| DefaultRoute::NatGateway(ZoneId(zone));
        assert_eq!(private_routes(""), [gateway(0), gateway(1)]);
        let one = "[topology]\nnat_gateways = [\"b\"]";
        assert_eq!(private_routes(one), [gateway(1), gateway(1)]);
        let none = "[topology]\nnat_gateways = []";
        assert_eq!(private_routes(none), [DefaultRoute::None; 2]);
        let stated = "[topology.routes]\nprivate = { a = \"nat-gateway-b\", b = \"none\" }";
        assert_eq!(private_routes(stated), [gateway(1), DefaultRoute::None]);
    }

    #[test]
    fn what_aws_rejects_is_rejected_with_its_reason() {
        let cases = [
            (
                "[topology]\nnat_gateways = [\"a\"]\n[topology.routes]\nprivate = \"nat-gateway-b\"",
                "InvalidNatGatewayID.NotFound",
            ),
            (
                "[topology.routes]\nprivate = \"nat-gateway-c\"",
                "\"nat-gateway-\" with the name of a zone",
            ),
            (
                "[topology.routes]\ndata = { a = \"none\" }",
                "the data subnet of zone `b` has no route table",
            ),
            (
                "[topology.routes]\npublic = \"none\"",
                "nobody reaches its load-balancer node",
            ),
            (
                "[topology.security_groups]\nload_balancer = [\"vpc\"]",
                "nobody can reach the application",
            ),
            (
                "[topology.security_groups]\ninstances = [\"redis\"]",
                "the load balancer cannot reach the instances",
            ),
            (
                "[topology.security_groups]\nredis = []",
                "the instances cannot reach Redis",
            ),
            (
                "[topology.security_groups]\ndatabase = [\"instances\", \"instances\"]",
                "InvalidPermission.Duplicate",
            ),
        ];
        for (keys, reason) in cases {
            let shown = read(keys).expect_err(keys);
            assert!(shown.contains(reason), "{keys}: {shown}");
        }
    }
}
