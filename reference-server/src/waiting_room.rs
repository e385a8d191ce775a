//! The waiting room: entering, polling the position, leaving, and administration.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::App;
use crate::auth::{Admin, User};
use crate::bus::{Envelope, Message, Room};
use crate::error::ApiError;
use crate::shows::show_on_sale;
use crate::tier::{Place, QueueStatus};
use tiketi_station::Work;

/// Minimum admission rate used for an estimate, per second. With a lower rate the estimate would be meaningless.
const RATE_MIN: f64 = 0.1;

/// Response of `check`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckAnswer {
    queued: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    estimated_wait: Option<u32>,
    threshold: u32,
    current_users: u32,
}

/// Response of `status`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusAnswer {
    queued: bool,
    /// Whether a user who isn't queued has been admitted; left out for one who is. The response for a user who was
    /// dropped from the queue also has `queued: false`; this field tells the two apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    admitted: Option<bool>,
    position: u32,
    queue_size: u32,
    estimated_wait: u32,
    current_users: u32,
    threshold: u32,
}

impl CheckAnswer {
    /// Tells a user who has asked to enter the place; at most `threshold` users are active.
    pub fn new(place: &Place, threshold: u32) -> Self {
        match place {
            Place::Active { active } => Self {
                queued: false,
                position: None,
                estimated_wait: None,
                threshold,
                current_users: *active,
            },
            Place::Waiting(status) => Self {
                queued: true,
                position: status.position,
                estimated_wait: status.position.map(|place| wait(place, status.rate)),
                threshold,
                current_users: status.active,
            },
        }
    }
}

impl StatusAnswer {
    /// Tells a user who has asked for it the place in the queue; at most `threshold` users are active.
    pub fn new(status: &QueueStatus, threshold: u32) -> Self {
        let position = status.position.unwrap_or(0);
        Self {
            queued: status.position.is_some(),
            admitted: status.position.is_none().then_some(status.is_active),
            position,
            queue_size: status.queue_size,
            estimated_wait: wait(position, status.rate),
            current_users: status.active,
            threshold,
        }
    }
}

/// `POST /api/queue/check/{eventId}`.
pub(crate) async fn check(
    State(app): State<Arc<App>>,
    user: User,
    Path(show): Path<String>,
) -> Result<Json<CheckAnswer>, ApiError> {
    app.work(Work::QueueCheck).await;
    let show = show_on_sale(&app, &show)?;
    let threshold = app.settings.active_max;
    let place = app.cache.enter(show, user.id).await?;
    Ok(Json(CheckAnswer::new(&place, threshold)))
}

/// `GET /api/queue/status/{eventId}`.
pub(crate) async fn status(
    State(app): State<Arc<App>>,
    user: User,
    Path(show): Path<String>,
) -> Result<Json<StatusAnswer>, ApiError> {
    app.work(Work::QueueStatus).await;
    let show = show_on_sale(&app, &show)?;
    let status = app.cache.queue_status(show, user.id).await?;
    if status.position.is_none() {
        app.cache.touch(show, user.id).await?;
    }
    Ok(Json(StatusAnswer::new(&status, app.settings.active_max)))
}

/// `POST /api/queue/leave/{eventId}`.
pub(crate) async fn leave(
    State(app): State<Arc<App>>,
    user: User,
    Path(show): Path<String>,
) -> Result<Json<Value>, ApiError> {
    app.work(Work::QueueLeave).await;
    let show = show_on_sale(&app, &show)?;
    app.cache.leave(show, user.id).await?;
    Ok(Json(json!({ "message": "Left the queue" })))
}

/// `GET /api/queue/admin/{eventId}`.
pub(crate) async fn admin(
    State(app): State<Arc<App>>,
    _: Admin,
    Path(show): Path<String>,
) -> Result<Json<Value>, ApiError> {
    app.work(Work::QueueAdmin).await;
    let show = show_on_sale(&app, &show)?;
    let QueueStatus {
        queue_size, active, ..
    } = app.cache.queue_status(show, Uuid::nil()).await?;
    let threshold = app.settings.active_max;
    Ok(Json(json!({
        "eventId": show,
        "queueSize": queue_size,
        "currentUsers": active,
        "threshold": threshold,
        "available": threshold.saturating_sub(active),
    })))
}

/// `POST /api/queue/admin/clear/{eventId}`.
pub(crate) async fn clear(
    State(app): State<Arc<App>>,
    _: Admin,
    Path(show): Path<String>,
) -> Result<Json<Value>, ApiError> {
    app.work(Work::QueueAdmin).await;
    let show = show_on_sale(&app, &show)?;
    app.cache.clear_queue(show).await?;
    let message = Message::QueueCleared {
        message: "The queue was cleared".into(),
    };
    let room = Room::Queue(show);
    app.cache.publish(Envelope { room, message }).await?;
    Ok(Json(json!({ "message": "Queue cleared" })))
}

/// Returns the estimated seconds until the user at this position is admitted, rounded up.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a position divided by at least 0.1 is positive and far below the limit; beyond it the cast saturates"
)]
fn wait(position: u32, rate: f64) -> u32 {
    (f64::from(position) / rate.max(RATE_MIN)).ceil() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_is_the_position_divided_by_the_admission_rate() {
        assert_eq!(wait(0, 50.0), 0);
        assert_eq!(wait(1, 50.0), 1);
        assert_eq!(wait(20_000, 50.0), 400);
        assert_eq!(wait(5, 0.0), 50);
    }
}
