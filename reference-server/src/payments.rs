//! Payments: authorized by the provider, committed once, then charged.

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
use crate::outbound;
use crate::pass::Shown;
use crate::seats::{announce, seat_taken};
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

/// Maximum length of an idempotency key, in bytes. The database keeps all of them in an index.
const KEY_BYTES_MAX: usize = 255;

/// A payment that has been asked for.
struct Payment {
    user: Uuid,
    reservation: Uuid,
    key: String,
    method: Method,
    /// The pass of the user; `None` if the waiting room is in the application.
    pass: Option<Shown>,
}

/// `POST /api/payments/process`.
///
/// Repeated requests with the same idempotency key make one payment. The key is the `Idempotency-Key` header, or the
/// reservation id if there is none.
///
/// A payment that has begun goes on if its client hangs up, as it does in Node: otherwise its seat would be kept for a
/// payment that nobody makes.
pub(crate) async fn process(
    State(app): State<Arc<App>>,
    user: User,
    headers: HeaderMap,
    body: Result<Json<Process>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    app.work(Work::PaymentProcess).await;
    let wanted = error::body(body)?;
    let pass = app.admitted(&headers, user, None)?;
    let payment = Payment {
        user: user.id,
        reservation: wanted.reservation_id,
        key: key(&headers, wanted.reservation_id)?,
        method: wanted.payment_method,
        pass,
    };
    let paying = app.crash.clone().guarded(pay(Arc::clone(&app), payment));
    let receipt = app.payments.spawn(paying).await;
    let receipt = receipt.map_err(|_| ApiError::Internal)??;
    Ok(Json(to_json(&app, &receipt)))
}

/// Asks the provider and commits. While the provider works, the seat stays on hold and no database connection is in use.
async fn pay(app: Arc<App>, payment: Payment) -> Result<Paid, ApiError> {
    let Payment {
        user,
        reservation,
        key,
        method,
        pass,
    } = payment;
    let payment = (user, reservation, key.as_str());
    let begun = app.database.begin_payment(payment, grace(&app)).await??;
    if let Some(receipt) = begun {
        // The instance that committed it may have ended before it could charge it.
        outbound::capture(&app, &receipt.key);
        return Ok(receipt);
    }
    outbound::authorize(&app, &key, reservation).await?;
    // Charged only after the commit. If the outcome of the commit is unknown, the authorization stays: the settlement charges
    // it if the order exists, and otherwise it expires.
    let committed = app.database.commit_payment(payment, method.id()).await?;
    let receipt = committed.inspect_err(|_| outbound::void(&app, &key))?;
    outbound::capture(&app, &key);
    outbound::upload_receipt(&app, &receipt);
    follow_up(&app, (user, pass), &receipt).await;
    Ok(receipt)
}

/// Returns the idempotency key of a payment, or 400.
fn key(headers: &HeaderMap, reservation: Uuid) -> Result<String, ApiError> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(reservation.to_string());
    };
    let is_printable = |byte: &u8| (b' '..=b'~').contains(byte);
    let key = std::str::from_utf8(value.as_bytes()).ok();
    key.filter(|key| (1..=KEY_BYTES_MAX).contains(&key.len()))
        .filter(|key| key.as_bytes().iter().all(is_printable))
        .map(ToOwned::to_owned)
        .ok_or_else(|| {
            let reason =
                format!("Invalid Idempotency-Key (expected 1 to {KEY_BYTES_MAX} ASCII characters)");
            ApiError::BadRequest(reason)
        })
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
async fn follow_up(app: &Arc<App>, (user, pass): (Uuid, Option<Shown>), receipt: &Paid) {
    // The room at the edge does not need Redis.
    if let Some(pass) = &pass {
        app.tell_finished(pass);
    }
    let row = &receipt.reservation;
    invalidate(app, row.show).await;
    for seat in &row.seats {
        announce(app, row.show, seat_taken(seat.id, user, "reserved")).await;
    }
    if pass.is_some() {
        return;
    }
    if let Err(error) = app.cache.leave(row.show, user).await {
        tracing::debug!(%error, "shopping slot not released");
    }
}

/// Returns how long a payment in progress keeps its seat: the longest time at the provider and two waits for the database.
fn grace(app: &App) -> Duration {
    app.settings.provider.longest() + 2 * app.settings.pool_connect_timeout
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_cannot_be_stored_is_refused_and_not_replaced() {
        let keyed = |value: &[u8]| {
            let mut headers = HeaderMap::new();
            let value = axum::http::HeaderValue::from_bytes(value).unwrap();
            headers.insert("idempotency-key", value);
            key(&headers, Uuid::nil())
        };
        let none = key(&HeaderMap::new(), Uuid::nil());
        assert_eq!(none, Ok(Uuid::nil().to_string()));
        assert_eq!(keyed(b"order 17"), Ok("order 17".to_owned()));
        let long = "k".repeat(KEY_BYTES_MAX + 1);
        for bad in [
            &b""[..],
            "schlüssel".as_bytes(),
            b"\xff",
            b"a\tb",
            long.as_bytes(),
        ] {
            assert!(
                matches!(keyed(bad), Err(ApiError::BadRequest(_))),
                "{bad:?}"
            );
        }
    }
}
