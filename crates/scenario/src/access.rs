//! The network between buyers and the system: how much later packets arrive than on loopback.
//!
//! ```text
//! buyer ─way_in▶ system ─way_back▶ buyer        each ▶ is drawn by both engines in the same terms
//! ```
//!
//! Loopback has no round-trip time. On a real network it gives a server time to register its handlers before the next message
//! of a buyer arrives. Left out: the handshake of TLS, and the slow start of TCP.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::edge::StaticFile;
use tiketi_core::impairment::{Quality, tcp};
use tiketi_core::names;
use tiketi_core::rng::Stream;
use tiketi_core::units::Share;

/// Bytes of a buyer's request with its headers (assumption).
pub const REQUEST_BYTES: u64 = 700;
/// Bytes of a message over an open socket, or of a packet of its handshake (assumption).
const MESSAGE_BYTES: u64 = 200;

/// A kind of network that buyers have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessProfile {
    /// [`Self::Fiber`] for a target on this machine, and otherwise [`Self::None`].
    Auto,
    /// None but that of the machine.
    None,
    /// Fiber to the home.
    Fiber,
    /// A cable network.
    Cable,
    /// A mobile network of the fourth generation.
    Lte,
    /// A mobile network of the third generation.
    ThirdGeneration,
}

names!(AccessProfile {
    Auto = "auto",
    None = "none",
    Fiber = "fiber",
    Cable = "cable",
    Lte = "lte",
    ThirdGeneration = "3g",
});

/// The network between buyers and the system.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Access {
    /// What the figures are those of.
    pub profile: AccessProfile,
    /// How much later each packet arrives, in either direction.
    pub delay: Duration,
    /// How much the delay varies, up and down.
    pub jitter: Duration,
    /// Share of the packets that are lost, in either direction.
    pub loss: Share,
    /// Megabits per second that a buyer receives; `None` for no limit. Requests are too small for it to matter.
    pub bandwidth: Option<f64>,
}

impl Default for Access {
    /// For archives without the key: there was none.
    fn default() -> Self {
        Self {
            profile: AccessProfile::None,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            loss: Share::NONE,
            bandwidth: None,
        }
    }
}

/// What a request needs before it can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: the browser keeps its connection.
    Nothing,
    /// A new connection, as the first request of a page load and each socket do.
    Connection,
}

impl Access {
    /// The same network to an existing system: there is none to imitate if the system is elsewhere.
    #[must_use]
    pub fn to_target(self, is_on_loopback: bool) -> Self {
        match self.profile {
            _ if !is_on_loopback => Self::default(),
            AccessProfile::Auto => Self {
                profile: AccessProfile::Fiber,
                ..self
            },
            AccessProfile::None
            | AccessProfile::Fiber
            | AccessProfile::Cable
            | AccessProfile::Lte
            | AccessProfile::ThirdGeneration => self,
        }
    }

    /// Whether packets of buyers are delayed.
    pub fn is_applied(&self) -> bool {
        match self.profile {
            AccessProfile::Auto | AccessProfile::None => false,
            AccessProfile::Fiber
            | AccessProfile::Cable
            | AccessProfile::Lte
            | AccessProfile::ThirdGeneration => {
                !self.quality().is_clear() || self.bandwidth.is_some()
            }
        }
    }

    /// What happens to the packets, in each direction.
    pub const fn quality(&self) -> Quality {
        Quality {
            delay: self.delay,
            jitter: self.jitter,
            loss: self.loss,
        }
    }

    /// Draws how long a request takes until it has arrived.
    pub fn way_in(&self, needs: Needs, draws: &mut Stream) -> Duration {
        let connection = match needs {
            Needs::Nothing => Duration::ZERO,
            Needs::Connection => tcp::handshake(self.quality(), draws),
        };
        connection + tcp::transfer(self.quality(), REQUEST_BYTES, draws)
    }

    /// Draws how long a response of `bytes` takes until it has arrived.
    pub fn way_back(&self, bytes: u64, draws: &mut Stream) -> Duration {
        tcp::transfer(self.quality(), bytes, draws) + self.receiving(bytes)
    }

    /// Draws how long a message over an open socket takes, in either direction.
    pub fn message(&self, draws: &mut Stream) -> Duration {
        tcp::transfer(self.quality(), MESSAGE_BYTES, draws)
    }

    /// Draws how much longer the loading of a page takes: a connection, the document, then all other files at once.
    pub fn page(&self, files: &[StaticFile], draws: &mut Stream) -> Duration {
        let bytes = |files: &[StaticFile]| files.iter().map(|file| u64::from(file.bytes)).sum();
        let Some((document, others)) = files.split_first() else {
            return Duration::ZERO;
        };
        let mut taken = self.way_in(Needs::Connection, draws);
        taken += self.way_back(u64::from(document.bytes), draws);
        if !others.is_empty() {
            taken += self.way_in(Needs::Nothing, draws) + self.way_back(bytes(others), draws);
        }
        taken
    }

    /// How long `bytes` take to come in.
    fn receiving(&self, bytes: u64) -> Duration {
        let Some(megabits) = self.bandwidth else {
            return Duration::ZERO;
        };
        let bits = Duration::from_nanos(bytes.saturating_mul(8));
        // A nanosecond stands for a bit.
        bits.mul_f64(1_000.0 / megabits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Overrides, load};
    use tiketi_core::rng::Streams;

    fn access(network: &str) -> Access {
        let text = format!("buyers.network = {{ {network} }}");
        let plan = load("x.toml", &text, &Overrides::default());
        plan.unwrap_or_else(|problems| panic!("{problems}"))
            .buyers
            .network
    }

    fn draws() -> Stream {
        Streams::new(7).named("test")
    }

    #[test]
    fn a_profile_sets_the_figures_and_each_can_be_stated() {
        let fiber = access("profile = \"fiber\"");
        assert_eq!(fiber.delay, Duration::from_millis(2));
        assert_eq!(fiber.bandwidth, Some(20.0));
        let slow = access("profile = \"fiber\", delay = \"9ms\", bandwidth = \"none\"");
        assert_eq!(slow.delay, Duration::from_millis(9));
        assert_eq!((slow.jitter, slow.bandwidth), (fiber.jitter, None));
    }

    #[test]
    fn only_a_target_on_this_machine_gets_a_network_that_nobody_asked_for() {
        let unasked = access("");
        assert_eq!(unasked.profile, AccessProfile::Auto);
        assert!(!unasked.is_applied(), "on the testbed");
        assert!(!unasked.to_target(false).is_applied(), "elsewhere");
        let here = unasked.to_target(true);
        assert!(here.is_applied());
        assert_eq!(here, access("profile = \"fiber\""));
    }

    #[test]
    fn a_target_elsewhere_has_a_network_of_its_own() {
        let lte = access("profile = \"lte\"");
        assert!(lte.is_applied());
        assert_eq!(lte.to_target(true), lte);
        assert_eq!(lte.to_target(false), Access::default());
        let none = access("profile = \"none\"");
        assert!(!none.to_target(true).is_applied());
    }

    #[test]
    fn bytes_take_as_long_as_the_bandwidth_says() {
        let slow = access("profile = \"fiber\", delay = \"0s\", jitter = \"0s\", bandwidth = 8");
        let taken = slow.way_back(2_000_000, &mut draws());
        assert_eq!(taken, Duration::from_secs(2));
        assert_eq!(slow.way_in(Needs::Connection, &mut draws()), Duration::ZERO);
    }

    #[test]
    fn a_page_takes_three_round_trips_and_its_bytes() {
        let network =
            access("profile = \"fiber\", delay = \"10ms\", jitter = \"0s\", bandwidth = 8");
        let file = |bytes| StaticFile {
            path: "/x".to_owned(),
            bytes,
        };
        let files = [file(1_000), file(3_000), file(6_000)];
        // 10,000 bytes at a megabyte per second.
        let taken = network.page(&files, &mut draws());
        assert_eq!(taken, Duration::from_millis(60 + 10));
        // Without more than a document there is no second request.
        let taken = network.page(&files[..1], &mut draws());
        assert_eq!(taken, Duration::from_millis(40 + 1));
        assert_eq!(network.page(&[], &mut draws()), Duration::ZERO);
    }
}
