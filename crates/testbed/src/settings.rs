//! Translates the plan into the settings of the server and of the name service.

use std::net::{Ipv4Addr, TcpListener};

use ipnet::Ipv4Net;
use tiketi_server::{Clients, Section, Settings, Show};

use super::zone::on_loopback;
use super::{ALB_NAME, DATABASE_NAME, EDGE_NAME, NICENESS, REDIS_NAME, SITE_NAME, TestbedError};
use tiketi_cloud::name_service::NameService;
use tiketi_scenario::Plan;
use tiketi_scenario::topology::Zone;

/// Host number of Redis and of the database in their subnets: above any instance.
const DATA_HOST: u32 = 200;
/// Ports to try until one is free on the addresses of all nodes.
const PORT_TRIES: u32 = 16;

/// Returns the settings of every instance.
pub(super) fn server(plan: &Plan) -> Settings {
    let (room, server) = (&plan.waiting_room, &plan.server);
    let database = &plan.topology.database;
    Settings {
        active_max: room.active_max,
        admit_every: room.admit_every,
        idle_timeout: room.idle_timeout,
        update_every: room.update_every,
        hold: plan.show.hold,
        session_ttl: server.session_ttl,
        show_list_ttl: server.show_list_ttl,
        show_detail_ttl: server.show_detail_ttl,
        rate_limit: server.rate_limit,
        pool_max: database.pool_max,
        pool_connect_timeout: database.pool_connect_timeout,
        pool_idle_timeout: database.pool_idle,
        pool_keep_alive: database.keep_alive,
        redis_timeout: plan.topology.redis.timeout,
        ping_interval: server.ping_interval,
        ping_timeout: server.ping_timeout,
        commit_time: database.commit,
        trust_tokens: true,
        clients: Clients::LoadBalancer,
        speed: plan.clock.speed,
        profile: plan.topology.instances.class_profile(),
        niceness: NICENESS,
        seed: plan.seed,
        ..Settings::default()
    }
}

/// Returns the show on sale.
pub(super) fn show(plan: &Plan) -> Show {
    let section = |section: &tiketi_scenario::plan::Section| Section {
        name: section.name.clone(),
        rows: section.rows,
        seats_per_row: section.seats_per_row,
        price: u64::try_from(section.price.0).unwrap_or_default(),
    };
    let sections = plan.show.sections.iter().map(section).collect();
    Show::new(plan.show.title.clone(), sections)
}

/// Returns the DNS records before any node is up; the data endpoints point at their initial primaries.
pub(super) fn names(plan: &Plan) -> NameService {
    let topology = &plan.topology;
    let mut names = NameService::default();
    names.alias(SITE_NAME, EDGE_NAME, topology.edge.dns_ttl);
    names.define(EDGE_NAME, topology.edge.dns_ttl);
    names.define(ALB_NAME, topology.alb.dns_ttl);
    names.define_endpoint(REDIS_NAME, topology.redis.dns_ttl);
    names.define_endpoint(DATABASE_NAME, topology.database.dns_ttl);
    let redis = endpoints(plan, |zone| zone.private);
    names.point(REDIS_NAME, redis[topology.redis.primary.index()]);
    let database = endpoints(plan, |zone| zone.data);
    names.point(DATABASE_NAME, database[topology.database.primary.index()]);
    names
}

/// Returns the address of a part of the data tier in each zone.
pub(super) fn endpoints(plan: &Plan, subnet: impl Fn(&Zone) -> Ipv4Net) -> Vec<Ipv4Addr> {
    let zones = plan.topology.zones.iter();
    zones
        .map(|zone| on_loopback(subnet(zone), DATA_HOST))
        .collect()
}

/// Finds a port that is free on all addresses: DNS has no ports, so all nodes share one.
pub(super) fn free_port(addresses: &[Ipv4Addr]) -> Result<u16, TestbedError> {
    let mut tries = 0;
    loop {
        match try_port(addresses) {
            Ok(port) => return Ok(port),
            Err(source) if tries == PORT_TRIES => {
                return Err(TestbedError::NoPort {
                    addresses: addresses.to_vec(),
                    source,
                });
            }
            Err(_) => tries += 1,
        }
    }
}

fn try_port(addresses: &[Ipv4Addr]) -> std::io::Result<u16> {
    let mut port = 0;
    let mut held = Vec::new();
    for &address in addresses {
        let listener = TcpListener::bind((address, port))?;
        port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_scenario::{Overrides, load};

    #[test]
    fn instances_do_not_limit_their_load_balancer() {
        let plan = load("x.toml", "preset = \"tiketi\"", &Overrides::default());
        let plan = plan.expect("the preset is a valid scenario");
        assert_eq!(server(&plan).clients, Clients::LoadBalancer);
    }
}
