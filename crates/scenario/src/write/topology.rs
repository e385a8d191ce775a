//! The architecture as a scenario file.

use crate::data_tier::DataTier;
use crate::page::{Page, inline_table, length, list, or_word, table, text};
use crate::topology::{
    Alb, CpuCredits, CreditMode, Database, DatabaseKind, Eviction, Redis, Topology, Zone,
};
use tiketi_core::units::ZoneId;

pub(super) fn topology(page: &mut Page, topology: &Topology) {
    let zones = || topology.zones.iter();
    page.header("topology");
    page.entry("vpc", text(&topology.vpc.to_string()));
    page.entry("zones", list(zones().map(|zone| text(&zone.name))));
    let with_nat = zones().filter(|zone| zone.nat_gateway);
    page.entry("nat_gateways", list(with_nat.map(|zone| text(&zone.name))));
    page.entry("s3_endpoint", topology.s3_endpoint);
    page.entry("data_tier", data_tier(&topology.data_tier));
    page.header("topology.subnets");
    let tier = |range: fn(&Zone) -> String| {
        inline_table(zones().map(|zone| (zone.name.as_str(), text(&range(zone)))))
    };
    page.entry("public", tier(|zone| zone.public.to_string()));
    page.entry("private", tier(|zone| zone.private.to_string()));
    page.entry("data", tier(|zone| zone.data.to_string()));
    page.header("topology.instances");
    page.entry("class", text(&topology.instances.class));
    let credits = match topology.instances.credits {
        CreditMode::Unlimited => "unlimited",
        CreditMode::Standard => "standard",
    };
    page.entry("credits", text(credits));
    page.entry("profile", text(&topology.instances.profile.name));
    let initial = zones().zip(&topology.instances.initial);
    let initial = initial.map(|(zone, count)| (zone.name.as_str(), count.to_string()));
    page.entry("initial", inline_table(initial));
    alb(page, &topology.alb);
    redis(page, topology, &topology.redis);
    database(page, topology, &topology.database);
}

/// The passwords of servers are not written: the run is repeated by who has them.
fn data_tier(tier: &DataTier) -> String {
    let DataTier::External(servers) = tier else {
        return text(tier.name());
    };
    let mut entries = vec![
        ("redis", text(&servers.redis.to_string())),
        ("database", text(&servers.database.to_string())),
    ];
    let names = [("prefix", &servers.prefix), ("schema", &servers.schema)];
    let stated = |(key, name): (_, &Option<String>)| Some((key, text(name.as_ref()?)));
    entries.extend(names.into_iter().filter_map(stated));
    table(&entries)
}

fn alb(page: &mut Page, alb: &Alb) {
    page.header("topology.alb");
    page.entry(
        "health_check",
        table(&[
            ("interval", length(alb.health_check.interval)),
            ("timeout", length(alb.health_check.timeout)),
            ("healthy_count", alb.health_check.healthy_count.to_string()),
            (
                "unhealthy_count",
                alb.health_check.unhealthy_count.to_string(),
            ),
        ]),
    );
    page.entry("deregistration_delay", length(alb.deregistration_delay));
    page.entry(
        "stickiness",
        or_word(alb.stickiness.as_ref(), "none", |life| length(*life)),
    );
    page.entry("idle_timeout", length(alb.idle_timeout));
    page.entry("connect_timeout", length(alb.connect_timeout));
    page.entry("dns_ttl", length(alb.dns_ttl));
}

fn redis(page: &mut Page, topology: &Topology, redis: &Redis) {
    page.header("topology.redis");
    page.entry("class", text(&redis.class));
    page.entry("primary", zone_name(topology, redis.primary));
    page.entry("replica", second(topology, redis.replica));
    page.entry("failover", length(redis.failover));
    page.entry("lost_window", length(redis.lost_window));
    page.entry("dns_ttl", length(redis.dns_ttl));
    page.entry("tls", redis.tls);
    page.entry("idle_timeout", length(redis.idle_timeout));
    page.entry("timeout", length(redis.timeout));
    page.entry("memory_mib", redis.memory_mib);
    page.entry("reserved", redis.reserved.get());
    page.entry("other_mib", redis.other_mib);
    let eviction = match redis.eviction {
        Eviction::AllKeysLru => "allkeys-lru",
        Eviction::VolatileLru => "volatile-lru",
        Eviction::NoEviction => "noeviction",
    };
    page.entry("eviction", text(eviction));
    page.entry("command", length(redis.command));
    let cpu_credits = match redis.cpu_credits {
        CpuCredits::Full => "full",
        CpuCredits::Spent => "spent",
    };
    page.entry("cpu_credits", text(cpu_credits));
    page.entry("baseline", redis.baseline.get());
}

fn database(page: &mut Page, topology: &Topology, database: &Database) {
    page.header("topology.database");
    let kind = match database.kind {
        DatabaseKind::Aurora => "aurora",
        DatabaseKind::RdsMultiAz => "rds-multi-az",
    };
    page.entry("kind", text(kind));
    page.entry("class", text(&database.class));
    page.entry("primary", zone_name(topology, database.primary));
    page.entry("standby", second(topology, database.standby));
    page.entry("failover", length(database.failover));
    page.entry("dns_ttl", length(database.dns_ttl));
    page.entry("pool_max", database.pool_max);
    page.entry(
        "pool_connect_timeout",
        length(database.pool_connect_timeout),
    );
    page.entry("pool_idle", length(database.pool_idle));
    page.entry("connections_max", database.connections_max);
    page.entry("cores", database.cores);
    page.entry("commit", length(database.commit));
    page.entry("replica_lag", length(database.replica_lag));
}

pub(super) fn zone_name(topology: &Topology, zone: ZoneId) -> String {
    text(&topology.zones[zone.index()].name)
}

fn second(topology: &Topology, zone: Option<ZoneId>) -> String {
    or_word(zone.as_ref(), "none", |zone| zone_name(topology, *zone))
}
