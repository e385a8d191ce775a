//! Creates the schema, fills it with the shows on sale, and drops it again. Never touches anything that this program didn't
//! create.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::error::DbError;
use tokio_postgres::types::{FromSql, ToSql};
use tokio_postgres::{Client, Error, Transaction};
use uuid::Uuid;

use super::connect::{Connector, describe, quoted, session_name};
use crate::show::Show;
use crate::tier::seats::{json_head, seat_rows};
use crate::tier::servers::{DatabaseEndpoint, ServersConfig, SetupError};

/// The migrations in order, starting with number 1.
const MIGRATIONS: [(&str, &str); 3] = [
    (
        "tables",
        include_str!("../../../../migrations/0001_tables.sql"),
    ),
    (
        "transactions",
        include_str!("../../../../migrations/0002_transactions.sql"),
    ),
    (
        "hold ends",
        include_str!("../../../../migrations/0003_hold_ends.sql"),
    ),
];

/// Drops everything that the migrations created.
const DROP: &str = include_str!("../../../../migrations/drop.sql");

/// The comment on our table of migrations, and on a schema that we created. It identifies them as ours.
const MARKER: &str = "made by tiketi-sim, which drops it without asking";

/// Minimum supported version of PostgreSQL, from the documents (B5).
const VERSION_MIN: u32 = 15;

/// Maximum length of a schema name in bytes. PostgreSQL truncates longer ones.
const NAME_MAX: usize = 63;

/// Timeout of a connect in real time: a running server responds within milliseconds.
const CONNECT_WAIT: Duration = Duration::from_secs(5);

/// How often to look for connections to the schema, and the time in between. Those still there count as another run's; the
/// connections of a run that has just ended disappear.
const LEAVING_LOOKS: (u32, Duration) = (20, Duration::from_millis(100));

/// Maximum number of foreign objects that an error names.
const FOUND_SHOWN: i64 = 5;

/// Prepares the schema for a run: drops what an earlier run has left behind, creates the tables, and puts these shows on
/// sale.
///
/// Creates the schema if it doesn't exist, and uses an existing one if it is empty. Everything happens in one transaction, so
/// an error changes nothing.
pub async fn prepare_database(config: &ServersConfig, shows: &[Show]) -> Result<(), SetupError> {
    let mut keeper = Keeper::open(config).await?;
    keeper.refuse_company().await?;
    let step = keeper.begin().await?;
    if step.is_ours().await? {
        step.run(DROP, "drop the tables of an earlier run").await?;
    }
    step.refuse_foreign().await?;
    step.migrate().await?;
    step.put_on_sale(shows).await?;
    step.commit().await
}

/// Applies new migrations, and puts the shows on sale that aren't yet. For a server that continues where it stopped.
pub async fn migrate_database(config: &ServersConfig, shows: &[Show]) -> Result<(), SetupError> {
    let mut keeper = Keeper::open(config).await?;
    let step = keeper.begin().await?;
    if !step.is_ours().await? {
        step.refuse_foreign().await?;
    }
    step.migrate().await?;
    step.put_on_sale(shows).await?;
    step.commit().await
}

/// Drops our tables, and the schema too if we created it and it contains nothing else. Does nothing if there are no tables
/// of ours.
pub async fn clear_database(config: &ServersConfig) -> Result<(), SetupError> {
    let mut keeper = Keeper::open(config).await?;
    let step = keeper.begin().await?;
    if !step.is_ours().await? {
        return Ok(());
    }
    step.run(DROP, "drop the tables").await?;
    if step.made_schema().await? && step.foreign().await?.is_none() {
        let drop_schema = format!("DROP SCHEMA {}", quoted(step.schema));
        step.run(&drop_schema, "drop the schema").await?;
    }
    step.commit().await
}

/// A separate session.
struct Keeper<'a> {
    endpoint: &'a DatabaseEndpoint,
    client: Client,
    task: JoinHandle<()>,
}

impl Drop for Keeper<'_> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<'a> Keeper<'a> {
    async fn open(config: &'a ServersConfig) -> Result<Self, SetupError> {
        let endpoint = &config.database;
        let schema = &endpoint.schema;
        if schema.is_empty() || schema.len() > NAME_MAX || schema.starts_with("pg_") {
            let schema = schema.clone();
            return Err(SetupError::SchemaName { schema });
        }
        let connector = Connector::new(config).map_err(|error| unreachable(endpoint, &error))?;
        let (client, task) = connector
            .connect_within(CONNECT_WAIT)
            .await
            .map_err(|error| unreachable(endpoint, &error))?;
        let keeper = Self {
            endpoint,
            client,
            task,
        };
        keeper.check_version().await?;
        Ok(keeper)
    }

    async fn check_version(&self) -> Result<(), SetupError> {
        let version = "SELECT current_setting('server_version'), current_setting('server_version_num')::int / 10000";
        let row = self.client.query_one(version, &[]).await;
        let row = row.map_err(failed("report its version"))?;
        let (found, major): (String, i32) = (row.get(0), row.get(1));
        if u32::try_from(major).is_ok_and(|major| major >= VERSION_MIN) {
            return Ok(());
        }
        let needed = VERSION_MIN;
        Err(SetupError::DatabaseTooOld { found, needed })
    }

    /// Fails if instances of another run are connected to the schema.
    async fn refuse_company(&self) -> Result<(), SetupError> {
        let name = session_name(&self.endpoint.schema);
        let (looks, pause) = LEAVING_LOOKS;
        let count = "SELECT count(*) FROM pg_stat_activity
                     WHERE datname = current_database() AND application_name = $1 AND pid <> pg_backend_pid()";
        let mut sessions = 0;
        for _ in 0..looks {
            let row = self.client.query_one(count, &[&name]).await;
            sessions = row.map_err(failed("list its sessions"))?.get(0);
            if sessions == 0 {
                return Ok(());
            }
            tokio::time::sleep(pause).await;
        }
        let schema = self.endpoint.schema.clone();
        Err(SetupError::SchemaInUse { schema, sessions })
    }

    /// Begins a transaction that excludes other keepers.
    async fn begin(&mut self) -> Result<Step<'_>, SetupError> {
        let step = Step {
            schema: &self.endpoint.schema,
            transaction: self
                .client
                .transaction()
                .await
                .map_err(failed("begin a transaction"))?,
        };
        // If another session still uses one of our tables, the timeout makes this fail instead of waiting forever.
        let lock = "SET LOCAL lock_timeout = '5s';
                    SELECT pg_advisory_xact_lock(hashtextextended('tiketi schema', 0))";
        step.run(lock, "lock the schema").await?;
        Ok(step)
    }
}

/// The keeper's transaction.
struct Step<'a> {
    schema: &'a str,
    transaction: Transaction<'a>,
}

impl Step<'_> {
    async fn run(&self, sql: &str, action: &'static str) -> Result<(), SetupError> {
        let done = self.transaction.batch_execute(sql).await;
        done.map_err(failed(action))
    }

    /// Queries one value.
    async fn look<T: for<'r> FromSql<'r>>(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<T, SetupError> {
        let row = self.transaction.query_one(sql, parameters).await;
        Ok(row.map_err(failed("inspect the schema"))?.get(0))
    }

    /// Runs a statement and returns the number of changed rows.
    async fn write(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
        action: &'static str,
    ) -> Result<u64, SetupError> {
        let done = self.transaction.execute(sql, parameters).await;
        done.map_err(failed(action))
    }

    async fn commit(self) -> Result<(), SetupError> {
        let done = self.transaction.commit().await;
        done.map_err(failed("commit"))
    }

    /// Returns whether this program created the tables in the schema.
    async fn is_ours(&self) -> Result<bool, SetupError> {
        let table = format!("{}.schema_migrations", quoted(self.schema));
        self.look(
            "SELECT coalesce(obj_description(to_regclass($1), 'pg_class') = $2, false)",
            &[&table, &MARKER],
        )
        .await
    }

    /// Returns whether this program created the schema itself.
    async fn made_schema(&self) -> Result<bool, SetupError> {
        self.look(
            "SELECT coalesce(obj_description(to_regnamespace($1), 'pg_namespace') = $2, false)",
            &[&quoted(self.schema), &MARKER],
        )
        .await
    }

    /// Returns names of objects in the schema; `None` if it is empty or doesn't exist.
    async fn foreign(&self) -> Result<Option<String>, SetupError> {
        self.look(
            "SELECT string_agg(name, ', ') FROM (
                 SELECT relname::text AS name FROM pg_class WHERE relnamespace = to_regnamespace($1)
                 UNION SELECT proname FROM pg_proc WHERE pronamespace = to_regnamespace($1)
                 UNION SELECT typname FROM pg_type WHERE typnamespace = to_regnamespace($1)
                 ORDER BY name LIMIT $2
             ) found",
            &[&quoted(self.schema), &FOUND_SHOWN],
        )
        .await
    }

    async fn refuse_foreign(&self) -> Result<(), SetupError> {
        match self.foreign().await? {
            None => Ok(()),
            Some(found) => Err(SetupError::ForeignTables {
                schema: self.schema.to_owned(),
                found,
            }),
        }
    }

    async fn migrate(&self) -> Result<(), SetupError> {
        self.make_schema().await?;
        let tables = format!(
            "CREATE TABLE IF NOT EXISTS schema_migrations (
                 version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now()
             );
             COMMENT ON TABLE schema_migrations IS '{MARKER}'"
        );
        self.run(&tables, "create the table of migrations").await?;
        for (version, (name, sql)) in (1_i32..).zip(MIGRATIONS) {
            let note = "INSERT INTO schema_migrations (version, name) VALUES ($1, $2) ON CONFLICT DO NOTHING";
            let new = self
                .write(note, &[&version, &name], "record a migration")
                .await?;
            if new == 1 {
                self.run(sql, "create the tables").await?;
            }
        }
        Ok(())
    }

    async fn make_schema(&self) -> Result<(), SetupError> {
        let schema = quoted(self.schema);
        if self
            .look("SELECT to_regnamespace($1) IS NOT NULL", &[&schema])
            .await?
        {
            return Ok(());
        }
        let make = format!("CREATE SCHEMA {schema}; COMMENT ON SCHEMA {schema} IS '{MARKER}'");
        self.run(&make, "create the schema").await
    }

    async fn put_on_sale(&self, shows: &[Show]) -> Result<(), SetupError> {
        for show in shows {
            let insert = "INSERT INTO shows (id, title, place)
                          SELECT $1, $2, coalesce(max(place) + 1, 0) FROM shows ON CONFLICT (id) DO NOTHING";
            let new = self
                .write(insert, &[&show.id, &show.title], "add a show")
                .await?;
            if new == 1 {
                let types = self.add_ticket_types(show).await;
                types.map_err(failed("add ticket types"))?;
                let seats = self.add_seats(show).await;
                seats.map_err(failed("add seats"))?;
            }
        }
        // Without statistics, the planner would guess during the first peak of load.
        self.run("ANALYZE seats; ANALYZE ticket_types", "analyze the tables")
            .await
    }

    async fn add_ticket_types(&self, show: &Show) -> Result<(), Error> {
        let insert = self
            .transaction
            .prepare(
                "INSERT INTO ticket_types (id, show_id, place, name, price, total, available)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
            )
            .await?;
        let seated = show.sections.iter().map(|section| {
            let total = i64::from(section.seats_total());
            (&section.name, section.price, total, None)
        });
        let standing = show.standing.iter().map(|area| {
            let total = i64::from(area.quantity);
            (&area.name, area.price, total, Some(total))
        });
        for (place, (name, price, total, available)) in (0_i32..).zip(seated.chain(standing)) {
            let id = show.ticket_type_id(name);
            let price = won(price);
            self.transaction
                .execute(
                    &insert,
                    &[&id, &show.id, &place, name, &price, &total, &available],
                )
                .await?;
        }
        Ok(())
    }

    async fn add_seats(&self, show: &Show) -> Result<(), Error> {
        let mut columns = SeatColumns::default();
        for (section, seat) in seat_rows(show) {
            let name = &show.sections[section].name;
            columns.ids.push(seat.id);
            columns.types.push(show.ticket_type_id(name));
            columns.rows.push(seat.row_number.cast_signed());
            columns.numbers.push(seat.seat_number.cast_signed());
            columns.heads.push(format!("{}\"", json_head(&seat)));
            columns.labels.push(seat.seat_label);
        }
        self.transaction
            .execute(
                "INSERT INTO seats (id, show_id, ticket_type_id, place, row_number, seat_number, label, json_head)
                 SELECT id, $1, kind, place, row_number, seat_number, label, json_head
                 FROM unnest($2::uuid[], $3::uuid[], $4::int[], $5::int[], $6::text[], $7::text[]) WITH ORDINALITY
                     AS new (id, kind, row_number, seat_number, label, json_head, place)",
                &[
                    &show.id,
                    &columns.ids,
                    &columns.types,
                    &columns.rows,
                    &columns.numbers,
                    &columns.labels,
                    &columns.heads,
                ],
            )
            .await?;
        Ok(())
    }
}

/// The seats of a show, as one list per column.
#[derive(Default)]
struct SeatColumns {
    ids: Vec<Uuid>,
    types: Vec<Uuid>,
    rows: Vec<i32>,
    numbers: Vec<i32>,
    labels: Vec<String>,
    heads: Vec<String>,
}

/// Converts a price to the type of its column; larger ones are unrealistic.
fn won(price: u64) -> i64 {
    i64::try_from(price).unwrap_or(i64::MAX)
}

pub(super) fn unreachable(
    endpoint: &DatabaseEndpoint,
    error: &dyn std::error::Error,
) -> SetupError {
    SetupError::DatabaseUnreachable {
        host: endpoint.host.clone(),
        port: endpoint.port,
        reason: error.to_string(),
    }
}

/// Converts an error of PostgreSQL.
pub(super) fn failed(action: &'static str) -> impl Fn(Error) -> SetupError {
    move |error| {
        let reason = describe(&error);
        let detail = error.as_db_error().and_then(DbError::detail);
        let detail = detail.map(|detail| format!(": {detail}"));
        SetupError::Database {
            action,
            reason: reason + detail.as_deref().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
#[path = "keeper_tests.rs"]
mod tests;
