//! Service-time profiles: how much CPU time each operation takes, and how long it uses a database connection.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An operation that takes CPU time of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// `POST /api/auth/register` (without bcrypt, which Node runs on other threads).
    Register,
    /// `POST /api/auth/login` (without bcrypt).
    Login,
    /// `GET /api/events`.
    ShowList,
    /// `GET /api/events/{id}`.
    ShowDetail,
    /// `POST /api/queue/check/{id}`.
    QueueCheck,
    /// `GET /api/queue/status/{id}`.
    QueueStatus,
    /// `POST /api/queue/leave/{id}`.
    QueueLeave,
    /// The waiting room's administration.
    QueueAdmin,
    /// `GET /api/seats/layouts`.
    SeatLayouts,
    /// `GET /api/seats/events/{id}`, without the time per seat.
    SeatList,
    /// `POST /api/seats/reserve`.
    SeatReserve,
    /// Reading reservations.
    ReservationRead,
    /// `POST /api/reservations`.
    ReservationCreate,
    /// `POST /api/reservations/{id}/cancel`.
    ReservationCancel,
    /// `POST /api/payments/process`, before and after the provider.
    PaymentProcess,
    /// `GET /api/payments/methods`.
    PaymentMethods,
    /// `GET /health…`.
    Health,
    /// `GET /metrics`.
    Metrics,
    /// Upgrade and Socket.IO handshake.
    SocketConnect,
    /// A long-polling request.
    SocketPoll,
    /// A message from a client.
    SocketMessage,
}

impl Work {
    /// All operations.
    pub const ALL: [Self; 21] = [
        Self::Register,
        Self::Login,
        Self::ShowList,
        Self::ShowDetail,
        Self::QueueCheck,
        Self::QueueStatus,
        Self::QueueLeave,
        Self::QueueAdmin,
        Self::SeatLayouts,
        Self::SeatList,
        Self::SeatReserve,
        Self::ReservationRead,
        Self::ReservationCreate,
        Self::ReservationCancel,
        Self::PaymentProcess,
        Self::PaymentMethods,
        Self::Health,
        Self::Metrics,
        Self::SocketConnect,
        Self::SocketPoll,
        Self::SocketMessage,
    ];

    /// Returns the name in profiles and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Login => "login",
            Self::ShowList => "show_list",
            Self::ShowDetail => "show_detail",
            Self::QueueCheck => "queue_check",
            Self::QueueStatus => "queue_status",
            Self::QueueLeave => "queue_leave",
            Self::QueueAdmin => "queue_admin",
            Self::SeatLayouts => "seat_layouts",
            Self::SeatList => "seat_list",
            Self::SeatReserve => "seat_reserve",
            Self::ReservationRead => "reservation_read",
            Self::ReservationCreate => "reservation_create",
            Self::ReservationCancel => "reservation_cancel",
            Self::PaymentProcess => "payment_process",
            Self::PaymentMethods => "payment_methods",
            Self::Health => "health",
            Self::Metrics => "metrics",
            Self::SocketConnect => "socket_connect",
            Self::SocketPoll => "socket_poll",
            Self::SocketMessage => "socket_message",
        }
    }
}

fn class_default() -> String {
    Profile::CLASS.to_owned()
}

fn is_class_default(class: &str) -> bool {
    class == Profile::CLASS
}

/// Service times of one instance class. [`Self::at_speed`] gives those of a faster or slower one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Name, such as `t3-medium-node`.
    pub name: String,
    /// EC2 instance type on which the CPU times hold: on others they are longer or shorter.
    #[serde(default = "class_default", skip_serializing_if = "is_class_default")]
    pub class: String,
    /// CPU time of operations that `work_ms` does not list, in milliseconds.
    #[serde(default)]
    pub other_ms: f64,
    /// CPU time by operation ([`Work::name`]), in milliseconds.
    #[serde(default)]
    pub work_ms: BTreeMap<String, f64>,
    /// CPU time per seat of a seat list, in microseconds.
    #[serde(default)]
    pub seat_us: f64,
    /// CPU time per receiver of a message, in microseconds.
    #[serde(default)]
    pub receiver_us: f64,
    /// How long a query uses its database connection, in milliseconds.
    #[serde(default)]
    pub query_ms: f64,
    /// Spread of the CPU time by operation: the standard deviation of its natural logarithm, with the same mean.
    /// Operations that are not listed have a constant CPU time. The virtual CPU of the testbed ignores the spread.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub work_sigma: BTreeMap<String, f64>,
    /// Response time not explained by CPU and data tier, by operation: the network, the load balancer, the machine. Only
    /// the model adds it, since a live run has it anyway. Operations that are not listed have none. [`Self::PAGE_LOAD`] is that
    /// of page loads, which no instance works on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub latency: BTreeMap<String, Latency>,
    /// Source of the values, for the report.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
}

/// A lognormal duration.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// Median, in milliseconds.
    pub median_ms: f64,
    /// Standard deviation of the natural logarithm; 0 makes the duration constant.
    #[serde(default)]
    pub sigma: f64,
}

impl Profile {
    /// The instance type on which service times were measured unless a profile says otherwise.
    pub const CLASS: &str = "t3.medium";

    /// Name of page loads in `latency`.
    pub const PAGE_LOAD: &str = "page_load";

    /// Returns the profile without emulation: the server is as fast as the machine it runs on.
    pub fn native() -> Self {
        Self {
            name: "native".to_owned(),
            class: class_default(),
            other_ms: 0.0,
            work_ms: BTreeMap::new(),
            seat_us: 0.0,
            receiver_us: 0.0,
            query_ms: 0.0,
            work_sigma: BTreeMap::new(),
            latency: BTreeMap::new(),
            source: "the machine the server runs on".to_owned(),
        }
    }

    /// Returns the profile of a Node.js back end on one core of a t3.medium.
    ///
    /// Measured on such a back end: 1.7 ms for a queue check, and 1.7 ms plus 7 µs per seat for a seat list. Everything else
    /// is an assumption relative to these: a little less for reads that take the same path through Express, a little more
    /// for writes with a transaction, and 10 µs to write an already encoded message to a socket.
    pub fn t3_medium_node() -> Self {
        let work_ms = [
            (Work::QueueCheck, 1.7),
            (Work::SeatList, 1.7),
            (Work::QueueStatus, 1.2),
            (Work::QueueLeave, 1.2),
            (Work::ShowList, 0.6),
            (Work::ShowDetail, 0.6),
            (Work::SeatReserve, 3.0),
            (Work::PaymentProcess, 3.0),
            (Work::ReservationCreate, 3.0),
            (Work::ReservationCancel, 3.0),
            (Work::SocketConnect, 1.5),
            (Work::SocketPoll, 0.5),
            (Work::SocketMessage, 0.2),
            (Work::Health, 0.3),
        ];
        Self {
            name: "t3-medium-node".to_owned(),
            class: class_default(),
            other_ms: 1.5,
            work_ms: work_ms
                .into_iter()
                .map(|(work, ms)| (work.name().to_owned(), ms))
                .collect(),
            seat_us: 7.0,
            receiver_us: 10.0,
            query_ms: 1.0,
            work_sigma: BTreeMap::new(),
            latency: BTreeMap::new(),
            source: "measured: queue check and seat list; everything else is an assumption"
                .to_owned(),
        }
    }

    /// Returns the built-in profile with this name, or `None` if there is none.
    pub fn named(name: &str) -> Option<Self> {
        [Self::native(), Self::t3_medium_node()]
            .into_iter()
            .find(|profile| profile.name == name)
    }

    /// Returns the profile of the same application where a thread is `speed` times as fast. Only CPU times change: queries
    /// run on the database, latency on the network.
    #[must_use]
    pub fn at_speed(&self, speed: f64) -> Self {
        let work = self.work_ms.iter();
        Self {
            other_ms: self.other_ms / speed,
            work_ms: work.map(|(work, ms)| (work.clone(), ms / speed)).collect(),
            seat_us: self.seat_us / speed,
            receiver_us: self.receiver_us / speed,
            ..self.clone()
        }
    }

    /// Returns the first name in `work_ms`, `work_sigma` or `latency` that does not belong there, or `None` if all are known.
    pub fn unknown_work(&self) -> Option<&str> {
        let names = self.work_ms.keys().chain(self.work_sigma.keys());
        let latency = self.latency.keys();
        names
            .chain(latency.filter(|name| *name != Self::PAGE_LOAD))
            .map(String::as_str)
            .find(|name| Work::ALL.iter().all(|work| work.name() != *name))
    }

    /// Returns the first value that is negative or not finite, with its key, or `None` if all values are valid.
    pub fn invalid_value(&self) -> Option<(String, f64)> {
        let plain = [
            ("other_ms", self.other_ms),
            ("seat_us", self.seat_us),
            ("receiver_us", self.receiver_us),
            ("query_ms", self.query_ms),
        ];
        let plain = plain.map(|(name, figure)| (name.to_owned(), figure));
        let named = |table: &'static str, figures: &BTreeMap<String, f64>| -> Vec<_> {
            let named = figures.iter();
            named
                .map(|(work, figure)| (format!("{table}.{work}"), *figure))
                .collect()
        };
        let latency = self.latency.iter().flat_map(|(work, latency)| {
            [
                (format!("latency.{work}.median_ms"), latency.median_ms),
                (format!("latency.{work}.sigma"), latency.sigma),
            ]
        });
        plain
            .into_iter()
            .chain(named("work_ms", &self.work_ms))
            .chain(named("work_sigma", &self.work_sigma))
            .chain(latency)
            .find(|(_, figure)| !figure.is_finite() || *figure < 0.0)
    }
}

/// The service times of a [`Profile`] as durations, indexed by operation.
#[derive(Clone, Debug)]
pub struct ServiceTimes {
    by_work: [Duration; Work::ALL.len()],
    seat: Duration,
    receiver: Duration,
    /// How long a query uses its database connection.
    pub query: Duration,
}

impl ServiceTimes {
    /// Converts the service times of a profile.
    pub fn of(profile: &Profile) -> Self {
        let time = |work: Work| {
            let ms = profile.work_ms.get(work.name()).copied();
            Duration::from_secs_f64(ms.unwrap_or(profile.other_ms).max(0.0) / 1e3)
        };
        Self {
            by_work: Work::ALL.map(time),
            seat: Duration::from_secs_f64(profile.seat_us.max(0.0) / 1e6),
            receiver: Duration::from_secs_f64(profile.receiver_us.max(0.0) / 1e6),
            query: Duration::from_secs_f64(profile.query_ms.max(0.0) / 1e3),
        }
    }

    /// Returns the CPU time of an operation.
    pub fn work(&self, work: Work) -> Duration {
        self.by_work[work as usize]
    }

    /// Returns the CPU time of a seat list with this many seats.
    pub fn seat_list(&self, seats: u32) -> Duration {
        self.work(Work::SeatList) + self.seat * seats
    }

    /// Returns the CPU time to send a message to this many sockets.
    pub fn fan_out(&self, receivers: u32) -> Duration {
        self.receiver * receivers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seat_list_time_grows_with_its_seats() {
        let times = ServiceTimes::of(&Profile::t3_medium_node());
        assert_eq!(times.seat_list(1_000), Duration::from_micros(8_700));
        assert_eq!(times.work(Work::QueueCheck), Duration::from_micros(1_700));
    }

    #[test]
    fn twice_the_speed_halves_cpu_times_and_nothing_else() {
        let mut profile = Profile::t3_medium_node();
        let latency = Latency {
            median_ms: 4.0,
            sigma: 0.5,
        };
        profile.latency.insert("queue_check".to_owned(), latency);
        let fast = profile.at_speed(2.0);
        let times = ServiceTimes::of(&fast);
        assert_eq!(times.seat_list(1_000), Duration::from_micros(4_350));
        assert_eq!(times.work(Work::Login), Duration::from_micros(750));
        assert_eq!(times.fan_out(10), Duration::from_micros(50));
        assert_eq!(times.query, Duration::from_millis(1));
        assert_eq!(fast.latency, profile.latency);
        assert_eq!(profile.at_speed(1.0), profile);
    }

    #[test]
    fn unknown_operations_are_found() {
        let mut profile = Profile::t3_medium_node();
        assert_eq!(profile.unknown_work(), None);
        profile.work_ms.insert("queue_chek".to_owned(), 1.0);
        assert_eq!(profile.unknown_work(), Some("queue_chek"));
        let mut profile = Profile::t3_medium_node();
        profile.work_sigma.insert("queue_chek".to_owned(), 0.3);
        assert_eq!(profile.unknown_work(), Some("queue_chek"));
        let mut profile = Profile::t3_medium_node();
        let latency = Latency {
            median_ms: 1.0,
            sigma: 0.0,
        };
        profile
            .latency
            .insert(Profile::PAGE_LOAD.to_owned(), latency);
        assert_eq!(profile.unknown_work(), None);
        profile.work_ms.insert(Profile::PAGE_LOAD.to_owned(), 1.0);
        assert_eq!(profile.unknown_work(), Some(Profile::PAGE_LOAD));
    }

    #[test]
    fn negative_values_are_found() {
        let mut profile = Profile::t3_medium_node();
        assert_eq!(profile.invalid_value(), None);
        let latency = Latency {
            median_ms: 1.0,
            sigma: -0.5,
        };
        profile.latency.insert("queue_check".to_owned(), latency);
        let place = "latency.queue_check.sigma".to_owned();
        assert_eq!(profile.invalid_value(), Some((place, -0.5)));
    }
}
