//! Who opens or accepts a connection.

use tiketi_core::names;
use tiketi_core::units::ZoneId;
use tiketi_scenario::network::Source;

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// Anyone on the internet: a buyer, the edge, the payment provider.
    Internet,
    /// The load-balancer node of a zone.
    LoadBalancer(ZoneId),
    /// An instance in a zone.
    Instance(ZoneId),
    /// A Redis node in a zone.
    Redis(ZoneId),
    /// A database node in a zone.
    Database(ZoneId),
    /// S3, which has public addresses and no place in the VPC.
    S3,
}

/// A [`Party`] without its zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// [`Party::Internet`].
    Internet,
    /// [`Party::LoadBalancer`].
    LoadBalancer,
    /// [`Party::Instance`].
    Instance,
    /// [`Party::Redis`].
    Redis,
    /// [`Party::Database`].
    Database,
    /// [`Party::S3`].
    S3,
}

names!(Kind {
    Internet = "internet",
    LoadBalancer = "load balancer",
    Instance = "instances",
    Redis = "Redis",
    Database = "database",
    S3 = "S3",
});

impl Kind {
    /// The party of this kind in a zone; the zone is irrelevant to parties outside the VPC.
    pub const fn in_zone(self, zone: ZoneId) -> Party {
        match self {
            Self::Internet => Party::Internet,
            Self::LoadBalancer => Party::LoadBalancer(zone),
            Self::Instance => Party::Instance(zone),
            Self::Redis => Party::Redis(zone),
            Self::Database => Party::Database(zone),
            Self::S3 => Party::S3,
        }
    }

    /// Whether parties of this kind have an address in the VPC.
    pub const fn is_in_vpc(self) -> bool {
        match self {
            Self::LoadBalancer | Self::Instance | Self::Redis | Self::Database => true,
            Self::Internet | Self::S3 => false,
        }
    }

    /// The security group of parties of this kind as the source of a rule; `None` outside the VPC.
    pub(crate) const fn group(self) -> Option<Source> {
        match self {
            Self::LoadBalancer => Some(Source::LoadBalancer),
            Self::Instance => Some(Source::Instances),
            Self::Redis => Some(Source::Redis),
            Self::Database => Some(Source::Database),
            Self::Internet | Self::S3 => None,
        }
    }
}

impl Party {
    /// What it is, without its zone.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Internet => Kind::Internet,
            Self::LoadBalancer(_) => Kind::LoadBalancer,
            Self::Instance(_) => Kind::Instance,
            Self::Redis(_) => Kind::Redis,
            Self::Database(_) => Kind::Database,
            Self::S3 => Kind::S3,
        }
    }

    /// Its zone; `None` outside the VPC.
    pub const fn zone(self) -> Option<ZoneId> {
        match self {
            Self::LoadBalancer(zone)
            | Self::Instance(zone)
            | Self::Redis(zone)
            | Self::Database(zone) => Some(zone),
            Self::Internet | Self::S3 => None,
        }
    }
}
