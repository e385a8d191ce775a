//! The edge: CloudFront with S3 behind it, and the resolvers through which buyers find it.

use std::time::Duration;

use super::operation::Operation;
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

/// Who answers a request of a buyer, and which way it takes there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Straight to the load balancer. Static files have their own way, from the edge's caches.
    Direct,
    /// An edge location passes it on to the load balancer.
    Through,
    /// The waiting room at the edge answers it.
    Room,
}

impl Edge {
    /// Returns the way of a request.
    pub const fn way(&self, operation: Operation) -> Way {
        match (operation, self.api, self.waiting_room) {
            (
                Operation::QueueCheck | Operation::QueueStatus | Operation::QueueLeave,
                _,
                RoomPlace::Edge,
            ) => Way::Room,
            (Operation::PageLoad | Operation::SocketConnect, ..) | (_, ApiWay::Direct, _) => {
                Way::Direct
            }
            (
                Operation::ShowList
                | Operation::ShowDetail
                | Operation::QueueCheck
                | Operation::QueueStatus
                | Operation::QueueLeave
                | Operation::SeatList
                | Operation::SeatReserve
                | Operation::PaymentProcess,
                ApiWay::Through,
                _,
            ) => Way::Through,
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_and_pages_have_a_way_of_their_own_and_polls_go_to_the_room() {
        let mut edge = Edge::without_files();
        for operation in Operation::ALL {
            assert_eq!(edge.way(operation), Way::Direct, "{operation}");
        }
        edge.api = ApiWay::Through;
        let direct = [Operation::PageLoad, Operation::SocketConnect];
        for operation in Operation::ALL {
            let is_direct = edge.way(operation) == Way::Direct;
            assert_eq!(is_direct, direct.contains(&operation), "{operation}");
        }
        edge.waiting_room = RoomPlace::Edge;
        assert_eq!(edge.way(Operation::QueueLeave), Way::Room);
        assert_eq!(edge.way(Operation::SeatList), Way::Through);
        edge.api = ApiWay::Direct;
        assert_eq!(edge.way(Operation::QueueStatus), Way::Room);
        assert_eq!(edge.way(Operation::SeatList), Way::Direct);
    }
}
