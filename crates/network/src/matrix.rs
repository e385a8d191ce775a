//! Who can reach whom, for every pair of parties.

use serde::Serialize;
use tiketi_scenario::topology::Topology;

use crate::lookup::{Network, Path, Refusal};
use crate::party::{Kind, Party};

/// The reachability matrix: a row for each source, a cell for each target.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Matrix {
    /// The targets: what the cells of a row are about.
    pub targets: Vec<Kind>,
    /// The rows.
    pub rows: Vec<Row>,
}

/// What one kind of party can reach.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The source.
    pub from: Kind,
    /// One cell per target.
    pub to: Vec<Access>,
}

/// Whether one kind of party reaches another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "access")]
pub enum Access {
    /// From and to every zone, with the ways in words.
    Open {
        /// The different ways, such as `NAT gateway`.
        ways: Vec<String>,
    },
    /// In some zones only.
    Partial {
        /// The different ways.
        ways: Vec<String>,
        /// The different reasons of the refusals.
        refusals: Vec<String>,
    },
    /// Both are outside the VPC, so its rules say nothing about it.
    Outside,
    /// Nowhere.
    Refused {
        /// The different reasons.
        refusals: Vec<String>,
    },
}

impl Matrix {
    /// The matrix of a topology in which everything works.
    pub fn new(topology: &Topology) -> Self {
        let network = Network::new(topology);
        let row = |from: &Kind| Row {
            from: *from,
            to: Kind::ALL
                .iter()
                .map(|to| network.access(*from, *to))
                .collect(),
        };
        let sources = Kind::ALL.iter().filter(|kind| **kind != Kind::S3);
        Self {
            targets: Kind::ALL.to_vec(),
            rows: sources.map(row).collect(),
        }
    }
}

/// Returns which kinds of parties in the VPC a stranger on the internet can open a connection to.
pub fn from_outside(topology: &Topology) -> Vec<Kind> {
    let network = Network::new(topology);
    let in_vpc = Kind::ALL.into_iter().filter(|kind| kind.is_in_vpc());
    let is_reached = |kind: &Kind| {
        let mut zones = topology.zone_ids();
        zones.any(|zone| network.path(Party::Internet, kind.in_zone(zone)).is_ok())
    };
    in_vpc.filter(is_reached).collect()
}

impl Network<'_> {
    /// Looks up every zone of both ends.
    fn access(&self, from: Kind, to: Kind) -> Access {
        if !from.is_in_vpc() && !to.is_in_vpc() {
            return Access::Outside;
        }
        let mut ways = Vec::new();
        let mut refusals = Vec::new();
        for source in self.topology().zone_ids() {
            for target in self.topology().zone_ids() {
                match self.path(from.in_zone(source), to.in_zone(target)) {
                    Ok(path) => add(&mut ways, self.way(path)),
                    Err(refusal) => add(&mut refusals, self.reason(refusal)),
                }
            }
        }
        match (ways.is_empty(), refusals.is_empty()) {
            (true, _) => Access::Refused { refusals },
            (false, true) => Access::Open { ways },
            (false, false) => Access::Partial { ways, refusals },
        }
    }

    fn way(&self, path: Path) -> String {
        match path {
            Path::Local { .. } => "within the VPC".to_owned(),
            Path::InternetGateway => "internet gateway".to_owned(),
            Path::NatGateway {
                is_detour: false, ..
            } => "NAT gateway".to_owned(),
            Path::NatGateway {
                zone,
                is_detour: true,
            } => {
                let name = &self.topology().zones[zone.index()].name;
                format!("NAT gateway of zone {name}")
            }
            Path::Endpoint => "S3 endpoint".to_owned(),
        }
    }

    fn reason(&self, refusal: Refusal) -> String {
        match refusal {
            Refusal::GatewayLost { zone } | Refusal::ZoneLost { zone } => {
                let name = &self.topology().zones[zone.index()].name;
                format!("{refusal} ({name})")
            }
            Refusal::NoPublicAddress
            | Refusal::NoRoute
            | Refusal::SecurityGroup
            | Refusal::S3Unavailable
            | Refusal::OutsideVpc => refusal.to_string(),
        }
    }
}

fn add(list: &mut Vec<String>, what: String) {
    if !list.contains(&what) {
        list.push(what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_scenario::{Overrides, Plan, load};

    fn plan(keys: &str) -> Plan {
        let text = format!("name = \"x\"\n{keys}\n");
        load("x.toml", &text, &Overrides::default()).expect("is valid")
    }

    fn access(plan: &Plan, from: Kind, to: Kind) -> Access {
        let matrix = Matrix::new(&plan.topology);
        let column = matrix.targets.iter().position(|kind| *kind == to);
        let mut rows = matrix.rows.into_iter();
        let row = rows.find(|row| row.from == from).expect("has a row");
        row.to[column.expect("has a column")].clone()
    }

    #[test]
    fn the_documented_network_is_closed_except_for_its_load_balancer() {
        let plan = plan("");
        assert_eq!(from_outside(&plan.topology), [Kind::LoadBalancer]);
        let refused = access(&plan, Kind::Internet, Kind::Database);
        let refusals = vec!["no public address".to_owned()];
        assert_eq!(refused, Access::Refused { refusals });
        assert_eq!(access(&plan, Kind::Internet, Kind::S3), Access::Outside);
        let out = access(&plan, Kind::Instance, Kind::Internet);
        let ways = vec!["NAT gateway".to_owned()];
        assert_eq!(out, Access::Open { ways });
    }

    #[test]
    fn an_open_rule_and_a_public_subnet_show() {
        let open = "[topology.routes]\ndata = \"internet-gateway\"\n[topology.security_groups]\ndatabase = [\"internet\"]";
        let plan = plan(open);
        assert_eq!(
            from_outside(&plan.topology),
            [Kind::LoadBalancer, Kind::Database]
        );
    }

    #[test]
    fn a_zone_without_a_way_out_makes_access_partial() {
        let plan = plan("[topology.routes]\nprivate = { a = \"nat-gateway-b\", b = \"none\" }");
        let out = access(&plan, Kind::Instance, Kind::Internet);
        assert_eq!(
            out,
            Access::Partial {
                ways: vec!["NAT gateway of zone b".to_owned()],
                refusals: vec!["no route".to_owned()],
            }
        );
    }
}
