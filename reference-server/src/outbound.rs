//! Calls to servers outside: the payment provider, and the object store for receipts.
//!
//! Each call opens a connection. What matters of a response is its status: 2xx is success, 402 a declined payment, and
//! everything else, a broken connection or no response in time is a failure that is tried again.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, Request, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::app::App;
use crate::clock::Clock;
use crate::connection::Connection;
use crate::connections::Connections;
use crate::error::ApiError;
use crate::settings::{Provider, Receipts};
use crate::show::stable_id;
use crate::tier::Paid;
use tiketi_outbound::Attempts;

/// A call that can be repeated.
struct Call {
    address: SocketAddr,
    method: Method,
    path: String,
    body: Bytes,
}

/// Asks the provider to authorize a payment. Returns when it is authorized.
pub(crate) async fn authorize(app: &App, key: &str, reservation: Uuid) -> Result<(), ApiError> {
    match app.settings.provider {
        Provider::BuiltIn { shortest, longest } => {
            let time = built_in_time(app, (shortest, longest), key);
            app.clock.sleep(time).await;
            Ok(())
        }
        Provider::Remote { address, attempts } => {
            let body = json!({ "key": key, "reference": reservation });
            let call = post(address, "/authorizations", body.to_string());
            match repeat(&call, attempts, app.clock, &app.connections).await {
                Some(status) if status.is_success() => Ok(()),
                Some(_) => Err(ApiError::BadRequest("Payment was declined".to_owned())),
                None => Err(ApiError::ProviderUnavailable),
            }
        }
    }
}

/// Charges a payment whose order is committed, in the background. If that fails, the settlement does it later.
pub(crate) fn capture(app: &Arc<App>, key: &str) {
    tell(app, "/captures", json!({ "key": key }).to_string());
}

/// Gives up an authorization, in the background: its order was refused. One that stays is never charged.
pub(crate) fn void(app: &Arc<App>, key: &str) {
    tell(app, "/voids", json!({ "key": key }).to_string());
}

/// Gives back what was paid for a reservation, in the background.
pub(crate) fn refund(app: &Arc<App>, reservation: Uuid) {
    let body = json!({ "reference": reservation });
    tell(app, "/refunds", body.to_string());
}

/// Uploads the receipt of an order, in the background. A receipt that cannot be uploaded is lost.
pub(crate) fn upload_receipt(app: &Arc<App>, receipt: &Paid) {
    let Receipts::Uploaded {
        address,
        bytes,
        attempts,
    } = app.settings.receipts
    else {
        return;
    };
    let call = Call {
        address,
        method: Method::PUT,
        path: format!("/receipts/{}", receipt.reservation.id),
        body: vec![b' '; bytes as usize].into(),
    };
    run(app, call, attempts);
}

fn tell(app: &Arc<App>, path: &str, body: String) {
    if let Provider::Remote { address, attempts } = app.settings.provider {
        run(app, post(address, path, body), attempts);
    }
}

/// Makes a call in the background. It belongs to the payments in progress, for which a draining instance waits.
fn run(app: &Arc<App>, call: Call, attempts: Attempts) {
    let clock = app.clock;
    let open = Arc::clone(&app.connections);
    let task = async move {
        if repeat(&call, attempts, clock, &open).await.is_none() {
            tracing::debug!(path = call.path, "call outside failed");
        }
    };
    drop(app.payments.spawn(app.crash.clone().guarded(task)));
}

fn post(address: SocketAddr, path: &str, body: String) -> Call {
    Call {
        address,
        method: Method::POST,
        path: path.to_owned(),
        body: body.into(),
    }
}

/// Makes a call until it is answered. Returns the status, 2xx or 402; `None` if every attempt has failed.
async fn repeat(
    call: &Call,
    attempts: Attempts,
    clock: Clock,
    open: &Arc<Connections>,
) -> Option<StatusCode> {
    let timeout = clock.wall(attempts.timeout);
    for made in 1.. {
        let answered = tokio::time::timeout(timeout, send(call, open)).await;
        if let Ok(Ok(status)) = answered
            && (status.is_success() || status == StatusCode::PAYMENT_REQUIRED)
        {
            return Some(status);
        }
        clock.sleep(attempts.pause_after(made)?).await;
    }
    None
}

/// Makes one attempt.
async fn send(call: &Call, open: &Arc<Connections>) -> io::Result<StatusCode> {
    let stream = Connection::opened(TcpStream::connect(call.address).await?, open)?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(io::Error::other)?;
    let request = Request::builder()
        .method(call.method.clone())
        .uri(&call.path)
        .header(header::HOST, call.address.to_string())
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(call.body.clone()))
        .map_err(io::Error::other)?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        response.into_body().collect().await?;
        Ok::<_, hyper::Error>(status)
    };
    tokio::pin!(exchange);
    tokio::select! {
        answered = &mut exchange => answered.map_err(io::Error::other),
        ended = connection => {
            ended.map_err(io::Error::other)?;
            // The connection may end with the last byte of the response, before the response was handled.
            exchange.await.map_err(io::Error::other)
        }
    }
}

/// Returns the built-in provider's time for this payment: uniformly distributed, and the same in every run with this seed.
fn built_in_time(app: &App, (shortest, longest): (Duration, Duration), key: &str) -> Duration {
    let draw = stable_id(&["provider", &app.settings.seed.to_string(), key]);
    // The low bits of a hash: the bits above contain the version of the id.
    let share = u32::try_from(draw.as_u128() & u128::from(u32::MAX)).unwrap_or(0);
    let share = f64::from(share) / f64::from(u32::MAX);
    shortest + longest.saturating_sub(shortest).mul_f64(share)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    const ATTEMPTS: Attempts = Attempts {
        timeout: Duration::from_secs(20),
        max: 3,
    };

    /// A server that answers one connection after the other with these statuses, or not at all; returns what it was asked.
    async fn serve(statuses: Vec<Option<u16>>) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut silent = Vec::new();
            for status in statuses {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 4_096];
                let mut length = 0;
                while !request[..length].ends_with(b"}") {
                    length += stream.read(&mut request[length..]).await.unwrap();
                }
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                kept.lock().unwrap().push(request);
                match status {
                    Some(status) => {
                        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
                        stream.write_all(answer.as_bytes()).await.unwrap();
                    }
                    None => silent.push(stream),
                }
            }
            std::future::pending::<()>().await;
        });
        (address, asked)
    }

    async fn call(statuses: Vec<Option<u16>>) -> (Option<u16>, Vec<String>) {
        let (address, asked) = serve(statuses).await;
        let call = post(
            address,
            "/authorizations",
            json!({ "key": "k" }).to_string(),
        );
        let open = Arc::default();
        let status = repeat(&call, ATTEMPTS, Clock::start(50.0), &open).await;
        let asked = asked.lock().unwrap().clone();
        (status.map(|status| status.as_u16()), asked)
    }

    #[tokio::test]
    async fn a_failed_call_and_one_without_an_answer_are_repeated_with_the_same_key() {
        let (status, asked) = call(vec![Some(503), None, Some(200)]).await;
        assert_eq!(status, Some(200));
        assert_eq!(asked.len(), 3);
        assert!(
            asked
                .iter()
                .all(|request| request.ends_with(r#"{"key":"k"}"#))
        );
    }

    #[tokio::test]
    async fn a_declined_payment_is_an_answer_and_too_many_failures_are_none() {
        let (status, asked) = call(vec![Some(402)]).await;
        assert_eq!((status, asked.len()), (Some(402), 1));
        let (status, asked) = call(vec![Some(500), Some(503), Some(502), Some(200)]).await;
        assert_eq!((status, asked.len()), (None, 3));
    }
}
