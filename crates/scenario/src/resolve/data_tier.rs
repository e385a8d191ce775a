//! Load balancer, data tier, Redis, database.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::topology::{Context, zone_at, zone_id};
use super::{ANY_LENGTH, SOME_LENGTH};
use crate::data_tier::{self, DataTier, ExternalServers};
use crate::diagnostic::Problem;
use crate::document::{Layer, Section};
use crate::duration::Written;
use crate::server_url::{ServerKind, ServerUrl};
use crate::topology::{Alb, CpuCredits, Database, DatabaseKind, Eviction, HealthCheck, Redis};
use crate::value::Value;
use tiketi_core::units::{Share, ZoneId};

/// Redis node types that the price books know.
const REDIS_CLASSES: [&str; 3] = ["cache.t3.micro", "cache.t3.small", "cache.t3.medium"];

/// Database classes that the price books know.
const DATABASE_CLASSES: [&str; 6] = [
    "db.t3.micro",
    "db.t3.small",
    "db.t3.medium",
    "db.t3.large",
    "db.t4g.medium",
    "db.t4g.large",
];

const EVICTIONS: [(&str, Eviction); 3] = [
    ("allkeys-lru", Eviction::AllKeysLru),
    ("volatile-lru", Eviction::VolatileLru),
    ("noeviction", Eviction::NoEviction),
];

const CPU_CREDITS: [(&str, CpuCredits); 2] =
    [("full", CpuCredits::Full), ("spent", CpuCredits::Spent)];

/// A range of whole seconds, as AWS states its limits.
const fn seconds(from: u64, to: u64) -> RangeInclusive<Duration> {
    Duration::from_secs(from)..=Duration::from_secs(to)
}

pub(super) fn alb(section: &Section<'_>) -> Option<Alb> {
    let health_check = health_check(&section.section("health_check"));
    let length = |key, legal| section.value(key).and_then(|v| v.length(legal));
    let deregistration_delay = length("deregistration_delay", seconds(0, 3_600));
    let idle_timeout = length("idle_timeout", seconds(1, 4_000));
    let connect_timeout = length("connect_timeout", SOME_LENGTH);
    let dns_ttl = length("dns_ttl", ANY_LENGTH);
    let stickiness = section.value("stickiness");
    let stickiness =
        stickiness.and_then(|v| v.unless("none", |v| v.length(seconds(1, 7 * 86_400))));
    Some(Alb {
        health_check: health_check?,
        deregistration_delay: deregistration_delay?,
        stickiness: stickiness?,
        idle_timeout: idle_timeout?,
        connect_timeout: connect_timeout?,
        dns_ttl: dns_ttl?,
    })
}

fn health_check(section: &Section<'_>) -> Option<HealthCheck> {
    let length = |key, legal| section.value(key).and_then(|v| v.length(legal));
    let interval = length("interval", seconds(5, 300));
    let timeout = length("timeout", seconds(2, 120));
    let count = |key| section.value(key).and_then(|v| v.whole(2..=10));
    let healthy_count = count("healthy_count");
    let unhealthy_count = count("unhealthy_count");
    if let (Some(interval), Some(timeout)) = (interval, timeout)
        && timeout >= interval
    {
        let (timeout, interval) = (Written(timeout), Written(interval));
        let message = format!("`timeout` of {timeout} is not below the `interval` of {interval}");
        section.complain(&["timeout", "interval"], Problem::new(message));
    }
    Some(HealthCheck {
        interval: interval?,
        timeout: timeout?,
        healthy_count: healthy_count?,
        unhealthy_count: unhealthy_count?,
    })
}

/// A word, or a table with the servers that exist already.
pub(super) fn data_tier(section: &Section<'_>) -> Option<DataTier> {
    let value = section.value("data_tier")?;
    if !value.is_table() {
        let table = "a table with the keys redis, database";
        let word = value.word_or(&["embedded", "servers"], table)?;
        return Some(match word.as_str() {
            "servers" => DataTier::Servers,
            _ => DataTier::Embedded,
        });
    }
    let servers = value.section()?;
    let url = |key, kind| server_url(&servers.value(key)?, kind);
    let redis = url("redis", ServerKind::Redis);
    let database = url("database", ServerKind::Postgres);
    let name = |key, is_legal: fn(&str) -> bool, legal| match servers.find(key) {
        Some(value) => {
            let name = value.text()?;
            if !is_legal(name) {
                value.refuse(legal);
                return None;
            }
            Some(Some(name.to_owned()))
        }
        None => Some(None),
    };
    let prefix = name("prefix", data_tier::is_prefix, data_tier::PREFIX_LEGAL);
    let schema = name("schema", data_tier::is_schema, data_tier::SCHEMA_LEGAL);
    Some(DataTier::External(ExternalServers {
        redis: redis?,
        database: database?,
        prefix: prefix?,
        schema: schema?,
    }))
}

/// A URL is never quoted: what is wrong with it may be its password.
fn server_url(value: &Value<'_>, kind: ServerKind) -> Option<ServerUrl> {
    let read = ServerUrl::parse(value.text()?, kind);
    read.map_err(|error| {
        let problem = Problem::new(format!("`{}` {error}", value.path()));
        value.complain(problem.legal(kind.legal()));
    })
    .ok()
}

pub(super) fn redis(topology: &Section<'_>, context: &Context<'_, '_>) -> Option<Redis> {
    let section = topology.section("redis");
    let class = section.value("class");
    let class = class.and_then(|value| value.word(&REDIS_CLASSES));
    let Some(class) = class else {
        section.accept_any_key();
        return None;
    };
    let by_class = context.redis;
    let section = section.over(by_class.and_then(|layer| topology.layer_in(layer, &class)));
    let length = |key| section.value(key).and_then(|v| v.length(ANY_LENGTH));
    let failover = length("failover");
    let lost_window = length("lost_window");
    let dns_ttl = length("dns_ttl");
    let command = length("command");
    let tls = section.value("tls").and_then(|value| value.truth());
    let some_length = |key| section.value(key).and_then(|v| v.length(SOME_LENGTH));
    let idle_timeout = some_length("idle_timeout");
    let timeout = some_length("timeout");
    let mebibytes = |key, from| section.value(key).and_then(|v| v.whole(from..=1_000_000));
    let memory_mib = mebibytes("memory_mib", 1);
    let other_mib = mebibytes("other_mib", 0);
    let share = |key| section.value(key).and_then(|v| v.share());
    let reserved = share("reserved");
    let baseline = baseline(&section);
    let eviction = section.value("eviction").and_then(|v| v.choice(&EVICTIONS));
    let cpu_credits = section.value("cpu_credits");
    let cpu_credits = cpu_credits.and_then(|value| value.choice(&CPU_CREDITS));
    let pair = pair(&section, "replica", context.zones);
    let (primary, replica) = pair?;
    Some(Redis {
        class,
        primary,
        replica,
        failover: failover?,
        lost_window: lost_window?,
        dns_ttl: dns_ttl?,
        tls: tls?,
        idle_timeout: idle_timeout?,
        timeout: timeout?,
        memory_mib: memory_mib?,
        reserved: reserved?,
        other_mib: other_mib?,
        eviction: eviction?,
        command: command?,
        cpu_credits: cpu_credits?,
        baseline: baseline?,
    })
}

/// Nothing of a core would be no Redis at all.
fn baseline(section: &Section<'_>) -> Option<Share> {
    let value = section.value("baseline")?;
    let share = value.share()?;
    if share.get() > 0.0 {
        return Some(share);
    }
    value.refuse("above 0, at most 1");
    None
}

pub(super) fn database(topology: &Section<'_>, context: &Context<'_, '_>) -> Option<Database> {
    let section = topology.section("database");
    let kinds = [
        ("aurora", DatabaseKind::Aurora),
        ("rds-multi-az", DatabaseKind::RdsMultiAz),
    ];
    let kind = section.value("kind").and_then(|value| value.choice(&kinds));
    let Some(kind) = kind else {
        section.accept_any_key();
        return None;
    };
    let name = kinds.iter().find(|(_, other)| *other == kind);
    let (name, _) = name.expect("the kind was chosen from this list");
    let by_kind = context.database;
    let section = section.over(by_kind.and_then(|layer| topology.layer_in(layer, name)));
    let class = section.value("class");
    let class = class.and_then(|value| value.word(&DATABASE_CLASSES));
    let length = |key| section.value(key).and_then(|v| v.length(ANY_LENGTH));
    let failover = length("failover");
    let dns_ttl = length("dns_ttl");
    let pool_connect_timeout = length("pool_connect_timeout");
    let count = |key| section.value(key).and_then(|v| v.whole(1..=100_000));
    let pool_max = count("pool_max");
    let commit = length("commit");
    let replica_lag = length("replica_lag");
    let pool_idle = section.value("pool_idle");
    let pool_idle = pool_idle.and_then(|value| value.length(SOME_LENGTH));
    let by_class = |key, values: Option<Layer<'_>>, max: u32| match section.find(key) {
        Some(value) => value.whole(1..=max),
        None => class.as_ref().and_then(|class| {
            let value = topology.value_in(values?, class)?;
            value.whole(1..=max)
        }),
    };
    let connections_max = by_class("connections_max", context.connections_max, 100_000);
    let cores = by_class("cores", context.cores, 256);
    let pair = pair(&section, "standby", context.zones);
    let (primary, standby) = pair?;
    Some(Database {
        kind,
        class: class?,
        primary,
        standby,
        failover: failover?,
        dns_ttl: dns_ttl?,
        pool_max: pool_max?,
        pool_connect_timeout: pool_connect_timeout?,
        pool_idle: pool_idle?,
        connections_max: connections_max?,
        cores: cores?,
        commit: commit?,
        replica_lag: replica_lag?,
    })
}

/// The zones of a primary and of its second; where only the preset speaks, and names a zone that the scenario does
/// not have, the first zone and the one after the primary's.
fn pair(
    section: &Section<'_>,
    second_key: &'static str,
    zones: Option<&[String]>,
) -> Option<(ZoneId, Option<ZoneId>)> {
    let primary = section.value("primary")?;
    let second = section.value(second_key)?;
    let zones = zones?;
    let is_known = |value: &Value<'_>| zones.iter().any(|zone| value.is_word(zone));
    let primary = if primary.is_in_file() || is_known(&primary) {
        zone_id(&primary, zones)
    } else {
        zone_at(0)
    };
    let second = if second.is_in_file() || (is_known(&second) && zone_id(&second, zones) != primary)
    {
        second.unless("none", |value| zone_id(value, zones))
    } else {
        let after = primary.map_or(0, |zone| (zone.index() + 1) % zones.len());
        Some(zone_at(after).filter(|zone| Some(*zone) != primary))
    };
    let (primary, second) = (primary?, second?);
    if second == Some(primary) {
        let zone = &zones[primary.index()];
        let message = format!("`primary` and `{second_key}` are both in zone `{zone}`");
        let help = format!("put one of them elsewhere, or write `{second_key} = \"none\"`");
        section.complain(&[second_key, "primary"], Problem::new(message).help(help));
    }
    Some((primary, second))
}
