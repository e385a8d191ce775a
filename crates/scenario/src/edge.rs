//! The edge: CloudFront with S3 behind it, and the resolvers through which buyers find it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tiketi_core::names;

/// The edge in front of the VPC (A2), and its names (A1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// The static files of the web page, the document first. Without any, a page load takes no time and is not counted.
    pub files: Vec<StaticFile>,
    /// How long an edge location serves a file without asking the origin.
    pub ttl: Duration,
    /// What is in the caches when the run starts.
    pub cache: CacheStart,
    /// Edge locations that serve buyers. Each has a cache of its own.
    pub locations: u32,
    /// From a request to the response if the file is in the cache.
    pub latency: Duration,
    /// From a request of an edge location to the response of the origin.
    pub origin_latency: Duration,
    /// Time to live of the site's alias record.
    pub dns_ttl: Duration,
    /// Resolvers that the buyers use; each caches the site's name for all of its buyers.
    pub resolvers: u32,
    /// How API requests get to the load balancer.
    #[serde(default = "ApiWay::of_old_archives")]
    pub api: ApiWay,
    /// Where the waiting room is.
    #[serde(default = "RoomPlace::of_old_archives")]
    pub waiting_room: RoomPlace,
}

/// A static file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaticFile {
    /// Its path, such as `/index.html`.
    pub path: String,
    /// Its size as it is sent.
    pub bytes: u32,
}

/// What is in the caches of the edge when the run starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheStart {
    /// Every file, fetched at the start of the run.
    Warm,
    /// Nothing.
    Empty,
}

names!(CacheStart {
    Warm = "warm",
    Empty = "empty",
});

/// How API requests of buyers get to the load balancer. Sockets always go there directly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiWay {
    /// Straight to it. They are counted and billed as passed through the edge.
    Direct,
    /// By way of an edge location, which passes them on and caches nothing.
    Through,
}

names!(ApiWay {
    Direct = "direct",
    Through = "through",
});

impl ApiWay {
    /// For archives without the key: the default of the preset.
    const fn of_old_archives() -> Self {
        Self::Direct
    }
}

/// Where buyers wait until they may shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomPlace {
    /// In the application, which keeps the queue in Redis.
    Application,
    /// At the edge, which keeps the queue in a managed store. The application serves admitted buyers only.
    Edge,
}

names!(RoomPlace {
    Application = "application",
    Edge = "edge",
});

impl RoomPlace {
    /// For archives without the key: the default of the preset.
    const fn of_old_archives() -> Self {
        Self::Application
    }
}

impl Edge {
    /// The edge of archives that were written without one: it serves no files.
    pub fn without_files() -> Self {
        Self {
            files: Vec::new(),
            ttl: Duration::from_hours(24),
            cache: CacheStart::Warm,
            locations: 1,
            latency: Duration::ZERO,
            origin_latency: Duration::ZERO,
            dns_ttl: Duration::from_secs(60),
            resolvers: 1,
            api: ApiWay::Direct,
            waiting_room: RoomPlace::Application,
        }
    }

    /// Whether buyers send anything to an edge location: page loads, API requests, or polls of their place in the queue.
    pub fn is_used(&self) -> bool {
        !self.files.is_empty() || self.api == ApiWay::Through || self.has_room()
    }

    /// Whether the waiting room is at the edge.
    pub fn has_room(&self) -> bool {
        self.waiting_room == RoomPlace::Edge
    }

    /// Returns the bytes of one page load.
    pub fn page_bytes(&self) -> u64 {
        self.files.iter().map(|file| u64::from(file.bytes)).sum()
    }
}
