//! Refusals as the contract words them: a status and `{"error": "<message>"}`.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;

use crate::tier::{Refusal, Unavailable};

/// Why a request got no answer of the good kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ApiError {
    /// 400: the request cannot be done; the text says why.
    #[error("{0}")]
    BadRequest(String),
    /// 401: no token, or nobody knows the user.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// 403: the token is wrong or too old, or the role is not enough.
    #[error("{0}")]
    Forbidden(&'static str),
    /// 404: there is no such thing.
    #[error("{0}")]
    NotFound(&'static str),
    /// 429: over the rate limit for this long.
    #[error("Too many requests")]
    TooManyRequests(Duration),
    /// 503: a part of the data tier does not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// 500: the server is at fault.
    #[error("Internal server error")]
    Internal,
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::UnknownShow => Self::NotFound("Event not found"),
            Refusal::UnknownSeat
            | Refusal::UnknownTicketType
            | Refusal::UnknownReservation
            | Refusal::SeatLocked
            | Refusal::SeatReserved
            | Refusal::OneSeatEach
            | Refusal::ChooseASeat
            | Refusal::ShortStock
            | Refusal::HoldExpired
            | Refusal::PaidAlready
            | Refusal::KeyUsed
            | Refusal::Cancelled
            | Refusal::NotCancellable => Self::BadRequest(refusal.to_string()),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::TooManyRequests(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let body = Json(serde_json::json!({ "error": self.to_string() }));
        let mut response = (status, body).into_response();
        if let Self::TooManyRequests(wait) = self {
            // Scenario seconds, like every other time a buyer is told; rounded up, so that the wait is enough.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The body of a request, or 400 with what is wrong with it.
pub(crate) fn body<T: DeserializeOwned>(
    body: Result<Json<T>, JsonRejection>,
) -> Result<T, ApiError> {
    body.map(|Json(value)| value)
        .map_err(|rejection| ApiError::BadRequest(rejection.body_text()))
}

/// Answers whatever no route matches.
pub(crate) async fn no_such_route() -> ApiError {
    ApiError::NotFound("Route not found")
}
