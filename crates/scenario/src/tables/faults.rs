//! What breaks, and when.

use std::time::Duration;

use super::{commands, limits};
use crate::command;
use crate::diagnostic::Problem;
use crate::document::Section;
use crate::duration::Written;
use crate::keys::kind::{Instant, Kind as _, Length, OneOf, Shares, Whole, Zone};
use crate::keys::{Keys, field, key};
use crate::plan::Plan;
use tiketi_core::fault::catalog::{Action, Fault, FaultKind};
use tiketi_core::impairment::Peer;
use tiketi_core::units::{DataTierPart, ZoneId};

/// The planned faults in order of time.
pub(super) fn faults(
    keys: &mut Keys<'_, '_, Plan>,
    zones: Option<&[String]>,
    end: Option<Duration>,
) -> Option<Vec<Fault>> {
    let elements = keys.list(
        key("faults", "What breaks, and when."),
        limits::FAULTS,
        Some("fault"),
        |plan| &plan.faults,
        |keys| fault(keys, zones, end),
    );
    let mut faults = elements.values?;
    report_overlaps(&elements.sections, &faults);
    faults.sort_by_key(|fault| fault.at);
    Some(faults)
}

/// What a fault breaks. Two faults of the same thing cannot be in progress together.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    Zone(ZoneId),
    /// Instances that end.
    Terminated(ZoneId),
    /// Instances that are paused.
    Paused(ZoneId),
    /// The processors of instances.
    Processors(ZoneId),
    /// How long packets of a zone take.
    Latency(ZoneId),
    /// How many packets of a zone arrive.
    PacketLoss(ZoneId),
    AlbNode(ZoneId),
    /// Where the load balancer sends traffic: it can shift away from one zone at a time (assumption: so that at least one stays).
    Traffic,
    /// Capacity for new instances.
    Capacity(ZoneId),
    Primary(DataTierPart),
    Link(DataTierPart),
    RedisMemory,
    DatabaseConnections,
    Names,
    NatGateway(ZoneId),
    Route(ZoneId),
    S3,
    S3Endpoint,
    Provider,
    /// What a command breaks, by the name in reports: nobody else knows what it is.
    Command(String),
}

impl Subject {
    fn of(action: &Action) -> Self {
        match *action {
            Action::AzPowerInterruption { zone, .. } => Self::Zone(zone),
            Action::TerminateInstances { zone, .. } => Self::Terminated(zone),
            Action::PauseInstances { zone, .. } => Self::Paused(zone),
            Action::CpuStress { zone, .. } => Self::Processors(zone),
            Action::NetworkLatency { zone, .. } => Self::Latency(zone),
            Action::NetworkPacketLoss { zone, .. } => Self::PacketLoss(zone),
            Action::LoseAlbNode { zone } => Self::AlbNode(zone),
            Action::StartZonalAutoshift { .. } => Self::Traffic,
            Action::AsgInsufficientInstanceCapacityError { zone } => Self::Capacity(zone),
            Action::LosePrimary { part } | Action::PausePrimary { part } => Self::Primary(part),
            Action::DelayReplica { part, .. } => Self::Link(part),
            Action::FillRedisMemory { .. } => Self::RedisMemory,
            Action::HoldDatabaseConnections { .. } => Self::DatabaseConnections,
            Action::SlowDns { .. } => Self::Names,
            Action::LoseNatGateway { zone } => Self::NatGateway(zone),
            Action::ReplaceRoute { zone, .. } => Self::Route(zone),
            Action::S3Unavailable => Self::S3,
            Action::LoseS3Endpoint => Self::S3Endpoint,
            Action::ProviderSlow { .. } | Action::ProviderDown => Self::Provider,
            Action::Exec { .. } | Action::Fis { .. } => {
                Self::Command(command::label(action).unwrap_or_default())
            }
        }
    }
}

/// Something that is broken already cannot break again: it would be unclear which of the two faults ends. Nor can it
/// break at the instant at which it is repaired, or twice at the same instant: that is one fault, written as two.
fn report_overlaps(sections: &[Section<'_>], faults: &[Fault]) {
    let mut places: Vec<_> = (0..faults.len()).collect();
    places.sort_by_key(|place| faults[*place].at);
    for (index, &place) in places.iter().enumerate() {
        let fault = &faults[place];
        let subject = Subject::of(&fault.action);
        let mut earlier = places[..index].iter().map(|&place| &faults[place]);
        let touches =
            |other: &&Fault| Subject::of(&other.action) == subject && fault.at <= other.heal_at();
        let Some(other) = earlier.find(touches) else {
            continue;
        };
        let at = Written(fault.at.since_start());
        let until = Written(other.heal_at().since_start());
        let (kind, other_kind) = (fault.action.kind(), other.action.kind());
        let when = if fault.at == other.at {
            format!("at the same instant as `{other_kind}`")
        } else if fault.at == other.heal_at() {
            format!("at the instant at which `{other_kind}` ends")
        } else {
            format!("while `{other_kind}` is in progress until {until}")
        };
        let message = format!("`{kind}` starts at {at}, {when}, and both break the same part");
        let problem = Problem::new(message).expected(format!("a start after {until}"));
        let help = "start it later, or write one longer fault";
        sections[place].complain(&["at"], problem.help(help));
    }
}

fn fault(
    keys: &mut Keys<'_, '_, Fault>,
    zones: Option<&[String]>,
    end: Option<Duration>,
) -> Option<Fault> {
    let at = keys.value(key("at", "When it starts."), Instant, |fault| fault.at);
    if let (Some(at), Some(end)) = (at, end)
        && at.since_start() >= end
    {
        let (at, end) = (Written(at.since_start()), Written(end));
        let message = format!("the fault at {at} is after the end of the run ({end})");
        let help = "lengthen `clock.duration`, or start the fault earlier";
        let problem = Problem::new(message).expected(format!("an instant before {end}"));
        keys.complain(&["at"], problem.help(help));
    }
    let chosen = keys.variants(
        key("action", "What breaks."),
        |fault| fault.action.kind(),
        |keys, kind| {
            let lasts = lasts(keys, kind);
            let action = action(keys, kind, zones);
            Some((action, lasts))
        },
    );
    if let Some(section) = keys.read()
        && section.accepts_any_key()
    {
        report_common_keys(section, zones);
    }
    let (action, lasts) = chosen?;
    Some(Fault {
        at: at?,
        lasts: lasts?,
        action: action?,
    })
}

/// With an unknown action it is unknown which keys belong to it, but problems of common keys are still reported.
fn report_common_keys(section: &Section<'_>, zones: Option<&[String]>) {
    let _lasts = section
        .find("lasts")
        .map(|lasts| Length(limits::FAULT).read(&lasts));
    let zone = Zone { names: zones };
    let _zone = section.find("zone").map(|value| zone.read(&value));
}

/// How long the fault lasts: zero for a momentary one, which has no such key.
fn lasts(keys: &mut Keys<'_, '_, Fault>, kind: FaultKind) -> Option<Duration> {
    if kind.is_momentary() {
        return Some(Duration::ZERO);
    }
    // An experiment of FIS is stopped, so it needs a length; the command that starts it exits at once.
    if kind == FaultKind::Exec {
        return commands::lasts(keys);
    }
    keys.write_next_before("action");
    keys.value(
        key("lasts", "How long it lasts."),
        Length(limits::FAULT),
        |fault| fault.lasts,
    )
}

/// The keys of an action.
fn action(
    keys: &mut Keys<'_, '_, Fault>,
    kind: FaultKind,
    zones: Option<&[String]>,
) -> Option<Action> {
    match kind {
        FaultKind::AzPowerInterruption => {
            let zone = zone(keys, "The zone that loses power.", zones);
            let connections = keys.field(
                key(
                    "connections",
                    "What the peers of the lost zone hear: `silent` is nothing until their timeouts, as after a loss of power; `reset` breaks connections at once and refuses new ones.",
                ),
                OneOf::new(),
                |fault| fault.action.connections(),
            );
            Some(Action::AzPowerInterruption {
                zone: zone?,
                connections: connections?,
            })
        }
        FaultKind::TerminateInstances => {
            let zone = zone(keys, INSTANCES_ZONE, zones);
            let count = count(keys, INSTANCES);
            Some(Action::TerminateInstances {
                zone: zone?,
                count: count?,
            })
        }
        FaultKind::PauseInstances => {
            let zone = zone(keys, INSTANCES_ZONE, zones);
            let count = count(keys, INSTANCES);
            Some(Action::PauseInstances {
                zone: zone?,
                count: count?,
            })
        }
        FaultKind::CpuStress => cpu_stress(keys, zones),
        FaultKind::NetworkLatency => network_latency(keys, zones),
        FaultKind::NetworkPacketLoss => network_packet_loss(keys, zones),
        FaultKind::LoseAlbNode => {
            let zone = zone(keys, "Zone of the load-balancer node.", zones);
            Some(Action::LoseAlbNode { zone: zone? })
        }
        FaultKind::StartZonalAutoshift => {
            let zone = zone(keys, "The zone that gets no traffic.", zones);
            Some(Action::StartZonalAutoshift { zone: zone? })
        }
        FaultKind::AsgInsufficientInstanceCapacityError => {
            let zone = zone(keys, "Zone in which no instance can be launched.", zones);
            Some(Action::AsgInsufficientInstanceCapacityError { zone: zone? })
        }
        FaultKind::LosePrimary => Some(Action::LosePrimary { part: part(keys)? }),
        FaultKind::PausePrimary => Some(Action::PausePrimary { part: part(keys)? }),
        FaultKind::DelayReplica => {
            let part = part(keys);
            let lag = keys.field(
                key("lag", "Minimum lag of the replica."),
                Length(limits::LAG),
                field!(action: Action::DelayReplica { lag }),
            );
            Some(Action::DelayReplica {
                part: part?,
                lag: lag?,
            })
        }
        FaultKind::FillRedisMemory => {
            let share = keys.field(
                key(
                    "share",
                    "Share of Redis' `maxmemory` that another workload takes.",
                ),
                Shares::Positive,
                field!(action: Action::FillRedisMemory { share }),
            );
            Some(Action::FillRedisMemory { share: share? })
        }
        FaultKind::HoldDatabaseConnections => {
            let count = count(keys, "Database connections that another client takes.");
            Some(Action::HoldDatabaseConnections { count: count? })
        }
        FaultKind::SlowDns => {
            let delay = keys.field(
                key(
                    "delay",
                    "Time to the response to a query. Resolvers wait 2 s for one, and ask twice.",
                ),
                Length(limits::DNS_DELAY),
                field!(action: Action::SlowDns { delay }),
            );
            let unanswered = keys.field(
                key("unanswered", "Share of queries that get no response."),
                Shares::Any,
                field!(action: Action::SlowDns { unanswered }),
            );
            Some(Action::SlowDns {
                delay: delay?,
                unanswered: unanswered?,
            })
        }
        FaultKind::LoseNatGateway => {
            let zone = zone(keys, "Zone of the NAT gateway.", zones);
            Some(Action::LoseNatGateway { zone: zone? })
        }
        FaultKind::ReplaceRoute => {
            let zone = zone(keys, "Zone of the private subnet.", zones);
            let gateway = keys.field(
                key(
                    "gateway",
                    "Zone of the NAT gateway that its default route leads to from then on.",
                ),
                Zone { names: zones },
                field!(action: Action::ReplaceRoute { gateway }),
            );
            Some(Action::ReplaceRoute {
                zone: zone?,
                gateway: gateway?,
            })
        }
        FaultKind::S3Unavailable => Some(Action::S3Unavailable),
        FaultKind::LoseS3Endpoint => Some(Action::LoseS3Endpoint),
        FaultKind::ProviderSlow => {
            let delay = keys.field(
                key(
                    "delay",
                    "How much longer each answer of the provider takes.",
                ),
                Length(limits::SLOWDOWN),
                field!(action: Action::ProviderSlow { delay }),
            );
            Some(Action::ProviderSlow { delay: delay? })
        }
        FaultKind::ProviderDown => Some(Action::ProviderDown),
        FaultKind::Exec => commands::exec(keys),
        FaultKind::Fis => commands::fis(keys),
    }
}

/// The keys of other work on the processors of instances.
fn cpu_stress(keys: &mut Keys<'_, '_, Fault>, zones: Option<&[String]>) -> Option<Action> {
    let zone = zone(keys, INSTANCES_ZONE, zones);
    let count = count(keys, INSTANCES);
    let load = keys.field(
        key(
            "load",
            "Share of the processor that other work takes before the application; at most 0.99.",
        ),
        Shares::Positive,
        field!(action: Action::CpuStress { load }),
    );
    Some(Action::CpuStress {
        zone: zone?,
        count: count?,
        load: load?,
    })
}

/// The keys of packets that come late.
fn network_latency(keys: &mut Keys<'_, '_, Fault>, zones: Option<&[String]>) -> Option<Action> {
    let zone = zone(keys, PACKETS_ZONE, zones);
    let peer = peer(keys);
    let delay = keys.field(
        key(
            "delay",
            "How much later each packet arrives, in either direction: a round trip takes twice as much longer.",
        ),
        Length(limits::PACKET_DELAY),
        field!(action: Action::NetworkLatency { delay }),
    );
    let jitter = keys.field(
        key("jitter", "How much the delay varies, up and down."),
        Length(limits::PACKET_JITTER),
        field!(action: Action::NetworkLatency { jitter }),
    );
    Some(Action::NetworkLatency {
        zone: zone?,
        peer: peer?,
        delay: delay?,
        jitter: jitter?,
    })
}

/// The keys of packets that are lost.
fn network_packet_loss(keys: &mut Keys<'_, '_, Fault>, zones: Option<&[String]>) -> Option<Action> {
    let zone = zone(keys, PACKETS_ZONE, zones);
    let peer = peer(keys);
    let loss = keys.field(
        key(
            "loss",
            "Share of the packets that are lost, in either direction.",
        ),
        Shares::Positive,
        field!(action: Action::NetworkPacketLoss { loss }),
    );
    Some(Action::NetworkPacketLoss {
        zone: zone?,
        peer: peer?,
        loss: loss?,
    })
}

/// Documents `zone` of faults that affect packets.
const PACKETS_ZONE: &str = "Zone whose packets are affected.";

fn peer(keys: &mut Keys<'_, '_, Fault>) -> Option<Peer> {
    let doc = "Between the zone and whom: `buyers` and its load-balancer node, `other-zones`, or `all` of them.";
    keys.field(key("peer", doc), OneOf::new(), |fault| {
        fault.action.impairment().map(|impairment| impairment.peer)
    })
}

/// Documents `zone` of faults that affect instances.
const INSTANCES_ZONE: &str = "Zone of the instances.";

/// Documents `count` of faults that affect instances.
const INSTANCES: &str =
    "How many instances, lowest number first; all of the zone if there are fewer.";

fn zone(
    keys: &mut Keys<'_, '_, Fault>,
    doc: &'static str,
    names: Option<&[String]>,
) -> Option<ZoneId> {
    keys.field(key("zone", doc), Zone { names }, |fault| {
        fault.action.zone()
    })
}

fn count(keys: &mut Keys<'_, '_, Fault>, doc: &'static str) -> Option<u32> {
    let counts = Whole(limits::AFFECTED);
    keys.field(key("count", doc), counts, |fault| fault.action.count())
}

fn part(keys: &mut Keys<'_, '_, Fault>) -> Option<DataTierPart> {
    keys.field(
        key("part", "Part of the data tier: `redis` or `database`."),
        OneOf::new(),
        |fault| fault.action.part(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Overrides, load};

    /// Each action with all of its keys.
    const fn keys_of(kind: FaultKind) -> &'static str {
        match kind {
            FaultKind::AzPowerInterruption => "lasts = \"1m\"\nzone = \"b\"",
            FaultKind::TerminateInstances => "zone = \"b\"\ncount = 2",
            FaultKind::PauseInstances => "lasts = \"1m\"\nzone = \"b\"\ncount = 1",
            FaultKind::CpuStress => "lasts = \"1m\"\nzone = \"b\"\ncount = 1\nload = 0.8",
            FaultKind::NetworkLatency => {
                "lasts = \"1m\"\nzone = \"b\"\npeer = \"other-zones\"\ndelay = \"40ms\"\njitter = \"10ms\""
            }
            FaultKind::NetworkPacketLoss => {
                "lasts = \"1m\"\nzone = \"b\"\npeer = \"buyers\"\nloss = 0.05"
            }
            FaultKind::LoseAlbNode => "lasts = \"1m\"\nzone = \"a\"",
            FaultKind::StartZonalAutoshift => "lasts = \"1m\"\nzone = \"b\"",
            FaultKind::AsgInsufficientInstanceCapacityError => "lasts = \"1m\"\nzone = \"a\"",
            FaultKind::LosePrimary => "lasts = \"1m\"\npart = \"redis\"",
            FaultKind::PausePrimary => "lasts = \"1m\"\npart = \"database\"",
            FaultKind::DelayReplica => "lasts = \"1m\"\npart = \"redis\"\nlag = \"2s\"",
            FaultKind::FillRedisMemory => "lasts = \"1m\"\nshare = \"90%\"",
            FaultKind::HoldDatabaseConnections => "lasts = \"1m\"\ncount = 40",
            FaultKind::SlowDns => "lasts = \"1m\"\ndelay = \"500ms\"\nunanswered = 0.1",
            FaultKind::LoseNatGateway => "lasts = \"1m\"\nzone = \"a\"",
            FaultKind::ReplaceRoute => "zone = \"a\"\ngateway = \"b\"",
            FaultKind::S3Unavailable | FaultKind::LoseS3Endpoint | FaultKind::ProviderDown => {
                "lasts = \"1m\""
            }
            FaultKind::ProviderSlow => "lasts = \"1m\"\ndelay = \"3s\"",
            FaultKind::Exec => {
                "lasts = \"1m\"\nname = \"kill it\"\nrun = [\"kubectl\", \"delete\", \"pod/api-0\"]\nend = [\"sh\", \"-c\", \"a && b\"]\ntimeout = \"5s\""
            }
            FaultKind::Fis => "lasts = \"1m\"\ntemplate = \"EXT1a2b3c\"",
        }
    }

    fn scenario(action: &str, keys: &str) -> String {
        format!("name = \"x\"\n[[faults]]\naction = \"{action}\"\nat = \"2m\"\n{keys}\n")
    }

    #[test]
    fn every_action_is_read_and_written_back() {
        for kind in FaultKind::ALL {
            let text = scenario(kind.name(), keys_of(kind));
            let read = load("x.toml", &text, &Overrides::default());
            let plan = read.unwrap_or_else(|problems| panic!("{kind}: {problems}"));
            assert_eq!(plan.faults[0].action.kind(), kind);
            let again = load("x.toml", &plan.to_toml(), &Overrides::default());
            let again = again.unwrap_or_else(|problems| panic!("{kind}: {problems}"));
            assert_eq!(again.faults, plan.faults, "{}", plan.to_toml());
        }
    }

    #[test]
    fn a_command_lasts_until_it_exits_unless_the_scenario_says_how_long() {
        let text = scenario("exec", "run = [\"true\"]");
        let plan = load("x.toml", &text, &Overrides::default());
        let plan = plan.unwrap_or_else(|problems| panic!("{problems}"));
        assert!(plan.faults[0].lasts.is_zero());
        let again = load("x.toml", &plan.to_toml(), &Overrides::default());
        let again = again.unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(again.faults, plan.faults, "{}", plan.to_toml());
        let Action::Exec { end, timeout, .. } = &plan.faults[0].action else {
            panic!("{:?}", plan.faults[0]);
        };
        assert_eq!((end.len(), *timeout), (0, Duration::from_secs(60)));
    }

    #[test]
    fn faults_of_one_part_neither_overlap_nor_touch() {
        let two = |first: (&str, &str), second: (&str, &str, &str)| {
            let (action, keys) = first;
            let (next_action, at, next_keys) = second;
            let first = scenario(action, keys);
            let second =
                format!("[[faults]]\naction = \"{next_action}\"\nat = \"{at}\"\n{next_keys}\n");
            let read = load("x.toml", &(first + &second), &Overrides::default());
            read.map_or_else(|problems| problems.to_string(), |_| String::new())
        };
        let zone_a = "lasts = \"1m\"\nzone = \"a\"";
        let zone_b = "lasts = \"1m\"\nzone = \"b\"";
        let redis = "lasts = \"1m\"\npart = \"redis\"";
        let loss = "lasts = \"1m\"\nzone = \"a\"\npeer = \"buyers\"\nloss = 0.1";
        let az = "az-power-interruption";
        let cases = [
            (
                (az, zone_a),
                (az, "2m30s", zone_a),
                "while `az-power-interruption` is in progress until 3m",
            ),
            (
                (az, zone_a),
                (az, "1m30s", zone_a),
                "while `az-power-interruption` is in progress until 2m30s",
            ),
            ((az, zone_a), (az, "2m", zone_a), "at the same instant as"),
            ((az, zone_a), (az, "3m", zone_a), "at the instant at which"),
            ((az, zone_a), (az, "3m1ms", zone_a), ""),
            ((az, zone_a), (az, "2m30s", zone_b), ""),
            (
                ("lose-primary", redis),
                ("pause-primary", "2m30s", redis),
                "both break the same part",
            ),
            (
                ("lose-primary", redis),
                (
                    "delay-replica",
                    "2m30s",
                    "lasts = \"1m\"\npart = \"redis\"\nlag = \"1s\"",
                ),
                "",
            ),
            (
                ("terminate-instances", "zone = \"a\"\ncount = 1"),
                ("terminate-instances", "2m", "zone = \"a\"\ncount = 1"),
                "at the same instant as",
            ),
            (
                ("network-packet-loss", loss),
                ("network-packet-loss", "2m30s", loss),
                "while `network-packet-loss` is in progress until 3m",
            ),
            (
                ("network-packet-loss", loss),
                (
                    "network-latency",
                    "2m30s",
                    "lasts = \"1m\"\nzone = \"a\"\npeer = \"all\"\ndelay = \"9ms\"",
                ),
                "",
            ),
        ];
        for (first, second, message) in cases {
            let shown = two(first, second);
            assert!(
                shown.is_empty() == message.is_empty() && shown.contains(message),
                "{first:?}, {second:?}: {shown}"
            );
        }
    }

    #[test]
    fn keys_that_an_action_does_not_have_are_rejected() {
        let cases = [
            (
                "terminate-instances",
                "zone = \"a\"\ncount = 1\nlasts = \"1m\"",
                "unknown key `lasts`",
            ),
            (
                "lose-primary",
                "lasts = \"1m\"\npart = \"redis\"\nzone = \"a\"",
                "unknown key `zone`",
            ),
            ("lose-primary", "lasts = \"1m\"", "`part` is missing"),
            ("lose-primary", "part = \"redis\"", "`lasts` is missing"),
            (
                "lose-primary",
                "lasts = \"1m\"\npart = \"postgres\"",
                "(expected one of redis, database)",
            ),
            (
                "fill-redis-memory",
                "lasts = \"1m\"\nshare = 0",
                "more than 0, at most 1",
            ),
            (
                "pause-instances",
                "lasts = \"1m\"\nzone = \"a\"\ncount = 0",
                "1 to 100000",
            ),
            ("pause-everything", "what = 1", "did you mean `pause-"),
            ("exec", "lasts = \"1m\"", "`run` is missing"),
            ("exec", "run = []", "`faults[0].run` has 0 elements"),
            (
                "exec",
                "run = \"kubectl delete pod\"",
                "`faults[0].run` is \"kubectl",
            ),
            ("fis", "template = \"EXT1\"", "`lasts` is missing"),
            (
                "fis",
                "lasts = \"1m\"\ntemplate = \"--profile\"",
                "such as \"EXT1",
            ),
        ];
        for (action, keys, message) in cases {
            let read = load("x.toml", &scenario(action, keys), &Overrides::default());
            let problems = read.expect_err("has a mistake");
            assert_eq!(problems.problems().len(), 1, "{action}: {problems}");
            let shown = problems.to_string();
            assert!(shown.contains(message), "{action}: {shown}");
        }
    }
}
