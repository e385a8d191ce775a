//! The commands of a case, and the strategy that draws them.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::bus::Change;
use crate::tier::Task;

/// The unit in which time passes.
///
/// Redis reads its own clock, which runs on during a case. All lifetimes in Redis end halfway between two ticks, so that
/// a case may take several seconds and still expire the same keys. Holds are whole ticks: the database gets the
/// time as a parameter, and a hold must end exactly at its end.
pub(super) const TICK: Duration = Duration::from_secs(40);

/// Idle time after which an active user loses the shopping slot.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(100);

/// Lifetime of a session after its last change.
pub(super) const SESSION_TTL: Duration = Duration::from_secs(140);

/// Lifetimes of a cached body.
pub(super) const CACHE_TTLS: [Duration; 2] = [Duration::from_secs(20), Duration::from_secs(60)];

/// Shopping slots of each show.
pub(super) const ACTIVE_MAX: u32 = 2;

/// Instances that share the data tier.
pub(super) const INSTANCES: usize = 2;

pub(super) const USERS: usize = 5;

pub(super) const SHOWS: usize = 2;

/// Seats of each show: fewer than users, so that they compete.
pub(super) const SEATS: u32 = 3;

pub(super) const CACHE_KEYS: usize = 2;

/// What happens in one step of a case.
#[derive(Clone, Debug)]
pub(super) enum Command {
    /// An instance calls the data tier.
    Call(Call),
    /// This many ticks pass.
    Advance(u32),
    /// The primary Redis dies before its replica has the writes of `lost`; then the replica is promoted. The calls of
    /// `down` are made in between.
    FailOverRedis { lost: Vec<Call>, down: Vec<Call> },
    /// The primary PostgreSQL dies right after it has committed the calls of `kept`; then the standby is promoted.
    FailOverDatabase { kept: Vec<Call> },
}

/// A call of one instance.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) instance: usize,
    pub(super) request: Request,
}

/// A user at the waiting room of a show.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visit {
    pub(super) show: usize,
    pub(super) user: usize,
}

/// What an instance asks of the data tier. Users, shows and seats are numbers.
#[derive(Clone, Debug)]
pub(super) enum Request {
    Enter(Visit),
    Poll(Visit),
    Leave(Visit),
    Touch(Visit),
    Admit {
        show: usize,
        slot: Slot,
    },
    ClearQueue {
        show: usize,
    },
    Claim {
        task: Task,
        show: usize,
        slot: Slot,
    },
    Sweep,
    ReadSession {
        user: usize,
    },
    ChangeSession {
        user: usize,
        change: Picked,
    },
    ReadCached {
        key: usize,
    },
    FillCached {
        key: usize,
        body: u8,
        ttl: Duration,
    },
    DropCached {
        key: usize,
    },
    RateLimit {
        user: usize,
        limit: u32,
    },
    /// Announces the length of the queue if it has changed.
    AnnounceQueue {
        show: usize,
    },
    /// Announces the stock of the ticket types that have changed.
    AnnounceStock {
        show: usize,
    },
    ChangePresence {
        show: usize,
        change: Change,
    },
    /// Announces the number of sockets on a show's page if it has changed. Every instance takes part.
    AnnouncePresence {
        show: usize,
    },
    Register {
        user: usize,
    },
    FindUser {
        user: usize,
    },
    Hold {
        visit: Visit,
        seat: u32,
        ticks: u32,
    },
    OrderStanding {
        visit: Visit,
        items: Vec<(Kind, u32)>,
        ticks: u32,
    },
    BeginPayment {
        payment: Payment,
        ticks: u32,
    },
    CommitPayment(Payment),
    Cancel(OrderOf),
    ReleaseExpired,
    ReadNextExpiry,
    ReadShow {
        show: usize,
    },
    ReadSeats {
        show: usize,
    },
    ReadOrder(OrderOf),
    ReadOrders {
        user: usize,
    },
}

/// A slot of a periodic task.
#[derive(Clone, Copy, Debug)]
pub(super) enum Slot {
    Next,
    /// The newest slot or, with a larger number, one before it.
    Again(u64),
}

/// A change of a session.
#[derive(Clone, Copy, Debug)]
pub(super) enum Picked {
    Connected,
    Page(Option<usize>),
    Queue(usize),
    Seats(usize),
    Selected(u8),
}

/// A ticket type of a show.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Seated,
    Floor,
    Balcony,
    /// A type of another show.
    Foreign,
}

/// A reservation and the user who asks for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct OrderOf {
    /// Counts back from the newest reservation of the case.
    pub(super) back: usize,
    pub(super) is_owner: bool,
}

/// An attempt to pay.
#[derive(Clone, Copy, Debug)]
pub(super) struct Payment {
    pub(super) order: OrderOf,
    /// An idempotency key that several reservations share; `None` for the reservation's own.
    pub(super) shared_key: Option<u8>,
}

/// Draws the commands of a case.
pub(super) fn commands() -> impl Strategy<Value = Vec<Command>> {
    let command = prop_oneof![
        240 => call().prop_map(Command::Call),
        28 => (1..=3u32).prop_map(Command::Advance),
        // Each takes a second or two: the lost server comes back as a replica.
        3 => redis_failover(),
        1 => database_failover(),
    ];
    vec(command, 1..60)
}

/// Announcements are not among the lost calls: the embedded bus is not a part of Redis, and a failover does not make it
/// forget what was announced.
fn redis_failover() -> impl Strategy<Value = Command> {
    let lost = vec(
        calls_of(prop_oneof![6 => waiting_room(), 3 => cached_state()]),
        0..6,
    );
    let down = vec(calls_of(prop_oneof![waiting_room(), cached_state()]), 0..2);
    (lost, down).prop_map(|(lost, down)| Command::FailOverRedis { lost, down })
}

fn database_failover() -> impl Strategy<Value = Command> {
    vec(calls_of(sale()), 0..5).prop_map(|kept| Command::FailOverDatabase { kept })
}

fn call() -> impl Strategy<Value = Call> {
    calls_of(prop_oneof![
        10 => waiting_room(),
        5 => cached_state(),
        3 => announcement(),
        10 => sale(),
        3 => reading(),
    ])
}

fn calls_of(request: impl Strategy<Value = Request>) -> impl Strategy<Value = Call> {
    (0..INSTANCES, request).prop_map(|(instance, request)| Call { instance, request })
}

fn waiting_room() -> impl Strategy<Value = Request> {
    prop_oneof![
        10 => visit().prop_map(Request::Enter),
        6 => visit().prop_map(Request::Poll),
        4 => visit().prop_map(Request::Leave),
        3 => visit().prop_map(Request::Touch),
        6 => (0..SHOWS, slot()).prop_map(|(show, slot)| Request::Admit { show, slot }),
        1 => (0..SHOWS).prop_map(|show| Request::ClearQueue { show }),
    ]
}

fn cached_state() -> impl Strategy<Value = Request> {
    let user = 0..USERS;
    let key = 0..CACHE_KEYS;
    let ttl = prop::sample::select(&CACHE_TTLS[..]);
    let task = prop_oneof![Just(Task::QueueUpdate), Just(Task::Sweep)];
    prop_oneof![
        3 => user.clone().prop_map(|user| Request::ReadSession { user }),
        5 => (user.clone(), picked())
            .prop_map(|(user, change)| Request::ChangeSession { user, change }),
        3 => key.clone().prop_map(|key| Request::ReadCached { key }),
        3 => (key.clone(), any::<u8>(), ttl)
            .prop_map(|(key, body, ttl)| Request::FillCached { key, body, ttl }),
        1 => key.prop_map(|key| Request::DropCached { key }),
        4 => (user, 0..3u32).prop_map(|(user, limit)| Request::RateLimit { user, limit }),
        2 => (task, 0..SHOWS, slot())
            .prop_map(|(task, show, slot)| Request::Claim { task, show, slot }),
        1 => Just(Request::Sweep),
    ]
}

fn announcement() -> impl Strategy<Value = Request> {
    let change = prop_oneof![2 => Just(Change::Joined), 1 => Just(Change::Left)];
    prop_oneof![
        3 => (0..SHOWS).prop_map(|show| Request::AnnounceQueue { show }),
        3 => (0..SHOWS).prop_map(|show| Request::AnnounceStock { show }),
        3 => (0..SHOWS, change)
            .prop_map(|(show, change)| Request::ChangePresence { show, change }),
        2 => (0..SHOWS).prop_map(|show| Request::AnnouncePresence { show }),
    ]
}

fn sale() -> impl Strategy<Value = Request> {
    // One seat more than there are: an unknown one.
    let seat = 1..=SEATS + 1;
    let quantity = prop_oneof![6 => 1..4u32, 1 => Just(0), 1 => Just(u32::MAX)];
    let items = vec((kind(), quantity), 0..3);
    prop_oneof![
        8 => (unsure_visit(), seat, 1..=3u32)
            .prop_map(|(visit, seat, ticks)| Request::Hold { visit, seat, ticks }),
        3 => (unsure_visit(), items, 1..=3u32)
            .prop_map(|(visit, items, ticks)| Request::OrderStanding { visit, items, ticks }),
        6 => (payment(), 0..=3u32)
            .prop_map(|(payment, ticks)| Request::BeginPayment { payment, ticks }),
        8 => payment().prop_map(Request::CommitPayment),
        3 => order().prop_map(Request::Cancel),
        4 => Just(Request::ReleaseExpired),
    ]
}

fn reading() -> impl Strategy<Value = Request> {
    prop_oneof![
        2 => Just(Request::ReadNextExpiry),
        2 => (0..=SHOWS).prop_map(|show| Request::ReadShow { show }),
        2 => (0..=SHOWS).prop_map(|show| Request::ReadSeats { show }),
        2 => order().prop_map(Request::ReadOrder),
        2 => (0..USERS).prop_map(|user| Request::ReadOrders { user }),
        1 => (0..USERS).prop_map(|user| Request::Register { user }),
        1 => (0..USERS).prop_map(|user| Request::FindUser { user }),
    ]
}

fn visit() -> impl Strategy<Value = Visit> {
    (0..SHOWS, 0..USERS).prop_map(|(show, user)| Visit { show, user })
}

/// Sometimes of a show that is not on sale.
fn unsure_visit() -> impl Strategy<Value = Visit> {
    let show = prop_oneof![20 => 0..SHOWS, 1 => Just(SHOWS)];
    (show, 0..USERS).prop_map(|(show, user)| Visit { show, user })
}

fn slot() -> impl Strategy<Value = Slot> {
    prop_oneof![4 => Just(Slot::Next), 1 => (0..2u64).prop_map(Slot::Again)]
}

fn picked() -> impl Strategy<Value = Picked> {
    prop_oneof![
        Just(Picked::Connected),
        prop::option::of(0..SHOWS).prop_map(Picked::Page),
        (0..SHOWS).prop_map(Picked::Queue),
        (0..SHOWS).prop_map(Picked::Seats),
        (0..3u8).prop_map(Picked::Selected),
    ]
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        6 => Just(Kind::Floor),
        3 => Just(Kind::Balcony),
        1 => Just(Kind::Seated),
        1 => Just(Kind::Foreign),
    ]
}

fn order() -> impl Strategy<Value = OrderOf> {
    let is_owner = prop_oneof![8 => Just(true), 1 => Just(false)];
    (0..4usize, is_owner).prop_map(|(back, is_owner)| OrderOf { back, is_owner })
}

fn payment() -> impl Strategy<Value = Payment> {
    let shared_key = prop_oneof![5 => Just(None), 1 => (0..2u8).prop_map(Some)];
    (order(), shared_key).prop_map(|(order, shared_key)| Payment { order, shared_key })
}

/// Reads everything that the calls can change, and again after each of four ticks, when all lifetimes are over.
pub(super) fn survey() -> Vec<Command> {
    let on_first = |request| {
        Command::Call(Call {
            instance: 0,
            request,
        })
    };
    let mut lasting = vec![Request::ReadNextExpiry];
    for show in 0..SHOWS {
        lasting.extend((0..USERS).map(|user| Request::Poll(Visit { show, user })));
        lasting.extend([Request::ReadShow { show }, Request::ReadSeats { show }]);
        lasting.extend([
            Request::AnnounceQueue { show },
            Request::AnnounceStock { show },
        ]);
        lasting.push(Request::AnnouncePresence { show });
    }
    lasting.extend((0..USERS).map(|user| Request::ReadOrders { user }));
    let mut commands: Vec<Command> = lasting.into_iter().map(on_first).collect();
    for _ in 0..=4 {
        let sessions = (0..USERS).map(|user| Request::ReadSession { user });
        let cached = (0..CACHE_KEYS).map(|key| Request::ReadCached { key });
        commands.extend(sessions.chain(cached).map(on_first));
        commands.push(Command::Advance(1));
    }
    commands
}
