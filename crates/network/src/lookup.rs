//! The path of a connection, or why there is none.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tiketi_core::fault::catalog::Disruption;
use tiketi_core::units::ZoneId;
use tiketi_cost::item::Item;
use tiketi_scenario::network::{DefaultRoute, Source};
use tiketi_scenario::topology::Topology;

use crate::party::{Kind, Party};

/// The network of a topology.
#[derive(Clone, Copy, Debug)]
pub struct Network<'t> {
    topology: &'t Topology,
    lost: &'t Lost,
}

/// Everything works.
static NOTHING: Lost = Lost {
    zones: BTreeSet::new(),
    nat_gateways: BTreeSet::new(),
    s3_endpoint: false,
    s3: false,
    routes: BTreeMap::new(),
};

/// What does not work at the moment, and what was changed because of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Zones without power: nothing in them sends or receives.
    pub zones: BTreeSet<ZoneId>,
    /// Zones whose NAT gateway is lost.
    pub nat_gateways: BTreeSet<ZoneId>,
    /// Whether the gateway endpoint of S3 is gone, and with it its routes.
    pub s3_endpoint: bool,
    /// Whether S3 cannot be reached from the VPC.
    pub s3: bool,
    /// Private subnets whose default route somebody has changed, by zone: the zone of the NAT gateway that it names now.
    pub routes: BTreeMap<ZoneId, ZoneId>,
}

impl Lost {
    /// Notes a disruption. Those of the provider change no path.
    pub fn handle_disruption(&mut self, disruption: Disruption) {
        match disruption {
            Disruption::NatGateway(zone) => {
                self.nat_gateways.insert(zone);
            }
            Disruption::Route { zone, gateway } => {
                self.routes.insert(zone, gateway);
            }
            Disruption::S3 => self.s3 = true,
            Disruption::S3Endpoint => self.s3_endpoint = true,
            Disruption::ProviderSlow(_) | Disruption::ProviderDown => {}
        }
    }

    /// Notes the end of a disruption. A changed route stays as it is.
    pub fn handle_repair(&mut self, disruption: Disruption) {
        match disruption {
            Disruption::NatGateway(zone) => {
                self.nat_gateways.remove(&zone);
            }
            Disruption::S3 => self.s3 = false,
            Disruption::S3Endpoint => self.s3_endpoint = false,
            Disruption::Route { .. } | Disruption::ProviderSlow(_) | Disruption::ProviderDown => {}
        }
    }
}

/// The way of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "by")]
pub enum Path {
    /// Within the VPC, by the local route.
    Local {
        /// Whether the ends are in different zones.
        crosses_zones: bool,
    },
    /// Through the internet gateway, in or out.
    InternetGateway,
    /// Out through a NAT gateway.
    NatGateway {
        /// Zone of the gateway.
        zone: ZoneId,
        /// Whether it is not the zone of the source.
        is_detour: bool,
    },
    /// To S3 through the gateway endpoint.
    Endpoint,
}

/// Why a connection cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The target has only a private address, which nobody outside the VPC has a route to.
    #[error("no public address")]
    NoPublicAddress,
    /// The route table of the source has no route there.
    #[error("no route")]
    NoRoute,
    /// The security group of the target does not admit the source.
    #[error("security group")]
    SecurityGroup,
    /// The NAT gateway that the route names is lost: the route table does not change by itself.
    #[error("NAT gateway lost")]
    GatewayLost {
        /// Zone of the gateway.
        zone: ZoneId,
    },
    /// S3 cannot be reached from the VPC.
    #[error("S3 unavailable")]
    S3Unavailable,
    /// The zone of one end has no power.
    #[error("zone lost")]
    ZoneLost {
        /// The zone.
        zone: ZoneId,
    },
    /// Neither end is in the VPC.
    #[error("outside the VPC")]
    OutsideVpc,
}

impl Path {
    /// What each byte is billed as, in either direction. Transfer to the internet is billed for bytes out only.
    pub const fn items(self) -> &'static [Item] {
        match self {
            Self::Local {
                crosses_zones: true,
            } => &[Item::CrossZone],
            Self::NatGateway {
                is_detour: false, ..
            } => &[Item::NatTraffic, Item::DataOutNat],
            Self::NatGateway {
                is_detour: true, ..
            } => &[Item::NatTraffic, Item::DataOutNat, Item::CrossZone],
            Self::InternetGateway => &[Item::DataOut],
            Self::Endpoint => &[Item::EndpointTraffic],
            Self::Local {
                crosses_zones: false,
            } => &[],
        }
    }
}

impl<'t> Network<'t> {
    /// The network while everything works.
    pub fn new(topology: &'t Topology) -> Self {
        Self::without(topology, &NOTHING)
    }

    /// The network while something is lost.
    pub const fn without(topology: &'t Topology, lost: &'t Lost) -> Self {
        Self { topology, lost }
    }

    /// The topology.
    pub const fn topology(&self) -> &'t Topology {
        self.topology
    }

    /// Looks up the path of a connection that `from` opens to `to`.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub fn path(&self, from: Party, to: Party) -> Result<Path, Refusal> {
        for zone in [from.zone(), to.zone()].into_iter().flatten() {
            if self.lost.zones.contains(&zone) {
                return Err(Refusal::ZoneLost { zone });
            }
        }
        match (from.zone(), to.zone()) {
            (None, None) => Err(Refusal::OutsideVpc),
            (None, Some(_)) => {
                if self.default_route(to) != Some(DefaultRoute::InternetGateway) {
                    return Err(Refusal::NoPublicAddress);
                }
                self.admit(from, to)?;
                Ok(Path::InternetGateway)
            }
            (Some(source), Some(target)) => {
                self.admit(from, to)?;
                Ok(Path::Local {
                    crosses_zones: source != target,
                })
            }
            (Some(zone), None) => self.way_out(from, zone, to),
        }
    }

    fn way_out(&self, from: Party, zone: ZoneId, to: Party) -> Result<Path, Refusal> {
        // The route tables of the private subnets have the route to the endpoint.
        let has_endpoint = self.topology.s3_endpoint
            && !self.lost.s3_endpoint
            && matches!(from.kind(), Kind::Instance | Kind::Redis);
        if to == Party::S3 && self.lost.s3 {
            return Err(Refusal::S3Unavailable);
        }
        if to == Party::S3 && has_endpoint {
            return Ok(Path::Endpoint);
        }
        match self.default_route(from) {
            None | Some(DefaultRoute::None) => Err(Refusal::NoRoute),
            Some(DefaultRoute::InternetGateway) => Ok(Path::InternetGateway),
            Some(DefaultRoute::NatGateway(gateway)) => {
                if self.lost.zones.contains(&gateway) || self.lost.nat_gateways.contains(&gateway) {
                    return Err(Refusal::GatewayLost { zone: gateway });
                }
                Ok(Path::NatGateway {
                    zone: gateway,
                    is_detour: gateway != zone,
                })
            }
        }
    }

    /// The default route of the subnet that a party is in; `None` outside the VPC.
    fn default_route(&self, party: Party) -> Option<DefaultRoute> {
        let routes = &self.topology.zones[party.zone()?.index()].routes;
        match party.kind() {
            Kind::LoadBalancer => Some(routes.public),
            Kind::Instance | Kind::Redis => {
                let changed = self.lost.routes.get(&party.zone()?);
                Some(changed.map_or(routes.private, |of| DefaultRoute::NatGateway(*of)))
            }
            Kind::Database => Some(routes.data),
            Kind::Internet | Kind::S3 => None,
        }
    }

    /// Checks the inbound rules of `to`.
    fn admit(&self, from: Party, to: Party) -> Result<(), Refusal> {
        let groups = &self.topology.security_groups;
        let rules = match to.kind() {
            Kind::LoadBalancer => &groups.load_balancer,
            Kind::Instance => &groups.instances,
            Kind::Redis => &groups.redis,
            Kind::Database => &groups.database,
            Kind::Internet | Kind::S3 => return Ok(()),
        };
        let group = from.kind().group();
        let admits = |source: &Source| match source {
            Source::Internet => true,
            Source::Vpc => group.is_some(),
            Source::LoadBalancer | Source::Instances | Source::Redis | Source::Database => {
                group == Some(*source)
            }
        };
        if rules.iter().any(admits) {
            Ok(())
        } else {
            Err(Refusal::SecurityGroup)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_scenario::{Overrides, Plan, load};

    const A: ZoneId = ZoneId(0);
    const B: ZoneId = ZoneId(1);

    fn plan(keys: &str) -> Plan {
        let text = format!("name = \"x\"\n{keys}\n");
        load("x.toml", &text, &Overrides::default()).expect("is valid")
    }

    #[test]
    fn only_the_load_balancer_answers_outside() {
        let plan = plan("");
        let network = Network::new(&plan.topology);
        let from_outside = |to| network.path(Party::Internet, to);
        assert_eq!(
            from_outside(Party::LoadBalancer(A)),
            Ok(Path::InternetGateway)
        );
        for to in [Party::Instance(A), Party::Redis(B), Party::Database(A)] {
            assert_eq!(from_outside(to), Err(Refusal::NoPublicAddress), "{to:?}");
        }
    }

    #[test]
    fn a_public_address_alone_does_not_open_an_instance() {
        let plan = plan("[topology.routes]\nprivate = \"internet-gateway\"");
        let network = Network::new(&plan.topology);
        let path = network.path(Party::Internet, Party::Instance(A));
        assert_eq!(path, Err(Refusal::SecurityGroup));
    }

    #[test]
    fn groups_admit_their_sources_within_the_vpc() {
        let plan = plan("");
        let network = Network::new(&plan.topology);
        let local = |crosses_zones| Ok(Path::Local { crosses_zones });
        let path = |from, to| network.path(from, to);
        assert_eq!(
            path(Party::LoadBalancer(A), Party::Instance(B)),
            local(true)
        );
        assert_eq!(path(Party::Instance(A), Party::Database(A)), local(false));
        let refused = Err(Refusal::SecurityGroup);
        assert_eq!(path(Party::LoadBalancer(A), Party::Database(A)), refused);
        assert_eq!(path(Party::Instance(A), Party::Instance(B)), refused);
    }

    #[test]
    fn instances_leave_by_the_gateway_that_their_route_table_names() {
        let nat = |zone, is_detour| Ok(Path::NatGateway { zone, is_detour });
        let one = plan("[topology]\nnat_gateways = [\"b\"]");
        let network = Network::new(&one.topology);
        let out =
            |network: &Network<'_>, zone| network.path(Party::Instance(zone), Party::Internet);
        assert_eq!(out(&network, A), nat(B, true));
        assert_eq!(out(&network, B), nat(B, false));
        assert_eq!(
            network.path(Party::Database(A), Party::Internet),
            Err(Refusal::NoRoute)
        );

        // Route tables do not change when a gateway is lost, even if the other zone has one.
        let both = plan("");
        let lost = Lost {
            nat_gateways: BTreeSet::from([A]),
            ..Lost::default()
        };
        let network = Network::without(&both.topology, &lost);
        assert_eq!(out(&network, A), Err(Refusal::GatewayLost { zone: A }));
        assert_eq!(out(&network, B), nat(B, false));
    }

    #[test]
    fn s3_is_reached_through_the_endpoint_or_else_through_nat() {
        let with = plan("");
        let network = Network::new(&with.topology);
        let path = network.path(Party::Instance(A), Party::S3);
        assert_eq!(path, Ok(Path::Endpoint));
        let without = plan("[topology]\ns3_endpoint = false");
        let network = Network::new(&without.topology);
        let path = network.path(Party::Instance(A), Party::S3);
        assert!(matches!(path, Ok(Path::NatGateway { zone: A, .. })));
    }

    #[test]
    fn without_its_endpoint_s3_is_reached_through_nat_and_without_s3_not_at_all() {
        let plan = plan("");
        let s3 = |lost: &Lost| {
            Network::without(&plan.topology, lost).path(Party::Instance(A), Party::S3)
        };
        let mut lost = Lost::default();
        lost.handle_disruption(Disruption::S3Endpoint);
        assert!(matches!(s3(&lost), Ok(Path::NatGateway { zone: A, .. })));
        lost.handle_disruption(Disruption::S3);
        assert_eq!(s3(&lost), Err(Refusal::S3Unavailable));
        let out = Network::without(&plan.topology, &lost).path(Party::Instance(A), Party::Internet);
        assert!(out.is_ok(), "only S3 is affected");
        lost.handle_repair(Disruption::S3);
        lost.handle_repair(Disruption::S3Endpoint);
        assert_eq!(s3(&lost), Ok(Path::Endpoint));
    }

    #[test]
    fn a_changed_route_leads_around_a_lost_gateway_and_stays() {
        let plan = plan("");
        let out = |lost: &Lost| {
            Network::without(&plan.topology, lost).path(Party::Instance(A), Party::Internet)
        };
        let mut lost = Lost::default();
        lost.handle_disruption(Disruption::NatGateway(A));
        assert_eq!(out(&lost), Err(Refusal::GatewayLost { zone: A }));
        let change = Disruption::Route {
            zone: A,
            gateway: B,
        };
        lost.handle_disruption(change);
        let detour = Ok(Path::NatGateway {
            zone: B,
            is_detour: true,
        });
        assert_eq!(out(&lost), detour);
        lost.handle_repair(Disruption::NatGateway(A));
        lost.handle_repair(change);
        assert_eq!(out(&lost), detour, "nobody has changed it back");
    }

    #[test]
    fn a_lost_zone_neither_sends_nor_receives() {
        let plan = plan("");
        let lost = Lost {
            zones: BTreeSet::from([A]),
            ..Lost::default()
        };
        let network = Network::without(&plan.topology, &lost);
        let refused = Err(Refusal::ZoneLost { zone: A });
        assert_eq!(
            network.path(Party::Internet, Party::LoadBalancer(A)),
            refused
        );
        assert_eq!(network.path(Party::Instance(A), Party::Redis(B)), refused);
        assert_eq!(network.path(Party::Instance(B), Party::Redis(A)), refused);
    }

    #[test]
    fn each_path_has_its_price() {
        let local = Path::Local {
            crosses_zones: false,
        };
        assert!(local.items().is_empty());
        let detour = Path::NatGateway {
            zone: A,
            is_detour: true,
        };
        assert!(detour.items().contains(&Item::CrossZone));
        assert_eq!(Path::Endpoint.items(), [Item::EndpointTraffic]);
    }
}
