//! Seats: layouts, the seat list and holds.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::App;
use crate::auth::User;
use crate::bus::{Envelope, Message, Room};
use crate::clock::Clock;
use crate::error::{self, ApiError};
use crate::pass::Shown;
use crate::reservations;
use crate::show::{Show, stable_id};
use crate::shows::{invalidate, json_body, parse_id, show_on_sale};
use crate::tier::Released;
use tiketi_station::Work;

/// Body of `reserve`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reserve {
    event_id: Uuid,
    seat_ids: Vec<Uuid>,
}

/// `GET /api/seats/layouts`.
pub(crate) async fn layouts(State(app): State<Arc<App>>, _: User) -> Json<Value> {
    app.work(Work::SeatLayouts).await;
    let layouts: Vec<Value> = app.tier.shows().iter().map(layout).collect();
    Json(json!({ "layouts": layouts }))
}

/// `GET /api/seats/events/{eventId}`.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    user: User,
    headers: HeaderMap,
    Path(show): Path<String>,
) -> Result<Response, ApiError> {
    let show = show_on_sale(&app, &show)?;
    let shows = app.tier.shows();
    let show = shows.iter().find(|on_sale| on_sale.id == show);
    let show = show.ok_or(ApiError::NotFound("Event not found"))?;
    app.spend(app.times.seat_list(show.seats_total())).await;
    let pass = app.admitted(&headers, user, Some(show.id))?;
    stay_active(&app, (show.id, user.id), pass.as_ref()).await;
    let seats = app.database.seat_list(show.id).await?;
    let seats = seats.ok_or(ApiError::NotFound("Event not found"))?;
    let head = json!({ "event": { "id": show.id, "title": show.title }, "layout": layout(show) });
    let mut answer = json_body(with_seats(&head.to_string(), &seats));
    answer.headers_mut().extend(app.renewed(pass.as_ref()));
    Ok(answer)
}

/// `POST /api/seats/reserve`.
pub(crate) async fn reserve(
    State(app): State<Arc<App>>,
    user: User,
    headers: HeaderMap,
    body: Result<Json<Reserve>, JsonRejection>,
) -> Result<(StatusCode, HeaderMap, Json<Value>), ApiError> {
    app.work(Work::SeatReserve).await;
    let wanted = error::body(body)?;
    let [seat] = wanted.seat_ids[..] else {
        let reason = "Exactly one seat can be reserved";
        return Err(ApiError::BadRequest(reason.to_owned()));
    };
    let show = wanted.event_id;
    let pass = app.admitted(&headers, user, Some(show))?;
    stay_active(&app, (show, user.id), pass.as_ref()).await;
    let held = app
        .database
        .hold((user.id, show, seat), app.settings.hold)
        .await??;
    invalidate(&app, show).await;
    announce(&app, show, seat_taken(seat, user.id, "locked")).await;
    let answer = json!({
        "message": "Seat reserved",
        "reservation": {
            "id": held.id,
            "reservationNumber": held.number,
            "totalAmount": held.amount,
            "expiresAt": app.clock.calendar(held.expires),
            "seats": held.seats,
        },
    });
    let renewed = app.renewed(pass.as_ref());
    Ok((StatusCode::CREATED, renewed, Json(answer)))
}

/// `GET /api/seats/reservation/{id}`.
pub(crate) async fn reservation(
    State(app): State<Arc<App>>,
    user: User,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    app.work(Work::ReservationRead).await;
    let row = app.database.reservation(user.id, parse_id(&id)?).await?;
    let row = row.ok_or(ApiError::NotFound("Reservation not found"))?;
    Ok(Json(
        json!({ "reservation": reservations::to_json(&app, &row) }),
    ))
}

/// Announces to the seats room that seats are available again.
pub(crate) async fn announce_released(app: &App, released: &Released) {
    invalidate(app, released.show).await;
    for &seat_id in &released.seats {
        let message = Message::SeatReleased {
            seat_id,
            status: "available".into(),
            timestamp: Clock::timestamp(),
        };
        announce(app, released.show, message).await;
    }
}

/// Returns the message that a seat is no longer available.
pub(crate) fn seat_taken(seat_id: Uuid, user_id: Uuid, status: &'static str) -> Message {
    Message::SeatLocked {
        seat_id,
        user_id,
        status: status.into(),
        timestamp: Clock::timestamp(),
    }
}

/// Sends a message to the seats room.
pub(crate) async fn announce(app: &App, show: Uuid, message: Message) {
    let room = Room::Seats(show);
    // The change is committed even if Redis cannot deliver the message.
    if let Err(error) = app.cache.publish(Envelope { room, message }).await {
        tracing::debug!(%error, "seat message not published");
    }
}

/// Records activity, where the user was admitted: a user who is choosing seats is not idle.
async fn stay_active(app: &Arc<App>, (show, user): (Uuid, Uuid), pass: Option<&Shown>) {
    if let Some(pass) = pass {
        return app.tell_active(pass);
    }
    if let Err(error) = app.cache.touch(show, user).await {
        tracing::debug!(%error, "activity not recorded");
    }
}

/// Appends the seats to the JSON object `head` without parsing either.
fn with_seats(head: &str, seats: &Bytes) -> Bytes {
    let open = head
        .strip_suffix('}')
        .expect("a JSON object ends with a brace");
    let mut body = Vec::with_capacity(open.len() + seats.len() + 16);
    body.extend_from_slice(open.as_bytes());
    body.extend_from_slice(b",\"seats\":");
    body.extend_from_slice(seats);
    body.push(b'}');
    Bytes::from(body)
}

fn layout(show: &Show) -> Value {
    let sections: Vec<Value> = show
        .sections
        .iter()
        .map(|section| {
            json!({
                "name": section.name,
                "rows": section.rows,
                "seatsPerRow": section.seats_per_row,
                "price": section.price,
            })
        })
        .collect();
    json!({
        "id": stable_id(&["layout", &show.title]),
        "name": show.title,
        "description": format!("{} seats in {} sections", show.seats_total(), sections.len()),
        "total_seats": show.seats_total(),
        "layout_config": { "sections": sections },
    })
}
