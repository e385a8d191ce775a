//! The instances of a deployment: they make the calls of a case on the seam that the handlers use.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::command::{
    Call, Kind, OrderOf, Payment, Picked, Request, SESSION_TTL, Slot, TICK, USERS, Visit,
};
use super::fixture::{cache_key, credential, shows, user};
use super::reply::{Numbers, Reply};
use crate::show::Show;
use crate::tier::database::{Answer, Paid, ReservationRow, ShowRow, StandingOrder};
use crate::tier::{Cache, Database, News, Refusal, SessionChange, Task, Unavailable};

/// Waits for the rate limit are rounded to this step: the clock of Redis runs on during a case, which makes them a little
/// longer or shorter.
const WAIT_STEP: Duration = Duration::from_secs(20);

/// Instances, and what they remember of a case.
pub(super) struct Instances {
    caches: Vec<Cache>,
    databases: Vec<Database>,
    shows: Vec<Show>,
    orders: Vec<Order>,
    numbers: Numbers,
    slots: BTreeMap<(Task, usize), u64>,
}

/// A reservation of the case.
struct Order {
    id: Uuid,
    owner: Uuid,
}

impl Instances {
    pub(super) fn new(caches: Vec<Cache>, databases: Vec<Database>) -> Self {
        Self {
            caches,
            databases,
            shows: shows(),
            orders: Vec::new(),
            numbers: Numbers::default(),
            slots: BTreeMap::new(),
        }
    }

    pub(super) fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    pub(super) async fn run(&mut self, call: &Call) -> Reply {
        let reply = Box::pin(self.attempt(call.instance, &call.request));
        reply.await.unwrap_or_else(Reply::Unavailable)
    }

    async fn attempt(&mut self, instance: usize, request: &Request) -> Result<Reply, Unavailable> {
        match request {
            Request::Register { .. }
            | Request::FindUser { .. }
            | Request::Hold { .. }
            | Request::OrderStanding { .. }
            | Request::BeginPayment { .. }
            | Request::CommitPayment(_)
            | Request::Cancel(_)
            | Request::ReleaseExpired => self.trade(instance, request).await,
            Request::ReadNextExpiry
            | Request::ReadShow { .. }
            | Request::ReadSeats { .. }
            | Request::ReadOrder(_)
            | Request::ReadOrders { .. } => self.read(instance, request).await,
            Request::AnnounceQueue { .. }
            | Request::AnnounceStock { .. }
            | Request::ChangePresence { .. }
            | Request::AnnouncePresence { .. } => self.announce(instance, request).await,
            _ => self.wait(instance, request).await,
        }
    }

    /// Requests to the cache role.
    async fn wait(&mut self, instance: usize, request: &Request) -> Result<Reply, Unavailable> {
        let slot = match request {
            Request::Admit { show, slot } => self.slot(Task::Admission, *show, *slot),
            Request::Claim { task, show, slot } => self.slot(*task, *show, *slot),
            _ => 0,
        };
        let cache = &self.caches[instance];
        let id = |show: usize| self.show_id(show);
        let done = |(): ()| Reply::Done;
        match request {
            Request::Enter(Visit { show, user: who }) => {
                cache.enter(id(*show), user(*who)).await.map(Reply::place)
            }
            Request::Poll(Visit { show, user: who }) => {
                let status = cache.queue_status(id(*show), user(*who)).await;
                status.map(Reply::status)
            }
            Request::Leave(Visit { show, user: who }) => {
                cache.leave(id(*show), user(*who)).await.map(done)
            }
            Request::Touch(Visit { show, user: who }) => {
                cache.touch(id(*show), user(*who)).await.map(done)
            }
            Request::Admit { show, .. } => {
                let admission = cache.admit(id(*show), slot).await?;
                Ok(Reply::Admitted(admission.admitted))
            }
            Request::ClearQueue { show } => cache.clear_queue(id(*show)).await.map(done),
            Request::Claim { task, show, .. } => cache
                .claim(*task, id(*show), slot)
                .await
                .map(Reply::Claimed),
            Request::Sweep => {
                // Redis removes expired keys itself, so only the embedded store can fail here.
                let _swept = cache.sweep().await;
                Ok(Reply::Done)
            }
            Request::ReadSession { user: who } => {
                cache.session(user(*who)).await.map(Reply::Session)
            }
            Request::ChangeSession { user: who, change } => {
                let change = self.change(*change);
                let changed = cache.change_session(user(*who), change, SESSION_TTL);
                changed.await.map(done)
            }
            Request::ReadCached { key } => cache.cached(&cache_key(*key)).await.map(Reply::Body),
            Request::FillCached { key, body, ttl } => {
                let body = Bytes::from(vec![*body]);
                cache
                    .set_cached(cache_key(*key), body, *ttl)
                    .await
                    .map(done)
            }
            Request::DropCached { key } => cache.drop_cached(&cache_key(*key)).await.map(done),
            Request::RateLimit { user: who, limit } => {
                let wait = cache.count_request(user(*who), *limit).await?;
                Ok(Reply::Wait(wait.map(|wait| {
                    let steps = wait.as_secs_f64() / WAIT_STEP.as_secs_f64();
                    WAIT_STEP.mul_f64(steps.round())
                })))
            }
            other => unreachable!("not a request to the cache role: {other:?}"),
        }
    }

    /// The announcements of `schedule.rs`, without their messages.
    async fn announce(&mut self, instance: usize, request: &Request) -> Result<Reply, Unavailable> {
        match request {
            Request::AnnounceQueue { show } => {
                let (cache, id) = (&self.caches[instance], self.show_id(*show));
                let size = cache.queue_status(id, Uuid::nil()).await?.queue_size;
                let is_news = cache.is_news(News::QueueSize(id), size).await?;
                Ok(Reply::QueueSize(is_news.then_some(size)))
            }
            Request::AnnounceStock { show } => {
                let (cache, id) = (&self.caches[instance], self.show_id(*show));
                let mut news = Vec::new();
                for kind in self.databases[instance].take_changed_types(id).await? {
                    let stock = News::Stock {
                        ticket_type: kind.id,
                        total: kind.total,
                    };
                    if cache.is_news(stock, kind.available).await? {
                        news.push((kind.id, kind.available));
                    }
                }
                Ok(Reply::Stock(news))
            }
            Request::ChangePresence { show, change } => {
                self.caches[instance].set_presence(self.show_id(*show), *change);
                Ok(Reply::Done)
            }
            Request::AnnouncePresence { show } => {
                let slot = self.slot(Task::RoomUpdate, *show, Slot::Next);
                let id = self.show_id(*show);
                for cache in &self.caches {
                    // An instance shares the number of its sockets when it tries to claim the slot.
                    cache.claim(Task::RoomUpdate, id, slot).await?;
                }
                let sockets = self.caches[instance].take_changed_presence(id).await?;
                Ok(Reply::Sockets(sockets))
            }
            other => unreachable!("not an announcement: {other:?}"),
        }
    }

    /// Requests to the database role that write.
    async fn trade(&mut self, instance: usize, request: &Request) -> Result<Reply, Unavailable> {
        let database = self.databases[instance].clone();
        match request {
            Request::Register { user: who } => {
                let user = database.register(credential(*who)).await?;
                Ok(Reply::User(user.map(|user| user.id)))
            }
            Request::FindUser { user: who } => {
                let user = database.user_by_email(&credential(*who).email).await?;
                Ok(Reply::User(user.map(|user| user.id)))
            }
            Request::Hold { visit, seat, ticks } => {
                let place = (
                    user(visit.user),
                    self.show_id(visit.show),
                    self.seat(*visit, *seat),
                );
                let answer = database.hold(place, TICK * *ticks).await?;
                Ok(self.placed(answer))
            }
            Request::OrderStanding {
                visit,
                items,
                ticks,
            } => {
                let kinds = items
                    .iter()
                    .map(|(kind, quantity)| (self.ticket_type(visit.show, *kind), *quantity));
                let order = StandingOrder {
                    user: user(visit.user),
                    show: self.show_id(visit.show),
                    items: kinds.collect(),
                };
                let answer = database.order_standing(&order, TICK * *ticks).await?;
                Ok(self.placed(answer))
            }
            Request::BeginPayment { payment, ticks } => {
                let (owner, id, key) = self.payment(*payment);
                let begun = database.begin_payment((owner, id, &key), TICK * *ticks);
                Ok(self.receipt(begun.await?))
            }
            Request::CommitPayment(payment) => {
                let (owner, id, key) = self.payment(*payment);
                let paid: Answer<Paid> = database
                    .commit_payment((owner, id, &key), "naver_pay")
                    .await;
                Ok(self.receipt(paid?.map(Some)))
            }
            Request::Cancel(order) => {
                let (owner, id, _) = self.order(*order);
                let released = database.cancel(owner, id).await?;
                Ok(
                    released
                        .map_or_else(Reply::Refused, |released| Reply::Released(vec![released])),
                )
            }
            Request::ReleaseExpired => {
                let mut released = database.release_expired().await?;
                // Each show announces its own seats, so only the order within a show matters.
                released.sort_by_key(|released| released.show);
                Ok(Reply::Released(released))
            }
            other => unreachable!("not a request that writes to the database: {other:?}"),
        }
    }

    /// Requests to the database role that read.
    async fn read(&self, instance: usize, request: &Request) -> Result<Reply, Unavailable> {
        let database = &self.databases[instance];
        match request {
            Request::ReadNextExpiry => database.next_expiry().await.map(Reply::Expiry),
            Request::ReadShow { show } => {
                let row = database.show(self.show_id(*show)).await?;
                // Servers do not count the versions of the stock.
                Ok(Reply::Show(row.map(|row| ShowRow { stock: None, ..row })))
            }
            Request::ReadSeats { show } => {
                let list = database.seat_list(self.show_id(*show)).await?;
                let parsed = list.map(|json| serde_json::from_slice(&json));
                Ok(Reply::Seats(
                    parsed.transpose().expect("a list of seats is JSON"),
                ))
            }
            Request::ReadOrder(order) => {
                let (owner, id, _) = self.order(*order);
                let row = database.reservation(owner, id).await?;
                Ok(Reply::Reservation(Box::new(
                    row.map(|row| self.numbers.row(row)),
                )))
            }
            Request::ReadOrders { user: who } => {
                let rows = database.reservations(user(*who)).await?;
                Ok(Reply::Reservations(
                    rows.into_iter().map(|row| self.numbers.row(row)).collect(),
                ))
            }
            other => unreachable!("not a request that reads the database: {other:?}"),
        }
    }

    pub(super) fn show_id(&self, show: usize) -> Uuid {
        let unknown = Uuid::from_u128(1);
        self.shows.get(show).map_or(unknown, |show| show.id)
    }

    fn seat(&self, visit: Visit, seat: u32) -> Uuid {
        // The seats of an unknown show are those of the first.
        let show = self.shows.get(visit.show).unwrap_or(&self.shows[0]);
        show.seat_id(&format!("VIP-1-{seat}"))
    }

    fn ticket_type(&self, show: usize, kind: Kind) -> Uuid {
        let show = show % self.shows.len();
        let (show, name) = match kind {
            Kind::Seated => (show, "VIP"),
            Kind::Floor => (show, "Floor"),
            Kind::Balcony => (show, "Balcony"),
            Kind::Foreign => ((show + 1) % self.shows.len(), "Floor"),
        };
        self.shows[show].ticket_type_id(name)
    }

    fn slot(&mut self, task: Task, show: usize, slot: Slot) -> u64 {
        let newest = self.slots.entry((task, show)).or_default();
        match slot {
            Slot::Next => {
                *newest += 1;
                *newest
            }
            Slot::Again(back) => newest.saturating_sub(back),
        }
    }

    fn change(&self, change: Picked) -> SessionChange {
        match change {
            Picked::Connected => SessionChange::Connected,
            Picked::Page(show) => SessionChange::Page(show.map(|show| self.show_id(show))),
            Picked::Queue(show) => SessionChange::Queue(self.show_id(show)),
            Picked::Seats(show) => SessionChange::Seats(self.show_id(show)),
            Picked::Selected(count) => {
                SessionChange::Selected((0..count).map(|seat| format!("seat \"{seat}\"")).collect())
            }
        }
    }

    /// Who asks, the id of the reservation, and its place in the case; unknown ones as long as the case has none.
    fn order(&self, order: OrderOf) -> (Uuid, Uuid, usize) {
        let Some(newest) = self.orders.len().checked_sub(1) else {
            return (user(0), Uuid::nil(), 0);
        };
        let place = newest - order.back % self.orders.len();
        let found = &self.orders[place];
        let stranger = user(USERS);
        let asks = if order.is_owner {
            found.owner
        } else {
            stranger
        };
        (asks, found.id, place + 1)
    }

    fn payment(&self, payment: Payment) -> (Uuid, Uuid, String) {
        let (asks, id, place) = self.order(payment.order);
        let shared = payment.shared_key.map(|key| format!("shared-{key}"));
        (asks, id, shared.unwrap_or_else(|| format!("own-{place}")))
    }

    fn placed(&mut self, answer: Result<ReservationRow, Refusal>) -> Reply {
        let row = match answer {
            Ok(row) => row,
            Err(refusal) => return Reply::Refused(refusal),
        };
        self.orders.push(Order {
            id: row.id,
            owner: row.user,
        });
        self.numbers.add(row.id);
        Reply::Reservation(Box::new(Some(self.numbers.row(row))))
    }

    fn receipt(&self, answer: Result<Option<Paid>, Refusal>) -> Reply {
        answer.map_or_else(Reply::Refused, |paid| {
            Reply::Receipt(Box::new(paid.map(|paid| Paid {
                reservation: self.numbers.row(paid.reservation),
                ..paid
            })))
        })
    }
}
