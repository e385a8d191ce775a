//! What a server can send to a buyer, as functions over bytes: the entry points of the fuzz targets.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::Request as HttpRequest;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use uuid::Uuid;

use crate::api::Api;
use crate::clock::Clock;
use crate::credential::Credential;
use crate::http::Received;
use crate::preflight::choose_show;
use crate::seats::SeatMap;
use crate::socket_io::{Content, ROOT, Reaction, Received as Message, Session};
use crate::visitor::Visitor;
use tiketi_buyer::Request;
use tiketi_core::units::BuyerId;

/// Passes each line to one Socket.IO session, as a text frame, and reads its messages as buyers of TIKETI and of other systems do.
pub fn socket_frames(lines: &str) {
    let mut session = Session::new(Duration::from_secs(1));
    for frame in lines.lines() {
        // What it says is the buyer's business; here it only has to be read.
        match session.handle_frame(ROOT, frame) {
            Reaction::Message(packet) => {
                let _of_tiketi = Message::parse(packet);
                let _of_others = Content::parse(packet).map(|content| content.message());
            }
            Reaction::Acknowledged(packet) => {
                let _arguments = Content::parse(packet).map(|content| content.arguments());
            }
            _ => {}
        }
    }
}

/// Reads the bytes as the body of a response of a metrics server, and as the output of the command-line interface of AWS. Returns
/// whether a metrics server can have sent them.
///
/// # Panics
///
/// If the id of an experiment could be taken for an option.
pub fn metrics_response(bytes: &[u8]) -> bool {
    if let Ok(id) = crate::command::experiment_id(bytes) {
        assert!(!id.is_empty() && !id.starts_with('-'), "{id}");
    }
    crate::observe::read_response(http::StatusCode::OK, bytes).is_ok()
}

/// Passes the bytes to a buyer's HTTP connection as the response to a request, and interprets what arrives as the response
/// to each request of the contract. Returns whether they are a response.
///
/// # Panics
///
/// If the runtime cannot be built.
pub fn http_response(bytes: &[u8]) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime without drivers needs nothing of the system");
    let Some(received) = runtime.block_on(receive(bytes)) else {
        return false;
    };
    let show = Uuid::nil().into();
    let api = Api::new(tiketi_api::tiketi(), Some(show), Some("/"), "");
    let api = api.expect("the preset is valid");
    let mut seats = SeatMap::new(Rc::clone(&api.ids));
    let credential = Credential::anonymous(Uuid::nil());
    let mut visitor = Visitor::new(BuyerId(0), credential, &api, None);
    for request in requests() {
        for step in api.steps(request) {
            let _understood = api.understand(*step, request, &received, &mut seats, &mut visitor);
            let role = api.role(*step);
            let _place = role.map(|role| role.place(&received.body));
        }
    }
    let _words = tiketi_api::mask::body(&received.body, &["secret"]);
    let _shows = api
        .shows(&received)
        .map(|shows| choose_show(Some(shows), None));
    let _seats = api.seat_statuses(&received);
    true
}

/// Passes the bytes to a buyer as a line of the program that signs requests. Returns whether they are an answer.
pub fn sign_line(bytes: &[u8]) -> bool {
    crate::signer::read_line(bytes)
}

/// Returns the response that a connection reads from the bytes; `None` if they are none.
async fn receive(bytes: &[u8]) -> Option<Received> {
    // The whole response fits into the pipe, so writing it never waits for the reader.
    let (near, mut far) = tokio::io::duplex(bytes.len() + 4_096);
    let (mut channel, connection) = http1::handshake(TokioIo::new(near)).await.ok()?;
    let request = HttpRequest::new(Full::new(Bytes::new()));
    let exchange = async {
        let response = channel.send_request(request).await.ok()?;
        Received::read(response, Clock::starting_at(0, 1.0))
            .await
            .ok()
    };
    // Bytes before the request would end the connection: a response needs a request.
    let respond = async {
        let _first_byte = far.read_u8().await?;
        far.write_all(bytes).await?;
        far.shutdown().await
    };
    let (received, _ended, _sent) = tokio::join!(exchange, connection, respond);
    received
}

/// One request of each kind.
fn requests() -> [Request; 11] {
    [
        Request::LogIn,
        Request::LogInAgain,
        Request::PageLoad,
        Request::ShowList,
        Request::ShowDetail,
        Request::QueueCheck,
        Request::QueueStatus,
        Request::QueueLeave,
        Request::SeatList,
        Request::SeatReserve { seat: Uuid::nil() },
        Request::PaymentProcess {
            reservation: Uuid::nil(),
        },
    ]
}
