//! Levels of a target that another system knows, and how it is asked for them.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tiketi_core::names;

/// A level that can be read of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Buyers in the queue.
    QueueLength,
    /// Instances in service.
    Instances,
    /// Mean CPU utilization of the instances, 0 to 1.
    Cpu,
    /// Share of reads that the cache answers, 0 to 1.
    CacheHits,
}

names!(Level {
    QueueLength = "queue_length",
    Instances = "instances",
    Cpu = "cpu",
    CacheHits = "cache_hits",
});

impl Level {
    /// Whether its values are shares of a whole.
    pub const fn is_share(self) -> bool {
        match self {
            Self::QueueLength | Self::Instances => false,
            Self::Cpu | Self::CacheHits => true,
        }
    }

    /// What it is, in words.
    pub const fn title(self) -> &'static str {
        match self {
            Self::QueueLength => "queue length",
            Self::Instances => "instances",
            Self::Cpu => "CPU utilization",
            Self::CacheHits => "cache hits",
        }
    }
}

/// Which levels of a target are read, and of whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observe {
    /// Address of a Prometheus server, with the path below which its API is; `None` if nobody is asked.
    pub prometheus: Option<String>,
    /// Address that responds with JSON, such as an administrator's page of the target; `None` if none is asked.
    #[serde(default)]
    pub json: Option<String>,
    /// Environment variable that has the value of the `authorization` header for `json`; `None` if none is sent.
    #[serde(default)]
    pub json_authorization: Option<String>,
    /// Time between two readings, in real time.
    pub every: Duration,
    /// Query (PromQL, or a JSON pointer into the response of `json`) for [`Level::QueueLength`]; `None` if it is not read.
    pub queue_length: Option<String>,
    /// Query for [`Level::Instances`]; `None` if it is not read.
    pub instances: Option<String>,
    /// Query for [`Level::Cpu`]; `None` if it is not read.
    pub cpu: Option<String>,
    /// Query for [`Level::CacheHits`]; `None` if it is not read.
    pub cache_hits: Option<String>,
}

/// For archives without the table: nobody is asked.
impl Default for Observe {
    fn default() -> Self {
        Self {
            prometheus: None,
            json: None,
            json_authorization: None,
            every: Duration::from_secs(5),
            queue_length: None,
            instances: None,
            cpu: None,
            cache_hits: None,
        }
    }
}

impl Observe {
    /// Returns the address that is asked; `None` if none is.
    pub fn server(&self) -> Option<&str> {
        self.prometheus.as_deref().or(self.json.as_deref())
    }

    /// Returns the query for a level; `None` if it is not read.
    pub fn query(&self, level: Level) -> Option<&str> {
        match level {
            Level::QueueLength => self.queue_length.as_deref(),
            Level::Instances => self.instances.as_deref(),
            Level::Cpu => self.cpu.as_deref(),
            Level::CacheHits => self.cache_hits.as_deref(),
        }
    }
}

/// Whether a text is the address of an HTTP server. A user, a query or a fragment may be a secret or would be lost.
pub(crate) fn is_base_url(url: &str) -> bool {
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"));
    let is_plain = |c: char| c.is_ascii_graphic() && !"@?#\"'`<>\\^{|}".contains(c);
    rest.is_some_and(|rest| {
        let authority = rest.split('/').next().unwrap_or_default();
        let (host, port) = match authority.rsplit_once(':') {
            // The last colon of an IPv6 address without a port is within its brackets.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
        rest.chars().all(is_plain) && !host.is_empty() && port.is_none_or(is_port)
    })
}
