//! Passes of a waiting room in front of the server: who has one has been admitted there.
//!
//! A pass is an HS256 token in a cookie, bound to a user and a show, with an end. The server checks it instead of asking Redis,
//! and each response to a user who chooses a seat has a new one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, Method, Request, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::app::App;
use crate::auth::User;
use crate::clock::Clock;
use crate::error::ApiError;
use crate::settings::RoomAt;

/// Name of the cookie with the pass.
pub const PASS_COOKIE: &str = "tiketi_pass";

/// What a pass says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pass {
    /// The user who is admitted.
    pub user: Uuid,
    /// To which show.
    pub show: Uuid,
    /// Until when, in milliseconds since 1970.
    pub ends_at_unix_ms: u64,
}

/// Signs and reads passes.
pub struct PassKey {
    signs: EncodingKey,
    reads: DecodingKey,
    validation: Validation,
}

/// Keeps the keys out of logs.
impl std::fmt::Debug for PassKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PassKey").finish_non_exhaustive()
    }
}

impl PassKey {
    /// Creates the key of a secret that the waiting room and the server share.
    pub fn new(secret: &str) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        // The end has milliseconds, so it is checked here.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        Self {
            signs: EncodingKey::from_secret(secret.as_bytes()),
            reads: DecodingKey::from_secret(secret.as_bytes()),
            validation,
        }
    }

    /// Signs a pass.
    pub fn sign(&self, pass: &Pass) -> String {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), pass, &self.signs)
            .expect("an HMAC over plain claims cannot fail")
    }

    /// Returns what a token says; `None` if it is not signed with this key, or has ended.
    pub fn read(&self, token: &str, now_unix_ms: u64) -> Option<Pass> {
        let read = jsonwebtoken::decode::<Pass>(token, &self.reads, &self.validation);
        let pass = read.ok()?.claims;
        (now_unix_ms < pass.ends_at_unix_ms).then_some(pass)
    }
}

/// Returns the `Set-Cookie` header that gives a client a pass.
pub fn pass_cookie(token: &str) -> HeaderValue {
    HeaderValue::try_from(format!("{PASS_COOKIE}={token}; Path=/; HttpOnly"))
        .expect("a token has letters, digits, dots, dashes and underscores")
}

/// What an instance has to do with a waiting room in front of it.
#[derive(Debug)]
pub(crate) struct Gate {
    key: PassKey,
    /// Life of a new pass, in real time.
    life: Duration,
    store: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// A pass that was shown, and its token.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pass: Pass,
    token: String,
}

impl Gate {
    /// Creates the gate of an instance; `None` if the waiting room is in the application.
    pub(crate) fn of(room: &RoomAt, clock: Clock) -> Option<Self> {
        let RoomAt::Edge {
            secret,
            store,
            pass_life,
        } = room
        else {
            return None;
        };
        Some(Self {
            key: PassKey::new(secret),
            life: clock.wall(*pass_life),
            store: *store,
            client: Client::builder(TokioExecutor::new()).build(HttpConnector::new()),
        })
    }

    /// Returns the pass that a request shows; `None` without a valid one.
    fn shown(&self, headers: &HeaderMap) -> Option<Shown> {
        let token = cookie(headers, PASS_COOKIE)?;
        let pass = self.key.read(token, Clock::unix_millis())?;
        Some(Shown {
            pass,
            token: token.to_owned(),
        })
    }

    /// Returns a pass like this one that ends later.
    fn renewed(&self, shown: &Shown) -> HeaderValue {
        let life = u64::try_from(self.life.as_millis()).unwrap_or(u64::MAX);
        let pass = Pass {
            ends_at_unix_ms: Clock::unix_millis().saturating_add(life),
            ..shown.pass
        };
        pass_cookie(&self.key.sign(&pass))
    }

    async fn tell(&self, path: &str, token: &str) -> Result<(), String> {
        let uri = format!("http://{}{path}", self.store);
        let request = Request::builder()
            .method(Method::POST)
            .uri(uri)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Full::default())
            .map_err(|error| error.to_string())?;
        let answer = self.client.request(request).await;
        let answer = answer.map_err(|error| error.to_string())?;
        let status = answer.status();
        // Read to the end, so that the connection can be used again.
        let body = answer.into_body().collect().await;
        body.map_err(|error| error.to_string())?;
        if status.is_success() {
            Ok(())
        } else {
            Err(status.to_string())
        }
    }
}

impl App {
    /// Returns the pass of a user who was admitted at the edge to `show`, or to any show on sale without one; `None` if the
    /// waiting room is in the application, which serves everybody.
    ///
    /// # Errors
    ///
    /// 403 without a valid pass of this user for this show.
    pub(crate) fn admitted(
        &self,
        headers: &HeaderMap,
        user: User,
        show: Option<Uuid>,
    ) -> Result<Option<Shown>, ApiError> {
        let Some(gate) = &self.gate else {
            return Ok(None);
        };
        let shown = gate.shown(headers).filter(|shown| {
            let is_meant = show.map_or(self.shows.contains(&shown.pass.show), |show| {
                show == shown.pass.show
            });
            shown.pass.user == user.id && is_meant
        });
        match shown {
            Some(shown) => Ok(Some(shown)),
            None => Err(ApiError::Forbidden(
                "A pass of the waiting room is required",
            )),
        }
    }

    /// Returns the headers that renew a pass; none without one.
    pub(crate) fn renewed(&self, shown: Option<&Shown>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let (Some(gate), Some(shown)) = (&self.gate, shown) {
            headers.insert(header::SET_COOKIE, gate.renewed(shown));
        }
        headers
    }

    /// Tells the waiting room that the owner of a pass does something.
    pub(crate) fn tell_active(self: &Arc<Self>, shown: &Shown) {
        self.tell_room("/touch", shown);
    }

    /// Tells the waiting room that the owner of a pass has paid.
    pub(crate) fn tell_finished(self: &Arc<Self>, shown: &Shown) {
        self.tell_room("/finish", shown);
    }

    /// Tells the waiting room something in the background. It belongs to the payments in progress, for which a draining
    /// instance waits.
    fn tell_room(self: &Arc<Self>, path: &'static str, shown: &Shown) {
        let (app, token) = (Arc::clone(self), shown.token.clone());
        let task = async move {
            if let Some(gate) = &app.gate
                && let Err(error) = gate.tell(path, &token).await
            {
                tracing::debug!(%error, path, "the waiting room was not told");
            }
        };
        drop(self.payments.spawn(self.crash.clone().guarded(task)));
    }
}

/// Returns the value of a cookie of a request.
fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(found, value)| (found == name).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASS: Pass = Pass {
        user: Uuid::from_u128(7),
        show: Uuid::from_u128(8),
        ends_at_unix_ms: 5_000,
    };

    #[test]
    fn a_pass_is_valid_until_its_end_and_with_its_key_only() {
        let key = PassKey::new("secret");
        let token = key.sign(&PASS);
        assert_eq!(key.read(&token, 4_999), Some(PASS));
        assert_eq!(key.read(&token, 5_000), None);
        assert_eq!(PassKey::new("another").read(&token, 1), None);
        let mut forged = token.into_bytes();
        let place = forged.iter().position(|byte| *byte == b'.').unwrap() + 5;
        forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
        assert_eq!(key.read(&String::from_utf8(forged).unwrap(), 1), None);
        assert_eq!(key.read("", 1), None);
        // The token of a login is no pass, even with the same secret.
        let login = crate::auth::mint_token("secret", "a@b.c", false, Duration::from_secs(60));
        assert_eq!(key.read(&login, 1), None);
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("AWSALB=0.1; a=b"));
        headers.append(
            header::COOKIE,
            HeaderValue::from_static("tiketi_pass=x.y.z"),
        );
        assert_eq!(cookie(&headers, PASS_COOKIE), Some("x.y.z"));
        assert_eq!(cookie(&headers, "b"), None);
        assert_eq!(pass_cookie("x.y"), "tiketi_pass=x.y; Path=/; HttpOnly");
    }
}
