//! The back end's HTTP API: builds requests and interprets responses.
//!
//! Responses are read tolerantly: unknown fields and everything that is not needed are ignored.

use std::borrow::Cow;

use bytes::Bytes;
use http::{Method, StatusCode, Uri};
use serde::Deserialize;
use uuid::Uuid;

use super::http::{Outgoing, Received};
use super::setup::SetupError;
use tiketi_buyer::observation::{Failure, Outcome};
use tiketi_buyer::{Answer, Request, SeatOffer};
use tiketi_measure::witness::Place;

/// The URLs of one show, parsed once.
#[derive(Debug)]
pub(super) struct Api {
    show: Uuid,
    page: Option<Uri>,
    show_list: Uri,
    show_detail: Uri,
    queue_check: Uri,
    queue_status: Uri,
    queue_leave: Uri,
    seat_list: Uri,
    seat_reserve: Uri,
    payment_process: Uri,
}

impl Api {
    /// Builds the API for buyers of `show`; `page` is the path of the web page, `None` if an edge serves it that is not
    /// part of the system under test.
    pub(super) fn new(show: Uuid, page: Option<&str>) -> Result<Self, SetupError> {
        let path = |path: String| {
            let parsed = path.parse::<Uri>();
            parsed.map_err(|source| SetupError::Path { path, source })
        };
        Ok(Self {
            show,
            page: page.map(|text| path(text.to_owned())).transpose()?,
            show_list: path("/api/events".to_owned())?,
            show_detail: path(format!("/api/events/{show}"))?,
            queue_check: path(format!("/api/queue/check/{show}"))?,
            queue_status: path(format!("/api/queue/status/{show}"))?,
            queue_leave: path(format!("/api/queue/leave/{show}"))?,
            seat_list: path(format!("/api/seats/events/{show}"))?,
            seat_reserve: path("/api/seats/reserve".to_owned())?,
            payment_process: path("/api/payments/process".to_owned())?,
        })
    }

    /// Returns the HTTP request for `request`; `None` if the edge answers it.
    pub(super) fn outgoing(&self, request: Request) -> Option<Outgoing> {
        let (method, uri, body) = match request {
            Request::PageLoad => (Method::GET, self.page.as_ref()?, Bytes::new()),
            Request::ShowList => (Method::GET, &self.show_list, Bytes::new()),
            Request::ShowDetail => (Method::GET, &self.show_detail, Bytes::new()),
            Request::QueueCheck => (Method::POST, &self.queue_check, Bytes::new()),
            Request::QueueStatus => (Method::GET, &self.queue_status, Bytes::new()),
            Request::QueueLeave => (Method::POST, &self.queue_leave, Bytes::new()),
            Request::SeatList => (Method::GET, &self.seat_list, Bytes::new()),
            Request::SeatReserve { seat } => {
                let body = format!(r#"{{"eventId":"{}","seatIds":["{seat}"]}}"#, self.show);
                (Method::POST, &self.seat_reserve, body.into())
            }
            Request::PaymentProcess { reservation } => {
                let body =
                    format!(r#"{{"reservationId":"{reservation}","paymentMethod":"kakao_pay"}}"#);
                (Method::POST, &self.payment_process, body.into())
            }
        };
        Some(Outgoing {
            method,
            uri: uri.clone(),
            body,
            is_idempotent: request.is_idempotent(),
        })
    }
}

/// Interprets a response to `request`. The available seats are left in `seats`.
pub(super) fn understand<'a>(
    request: Request,
    received: &Received,
    seats: &'a mut Vec<SeatOffer>,
) -> (Outcome, Answer<'a>) {
    let status = received.status;
    if !status.is_success() {
        return understand_error(request, received);
    }
    let understood =
        match request {
            Request::PageLoad | Request::ShowList | Request::ShowDetail | Request::QueueLeave => {
                Some(Answer::Done)
            }
            Request::QueueCheck => check_answer(&received.body),
            Request::QueueStatus => status_answer(&received.body),
            Request::SeatList => read_seats(&received.body, seats).map(|locked| Answer::Seats {
                available: seats,
                locked,
            }),
            Request::SeatReserve { .. } => serde_json::from_slice::<Reserved>(&received.body)
                .ok()
                .map(|answer| Answer::Held {
                    reservation: answer.reservation.id,
                }),
            Request::PaymentProcess { .. } => serde_json::from_slice::<Payment>(&received.body)
                .ok()
                .filter(|payment| payment.success != Some(false))
                .map(|_| Answer::Paid),
        };
    match understood {
        Some(answer) => (Outcome::Ok, answer),
        None => failed(Failure::BadAnswer, received),
    }
}

fn understand_error(request: Request, received: &Received) -> (Outcome, Answer<'static>) {
    let status = received.status;
    let is_refusal = matches!(
        status,
        StatusCode::BAD_REQUEST | StatusCode::CONFLICT | StatusCode::GONE | StatusCode::LOCKED
    );
    match request {
        Request::PaymentProcess { .. } if is_refusal && says_paid_already(&received.body) => {
            // An earlier attempt succeeded, and only its response was lost.
            (Outcome::Ok, Answer::Paid)
        }
        Request::SeatReserve { .. } | Request::PaymentProcess { .. } if is_refusal => {
            (Outcome::Refused, Answer::Refused)
        }
        _ => failed(Failure::Status(status.as_u16()), received),
    }
}

fn failed(failure: Failure, received: &Received) -> (Outcome, Answer<'static>) {
    let answer = Answer::Failed {
        failure,
        retry_after: received.retry_after,
    };
    (Outcome::Failed(failure), answer)
}

#[derive(Deserialize)]
struct Queue {
    queued: Option<bool>,
    /// The reference server says it beside `queued: false`; the contract does not ask for it.
    admitted: Option<bool>,
}

/// Understands the answer to `queue/check`, which admits a buyer whom it does not queue.
fn check_answer(body: &[u8]) -> Option<Answer<'static>> {
    let queue: Queue = serde_json::from_slice(body).ok()?;
    Some(if queue.queued? {
        Answer::Queued
    } else {
        Answer::Admitted
    })
}

/// Position and places in an answer about the queue, for what buyers of a target can prove.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct QueuePlace {
    position: Option<u32>,
    current_users: Option<u64>,
    threshold: Option<u64>,
}

/// Returns what an answer about the queue says of the buyer's place; nothing if it cannot be read.
pub(super) fn place(body: &[u8]) -> Place {
    let Ok(read) = serde_json::from_slice::<QueuePlace>(body) else {
        return Place::default();
    };
    Place {
        position: read.position,
        taken_of: read.current_users.zip(read.threshold),
    }
}

/// Understands the answer to `queue/status`, which says `queued: false` of a buyer who was admitted and of one who was dropped.
fn status_answer(body: &[u8]) -> Option<Answer<'static>> {
    let queue: Queue = serde_json::from_slice(body).ok()?;
    Some(if queue.queued? {
        Answer::Queued
    } else {
        Answer::NotQueued {
            admitted: queue.admitted,
        }
    })
}

#[derive(Deserialize)]
struct Reserved {
    reservation: Reservation,
}

#[derive(Deserialize)]
struct Reservation {
    id: Uuid,
}

#[derive(Deserialize)]
struct Payment {
    success: Option<bool>,
}

#[derive(Deserialize)]
struct SeatMap<'a> {
    #[serde(borrow)]
    seats: Vec<Seat<'a>>,
}

#[derive(Deserialize)]
struct Seat<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    status: Cow<'a, str>,
}

/// Fills `seats` with the available seats. Returns how many others are only held; `None` if the body cannot be read.
fn read_seats(body: &[u8], seats: &mut Vec<SeatOffer>) -> Option<u32> {
    let map: SeatMap<'_> = serde_json::from_slice(body).ok()?;
    seats.clear();
    let mut locked = 0;
    for seat in &map.seats {
        match seat.status.as_ref() {
            "available" => seats.push(SeatOffer {
                seat: seat.id.parse().ok()?,
            }),
            "locked" => locked += 1,
            _ => {}
        }
    }
    Some(locked)
}

/// Whether a refusal says that the reservation is already paid, in any wording.
fn says_paid_already(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body).to_lowercase();
    text.contains("already") && (text.contains("paid") || text.contains("processed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(status: u16, body: &str) -> Received {
        Received {
            status: StatusCode::from_u16(status).unwrap(),
            body: Bytes::copy_from_slice(body.as_bytes()),
            cookie: None,
            pass: None,
            retry_after: None,
        }
    }

    const PAY: Request = Request::PaymentProcess {
        reservation: Uuid::nil(),
    };

    #[test]
    fn the_seat_map_lists_available_seats_and_counts_held_ones() {
        let body = r#"{"event":{"id":1},"layout":null,"seats":[
            {"id":"00000000-0000-0000-0000-000000000001","section":"VIP","price":"150000","status":"available"},
            {"status":"locked","id":"00000000-0000-0000-0000-000000000002"},
            {"id":"00000000-0000-0000-0000-000000000003","status":"reserved"}]}"#;
        let mut seats = Vec::new();
        let (outcome, answer) = understand(Request::SeatList, &received(200, body), &mut seats);
        assert_eq!(outcome, Outcome::Ok);
        let only = vec![SeatOffer {
            seat: Uuid::from_u128(1),
        }];
        assert_eq!(
            answer,
            Answer::Seats {
                available: &only,
                locked: 1
            }
        );
    }

    #[test]
    fn a_taken_seat_is_a_refusal_not_a_failure() {
        let request = Request::SeatReserve { seat: Uuid::nil() };
        let mut seats = Vec::new();
        let (outcome, answer) = understand(request, &received(400, "{}"), &mut seats);
        assert_eq!((outcome, answer), (Outcome::Refused, Answer::Refused));
    }

    #[test]
    fn a_payment_whose_response_was_lost_counts_as_paid() {
        let body = r#"{"error":"Reservation is already paid"}"#;
        let mut seats = Vec::new();
        let (outcome, answer) = understand(PAY, &received(400, body), &mut seats);
        assert_eq!((outcome, answer), (Outcome::Ok, Answer::Paid));
        let body = r#"{"error":"Reservation has expired"}"#;
        let (outcome, _) = understand(PAY, &received(400, body), &mut Vec::new());
        assert_eq!(outcome, Outcome::Refused);
    }

    #[test]
    fn a_body_that_cannot_be_parsed_is_a_bad_answer() {
        for request in [Request::QueueCheck, Request::SeatList, PAY] {
            let (outcome, _) = understand(request, &received(200, "<html>"), &mut Vec::new());
            assert_eq!(outcome, Outcome::Failed(Failure::BadAnswer), "{request:?}");
        }
    }

    #[test]
    fn an_answer_about_the_queue_may_state_position_and_places() {
        let body = br#"{"queued":true,"position":7,"queueSize":9,"currentUsers":3,"threshold":20}"#;
        let expected = Place {
            position: Some(7),
            taken_of: Some((3, 20)),
        };
        assert_eq!(place(body), expected);
        for body in [&b"{\"queued\":true}"[..], b"[]", b"{\"position\":-1}"] {
            assert_eq!(place(body), Place::default());
        }
    }

    #[test]
    fn an_error_status_is_a_failure_with_its_code() {
        let (outcome, _) = understand(Request::QueueStatus, &received(503, ""), &mut Vec::new());
        assert_eq!(outcome, Outcome::Failed(Failure::Status(503)));
    }
}
