//! The writer is killed during commits, and its standby takes over under the same name.

use std::net::Ipv4Addr;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tiketi_stores::{Host, PostgresPair};
use uuid::Uuid;

use super::{DatabaseAuditor, prepare_database};
use crate::settings::Settings;
use crate::show::{Section, Show};
use crate::tier::database::{Answer, Paid};
use crate::tier::servers::test_names::TestNames;
use crate::tier::servers::test_server::{config, host, settings};
use crate::tier::{DataTier, Database, ServersTier, Unavailable};

const SITES: [Ipv4Addr; 2] = [Ipv4Addr::new(127, 0, 0, 1), Ipv4Addr::new(127, 0, 0, 2)];

/// Buyers who pay: many more than connections.
const BUYERS: u32 = 40;

/// Maximum number of attempts to reach a promoted standby.
const LOOKS_MAX: u32 = 100;

struct Stage {
    pair: PostgresPair,
    names: TestNames,
    database: Database,
    auditor: DatabaseAuditor,
    show: Show,
}

impl Stage {
    async fn new(host: &Host) -> Self {
        // Commits wait this long for the standby, which is long enough to kill the primary meanwhile.
        let settings = settings(&SITES, 20, Duration::from_millis(20));
        let pair = PostgresPair::start(host, settings).await.unwrap();
        let names = TestNames::start(SITES[0]);
        let mut config = config(&pair);
        "writer.test".clone_into(&mut config.database.host);
        config.name_server = Some(names.address());
        let section = Section {
            name: "R".to_owned(),
            rows: 1,
            seats_per_row: BUYERS,
            price: 1_000,
        };
        let shows = vec![Show::new("Night", vec![section])];
        prepare_database(&config, &shows).await.unwrap();
        let auditor = DatabaseAuditor::open(&config).await.unwrap();
        let settings = Settings {
            pool_max: 4,
            pool_connect_timeout: Duration::from_secs(20),
            ..Settings::default()
        };
        let tier = DataTier::from(ServersTier::new(config, &settings, shows.clone()));
        Self {
            database: tier.database(&settings, Duration::ZERO),
            show: shows[0].clone(),
            pair,
            names,
            auditor,
        }
    }

    async fn hold(&self, buyer: u32) -> (Uuid, Uuid) {
        let user = Uuid::from_u128(u128::from(buyer));
        let seat = self.show.seat_id(&format!("R-1-{buyer}"));
        let place = (user, self.show.id, seat);
        let held = self.database.hold(place, Duration::from_secs(300)).await;
        (user, held.unwrap().unwrap().id)
    }
}

async fn pay(database: &Database, (user, id): (Uuid, Uuid)) -> (Uuid, Answer<Paid>) {
    let key = id.to_string();
    let paid = database.commit_payment((user, id, &key), "naver_pay").await;
    (id, paid)
}

#[tokio::test]
async fn payments_acknowledged_before_the_writer_is_killed_are_paid_once_after_it() {
    let Some(host) = host() else { return };
    let mut stage = Box::pin(Stage::new(&host)).await;
    let mut holds = Vec::new();
    for buyer in 1..=BUYERS {
        holds.push(stage.hold(buyer).await);
    }
    let database = stage.database.clone();
    let mut payments: FuturesUnordered<_> =
        holds.iter().map(|hold| pay(&database, *hold)).collect();
    let mut acknowledged = Vec::new();
    let mut failed = 0;
    while let Some((id, answer)) = payments.next().await {
        match answer {
            Ok(paid) => {
                acknowledged.push((id, paid.unwrap()));
                // The other payments are waiting for their commits now.
                stage.pair.lose(0);
            }
            Err(error) => {
                assert_eq!(error, Unavailable::Database);
                failed += 1;
            }
        }
    }
    assert!(!acknowledged.is_empty() && failed > 0, "{failed} failed");
    assert!(!stage.auditor.beat().await, "no writer");
    assert_eq!(stage.auditor.levels().await, None);

    stage.pair.promote(1).await.unwrap();
    assert!(
        !stage.auditor.beat().await,
        "the name still resolves to the old writer"
    );
    stage.names.lead_to(SITES[1]);
    let mut looks = 0;
    while !stage.auditor.beat().await {
        looks += 1;
        assert!(looks < LOOKS_MAX, "the new writer was not found");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    for (hold, answer) in join(&database, &holds).await {
        let receipt = answer.unwrap().unwrap();
        if let Some((_, before)) = acknowledged.iter().find(|(id, _)| *id == hold) {
            assert_eq!(receipt, *before, "acknowledged but paid again");
        }
    }
    let state = stage.auditor.final_state().await.unwrap();
    assert_eq!(state.orders.len(), holds.len());
    assert_eq!(state.captures.len(), holds.len());
    stage.pair.stop().await;
}

/// Repeats all payments with the same keys.
async fn join(database: &Database, holds: &[(Uuid, Uuid)]) -> Vec<(Uuid, Answer<Paid>)> {
    let again = holds.iter().map(|hold| pay(database, *hold));
    futures_util::future::join_all(again).await
}
