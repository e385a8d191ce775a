//! Authentication (tokens, registration, login) and the rate limit.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use indexmap::IndexMap;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::{App, Counters};
use crate::clock::Clock;
use crate::error::{self, ApiError};
use crate::show::stable_id;
use crate::tier::Credential;
use tiketi_station::Work;

/// Cost factor of bcrypt, from the wire contract.
const BCRYPT_COST: u32 = 10;

/// Minimum length of a password.
const PASSWORD_LENGTH_MIN: usize = 6;

/// Maximum length of a password, in bytes: bcrypt ignores what comes after them.
const PASSWORD_BYTES_MAX: usize = 72;

/// Maximum length of an email address, in bytes (RFC 5321, 4.5.3.1.3: 256 with the brackets around it).
const EMAIL_BYTES_MAX: usize = 254;

/// Maximum length of the name of a user, in bytes: longer than any real one, and short enough for many accounts.
const NAME_BYTES_MAX: usize = 400;

/// Maximum length of a telephone number, in bytes: 15 digits (ITU-T E.164) and what people write between them.
const PHONE_BYTES_MAX: usize = 40;

/// Maximum length of a token that is remembered, in bytes. Those of `login` have up to 700.
const TOKEN_BYTES_REMEMBERED_MAX: usize = 1_024;

/// Maximum number of verified tokens that an instance remembers.
const TOKENS_REMEMBERED_MAX: usize = 65_536;

/// The claims of a token.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Claims {
    user_id: Uuid,
    email: String,
    role: Role,
    iat: i64,
    exp: i64,
}

/// The role of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    User,
    Admin,
}

/// The user of a verified token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct User {
    pub(crate) id: Uuid,
    role: Role,
    expires: i64,
}

/// The user of a verified token, with the role `admin`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admin;

/// Returns the id of the user with this email address. It is the same in every run.
pub fn user_id(email: &str) -> Uuid {
    stable_id(&["user", email])
}

/// Signs the token that `login` would issue to the user with this email address.
///
/// `admin` sets the role `admin`. `ttl` is real time.
pub fn mint_token(secret: &str, email: &str, admin: bool, ttl: Duration) -> String {
    let iat = Clock::unix_seconds();
    let claims = Claims {
        user_id: user_id(email),
        email: email.to_owned(),
        role: if admin { Role::Admin } else { Role::User },
        iat,
        exp: iat.saturating_add(i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX)),
    };
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)
        .expect("an HMAC over plain claims cannot fail")
}

/// Verifies tokens and caches the result, because a waiting buyer sends the same token every few seconds.
pub(crate) struct TokenCache {
    key: DecodingKey,
    validation: Validation,
    verified: Mutex<IndexMap<String, User>>,
}

/// Keeps the key out of logs.
impl std::fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenCache").finish_non_exhaustive()
    }
}

impl TokenCache {
    pub(crate) fn new(secret: &str) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        Self {
            key: DecodingKey::from_secret(secret.as_bytes()),
            validation,
            verified: Mutex::new(IndexMap::new()),
        }
    }

    fn remembered(&self, token: &str) -> Option<User> {
        let user = self.lock().get(token).copied()?;
        (user.expires > Clock::unix_seconds()).then_some(user)
    }

    fn remember(&self, token: &str, user: User) {
        if token.len() > TOKEN_BYTES_REMEMBERED_MAX {
            return;
        }
        let mut verified = self.lock();
        if verified.len() >= TOKENS_REMEMBERED_MAX {
            verified.clear();
        }
        verified.insert(token.to_owned(), user);
    }

    fn verify(&self, token: &str) -> Option<User> {
        let data = jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation).ok()?;
        Some(User {
            id: data.claims.user_id,
            role: data.claims.role,
            expires: data.claims.exp,
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, IndexMap<String, User>> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads tokens without a users table, as an edge in front of the server does: the signature is enough.
#[derive(Debug)]
pub struct TokenReader(TokenCache);

impl TokenReader {
    /// Reads tokens that are signed with this secret.
    pub fn new(secret: &str) -> Self {
        Self(TokenCache::new(secret))
    }

    /// Returns the user of a token; `None` if it is invalid or has expired.
    pub fn user(&self, token: &str) -> Option<Uuid> {
        if let Some(user) = self.0.remembered(token) {
            return Some(user.id);
        }
        let user = self.0.verify(token)?;
        self.0.remember(token, user);
        Some(user.id)
    }
}

impl App {
    /// Returns the user of a token. Reads the users table once per token and instance, not on every request.
    pub(crate) async fn identify(&self, token: &str) -> Result<User, ApiError> {
        if let Some(user) = self.tokens.remembered(token) {
            return Ok(user);
        }
        let user = self
            .tokens
            .verify(token)
            .ok_or(ApiError::Forbidden("Invalid or expired token"))?;
        let known = self.settings.trust_tokens
            || user.role == Role::Admin
            || self.database.knows_user(user.id).await?;
        if !known {
            return Err(ApiError::Unauthorized("User not found"));
        }
        self.tokens.remember(token, user);
        Ok(user)
    }

    async fn limit_rate(&self, user: Uuid) -> Result<(), ApiError> {
        let Some(limit) = self.settings.rate_limit else {
            return Ok(());
        };
        // Without Redis, requests are not counted. Rejecting them would stop the whole sale.
        match self.cache.count_request(user, limit).await {
            Ok(Some(wait)) => {
                Counters::add(&self.counters.rate_limited, 1);
                Err(ApiError::TooManyRequests(wait))
            }
            Ok(None) | Err(_) => Ok(()),
        }
    }
}

impl FromRequestParts<Arc<App>> for User {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let header = parts.headers.get(header::AUTHORIZATION);
        let token = header
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .ok_or(ApiError::Unauthorized("Access token required"))?;
        let user = app.identify(token).await?;
        app.limit_rate(user.id).await?;
        Ok(user)
    }
}

impl FromRequestParts<Arc<App>> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let user = User::from_request_parts(parts, app).await?;
        match user.role {
            Role::Admin => Ok(Self),
            Role::User => Err(ApiError::Forbidden("Admin access required")),
        }
    }
}

/// Body of `register`.
#[derive(Debug, Deserialize)]
pub(crate) struct Registration {
    email: String,
    password: String,
    name: String,
    phone: Option<String>,
}

/// Body of `login`.
#[derive(Debug, Deserialize)]
pub(crate) struct Login {
    email: String,
    password: String,
}

/// `POST /api/auth/register`.
pub(crate) async fn register(
    State(app): State<Arc<App>>,
    body: Result<Json<Registration>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    app.work(Work::Register).await;
    let wanted = error::body(body)?;
    wanted.check().map_err(bad_request)?;
    let password = wanted.password;
    let password_hash = off_thread(&app, move || bcrypt::hash(password, BCRYPT_COST)).await?;
    let user = Credential {
        id: user_id(&wanted.email),
        email: wanted.email,
        name: wanted.name,
        phone: wanted.phone,
        password_hash,
    };
    let user = app.database.register(user).await?;
    let user = user.ok_or_else(|| ApiError::BadRequest("Email already registered".to_owned()))?;
    let answer = welcome(&app, "User registered successfully", &user);
    Ok((StatusCode::CREATED, answer))
}

/// `POST /api/auth/login`.
pub(crate) async fn login(
    State(app): State<Arc<App>>,
    body: Result<Json<Login>, JsonRejection>,
) -> Result<Json<Value>, ApiError> {
    app.work(Work::Login).await;
    let wanted = error::body(body)?;
    check_email(&wanted.email).map_err(bad_request)?;
    let wrong = ApiError::Unauthorized("Invalid email or password");
    if wanted.password.len() > PASSWORD_BYTES_MAX {
        return Err(wrong);
    }
    let Some(user) = app.database.user_by_email(&wanted.email).await? else {
        return Err(wrong);
    };
    let (password, hash) = (wanted.password, user.password_hash.clone());
    if !off_thread(&app, move || bcrypt::verify(password, &hash)).await? {
        return Err(wrong);
    }
    Ok(welcome(&app, "Login successful", &user))
}

impl Registration {
    /// Returns why the data is not accepted.
    fn check(&self) -> Result<(), &'static str> {
        if self.name.trim().is_empty() {
            return Err(EMAIL_AND_NAME);
        }
        check_email(&self.email)?;
        if self.password.chars().count() < PASSWORD_LENGTH_MIN {
            return Err("Password must be at least 6 characters");
        }
        if self.password.len() > PASSWORD_BYTES_MAX {
            return Err("Password must be at most 72 bytes");
        }
        let phone = self.phone.as_deref().unwrap_or_default();
        if self.name.len() > NAME_BYTES_MAX || phone.len() > PHONE_BYTES_MAX {
            return Err("The name or the telephone number is too long");
        }
        // Databases, terminals and mail headers each read them in their own way. Some versions of bcrypt stop at a NUL.
        let texts = [self.name.as_str(), phone, &self.password];
        if texts.into_iter().any(has_control) {
            return Err("Control characters are not allowed");
        }
        Ok(())
    }
}

const EMAIL_AND_NAME: &str = "A valid email and a name are required";

fn check_email(email: &str) -> Result<(), &'static str> {
    let is_plausible = email.contains('@')
        && email.len() <= EMAIL_BYTES_MAX
        && !email.contains(char::is_whitespace)
        && !has_control(email);
    if is_plausible {
        Ok(())
    } else {
        Err(EMAIL_AND_NAME)
    }
}

/// Whether a text has control characters, or others that are not visible and change how the text around them looks.
fn has_control(text: &str) -> bool {
    let is_invisible = |c| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    text.contains(|c: char| c.is_control() || is_invisible(c))
}

fn bad_request(reason: &str) -> ApiError {
    ApiError::BadRequest(reason.to_owned())
}

/// Runs bcrypt on a blocking thread, as Node does, so that it does not delay other requests.
async fn off_thread<T: Send + 'static>(
    app: &App,
    work: impl FnOnce() -> Result<T, bcrypt::BcryptError> + Send + 'static,
) -> Result<T, ApiError> {
    // Nothing closes the semaphore.
    let _permit = app.hashers.acquire().await;
    let result = tokio::task::spawn_blocking(work).await;
    result
        .map_err(|_| ApiError::Internal)?
        .map_err(|_| ApiError::Internal)
}

fn welcome(app: &App, message: &str, user: &Credential) -> Json<Value> {
    let settings = &app.settings;
    let token = mint_token(&settings.jwt_secret, &user.email, false, settings.token_ttl);
    Json(json!({
        "message": message,
        "token": token,
        "user": {
            "id": user.id,
            "userId": user.id,
            "email": user.email,
            "name": user.name,
            "phone": user.phone,
            "role": Role::User,
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registration(change: impl FnOnce(&mut Registration)) -> Result<(), &'static str> {
        let mut wanted = Registration {
            email: "kim@example.com".to_owned(),
            password: "secret".to_owned(),
            name: "Kim".to_owned(),
            phone: Some("+82 10 1234 5678".to_owned()),
        };
        change(&mut wanted);
        wanted.check()
    }

    #[test]
    fn ordinary_people_can_register() {
        assert_eq!(registration(|_| {}), Ok(()));
        assert_eq!(
            registration(|wanted| wanted.name = "김철수".to_owned()),
            Ok(())
        );
        assert_eq!(
            registration(|wanted| wanted.password = "p".repeat(72)),
            Ok(())
        );
        assert_eq!(registration(|wanted| wanted.phone = None), Ok(()));
    }

    #[test]
    fn control_characters_are_refused_in_every_field() {
        for bad in [
            "\0",
            "\r\n",
            "\u{1b}[2J",
            "\u{7f}",
            "\u{85}",
            "\u{202e}",
            "\u{feff}",
        ] {
            let email = registration(|wanted| wanted.email = format!("a{bad}@example.com"));
            assert!(email.is_err(), "{bad:?} in an email address");
            let name = registration(|wanted| wanted.name = format!("Kim{bad}"));
            assert!(name.is_err(), "{bad:?} in a name");
            let phone = registration(|wanted| wanted.phone = Some(format!("1{bad}")));
            assert!(phone.is_err(), "{bad:?} in a phone number");
            let password = registration(|wanted| wanted.password = format!("secret{bad}"));
            assert!(password.is_err(), "{bad:?} in a password");
        }
    }

    #[test]
    fn what_would_be_cut_off_or_fill_memory_is_refused() {
        // 24 characters of three bytes are 72 bytes.
        assert!(registration(|wanted| wanted.password = "가".repeat(25)).is_err());
        assert!(registration(|wanted| wanted.password = "p".repeat(73)).is_err());
        assert!(registration(|wanted| wanted.email = "a".repeat(250) + "@b.co").is_err());
        assert!(registration(|wanted| wanted.name = "k".repeat(401)).is_err());
        assert!(registration(|wanted| wanted.phone = Some("1".repeat(41))).is_err());
    }
}
