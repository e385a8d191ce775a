//! Error responses of the wire contract: a status code and `{"error": "<message>"}`.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;

use crate::body::BODY_MAX;
use crate::tier::{Refusal, Unavailable};

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ApiError {
    /// 400: the request cannot be carried out, for the given reason.
    #[error("{0}")]
    BadRequest(String),
    /// 401: the token is missing, or its user is unknown.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// 403: the token is invalid or expired, or the role is insufficient.
    #[error("{0}")]
    Forbidden(&'static str),
    /// 404: not found.
    #[error("{0}")]
    NotFound(&'static str),
    /// 408: the client did not send the request in time.
    #[error("The request body did not arrive in time")]
    TooSlow,
    /// 413: the request body is too large.
    #[error("The request body is too large (expected at most {max} bytes)", max = BODY_MAX)]
    TooLarge,
    /// 429: over the rate limit; retry after this time.
    #[error("Too many requests")]
    TooManyRequests(Duration),
    /// 503: a part of the data tier is unavailable.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// 502: the payment provider did not answer, or has failed.
    #[error("Payment provider is unavailable")]
    ProviderUnavailable,
    /// 500: a bug in the server.
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
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooManyRequests(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::ProviderUnavailable => StatusCode::BAD_GATEWAY,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let body = Json(serde_json::json!({ "error": self.to_string() }));
        let mut response = (status, body).into_response();
        if let Self::TooManyRequests(wait) = self {
            // Scenario seconds, like every time in a response. Rounded up so that the wait is long enough.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Returns the parsed body of a request, or 400 with the reason.
pub(crate) fn body<T: DeserializeOwned>(
    body: Result<Json<T>, JsonRejection>,
) -> Result<T, ApiError> {
    body.map(|Json(value)| value)
        .map_err(|rejection| ApiError::BadRequest(rejection.body_text()))
}

/// Responds to a request that matches no route.
pub(crate) async fn no_such_route() -> ApiError {
    ApiError::NotFound("Route not found")
}
