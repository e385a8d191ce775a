//! Reservations: standing tickets, a user's reservations, cancellation.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::App;
use crate::auth::User;
use crate::error::{self, ApiError};
use crate::outbound;
use crate::seats::announce_released;
use crate::shows::{invalidate, parse_id};
use crate::tier::{ReservationRow, StandingOrder};
use tiketi_station::Work;

/// Body of `create`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Create {
    event_id: Uuid,
    items: Vec<Item>,
}

/// Tickets of one type.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Item {
    ticket_type_id: Uuid,
    quantity: u32,
}

/// `POST /api/reservations`.
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    user: User,
    body: Result<Json<Create>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    app.work(Work::ReservationCreate).await;
    let wanted = error::body(body)?;
    if wanted.items.is_empty() {
        return Err(ApiError::BadRequest("No tickets selected".to_owned()));
    }
    let items = wanted.items.iter();
    let order = StandingOrder {
        user: user.id,
        show: wanted.event_id,
        items: items
            .map(|item| (item.ticket_type_id, item.quantity))
            .collect(),
    };
    let hold = app.settings.hold;
    let row = app.database.order_standing(&order, hold).await??;
    invalidate(&app, row.show).await;
    let answer = json!({
        "message": "Reservation created",
        "reservation": {
            "id": row.id,
            "reservationNumber": row.number,
            "totalAmount": row.amount,
            "expiresAt": app.clock.calendar(row.expires),
        },
    });
    Ok((StatusCode::CREATED, Json(answer)))
}

/// `GET /api/reservations/my`.
pub(crate) async fn mine(State(app): State<Arc<App>>, user: User) -> Result<Json<Value>, ApiError> {
    app.work(Work::ReservationRead).await;
    let rows = app.database.reservations(user.id).await?;
    let rows: Vec<Value> = rows.iter().map(|row| to_json(&app, row)).collect();
    Ok(Json(json!({ "reservations": rows })))
}

/// `GET /api/reservations/{id}`.
pub(crate) async fn one(
    State(app): State<Arc<App>>,
    user: User,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    app.work(Work::ReservationRead).await;
    let row = app.database.reservation(user.id, parse_id(&id)?).await?;
    let row = row.ok_or(ApiError::NotFound("Reservation not found"))?;
    Ok(Json(json!({ "reservation": to_json(&app, &row) })))
}

/// `POST /api/reservations/{id}/cancel`.
pub(crate) async fn cancel(
    State(app): State<Arc<App>>,
    user: User,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    app.work(Work::ReservationCancel).await;
    let id = parse_id(&id)?;
    let released = app.database.cancel(user.id, id).await??;
    outbound::refund(&app, id);
    announce_released(&app, &released).await;
    Ok(Json(json!({ "message": "Reservation cancelled" })))
}

/// Returns a reservation as JSON of the wire contract.
pub(crate) fn to_json(app: &App, row: &ReservationRow) -> Value {
    let items: Vec<Value> = row
        .items
        .iter()
        .map(|item| {
            json!({
                "ticketTypeId": item.id,
                "ticketTypeName": item.name,
                "quantity": item.quantity,
                "unitPrice": item.price,
                "subtotal": item.price * u64::from(item.quantity),
            })
        })
        .collect();
    json!({
        "id": row.id,
        "reservationNumber": row.number,
        "status": row.state,
        "totalAmount": row.amount,
        "createdAt": app.clock.calendar(row.created),
        "expiresAt": app.clock.calendar(row.expires),
        "event": { "id": row.show, "title": row.show_title },
        "seats": row.seats,
        "items": items,
    })
}
