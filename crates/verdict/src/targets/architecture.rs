//! Which documented architecture a run describes. Claims are judged only for the architecture that they are about, never for
//! somebody else's fleet or a target behind an address.
//!
//! What must be as documented is the shape: zones and address ranges, NAT gateways and the S3 endpoint, types and places of
//! instances, Redis and the database, the place of the waiting room, and the limits of the fleet. Everything else may differ:
//! audience, arrivals, buyers, show, the waiting room's settings, clock, faults, gates, prices, the initial fleet, the engine
//! and its data tier. So may the settings that a claim names itself, such as the pool (B6) or the alarms (A14): that claim
//! compares them.

use serde::Serialize;

use super::pair;
use tiketi_core::instance_class::InstanceClass;
use tiketi_core::units::ZoneId;
use tiketi_measure::Measurements;
use tiketi_scenario::Plan;
use tiketi_scenario::topology::{DatabaseKind, RoomPlace};

/// A documented architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// The TIKETI walk-through: the preset.
    Tiketi,
    /// The CloudMart session: `scenarios/studies/cloudmart.toml`. It has RDS instead of Aurora, and names no instance type.
    CloudMart,
    /// TIKETI in a single zone, without a replica and a standby: what the claims about one zone (B1, B11) compare it with.
    OneZone,
}

impl Architecture {
    const ALL: [Self; 3] = [Self::Tiketi, Self::CloudMart, Self::OneZone];

    /// Returns the name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tiketi => "TIKETI",
            Self::CloudMart => "CloudMart",
            Self::OneZone => "TIKETI in one zone",
        }
    }

    /// Returns whether a claim is about this architecture. Those of CloudMart about the network, the pool and Redis hold for
    /// TIKETI as well, whose documents take them over; those about its database (B5) and its bill (B9) do not.
    fn has(self, claim: &str) -> bool {
        match self {
            Self::Tiketi => !matches!(claim, "B5" | "B9"),
            Self::CloudMart => claim.starts_with('B'),
            Self::OneZone => pair::CLAIMS.contains(&claim),
        }
    }

    /// The zones as they are written, and the zone of the replica and of the standby.
    const fn zones(self) -> (&'static str, &'static str) {
        match self {
            Self::Tiketi | Self::CloudMart => ("a and b", "b"),
            Self::OneZone => ("a", "none"),
        }
    }
}

/// What a run describes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "describes")]
pub enum Described {
    /// A documented architecture.
    Documented {
        /// Which one.
        architecture: Architecture,
    },
    /// Another architecture.
    Other {
        /// What differs from TIKETI's.
        departures: Vec<Departure>,
    },
    /// A system behind an address, of which nothing is known.
    Target,
}

/// A key whose value is not the documented one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Departure {
    /// The key.
    pub key: &'static str,
    /// Its value.
    pub found: String,
    /// The documented value.
    pub documented: String,
}

impl Described {
    /// Returns why a claim is not judged; `None` if it is.
    pub fn objection(&self, claim: &str) -> Option<String> {
        match self {
            Self::Documented { architecture } if architecture.has(claim) => None,
            Self::Documented { architecture } => Some(format!(
                "not judged: the claim is not about {}'s architecture, which this scenario describes",
                architecture.name()
            )),
            Self::Other { .. } | Self::Target => Some(format!("not judged: {}", self.reason()?)),
        }
    }

    /// Returns why no claim is judged, as a sentence fragment; `None` if some are.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Documented { .. } => None,
            Self::Target => {
                Some("the target is not known to be the documented architecture".to_owned())
            }
            Self::Other { departures } => {
                let told = departures.iter().map(|one| {
                    let Departure {
                        key,
                        found,
                        documented,
                    } = one;
                    format!("`{key}` is {found} (documented: {documented})")
                });
                let told: Vec<_> = told.collect();
                Some(format!(
                    "this scenario does not describe the documented architecture: {}",
                    told.join(", ")
                ))
            }
        }
    }
}

/// Returns what a run describes.
pub(crate) fn of(run: &Measurements) -> Described {
    if run.ending.system.is_none() {
        return Described::Target;
    }
    described(&run.plan)
}

/// Returns what a scenario describes.
pub fn described(plan: &Plan) -> Described {
    let mut fits = Architecture::ALL.into_iter();
    match fits.find(|architecture| departures(plan, *architecture).is_empty()) {
        Some(architecture) => Described::Documented { architecture },
        None => Described::Other {
            departures: departures(plan, Architecture::Tiketi),
        },
    }
}

/// Returns every key whose value is not that of the documents.
fn departures(plan: &Plan, architecture: Architecture) -> Vec<Departure> {
    let mut found = network(plan, architecture);
    found.extend(data_tier(plan, architecture));
    let class = plan.topology.instances.class;
    match architecture {
        Architecture::Tiketi | Architecture::OneZone => found.extend(differs(
            "topology.instances.class",
            class.name(),
            InstanceClass::T3Medium.name(),
        )),
        // The session names no type.
        Architecture::CloudMart => {}
    }
    // A8: the queue is in Redis.
    let (room, documented) = (plan.topology.edge.waiting_room, RoomPlace::Application);
    let room_differs = differs("topology.edge.waiting_room", room.name(), documented.name());
    found.extend(room_differs);
    let scaling = &plan.scaling;
    found.extend(differs("scaling.min", scaling.min, 2));
    found.extend(differs("scaling.max", scaling.max, 10));
    found
}

/// A2, A6, A17, A18, B2, B3: zones, address ranges, the way out.
fn network(plan: &Plan, architecture: Architecture) -> Vec<Departure> {
    let topology = &plan.topology;
    let (documented, _) = architecture.zones();
    let zones: Vec<_> = topology.zones.iter().map(|zone| &*zone.name).collect();
    let mut found: Vec<_> = differs("topology.zones", zones.join(" and "), documented)
        .into_iter()
        .collect();
    found.extend(differs("topology.vpc", topology.vpc, "10.0.0.0/16"));
    let subnets = [
        ("10.0.1.0/24", "10.0.11.0/24"),
        ("10.0.2.0/24", "10.0.12.0/24"),
    ];
    for (zone, (public, private)) in topology.zones.iter().zip(subnets) {
        found.extend(differs("topology.subnets.public", zone.public, public));
        found.extend(differs("topology.subnets.private", zone.private, private));
    }
    let gateways = topology.zones.iter().filter(|zone| zone.nat_gateway);
    let gateways: Vec<_> = gateways.map(|zone| &*zone.name).collect();
    let gateways = match gateways.as_slice() {
        [] => "none".to_owned(),
        some => some.join(" and "),
    };
    found.extend(differs("topology.nat_gateways", gateways, documented));
    found.extend(differs("topology.s3_endpoint", topology.s3_endpoint, true));
    found
}

/// A8, A9, B5, B7: Redis and the database.
fn data_tier(plan: &Plan, architecture: Architecture) -> Vec<Departure> {
    let (redis, database) = (&plan.topology.redis, &plan.topology.database);
    let name = |zone: ZoneId| {
        let zone = plan.topology.zones.get(zone.index());
        zone.map_or("none", |zone| &*zone.name)
    };
    let copy = |zone: Option<ZoneId>| zone.map_or("none", name);
    let (kind, class) = match architecture {
        Architecture::Tiketi | Architecture::OneZone => (DatabaseKind::Aurora, "db.t3.medium"),
        Architecture::CloudMart => (DatabaseKind::RdsMultiAz, "db.t3.micro"),
    };
    let (_, second) = architecture.zones();
    let all = [
        differs("topology.redis.class", &redis.class, "cache.t3.micro"),
        differs("topology.redis.primary", name(redis.primary), "a"),
        differs("topology.redis.replica", copy(redis.replica), second),
        differs("topology.database.kind", database.kind.name(), kind.name()),
        differs("topology.database.class", &database.class, class),
        differs("topology.database.primary", name(database.primary), "a"),
        differs("topology.database.standby", copy(database.standby), second),
    ];
    all.into_iter().flatten().collect()
}

/// Returns a departure if the two are written differently.
#[expect(
    clippy::needless_pass_by_value,
    reason = "numbers and short texts; a reference would clutter each call"
)]
fn differs(
    key: &'static str,
    found: impl ToString,
    documented: impl ToString,
) -> Option<Departure> {
    let (found, documented) = (found.to_string(), documented.to_string());
    (found != documented).then_some(Departure {
        key,
        found,
        documented,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_measure::example;

    type Change = fn(&mut Plan);

    fn keys(change: Change) -> Vec<&'static str> {
        let mut plan = example::plan();
        change(&mut plan);
        match described(&plan) {
            Described::Documented { .. } => Vec::new(),
            Described::Other { departures } => departures.iter().map(|one| one.key).collect(),
            Described::Target => panic!("a scenario is no target"),
        }
    }

    #[test]
    fn each_departure_from_the_shape_is_named() {
        let departures: [(&str, Change); 11] = [
            ("topology.vpc", |plan| {
                plan.topology.vpc = "10.0.0.0/15".parse().unwrap();
            }),
            ("topology.subnets.public", |plan| {
                plan.topology.zones[1].public = "10.0.9.0/24".parse().unwrap();
            }),
            ("topology.nat_gateways", |plan| {
                plan.topology.zones[1].nat_gateway = false;
            }),
            ("topology.s3_endpoint", |plan| {
                plan.topology.s3_endpoint = false;
            }),
            ("topology.instances.class", |plan| {
                plan.topology.instances.class = InstanceClass::T3Large;
            }),
            ("topology.redis.class", |plan| {
                plan.topology.redis.class = "cache.t3.small".to_owned();
            }),
            ("topology.redis.replica", |plan| {
                plan.topology.redis.replica = None;
            }),
            ("topology.database.class", |plan| {
                plan.topology.database.class = "db.t3.large".to_owned();
            }),
            ("topology.database.standby", |plan| {
                plan.topology.database.standby = None;
            }),
            ("scaling.min", |plan| plan.scaling.min = 4),
            ("scaling.max", |plan| plan.scaling.max = 40),
        ];
        for (key, change) in departures {
            assert_eq!(keys(change), [key]);
        }
        let third: Change = |plan| {
            let mut third = plan.topology.zones[1].clone();
            third.name = "c".to_owned();
            plan.topology.zones.push(third);
        };
        assert!(keys(third).contains(&"topology.zones"));
    }

    #[test]
    fn audience_clock_faults_and_settings_may_differ() {
        let kept: [Change; 6] = [
            |_| (),
            |plan| plan.arrivals.clear(),
            |plan| plan.faults.clear(),
            |plan| plan.clock.speed = 1.0,
            |plan| plan.topology.instances.initial = vec![3, 2],
            |plan| plan.topology.database.pool_max = 10,
        ];
        for change in kept {
            assert_eq!(keys(change), Vec::<&str>::new());
        }
    }

    #[test]
    fn one_zone_is_judged_by_the_claims_that_compare_it_with_two() {
        let mut run = example::run();
        let topology = &mut run.plan.topology;
        topology.zones.truncate(1);
        topology.redis.replica = None;
        topology.database.standby = None;
        let described = of(&run);
        let judged = ["A5", "A12", "B1", "B4", "B11"];
        let judged = judged.map(|claim| described.objection(claim).is_none());
        assert_eq!(judged, [false, false, true, false, true]);
        // With a replica, it is neither.
        run.plan.topology.redis.replica = Some(ZoneId(0));
        assert!(of(&run).reason().is_some());
    }

    #[test]
    fn a_claim_is_judged_only_for_the_architecture_that_it_is_about() {
        let mut run = example::run();
        let judged = |run: &Measurements| {
            let described = of(run);
            ["A12", "B4", "B5", "B9"].map(|claim| described.objection(claim).is_none())
        };
        assert_eq!(judged(&run), [true, true, false, false]);
        let database = &mut run.plan.topology.database;
        database.kind = DatabaseKind::RdsMultiAz;
        database.class = "db.t3.micro".to_owned();
        assert_eq!(judged(&run), [false, true, true, true]);
        run.plan.scaling.max = 40;
        assert_eq!(judged(&run), [false; 4]);
        let reason = of(&run).reason().unwrap();
        assert!(
            reason.contains("`scaling.max` is 40 (documented: 10)"),
            "{reason}"
        );
        let mut target = example::run();
        target.ending.system = None;
        assert_eq!(judged(&target), [false; 4]);
    }
}
