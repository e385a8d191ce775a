//! The emulated processor of an instance: one first-come-first-served server, as Node runs JavaScript on one thread.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What an instance spends processor time on.
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
    /// `GET /api/seats/events/{id}`, without its seats.
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
    /// One long-polling request.
    SocketPoll,
    /// One message from a client.
    SocketMessage,
}

impl Work {
    /// All kinds of work.
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

    /// The name in profiles and metrics.
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

/// Service times of one class of instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Name, such as `t3-medium-node`.
    pub name: String,
    /// Milliseconds of the work that `work_ms` does not name.
    #[serde(default)]
    pub other_ms: f64,
    /// Milliseconds by the name of the work ([`Work::name`]).
    #[serde(default)]
    pub work_ms: BTreeMap<String, f64>,
    /// Microseconds for each seat in a seat list.
    #[serde(default)]
    pub seat_us: f64,
    /// Microseconds for each receiver of a message.
    #[serde(default)]
    pub receiver_us: f64,
    /// Milliseconds for which one query holds its database connection.
    #[serde(default)]
    pub query_ms: f64,
}

impl Profile {
    /// No emulation: the server is as fast as the machine it runs on.
    pub fn native() -> Self {
        Self {
            name: "native".to_owned(),
            other_ms: 0.0,
            work_ms: BTreeMap::new(),
            seat_us: 0.0,
            receiver_us: 0.0,
            query_ms: 0.0,
        }
    }

    /// A Node back end on one core of a t3.medium.
    ///
    /// Measured on a back end of this kind: 1.7 ms for a queue check, 1.7 ms plus 7 µs a seat for a seat list.
    /// Everything else is an assumption in proportion to those two: reads that take the same path through Express
    /// a little less, writes with a transaction a little more, 10 µs to write an already encoded message to
    /// one socket.
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
            other_ms: 1.5,
            work_ms: work_ms
                .into_iter()
                .map(|(work, ms)| (work.name().to_owned(), ms))
                .collect(),
            seat_us: 7.0,
            receiver_us: 10.0,
            query_ms: 1.0,
        }
    }

    /// The built-in profile with this name, or `None`.
    pub fn named(name: &str) -> Option<Self> {
        [Self::native(), Self::t3_medium_node()]
            .into_iter()
            .find(|profile| profile.name == name)
    }

    /// The first name in `work_ms` that is no [`Work`], or `None` when all are known.
    pub fn unknown_work(&self) -> Option<&str> {
        self.work_ms
            .keys()
            .map(String::as_str)
            .find(|name| Work::ALL.iter().all(|work| work.name() != *name))
    }
}

/// A [`Profile`] with its service times at hand.
#[derive(Clone, Debug)]
pub(crate) struct ServiceTimes {
    by_work: [Duration; Work::ALL.len()],
    seat: Duration,
    receiver: Duration,
    /// For how long one query holds its database connection.
    pub(crate) query: Duration,
}

impl ServiceTimes {
    pub(crate) fn of(profile: &Profile) -> Self {
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

    pub(crate) fn work(&self, work: Work) -> Duration {
        self.by_work[work as usize]
    }

    pub(crate) fn seat_list(&self, seats: u32) -> Duration {
        self.work(Work::SeatList) + self.seat * seats
    }

    pub(crate) fn fan_out(&self, receivers: u32) -> Duration {
        self.receiver * receivers
    }
}

/// One processor that serves work in the order of its arrival.
#[derive(Clone, Debug, Default)]
pub(crate) struct VirtualCpu {
    free_at: Duration,
    busy: Duration,
}

impl VirtualCpu {
    /// Books work that arrives at `now`; returns when it is done.
    pub(crate) fn book(&mut self, now: Duration, service_time: Duration) -> Duration {
        self.free_at = self.free_at.max(now) + service_time;
        self.busy += service_time;
        self.free_at
    }

    /// Processor time spent until `now`, without the work that still waits.
    pub(crate) fn busy_until(&self, now: Duration) -> Duration {
        self.busy.saturating_sub(self.free_at.saturating_sub(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn work_waits_for_the_work_before_it() {
        let mut cpu = VirtualCpu::default();
        assert_eq!(cpu.book(10 * MS, 2 * MS), 12 * MS);
        assert_eq!(cpu.book(11 * MS, 3 * MS), 15 * MS);
        assert_eq!(cpu.book(20 * MS, MS), 21 * MS);
    }

    #[test]
    fn busy_time_counts_only_what_is_done() {
        let mut cpu = VirtualCpu::default();
        cpu.book(Duration::ZERO, 10 * MS);
        assert_eq!(cpu.busy_until(4 * MS), 4 * MS);
        assert_eq!(cpu.busy_until(50 * MS), 10 * MS);
    }

    #[test]
    fn a_seat_list_costs_by_its_seats() {
        let times = ServiceTimes::of(&Profile::t3_medium_node());
        assert_eq!(times.seat_list(1_000), Duration::from_micros(8_700));
        assert_eq!(times.work(Work::QueueCheck), Duration::from_micros(1_700));
    }

    #[test]
    fn a_profile_names_only_work_that_exists() {
        let mut profile = Profile::t3_medium_node();
        assert_eq!(profile.unknown_work(), None);
        profile.work_ms.insert("queue_chek".to_owned(), 1.0);
        assert_eq!(profile.unknown_work(), Some("queue_chek"));
    }
}
