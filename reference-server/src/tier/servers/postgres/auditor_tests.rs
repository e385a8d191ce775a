use std::sync::Arc;

use super::super::RELEASED_AT_ONCE;
use super::*;
use crate::settings::Settings;
use crate::show::{Section, Show, StandingArea};
use crate::tier::database::StandingOrder;
use crate::tier::servers::test_server::TestServer;
use crate::tier::{DataTier, Database, ServersTier, prepare_database};

const HOLD: Duration = Duration::from_secs(300);

struct Stage {
    database: Database,
    /// The database role of a second instance.
    other: Database,
    auditor: DatabaseAuditor,
    show: Show,
    server: Arc<TestServer>,
}

impl Stage {
    async fn new(schema: &str, server: Arc<TestServer>) -> Self {
        let section = Section {
            name: "VIP".to_owned(),
            rows: 1,
            seats_per_row: 3,
            price: 150_000,
        };
        let floor = StandingArea {
            name: "Floor".to_owned(),
            quantity: 1_000,
            price: 80_000,
        };
        let balcony = StandingArea {
            name: "Balcony".to_owned(),
            ..floor.clone()
        };
        let show = Show::new("Night", vec![section]).with_standing(vec![floor, balcony]);
        let config = server.config(schema);
        let shows = vec![show.clone()];
        prepare_database(&config, &shows).await.unwrap();
        let auditor = DatabaseAuditor::open(&config).await.unwrap();
        let settings = Settings {
            pool_connect_timeout: Duration::from_secs(20),
            ..Settings::default()
        };
        let tier = DataTier::from(ServersTier::new(config, &settings, shows));
        Self {
            database: tier.database(&settings, Duration::ZERO),
            other: tier.database(&settings, Duration::ZERO),
            auditor,
            show,
            server,
        }
    }

    async fn hold(&self, user: Uuid, seat: u32) -> Uuid {
        let seat = self.show.seat_id(&format!("VIP-1-{seat}"));
        let held = self.database.hold((user, self.show.id, seat), HOLD).await;
        held.unwrap().unwrap().id
    }

    async fn pay(&self, user: Uuid, id: Uuid, key: &str) {
        let paid = self.database.commit_payment((user, id, key), "naver_pay");
        paid.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn an_auditor_sees_the_results_of_all_buyers() {
    let Some(server) = TestServer::shared().await else {
        return;
    };
    let stage = Stage::new("audited", server).await;
    let [kim, lee, park] = [1, 2, 3].map(Uuid::from_u128);
    let paid = stage.hold(kim, 2).await;
    let refunded = stage.hold(lee, 3).await;
    let held = stage.hold(park, 1).await;
    stage.pay(lee, refunded, "second").await;
    stage.pay(kim, paid, "first").await;
    let cancelled = stage.database.cancel(lee, refunded).await;
    cancelled.unwrap().unwrap();
    let order = StandingOrder {
        user: lee,
        show: stage.show.id,
        items: vec![(stage.show.ticket_type_id("Floor"), 2)],
    };
    let standing = stage.database.order_standing(&order, HOLD).await;
    let standing = standing.unwrap().unwrap().id;
    stage.pay(lee, standing, "third").await;

    let levels = stage.auditor.levels().await;
    assert_eq!(levels, Some(DatabaseLevels { held: 1, sold: 1 }));
    assert!(stage.auditor.beat().await);
    let state = stage.auditor.final_state().await.unwrap();
    let seats: Vec<_> = state
        .seats
        .iter()
        .map(|seat| (seat.label.as_str(), seat.state, seat.reservation))
        .collect();
    let expected = [
        ("VIP-1-1", SeatState::Locked, Some(held)),
        ("VIP-1-2", SeatState::Reserved, Some(paid)),
        ("VIP-1-3", SeatState::Available, None),
    ];
    assert_eq!(seats, expected);
    let orders: Vec<_> = state
        .orders
        .iter()
        .map(|order| {
            (
                order.reservation,
                order.user,
                order.seats.len(),
                order.amount,
            )
        })
        .collect();
    assert_eq!(
        orders,
        [(paid, kim, 1, 150_000), (standing, lee, 0, 160_000)]
    );
    assert!(state.orders[0].paid_at <= state.orders[1].paid_at);
    let captures: Vec<_> = state
        .captures
        .iter()
        .map(|capture| (capture.reservation, capture.idempotency_key.as_str()))
        .collect();
    assert_eq!(captures, [(paid, "first"), (standing, "third")]);
}

#[tokio::test]
async fn holds_expire_once_even_if_several_instances_release_them() {
    let Some(server) = TestServer::shared().await else {
        return;
    };
    let stage = Stage::new("ended", server).await;
    let floor = stage.show.ticket_type_id("Floor");
    // More than one transaction releases.
    let orders = 2 * RELEASED_AT_ONCE + 50;
    let buy = |buyer: i32| {
        let order = StandingOrder {
            user: Uuid::from_u128(buyer.unsigned_abs().into()),
            show: stage.show.id,
            items: vec![(floor, 2)],
        };
        let database = &stage.database;
        async move { database.order_standing(&order, Duration::ZERO).await }
    };
    for bought in futures_util::future::join_all((0..orders).map(buy)).await {
        bought.unwrap().unwrap();
    }
    let stock = stage.database.take_changed_types(stage.show.id).await;
    assert_eq!(stock.unwrap()[1].available, 100);
    let (one, two) = tokio::join!(
        stage.database.release_expired(),
        stage.other.release_expired()
    );
    let later = stage.database.release_expired().await.unwrap();
    let ended = one.unwrap().len() + two.unwrap().len() + later.len();
    assert_eq!(ended, usize::try_from(orders).unwrap());
    let stock = stage.other.take_changed_types(stage.show.id).await;
    assert_eq!(stock.unwrap()[1].available, 1_000);
    assert_eq!(stage.other.next_expiry().await.unwrap(), None);
}

/// Queries for inconsistent rows in the schema `rush`, of which there must be none.
const MISFITS: [(&str, &str); 4] = [
    (
        "a seat whose reservation is inconsistent with it",
        "SELECT count(*) FROM rush.seats s LEFT JOIN rush.reservations r ON r.id = s.reservation_id
         WHERE CASE s.state WHEN 'available' THEN r.id IS NOT NULL
                            ELSE r.seat_id IS DISTINCT FROM s.id
                              OR r.state <> CASE s.state WHEN 'locked' THEN 'pending' ELSE 'paid' END END",
    ),
    (
        "a reservation whose seat does not refer to it",
        "SELECT count(*) FROM rush.reservations r JOIN rush.seats s ON s.id = r.seat_id
         WHERE r.state IN ('pending', 'paid') AND s.reservation_id IS DISTINCT FROM r.id",
    ),
    (
        "an area with the wrong number of tickets",
        "SELECT count(*) FROM rush.ticket_types t WHERE t.available <> t.total - (
             SELECT coalesce(sum(i.quantity), 0) FROM rush.reservation_items i
             JOIN rush.reservations r ON r.id = i.reservation_id
             WHERE i.ticket_type_id = t.id AND r.state IN ('pending', 'paid'))",
    ),
    (
        "a payment without an order, or an order without a payment",
        "SELECT count(*) FROM rush.reservations r LEFT JOIN rush.payments p ON p.reservation_id = r.id
         WHERE (r.state = 'paid') <> coalesce(NOT p.refunded, false)",
    ),
];

#[tokio::test]
async fn all_rows_are_consistent_after_peak_load() {
    let Some(server) = TestServer::shared().await else {
        return;
    };
    let stage = Stage::new("rush", server).await;
    let buyers = (0..60).map(|buyer| rush(&stage, buyer));
    futures_util::future::join_all(buyers).await;
    let misfits = stage
        .auditor
        .reader
        .run(ANSWER_WAIT * 20, async |client: &mut Client| {
            let mut misfits = Vec::new();
            for (misfit, sql) in MISFITS {
                let count: i64 = client.query_one(sql, &[]).await?.get(0);
                misfits.push((misfit, count));
            }
            Ok(misfits)
        });
    for (misfit, count) in misfits.await.unwrap() {
        assert_eq!(count, 0, "{misfit}");
    }
    let state = stage.auditor.final_state().await.unwrap();
    assert!(!state.orders.is_empty());
}

/// A buyer who tries to hold every seat and orders standing tickets, on one of two instances. Nothing may fail.
async fn rush(stage: &Stage, buyer: u32) {
    let database = if buyer.is_multiple_of(2) {
        &stage.database
    } else {
        &stage.other
    };
    let user = Uuid::from_u128(u128::from(buyer));
    let mut areas = vec![
        (stage.show.ticket_type_id("Floor"), 1),
        (stage.show.ticket_type_id("Balcony"), 2),
    ];
    // In both orders, so that locking in the order of the request would cause a deadlock.
    areas.rotate_left(buyer as usize / 2 % 2);
    for seat in 1..=3 {
        let place = (
            user,
            stage.show.id,
            stage.show.seat_id(&format!("VIP-1-{seat}")),
        );
        let held = database.hold(place, Duration::from_millis(20)).await;
        let order = StandingOrder {
            user,
            show: stage.show.id,
            items: areas.clone(),
        };
        let ordered = database.order_standing(&order, HOLD).await.unwrap();
        finish(database, user, ordered.unwrap().id, buyer + seat).await;
        if let Ok(held) = held.unwrap() {
            finish(database, user, held.id, buyer + seat).await;
        }
        database.release_expired().await.unwrap();
    }
}

/// Pays, cancels, pays and cancels, or lets the hold expire.
async fn finish(database: &Database, user: Uuid, id: Uuid, way: u32) {
    let key = id.to_string();
    if way % 4 < 2 {
        // The hold may have expired meanwhile.
        drop(
            database
                .commit_payment((user, id, &key), "naver_pay")
                .await
                .unwrap(),
        );
    }
    if way % 4 == 1 || way % 4 == 2 {
        drop(database.cancel(user, id).await.unwrap());
    }
}

#[tokio::test]
async fn an_auditor_does_not_wait_for_an_unresponsive_server() {
    let Some(server) = TestServer::start().await else {
        return;
    };
    let stage = Stage::new("silent", Arc::new(server)).await;
    stage.server.pause();
    assert_eq!(stage.auditor.levels().await, None);
    assert!(!stage.auditor.beat().await);
    stage.server.resume();
    let mut looks = 0;
    while !stage.auditor.beat().await || stage.auditor.levels().await.is_none() {
        looks += 1;
        assert!(looks < 20, "the auditor does not reconnect");
    }
}

/// A supervisor with several threads moves futures between them.
#[expect(dead_code, reason = "only needs to compile")]
fn all_futures_are_send(auditor: &DatabaseAuditor, config: &ServersConfig) {
    fn on_any_thread<T: Send>(_: T) {}
    on_any_thread(auditor.levels());
    on_any_thread(auditor.beat());
    on_any_thread(auditor.final_state());
    on_any_thread(DatabaseAuditor::open(config));
    on_any_thread(prepare_database(config, &[]));
    on_any_thread(crate::tier::clear_database(config));
}
