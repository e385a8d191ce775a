//! Health checks of the instance alone and of each part of the data tier.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::app::App;
use crate::clock::Clock;
use crate::tier::Unavailable;
use tiketi_station::Work;

/// `GET /health`: the load balancer's check. It queues for the virtual processor, so an overloaded instance fails it.
pub(crate) async fn alive(State(app): State<Arc<App>>) -> Json<Value> {
    app.work(Work::Health).await;
    Json(json!({
        "status": "ok",
        "instance": app.name,
        "timestamp": Clock::timestamp(),
    }))
}

/// `GET /health/db`.
pub(crate) async fn database(State(app): State<Arc<App>>) -> (StatusCode, Json<Value>) {
    app.work(Work::Health).await;
    answer(&app, &[("database", app.database.ping().await)])
}

/// `GET /health/redis`.
pub(crate) async fn redis(State(app): State<Arc<App>>) -> (StatusCode, Json<Value>) {
    app.work(Work::Health).await;
    answer(&app, &[("redis", app.cache.ping().await)])
}

/// `GET /health/all`.
pub(crate) async fn all(State(app): State<Arc<App>>) -> (StatusCode, Json<Value>) {
    app.work(Work::Health).await;
    let parts = [
        ("database", app.database.ping().await),
        ("redis", app.cache.ping().await),
    ];
    answer(&app, &parts)
}

fn answer(app: &App, parts: &[(&str, Result<(), Unavailable>)]) -> (StatusCode, Json<Value>) {
    let is_well = parts.iter().all(|(_, state)| state.is_ok());
    let status = if is_well {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let mut body = json!({
        "status": if is_well { "ok" } else { "error" },
        "instance": app.name,
        "timestamp": Clock::timestamp(),
    });
    for (part, state) in parts {
        body[*part] = match state {
            Ok(()) => json!("ok"),
            Err(error) => json!(error.to_string()),
        };
    }
    (status, Json(body))
}
