//! Impaired paths: packets that come late or are lost, and what TCP makes of it.
//!
//! ```text
//! faults ─▶ Impairments ─between(zone, zone), to_buyers(zone)─▶ Quality ─tcp::exchange─▶ delay of one request
//! ```
//!
//! Both engines look up the quality of a path here, and draw the delay of each transfer from it.

pub mod tcp;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::names;
use crate::units::{Share, ZoneId};

/// What happens to the packets of a path, in each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// How much later each packet arrives.
    pub delay: Duration,
    /// How much the delay varies: uniformly between `delay - jitter` and `delay + jitter`, never below zero.
    pub jitter: Duration,
    /// Share of the packets that are lost.
    pub loss: Share,
}

impl Quality {
    /// Whether packets arrive as if there were no fault.
    pub fn is_clear(&self) -> bool {
        *self == Self::default()
    }

    /// A path that leads through both: delays add up, and a packet must survive both.
    #[must_use]
    pub fn then(self, other: Self) -> Self {
        let survive = (1.0 - self.loss.get()) * (1.0 - other.loss.get());
        Self {
            delay: self.delay + other.delay,
            jitter: self.jitter + other.jitter,
            loss: Share::try_from(1.0 - survive).unwrap_or(Share::NONE),
        }
    }
}

/// Whose packets to and from a zone are affected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// Buyers: packets between them and the load-balancer node of the zone.
    Buyers,
    /// Everything in other zones.
    OtherZones,
    /// Both.
    All,
}

names!(Peer {
    Buyers = "buyers",
    OtherZones = "other-zones",
    All = "all",
});

impl Peer {
    const fn includes_buyers(self) -> bool {
        match self {
            Self::Buyers | Self::All => true,
            Self::OtherZones => false,
        }
    }

    /// Whether packets between zones are affected.
    pub const fn includes_zones(self) -> bool {
        match self {
            Self::OtherZones | Self::All => true,
            Self::Buyers => false,
        }
    }
}

/// One impairment of the paths to and from a zone.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Impairment {
    /// The zone.
    pub zone: ZoneId,
    /// Whose packets are affected.
    pub peer: Peer,
    /// What happens to them.
    pub quality: Quality,
}

/// All impairments of the moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Impairments(Vec<Impairment>);

impl Impairments {
    /// Whether all paths are clear.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// An impairment begins.
    pub fn add(&mut self, impairment: Impairment) {
        self.0.push(impairment);
    }

    /// An impairment ends.
    pub fn remove(&mut self, impairment: Impairment) {
        if let Some(place) = self.0.iter().position(|one| *one == impairment) {
            self.0.remove(place);
        }
    }

    /// The path between buyers and the load-balancer node of a zone.
    pub fn to_buyers(&self, zone: ZoneId) -> Quality {
        self.combined(|one| one.zone == zone && one.peer.includes_buyers())
    }

    /// The path between two zones; clear within one zone. Impairments of both ends add up.
    pub fn between(&self, one: ZoneId, other: ZoneId) -> Quality {
        if one == other {
            return Quality::default();
        }
        self.combined(|each| (each.zone == one || each.zone == other) && each.peer.includes_zones())
    }

    fn combined(&self, is_on_path: impl Fn(&Impairment) -> bool) -> Quality {
        let on_path = self.0.iter().filter(|one| is_on_path(one));
        on_path.fold(Quality::default(), |path, one| path.then(one.quality))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ZoneId = ZoneId(0);
    const B: ZoneId = ZoneId(1);
    const C: ZoneId = ZoneId(2);

    fn slow(zone: ZoneId, peer: Peer, ms: u64) -> Impairment {
        let quality = Quality {
            delay: Duration::from_millis(ms),
            ..Quality::default()
        };
        Impairment {
            zone,
            peer,
            quality,
        }
    }

    fn delay_ms(quality: Quality) -> u128 {
        quality.delay.as_millis()
    }

    #[test]
    fn an_impairment_affects_the_paths_of_its_zone_to_the_named_peers_only() {
        let mut paths = Impairments::default();
        paths.add(slow(A, Peer::OtherZones, 40));
        paths.add(slow(B, Peer::Buyers, 7));
        assert_eq!(delay_ms(paths.between(A, B)), 40);
        assert_eq!(delay_ms(paths.between(B, A)), 40);
        assert!(paths.between(B, C).is_clear());
        assert!(paths.between(A, A).is_clear());
        assert!(paths.to_buyers(A).is_clear());
        assert_eq!(delay_ms(paths.to_buyers(B)), 7);
        paths.remove(slow(A, Peer::OtherZones, 40));
        assert!(paths.between(A, B).is_clear());
        paths.remove(slow(B, Peer::Buyers, 7));
        assert!(paths.is_empty());
    }

    #[test]
    fn impairments_of_both_ends_add_up() {
        let mut paths = Impairments::default();
        paths.add(slow(A, Peer::All, 40));
        paths.add(slow(B, Peer::OtherZones, 2));
        assert_eq!(delay_ms(paths.between(A, B)), 42);
        assert_eq!(delay_ms(paths.to_buyers(A)), 40);
        let half = Quality {
            loss: Share::try_from(0.5).expect("a share"),
            ..Quality::default()
        };
        assert!((half.then(half).loss.get() - 0.75).abs() < 1e-12);
    }
}
