//! The data tier: where a live run keeps its data, Redis and the database.

use std::time::Duration;

use super::existing_servers::external;
use super::limits;
use super::topology::{LIVE, MODEL, zone_at};
use crate::data_tier::DataTier;
use crate::diagnostic::Problem;
use crate::environment::Environment;
use crate::keys::kind::{Kind, Length, OneOf, Or, Shares, Truth, Whole, Word, Zone};
use crate::keys::{Describing, Form, Key, Keys, key};
use crate::page::{Page, text};
use crate::topology::{CpuCredits, Database, DatabaseKind, Eviction, Redis, Topology};
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

/// Keys that affect servers that a run starts.
const SERVERS: [Environment; 1] = [Environment::Servers];

/// Keys that affect stores in this process.
const MODEL_AND_EMBEDDED: [Environment; 2] = [Environment::Model, Environment::Embedded];

/// Keys that affect every data tier that a run starts.
const STARTED: [Environment; 2] = [Environment::Embedded, Environment::Servers];

/// Keys that affect the model and every data tier that a run starts.
const OWN: [Environment; 3] = [
    Environment::Model,
    Environment::Embedded,
    Environment::Servers,
];

/// A data tier that the run starts, by its name, or a table with servers that exist already.
pub(super) fn data_tier(keys: &mut Keys<'_, '_, Topology>) -> Option<DataTier> {
    keys.special(
        key(
            "data_tier",
            "Where a live run keeps its data: `embedded` in memory, `servers` in Redis and PostgreSQL started for \
             the run, or a table with existing servers. The model always has stores of its own.",
        )
        .only(&LIVE),
        data_tier_form,
        |section| read_data_tier(&section.expect("data_tier", data_tier_form)?),
        |topology| match &topology.data_tier {
            tier @ (DataTier::Embedded | DataTier::Servers) => text(tier.name()),
            DataTier::External(servers) => {
                let mut page = Page::default();
                external(&mut Keys::writing(servers, &mut page));
                page.inline()
            }
        },
    )
}

fn data_tier_form() -> Form {
    let mut table = Describing::standalone();
    external(&mut Keys::describing(&mut table));
    Form::Either(vec![
        Form::OneOf(DataTier::STARTED.map(|(name, _)| name).to_vec()),
        Form::Table(table.into_table()),
    ])
}

fn read_data_tier(value: &Value<'_>) -> Option<DataTier> {
    if value.is_table() {
        let servers = external(&mut Keys::reading(value.section()?));
        return servers.map(DataTier::External);
    }
    let names = DataTier::STARTED.map(|(name, _)| name);
    let tier = DataTier::STARTED
        .into_iter()
        .find(|(name, _)| value.is_word(name));
    if tier.is_none() {
        let problem = value.problem("").expected(format_args!(
            "{}, or a table with the keys redis and database",
            names.map(|name| format!("\"{name}\"")).join(", ")
        ));
        let written = value.as_str().unwrap_or_default();
        value.complain(problem.did_you_mean(written, names));
    }
    tier.map(|(_, tier)| tier)
}

type TopologyKeys<'k, 'd> = Keys<'k, 'd, Topology>;

pub(super) fn redis(keys: &mut TopologyKeys<'_, '_>, zones: Option<&[String]>) -> Option<Redis> {
    let class = keys.value(
        key(
            "class",
            "ElastiCache node type. Memory, baseline and command time depend on it.",
        ),
        Word(&REDIS_CLASSES),
        |topology| topology.redis.class.clone(),
    );
    keys.defaults_by("class", "redis_class", class.as_deref());
    let pair = pair(
        keys,
        &Pair {
            primary: key("primary", "Zone of the primary at the start."),
            second: key("replica", "Zone of the replica; `none` for no replica."),
            second_name: "replica",
            zones,
        },
        |topology| (topology.redis.primary, topology.redis.replica),
    );
    let failover = keys.value(
        key(
            "failover",
            "Time from losing the primary to the first write on the promoted replica.",
        )
        .only(&OWN),
        Length(limits::DELAY),
        |topology| topology.redis.failover,
    );
    let lost_window = keys.value(
        key("lost_window", "Age of the youngest writes that asynchronous replication loses with the primary. With `servers`, the delay of the link to the replica; the loss is then measured.")
            .only(&OWN),
        Length(limits::DATA_DELAY),
        |topology| topology.redis.lost_window,
    );
    let dns_ttl = keys.value(
        key("dns_ttl", "Time to live of the primary's DNS record.").only(&STARTED),
        Length(limits::DELAY),
        |topology| topology.redis.dns_ttl,
    );
    let tls = keys.value(
        key("tls", "Whether servers of the run use TLS.").only(&SERVERS),
        Truth,
        |topology| topology.redis.tls,
    );
    let idle_timeout = keys.value(
        key(
            "idle_timeout",
            "Idle time after which Redis closes a connection.",
        )
        .only(&SERVERS),
        Length(limits::REDIS_IDLE),
        |topology| topology.redis.idle_timeout,
    );
    let timeout = keys.value(
        key(
            "timeout",
            "How long the application waits for the response to a command, and for a connection. A primary that is paused, or whose zone has lost power, does not answer; one that is lost alone refuses connections at once.",
        )
        .only(&OWN),
        Length(limits::TIMEOUT),
        |topology| topology.redis.timeout,
    );
    let memory = redis_memory(keys);
    let speed = redis_speed(keys);
    let (primary, replica) = pair?;
    let (memory_mib, reserved, other_mib, eviction) = memory?;
    let (command, cpu_credits, baseline) = speed?;
    Some(Redis {
        class: class?,
        primary,
        replica,
        failover: failover?,
        lost_window: lost_window?,
        dns_ttl: dns_ttl?,
        tls: tls?,
        idle_timeout: idle_timeout?,
        timeout: timeout?,
        memory_mib,
        reserved,
        other_mib,
        eviction,
        command,
        cpu_credits,
        baseline,
    })
}

/// Memory in MiB, reserved share, memory of others in MiB, eviction.
type Memory = (u32, Share, u32, Eviction);

fn redis_memory(keys: &mut TopologyKeys<'_, '_>) -> Option<Memory> {
    let memory_mib = keys.value(
        key("memory_mib", "Memory of the node, in MiB.").only(&OWN),
        Whole(limits::MEMORY),
        |topology| topology.redis.memory_mib,
    );
    let reserved = keys.value(
        key("reserved", "Share of the memory that is not for keys (`reserved-memory-percent`); the rest is `maxmemory`.")
            .only(&OWN),
        Shares::Any,
        |topology| topology.redis.reserved,
    );
    let other_mib = keys.value(
        key("other_mib", "Memory, in MiB, that other workloads take and eviction cannot free. The fault `fill-redis-memory` does the same for a limited time.")
            .only(&MODEL),
        Whole(limits::OTHER_MEMORY),
        |topology| topology.redis.other_mib,
    );
    let eviction = keys.value(
        key(
            "eviction",
            "What happens to a write when the memory is full (`maxmemory-policy`).",
        )
        .only(&OWN),
        OneOf::new(),
        |topology| topology.redis.eviction,
    );
    let (memory_mib, reserved) = (memory_mib?, reserved?);
    let max_mib = f64::from(memory_mib) * (1.0 - reserved.get());
    if max_mib < 1.0 {
        let message = format!("{max_mib:.1} MiB of Redis are left for keys");
        let problem = Problem::new(message).expected("1 MiB or more");
        let help =
            "lower `reserved` or raise `memory_mib`: Redis reads a `maxmemory` of zero as no limit";
        keys.complain(&["reserved", "memory_mib"], problem.help(help));
    }
    Some((memory_mib, reserved, other_mib?, eviction?))
}

/// Time of a command, CPU credits, baseline.
type Speed = (Duration, CpuCredits, Share);

fn redis_speed(keys: &mut TopologyKeys<'_, '_>) -> Option<Speed> {
    let command = keys.value(
        key("command", "Time of one command on a node with CPU credits.").only(&MODEL),
        Length(limits::COMMAND),
        |topology| topology.redis.command,
    );
    let cpu_credits = keys.value(
        key("cpu_credits", "`full`: enough CPU credits for the whole run. `spent`: none left, the node runs at its baseline.")
            .only(&MODEL),
        OneOf::new(),
        |topology| topology.redis.cpu_credits,
    );
    let baseline = keys.value(
        key(
            "baseline",
            "Share of a core that the single thread of Redis gets without CPU credits.",
        )
        .only(&MODEL),
        Shares::Positive,
        |topology| topology.redis.baseline,
    );
    Some((command?, cpu_credits?, baseline?))
}

pub(super) fn database(
    keys: &mut TopologyKeys<'_, '_>,
    zones: Option<&[String]>,
) -> Option<Database> {
    let kind = keys.value(
        key("kind", "Service: `aurora`, or `rds-multi-az` with a synchronous standby. Class, failover and commit depend on it."),
        OneOf::new(),
        |topology| topology.database.kind,
    );
    let name = kind.map(DatabaseKind::name);
    keys.defaults_by("kind", "database_kind", name);
    let class = keys.value(
        key(
            "class",
            "Instance class. Connections and cores depend on it.",
        ),
        Word(&DATABASE_CLASSES),
        |topology| topology.database.class.clone(),
    );
    keys.defaults_by("class", "database_class", class.as_deref());
    let pair = pair(
        keys,
        &Pair {
            primary: key("primary", "Zone of the writer at the start."),
            second: key(
                "standby",
                "Zone of the standby or reader; `none` for neither.",
            ),
            second_name: "standby",
            zones,
        },
        |topology| (topology.database.primary, topology.database.standby),
    );
    let failover = keys.value(
        key(
            "failover",
            "Time from losing the writer to the first write on the promoted member.",
        )
        .only(&OWN),
        Length(limits::DELAY),
        |topology| topology.database.failover,
    );
    let dns_ttl = keys.value(
        key("dns_ttl", "Time to live of the writer's DNS record.").only(&STARTED),
        Length(limits::DELAY),
        |topology| topology.database.dns_ttl,
    );
    let pool_max = keys.value(
        key("pool_max", "Connections in the pool of one instance."),
        Whole(limits::CONNECTIONS),
        |topology| topology.database.pool_max,
    );
    let pool_connect_timeout = keys.value(
        key(
            "pool_connect_timeout",
            "How long a request waits for a pooled connection before it fails.",
        ),
        Length(limits::DATA_DELAY),
        |topology| topology.database.pool_connect_timeout,
    );
    let pool_idle = keys.value(
        key(
            "pool_idle",
            "Idle time after which a pooled connection is closed.",
        )
        .only(&SERVERS),
        Length(limits::LIFETIME),
        |topology| topology.database.pool_idle,
    );
    let keep_alive = keys.value(
        key(
            "keep_alive",
            "How long a connection lasts after its server has lost power: TCP keep-alive.",
        )
        .only(&OWN),
        Length(limits::TIMEOUT),
        |topology| topology.database.keep_alive,
    );
    let connections_max = keys.value(
        key(
            "connections_max",
            "Connections that the server accepts in total (`max_connections`).",
        )
        .only(&OWN),
        Whole(limits::CONNECTIONS),
        |topology| topology.database.connections_max,
    );
    let cores = keys.value(
        key("cores", "Cores that queries share.").only(&MODEL_AND_EMBEDDED),
        Whole(limits::CORES),
        |topology| topology.database.cores,
    );
    let commit = keys.value(
        key("commit", "Time of a commit, beyond its query, until it is durable. With `servers` and `rds-multi-az`, the delay of the link to the standby, which each commit waits for.")
            .only(&OWN),
        Length(limits::DATA_DELAY),
        |topology| topology.database.commit,
    );
    let replica_lag = keys.value(
        key(
            "replica_lag",
            "Lag of Aurora's reader: the delay of the link to it.",
        )
        .only(&SERVERS),
        Length(limits::DATA_DELAY),
        |topology| topology.database.replica_lag,
    );
    let (primary, standby) = pair?;
    Some(Database {
        kind: kind?,
        class: class?,
        primary,
        standby,
        failover: failover?,
        dns_ttl: dns_ttl?,
        pool_max: pool_max?,
        pool_connect_timeout: pool_connect_timeout?,
        pool_idle: pool_idle?,
        keep_alive: keep_alive?,
        connections_max: connections_max?,
        cores: cores?,
        commit: commit?,
        replica_lag: replica_lag?,
    })
}

/// The keys of a primary and of its replica or standby.
struct Pair<'z> {
    primary: Key,
    second: Key,
    second_name: &'static str,
    zones: Option<&'z [String]>,
}

/// The zones of a primary and of its second.
///
/// If the preset's zones do not exist in the scenario, the primary is in the first zone, and the second in the zone
/// after the primary's.
fn pair(
    keys: &mut TopologyKeys<'_, '_>,
    pair: &Pair<'_>,
    get: impl Fn(&Topology) -> (ZoneId, Option<ZoneId>),
) -> Option<(ZoneId, Option<ZoneId>)> {
    let zone = Zone { names: pair.zones };
    let names = |topology: &Topology| -> Vec<String> {
        topology
            .zones
            .iter()
            .map(|zone| zone.name.clone())
            .collect()
    };
    let write = |topology: &Topology, at: ZoneId| text(&names(topology)[at.index()]);
    let primary = keys.special(
        pair.primary,
        || zone.form(),
        |section| section.expect("primary", || zone.form()),
        |topology| write(topology, get(topology).0),
    );
    let second = keys.special(
        pair.second,
        || zone.form().or_word("none"),
        |section| section.expect(pair.second_name, || zone.form().or_word("none")),
        |topology| {
            get(topology)
                .1
                .map_or_else(|| text("none"), |at| write(topology, at))
        },
    );
    let read = Written {
        primary: primary?,
        second: second?,
        zones: pair.zones?,
    };
    let (primary, second) = read.zones()?;
    if second == Some(primary) {
        let (zone, second) = (&read.zones[primary.index()], pair.second_name);
        let message = format!("`primary` and `{second}` are both in zone `{zone}`");
        let help = format!("move one of them, or write `{second} = \"none\"`");
        let problem = Problem::new(message).expected("two different zones");
        keys.complain(&[second, "primary"], problem.help(help));
    }
    Some((primary, second))
}

/// The zones of a primary and its second, as written.
struct Written<'z, 'd> {
    primary: Value<'d>,
    second: Value<'d>,
    zones: &'z [String],
}

impl Written<'_, '_> {
    fn zones(&self) -> Option<(ZoneId, Option<ZoneId>)> {
        let zones = self.zones;
        let zone = |value: &Value<'_>| value.zone(zones);
        let is_known = |value: &Value<'_>| zones.iter().any(|zone| value.is_word(zone));
        let (primary, second) = (&self.primary, &self.second);
        let primary = if primary.is_in_file() || is_known(primary) {
            zone(primary)
        } else {
            zone_at(0)
        };
        let is_free = || is_known(second) && zone(second) != primary;
        let second = if second.is_in_file() || is_free() {
            Or("none", Zone { names: Some(zones) }).read(second)
        } else {
            let after = primary.map_or(0, |zone| (zone.index() + 1) % zones.len());
            Some(zone_at(after).filter(|zone| Some(*zone) != primary))
        };
        Some((primary?, second?))
    }
}
