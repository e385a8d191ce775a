use std::sync::Arc;

use super::*;
use crate::show::Section;
use crate::tier::servers::DatabaseAuditor;
use crate::tier::servers::test_server::TestServer;

/// A separate schema on the test server.
struct Stage {
    config: ServersConfig,
    client: Client,
    _server: Arc<TestServer>,
}

impl Stage {
    /// `None` on a machine without PostgreSQL.
    async fn new(schema: &str) -> Option<Self> {
        let server = TestServer::shared().await?;
        let config = server.config(schema);
        // Through another schema, so that the session doesn't count as another run.
        let connector = Connector::new(&server.config("keeper_tests")).unwrap();
        let (client, _) = connector.connect().await.unwrap();
        Some(Self {
            config,
            client,
            _server: server,
        })
    }

    async fn run(&self, sql: &str) {
        self.client.batch_execute(sql).await.unwrap();
    }

    async fn count(&self, table: &str) -> i64 {
        let table = format!("SELECT count(*) FROM {table}");
        self.client.query_one(&table, &[]).await.unwrap().get(0)
    }

    async fn has(&self, relation: &str) -> bool {
        self.is("SELECT to_regclass($1) IS NOT NULL", relation)
            .await
    }

    async fn has_schema(&self) -> bool {
        let schema = quoted(&self.config.database.schema);
        self.is("SELECT to_regnamespace($1) IS NOT NULL", &schema)
            .await
    }

    async fn is(&self, question: &str, name: &str) -> bool {
        let row = self.client.query_one(question, &[&name]).await;
        row.unwrap().get(0)
    }
}

fn shows() -> Vec<Show> {
    let section = Section {
        name: "VIP".to_owned(),
        rows: 2,
        seats_per_row: 3,
        price: 1_000,
    };
    vec![Show::new("Night", vec![section])]
}

#[tokio::test]
async fn a_schema_is_created_recreated_and_dropped() {
    let Some(stage) = Stage::new("My \"own\\ schema").await else {
        return;
    };
    let schema = quoted("My \"own\\ schema");
    prepare_database(&stage.config, &shows()).await.unwrap();
    assert_eq!(stage.count(&format!("{schema}.seats")).await, 6);
    let taken = format!(
        "UPDATE {schema}.seats SET state = 'locked', reservation_id = id; \
         INSERT INTO {schema}.users VALUES (gen_random_uuid(), 'kim', 'Kim', NULL, '')"
    );
    stage.run(&taken).await;
    prepare_database(&stage.config, &shows()).await.unwrap();
    assert_eq!(stage.count(&format!("{schema}.users")).await, 0);
    let free = format!("{schema}.seats WHERE state = 'available'");
    assert_eq!(stage.count(&free).await, 6);
    clear_database(&stage.config).await.unwrap();
    assert!(!stage.has_schema().await);
    clear_database(&stage.config).await.unwrap();
}

#[tokio::test]
async fn foreign_tables_are_rejected_and_left_unchanged() {
    let Some(stage) = Stage::new("theirs").await else {
        return;
    };
    stage
        .run("CREATE SCHEMA theirs; CREATE TABLE theirs.seats AS SELECT 1 AS precious")
        .await;
    for refused in [
        prepare_database(&stage.config, &shows()).await,
        migrate_database(&stage.config, &shows()).await,
    ] {
        let error = refused.unwrap_err();
        assert_eq!(
            error.to_string(),
            "schema `theirs` contains objects that tiketi-sim didn't create: _seats, seats"
        );
        assert!(error.hint().is_some());
    }
    clear_database(&stage.config).await.unwrap();
    assert_eq!(stage.count("theirs.seats").await, 1);
}

#[tokio::test]
async fn foreign_functions_and_types_are_rejected_too() {
    let Some(stage) = Stage::new("words").await else {
        return;
    };
    stage
        .run("CREATE SCHEMA words; CREATE TYPE words.mood AS ENUM ('calm')")
        .await;
    let refused = prepare_database(&stage.config, &shows()).await;
    assert!(matches!(refused, Err(SetupError::ForeignTables { .. })));
    stage
        .run("DROP TYPE words.mood; CREATE FUNCTION words.one() RETURNS int LANGUAGE sql AS 'SELECT 1'")
        .await;
    let refused = prepare_database(&stage.config, &shows()).await;
    assert!(matches!(refused, Err(SetupError::ForeignTables { .. })));
    assert!(!stage.has("words.schema_migrations").await);
}

#[tokio::test]
async fn an_existing_schema_is_used_and_kept() {
    let Some(stage) = Stage::new("given").await else {
        return;
    };
    stage.run("CREATE SCHEMA given").await;
    prepare_database(&stage.config, &shows()).await.unwrap();
    assert_eq!(stage.count("given.seats").await, 6);
    clear_database(&stage.config).await.unwrap();
    assert!(stage.has_schema().await && !stage.has("given.seats").await);
}

#[tokio::test]
async fn foreign_objects_next_to_our_tables_are_kept() {
    let Some(stage) = Stage::new("shared").await else {
        return;
    };
    prepare_database(&stage.config, &shows()).await.unwrap();
    stage
        .run("CREATE TABLE shared.notes AS SELECT 'keep me'")
        .await;
    let refused = prepare_database(&stage.config, &shows()).await;
    assert!(matches!(refused, Err(SetupError::ForeignTables { .. })));
    assert_eq!(stage.count("shared.seats").await, 6, "nothing has changed");
    clear_database(&stage.config).await.unwrap();
    assert!(stage.has("shared.notes").await && !stage.has("shared.seats").await);
}

#[tokio::test]
async fn a_foreign_view_on_our_tables_prevents_dropping_them() {
    let Some(stage) = Stage::new("viewed").await else {
        return;
    };
    prepare_database(&stage.config, &shows()).await.unwrap();
    stage
        .run("CREATE VIEW public.their_view AS SELECT * FROM viewed.seats")
        .await;
    let refused = clear_database(&stage.config).await.unwrap_err();
    let text = refused.to_string();
    assert!(text.contains("view public.their_view depends on"), "{text}");
    assert_eq!(stage.count("public.their_view").await, 6);
    stage.run("DROP VIEW public.their_view").await;
    clear_database(&stage.config).await.unwrap();
}

#[tokio::test]
async fn a_schema_in_use_is_rejected() {
    let Some(stage) = Stage::new("busy").await else {
        return;
    };
    prepare_database(&stage.config, &shows()).await.unwrap();
    let auditor = DatabaseAuditor::open(&stage.config).await.unwrap();
    let refused = prepare_database(&stage.config, &shows()).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "schema `busy` is in use by 1 connections of another run"
    );
    drop(auditor);
    prepare_database(&stage.config, &shows()).await.unwrap();
}

#[tokio::test]
async fn migrating_keeps_existing_data() {
    let Some(stage) = Stage::new("kept").await else {
        return;
    };
    migrate_database(&stage.config, &shows()).await.unwrap();
    stage
        .run("INSERT INTO kept.users VALUES (gen_random_uuid(), 'kim', 'Kim', NULL, '')")
        .await;
    let mut more = shows();
    more.push(Show::new("Matinee", Vec::new()));
    migrate_database(&stage.config, &more).await.unwrap();
    assert_eq!(stage.count("kept.users").await, 1);
    assert_eq!(stage.count("kept.shows").await, 2);
    assert_eq!(stage.count("kept.seats").await, 6);
}

#[tokio::test]
async fn invalid_names_and_addresses_are_reported() {
    let Some(stage) = Stage::new("pg_mine").await else {
        return;
    };
    for schema in ["", "pg_mine", &"x".repeat(64)] {
        let mut config = stage.config.clone();
        schema.clone_into(&mut config.database.schema);
        let refused = prepare_database(&config, &shows()).await;
        assert!(matches!(refused, Err(SetupError::SchemaName { .. })));
    }
    let mut config = stage.config.clone();
    "good".clone_into(&mut config.database.schema);
    "nobody".clone_into(&mut config.database.user);
    let refused = prepare_database(&config, &shows()).await.unwrap_err();
    let text = refused.to_string();
    assert!(
        text.contains("authentication failed for user \"nobody\""),
        "{text}"
    );
    config.database.port = 9;
    let refused = prepare_database(&config, &shows()).await.unwrap_err();
    let text = refused.to_string();
    assert!(text.starts_with("cannot connect to PostgreSQL at 127.0.0.1:9"));
}

#[tokio::test]
async fn the_schema_prevents_a_double_sale() {
    let Some(stage) = Stage::new("sold").await else {
        return;
    };
    prepare_database(&stage.config, &shows()).await.unwrap();
    let order = "INSERT INTO sold.reservations (id, number, user_id, show_id, seat_id, amount, state, created_us, expires_us)
                 SELECT gen_random_uuid(), 1, gen_random_uuid(), show_id, id, 1, $1, 0, 0 FROM sold.seats
                 WHERE place = 1";
    for (state, added) in [
        ("expired", true),
        ("paid", true),
        ("cancelled", true),
        ("paid", false),
        ("pending", false),
    ] {
        let tried = stage.client.execute(order, &[&state]).await;
        let refusal = tried.as_ref().err().and_then(Error::code);
        let unique = tokio_postgres::error::SqlState::UNIQUE_VIOLATION;
        assert_eq!(refusal, (!added).then_some(&unique), "{state}");
    }
    let payment =
        "INSERT INTO sold.payments (reservation_id, idempotency_key, method, amount, paid_us)
                   SELECT id, $1, 'm', 1, 0 FROM sold.reservations WHERE state = $2";
    stage
        .client
        .execute(payment, &[&"k", &"paid"])
        .await
        .unwrap();
    for (key, state) in [("k", "expired"), ("other", "paid")] {
        let again = stage.client.execute(payment, &[&key, &state]).await;
        assert!(
            again.is_err(),
            "a key or an order can be paid only once: {key}"
        );
    }
}
