//! The payment provider as a server.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use serde::Deserialize;
use tokio::net::TcpListener;
use uuid::Uuid;

use super::Shared;
use crate::lock;
use tiketi_core::fault::catalog::Disruption;
use tiketi_core::rng::{Stream, Streams};
use tiketi_core::units::SimTime;
use tiketi_measure::ending::{ChargeFacts, ProviderFigures};
use tiketi_outbound::{Answer, Decision, NotCharged, Provider};
use tiketi_scenario::Plan;
use tiketi_scenario::plan;
use tiketi_server::FinalState;

/// The provider's rules with what they need of the run.
#[derive(Debug)]
pub(super) struct Payments {
    provider: Provider<String, Uuid>,
    settings: plan::Provider,
    stream: Stream,
}

#[derive(Deserialize)]
struct Authorization {
    key: String,
    reference: Uuid,
}

#[derive(Deserialize)]
struct Keyed {
    key: String,
}

#[derive(Deserialize)]
struct Refund {
    reference: Uuid,
}

/// A request that was understood.
enum Call {
    Authorize(Authorization),
    Capture(Keyed),
    Void(Keyed),
    Refund(Refund),
}

/// Serves the provider for ever.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    super::serve_http(listener, move |request| {
        answer(Arc::clone(&shared), request)
    })
    .await;
}

async fn answer(shared: Arc<Shared>, request: Request<Bytes>) -> StatusCode {
    let call = match understand(&request) {
        Ok(call) => call,
        Err(status) => return status,
    };
    let now = shared.now();
    let answered = lock(&shared.payments).handle(now, call);
    match answered {
        Answered::Now(status) => status,
        Answered::Later(Answer { at, decision }) => {
            shared.sleep_until(at).await;
            match decision {
                Decision::Authorized => StatusCode::OK,
                Decision::Declined => StatusCode::PAYMENT_REQUIRED,
                Decision::Failed => StatusCode::SERVICE_UNAVAILABLE,
            }
        }
    }
}

fn understand(request: &Request<Bytes>) -> Result<Call, StatusCode> {
    if request.method() != Method::POST {
        return Err(StatusCode::METHOD_NOT_ALLOWED);
    }
    let body = request.body();
    let call = match request.uri().path() {
        "/authorizations" => serde_json::from_slice(body).map(Call::Authorize),
        "/captures" => serde_json::from_slice(body).map(Call::Capture),
        "/voids" => serde_json::from_slice(body).map(Call::Void),
        "/refunds" => serde_json::from_slice(body).map(Call::Refund),
        _ => return Err(StatusCode::NOT_FOUND),
    };
    call.map_err(|_| StatusCode::BAD_REQUEST)
}

/// What the provider says, and when.
enum Answered {
    Now(StatusCode),
    Later(Answer),
}

impl Payments {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            provider: Provider::default(),
            settings: plan.provider,
            stream: Streams::new(plan.seed).named("provider"),
        }
    }

    pub(super) const fn figures(&self) -> ProviderFigures {
        self.provider.figures()
    }

    fn handle(&mut self, now: SimTime, call: Call) -> Answered {
        match call {
            Call::Authorize(Authorization { key, reference }) => {
                let draw = self.settings.draw(&mut self.stream);
                let payment = (key, reference);
                Answered::Later(self.provider.handle_authorize(now, payment, draw))
            }
            Call::Capture(Keyed { key }) => {
                Answered::Now(match self.provider.handle_capture(&key) {
                    Ok(()) => StatusCode::OK,
                    Err(NotCharged::NotAuthorized) => StatusCode::CONFLICT,
                    Err(NotCharged::Down) => StatusCode::SERVICE_UNAVAILABLE,
                })
            }
            Call::Void(_) | Call::Refund(_) if self.provider.is_down() => {
                Answered::Now(StatusCode::SERVICE_UNAVAILABLE)
            }
            Call::Void(Keyed { key }) => {
                self.provider.ledger_mut().void(&key);
                Answered::Now(StatusCode::OK)
            }
            Call::Refund(Refund { reference }) => {
                self.provider.ledger_mut().refund(reference);
                Answered::Now(StatusCode::OK)
            }
        }
    }

    pub(super) fn handle_disruption(&mut self, disruption: Disruption) {
        self.provider.handle_disruption(disruption);
    }

    pub(super) fn handle_repair(&mut self, disruption: Disruption) {
        self.provider.handle_repair(disruption);
    }

    /// Charges what is authorized for the orders in the final state, and compares both.
    pub(super) fn settle(&mut self, state: &FinalState) -> ChargeFacts {
        let orders = &state.orders;
        let ledger = self.provider.ledger_mut();
        ledger.settle(orders.iter().map(|order| &order.idempotency_key));
        let orders = orders.iter();
        ledger.facts(orders.map(|order| (order.idempotency_key.clone(), order.reservation)))
    }
}
