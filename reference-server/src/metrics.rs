//! Prometheus metrics of an instance and of its data tier.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use uuid::Uuid;

use crate::app::{App, Counters};
use crate::tier::{Census, DataTier};
use tiketi_station::Work;

/// `GET /metrics`.
pub(crate) async fn scrape(State(app): State<Arc<App>>) -> impl IntoResponse {
    app.work(Work::Metrics).await;
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    let census = census(&app).await;
    ([(header::CONTENT_TYPE, content_type)], render(&app, census))
}

/// Returns the counts of the data tier: all of them on the embedded tier; on servers, the usage by this instance and the
/// levels that Redis reports.
async fn census(app: &App) -> Census {
    if let DataTier::Embedded(tier) = &app.tier {
        return tier.census();
    }
    let asked = app.tier_use();
    let mut census = Census {
        cache_hits: asked.cache_hits,
        cache_misses: asked.cache_misses,
        database_queries: asked.database_queries,
        redis_operations: asked.redis_operations,
        messages_published: asked.messages_published,
        ..Census::default()
    };
    for &show in &app.shows {
        if let Ok(status) = app.cache.queue_status(show, Uuid::nil()).await {
            census.waiting += u64::from(status.queue_size);
            census.active += u64::from(status.active);
        }
    }
    census
}

#[expect(
    clippy::cast_precision_loss,
    reason = "Prometheus values are floats; counts stay far below 2^53"
)]
fn render(app: &App, census: Census) -> String {
    let pool = app.database.pool_load();
    let counters = &app.counters;
    let read = |counter| Counters::read(counter) as f64;
    let mut text = Exposition {
        instance: &app.name,
        text: String::new(),
    };
    text.counter("http_requests", read(&counters.requests));
    text.counter("sockets_opened", read(&counters.sockets_opened));
    text.gauge("sockets", read(&counters.sockets));
    text.counter("messages_sent", read(&counters.fan_out_messages));
    text.counter("rate_limited", read(&counters.rate_limited));
    text.counter("connections_refused", read(&counters.connections_refused));
    text.counter("cpu_seconds", app.cpu_busy().as_secs_f64());
    text.gauge("pool_in_use", pool.in_use as f64);
    text.counter("pool_waits", pool.waits as f64);
    text.counter("pool_timeouts", pool.timeouts as f64);
    text.counter("pool_connections_opened", pool.opened as f64);
    text.gauge("queue_waiting", census.waiting as f64);
    text.gauge("queue_active", census.active as f64);
    if matches!(app.tier, DataTier::Embedded(_)) {
        text.ledger(&census);
    }
    text.counter("cache_hits", census.cache_hits as f64);
    text.counter("cache_misses", census.cache_misses as f64);
    text.counter("database_queries", census.database_queries as f64);
    text.counter("redis_operations", census.redis_operations as f64);
    text.counter("messages_published", census.messages_published as f64);
    text.text
}

struct Exposition<'a> {
    instance: &'a str,
    text: String,
}

impl Exposition<'_> {
    /// Writes the metrics that only the embedded tier can provide.
    #[expect(
        clippy::cast_precision_loss,
        reason = "Prometheus values are floats; counts stay far below 2^53"
    )]
    fn ledger(&mut self, census: &Census) {
        let ledger = census.ledger;
        self.counter("queue_joined", ledger.joined as f64);
        self.counter("queue_admitted", ledger.admitted as f64);
        self.counter("queue_expired", ledger.expired as f64);
        self.counter("queue_admitted_twice", ledger.admitted_twice as f64);
        self.gauge("seats_held", census.held as f64);
        self.gauge("seats_sold", census.sold as f64);
    }

    fn counter(&mut self, name: &str, value: f64) {
        self.sample(&format!("{name}_total"), "counter", value);
    }

    fn gauge(&mut self, name: &str, value: f64) {
        self.sample(name, "gauge", value);
    }

    fn sample(&mut self, name: &str, kind: &str, value: f64) {
        let instance = self.instance;
        writeln!(
            self.text,
            "# TYPE tiketi_{name} {kind}\ntiketi_{name}{{instance={instance:?}}} {value}"
        )
        .expect("writing to a string cannot fail");
    }
}
