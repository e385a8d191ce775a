//! Payments: authorized by a provider with a delay, committed once.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::App;
use crate::auth::User;
use crate::error::{self, ApiError};
use crate::seats::{announce, seat_taken};
use crate::show::stable_id;
use crate::shows::invalidate;
use crate::tier::Paid;
use tiketi_station::Work;

/// A payment method.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Method {
    NaverPay,
    KakaoPay,
    BankTransfer,
}

impl Method {
    const ALL: [Self; 3] = [Self::NaverPay, Self::KakaoPay, Self::BankTransfer];

    const fn id(self) -> &'static str {
        match self {
            Self::NaverPay => "naver_pay",
            Self::KakaoPay => "kakao_pay",
            Self::BankTransfer => "bank_transfer",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::NaverPay => "Naver Pay",
            Self::KakaoPay => "Kakao Pay",
            Self::BankTransfer => "Bank transfer",
        }
    }
}

/// Body of `process`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Process {
    reservation_id: Uuid,
    payment_method: Method,
}

/// `POST /api/payments/process`.
///
/// Repeated requests with the same idempotency key make one payment. The key is the `Idempotency-Key` header, or the
/// reservation id if there is none.
/// While the provider works, the seat stays on hold and no database connection is in use.
pub(crate) async fn process(
    State(app): State<Arc<App>>,
    user: User,
    headers: HeaderMap,
    body: Result<Json<Process>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    app.work(Work::PaymentProcess).await;
    let wanted = error::body(body)?;
    let id = wanted.reservation_id;
    let key = headers
        .get("idempotency-key")
        .and_then(|value| value.to_str().ok())
        .map_or_else(|| id.to_string(), ToOwned::to_owned);
    let payment = (user.id, id, key.as_str());
    let begun = app.database.begin_payment(payment, grace(&app)).await??;
    if let Some(receipt) = begun {
        return Ok(Json(to_json(&app, &receipt)));
    }
    app.clock.sleep(provider_time(&app, &key)).await;
    // An authorization that is not committed is never captured; it expires at the provider.
    let method = wanted.payment_method.id();
    let receipt = app.database.commit_payment(payment, method).await??;
    follow_up(&app, user.id, &receipt).await;
    Ok(Json(to_json(&app, &receipt)))
}

/// `GET /api/payments/methods`.
pub(crate) async fn methods(State(app): State<Arc<App>>) -> Json<Value> {
    app.work(Work::PaymentMethods).await;
    let methods = Method::ALL.map(|method| {
        json!({
            "id": method.id(),
            "name": method.name(),
            "description": format!("Pay with {}", method.name()),
            "icon": format!("/icons/{}.svg", method.id()),
        })
    });
    Json(json!({ "methods": methods }))
}

/// Does what follows a purchase. The purchase is committed, so an outage of Redis must not turn it into an error.
async fn follow_up(app: &App, user: Uuid, receipt: &Paid) {
    let row = &receipt.reservation;
    invalidate(app, row.show).await;
    for seat in &row.seats {
        announce(app, row.show, seat_taken(seat.id, user, "reserved")).await;
    }
    if let Err(error) = app.cache.leave(row.show, user).await {
        tracing::debug!(%error, "shopping slot not released");
    }
}

/// Returns how long a payment in progress keeps its seat: the longest time of the provider and two waits for the database.
fn grace(app: &App) -> Duration {
    app.settings.provider_time.1 + 2 * app.settings.pool_connect_timeout
}

/// Returns the provider's time for this payment: uniformly distributed, and the same in every run with this seed.
fn provider_time(app: &App, key: &str) -> Duration {
    let (shortest, longest) = app.settings.provider_time;
    let draw = stable_id(&["provider", &app.settings.seed.to_string(), key]);
    // The low bits of a hash: the bits above contain the version of the id.
    let share = u32::try_from(draw.as_u128() & u128::from(u32::MAX)).unwrap_or(0);
    let share = f64::from(share) / f64::from(u32::MAX);
    shortest + longest.saturating_sub(shortest).mul_f64(share)
}

fn to_json(app: &App, receipt: &Paid) -> Value {
    let row = &receipt.reservation;
    json!({
        "success": true,
        "message": "Payment completed",
        "payment": {
            "reservationId": row.id,
            "reservationNumber": row.number,
            "paymentMethod": receipt.method,
            "totalAmount": row.amount,
            "paidAt": app.clock.calendar(receipt.paid_at),
        },
        "reservation": {
            "event": { "id": row.show, "title": row.show_title },
            "seats": row.seats,
        },
    })
}
