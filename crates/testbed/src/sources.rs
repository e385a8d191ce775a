//! The inbound rules of the network as source addresses on loopback: what each part of the testbed refuses.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use tiketi_core::units::ZoneId;
use tiketi_network::{Network, Party};
use tiketi_scenario::topology::Topology;
use tiketi_server::Sources;

use super::SUPERVISOR_IP;
use super::zone::net_on_loopback;

/// Who may open a connection to a party. An address in no subnet of the VPC is somebody on the internet.
pub(super) fn admitted_to(topology: &Topology, to: Party) -> Sources {
    let network = Network::new(topology);
    let subnets: Vec<_> = topology
        .zone_ids()
        .flat_map(|zone| parties(topology, zone))
        .collect();
    let may = |(party, _): &&(Party, Ipv4Net)| network.path(*party, to).is_ok();
    let net = |(_, net): &(Party, Ipv4Net)| *net;
    Sources::Rules {
        admitted: subnets.iter().filter(may).map(net).collect(),
        known: subnets.iter().map(net).collect(),
        others: is_open_to_strangers(topology, to),
    }
}

/// Whether somebody on the internet may open a connection to a party.
pub(super) fn is_open_to_strangers(topology: &Topology, to: Party) -> bool {
    Network::new(topology).path(Party::Internet, to).is_ok()
}

/// The networks that may open connections to the database of a zone, and the supervisor.
pub(super) fn clients_of_database(topology: &Topology, zone: ZoneId) -> Vec<(Ipv4Addr, u8)> {
    match admitted_to(topology, Party::Database(zone)) {
        Sources::Rules { others: true, .. } | Sources::Anyone => {
            vec![(Ipv4Addr::new(127, 0, 0, 0), 8)]
        }
        Sources::Rules { admitted, .. } => {
            let nets = admitted.into_iter();
            let nets = nets.map(|net| (net.network(), net.prefix_len()));
            nets.chain([(SUPERVISOR_IP, 32)]).collect()
        }
    }
}

/// Who is in each subnet of a zone, and its network on loopback. Redis shares the subnet of the instances and opens no
/// connections to them.
fn parties(topology: &Topology, zone: ZoneId) -> [(Party, Ipv4Net); 3] {
    let subnets = &topology.zones[zone.index()];
    [
        (Party::LoadBalancer(zone), net_on_loopback(subnets.public)),
        (Party::Instance(zone), net_on_loopback(subnets.private)),
        (Party::Database(zone), net_on_loopback(subnets.data)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_scenario::{Overrides, load};

    const A: ZoneId = ZoneId(0);
    const BUYER: &str = "127.1.0.1";
    const NODE: &str = "127.0.2.4";
    const INSTANCE: &str = "127.0.12.4";

    fn topology(keys: &str) -> Topology {
        let text = format!("name = \"x\"\n{keys}\n");
        let loaded = load("x.toml", &text, &Overrides::default());
        loaded.expect("is valid").topology
    }

    fn admitted(topology: &Topology, to: Party) -> [bool; 3] {
        let sources = admitted_to(topology, to);
        [BUYER, NODE, INSTANCE].map(|one| sources.admit(one.parse().unwrap()))
    }

    #[test]
    fn each_part_admits_whom_the_rules_of_the_scenario_admit() {
        let documented = topology("");
        let to = |party| admitted(&documented, party);
        assert_eq!(to(Party::Instance(A)), [false, true, false]);
        assert_eq!(to(Party::Database(A)), [false, false, true]);
        assert!(to(Party::LoadBalancer(A))[0]);
    }

    #[test]
    fn a_group_that_admits_the_internet_opens_only_what_has_a_public_address() {
        let group = "[topology.security_groups]\ninstances = [\"internet\"]";
        let private = topology(group);
        assert!(!admitted(&private, Party::Instance(A))[0]);
        let public = topology(&format!(
            "{group}\n[topology.routes]\nprivate = \"internet-gateway\""
        ));
        assert!(admitted(&public, Party::Instance(A))[0]);
    }

    #[test]
    fn the_database_of_the_documented_architecture_has_the_instances_as_clients() {
        let clients = clients_of_database(&topology(""), A);
        let private = [[127, 0, 11, 0], [127, 0, 12, 0]].map(|net| (Ipv4Addr::from(net), 24));
        assert_eq!(clients[..2], private);
        assert_eq!(clients[2..], [(SUPERVISOR_IP, 32)], "and its probes");
    }
}
