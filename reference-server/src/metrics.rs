//! Prometheus metrics of an instance and of the tier as it sees it.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use crate::app::{App, Counters};
use tiketi_station::Work;

/// `GET /metrics`.
pub(crate) async fn scrape(State(app): State<Arc<App>>) -> impl IntoResponse {
    app.work(Work::Metrics).await;
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], render(&app))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "Prometheus values are floats; counts stay far below 2^53"
)]
fn render(app: &App) -> String {
    let census = app.tier.census();
    let counters = &app.counters;
    let read = |counter| Counters::read(counter) as f64;
    let ledger = census.ledger;
    let mut text = Exposition {
        instance: &app.name,
        text: String::new(),
    };
    text.counter("http_requests", read(&counters.requests));
    text.counter("sockets_opened", read(&counters.sockets_opened));
    text.gauge("sockets", read(&counters.sockets));
    text.counter("messages_sent", read(&counters.fan_out_messages));
    text.counter("rate_limited", read(&counters.rate_limited));
    text.counter("cpu_seconds", app.cpu_busy().as_secs_f64());
    text.gauge("pool_in_use", app.pool.in_use(app.settings.pool_max) as f64);
    text.counter("pool_waits", app.pool.waits() as f64);
    text.counter("pool_timeouts", app.pool.timeouts() as f64);
    text.counter("pool_connections_opened", app.pool.opened() as f64);
    text.gauge("queue_waiting", census.waiting as f64);
    text.gauge("queue_active", census.active as f64);
    text.counter("queue_joined", ledger.joined as f64);
    text.counter("queue_admitted", ledger.admitted as f64);
    text.counter("queue_expired", ledger.expired as f64);
    text.counter("queue_admitted_twice", ledger.admitted_twice as f64);
    text.gauge("seats_held", census.held as f64);
    text.gauge("seats_sold", census.sold as f64);
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
