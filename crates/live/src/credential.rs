//! Who a buyer is to the system under test: a user id, and a token that proves it.

use http::HeaderValue;
use jsonwebtoken::{EncodingKey, Header};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use tiketi_core::units::BuyerId;

/// Life of a minted token, as the back end gives it.
const TOKEN_LIFE_S: u64 = 7 * 24 * 60 * 60;

/// Where tokens come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credentials {
    /// Signed here with the secret of the system under test.
    Minted {
        /// The secret (HS256).
        secret: String,
    },
    /// Taken from a list; buyers beyond its end start over.
    Given {
        /// The tokens.
        tokens: Vec<String>,
    },
}

impl Credentials {
    /// Says what is wrong with them: that there are none, or which token cannot be read.
    ///
    /// # Errors
    ///
    /// The reason, as a fragment.
    pub fn check(&self) -> Result<(), String> {
        Issuer::new(self, 0, 0).map(drop)
    }
}

/// The user id of a buyer whose token is minted here: the same in every run with this seed.
pub fn user_of(seed: u64, buyer: BuyerId) -> Uuid {
    let name = format!("tiketi-sim/{seed}/{}", buyer.0);
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())
}

/// One buyer's proof.
#[derive(Clone, Debug)]
pub(super) struct Credential {
    pub(super) user: Uuid,
    pub(super) authorization: HeaderValue,
}

/// Gives out credentials.
pub(super) struct Issuer {
    source: Source,
    seed: u64,
    issued_at_unix_s: u64,
}

enum Source {
    Minted(Box<(Header, EncodingKey)>),
    Given(Vec<Credential>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Claims {
    user_id: Uuid,
    email: String,
    role: &'static str,
    iat: u64,
    exp: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GivenClaims {
    user_id: Uuid,
}

impl Issuer {
    /// Fails if a given token cannot be read, naming its line.
    pub(super) fn new(
        credentials: &Credentials,
        seed: u64,
        issued_at_unix_s: u64,
    ) -> Result<Self, String> {
        let source = match credentials {
            Credentials::Minted { secret } => {
                let key = EncodingKey::from_secret(secret.as_bytes());
                Source::Minted(Box::new((Header::default(), key)))
            }
            Credentials::Given { tokens } => {
                if tokens.is_empty() {
                    return Err("the list of tokens is empty".to_owned());
                }
                let given = tokens.iter().enumerate().map(|(index, token)| {
                    read_given(token).map_err(|reason| format!("token {}: {reason}", index + 1))
                });
                Source::Given(given.collect::<Result<_, _>>()?)
            }
        };
        Ok(Self {
            source,
            seed,
            issued_at_unix_s,
        })
    }

    /// The credential of `buyer`.
    pub(super) fn credential(&self, buyer: BuyerId) -> Result<Credential, String> {
        match &self.source {
            Source::Minted(signing) => {
                let (header, key) = &**signing;
                let user = user_of(self.seed, buyer);
                let claims = Claims {
                    user_id: user,
                    email: format!("buyer{}@example.com", buyer.0),
                    role: "user",
                    iat: self.issued_at_unix_s,
                    exp: self.issued_at_unix_s + TOKEN_LIFE_S,
                };
                let token = jsonwebtoken::encode(header, &claims, key)
                    .map_err(|error| error.to_string())?;
                let authorization = bearer(&token)?;
                Ok(Credential {
                    user,
                    authorization,
                })
            }
            Source::Given(given) => Ok(given[buyer.0 as usize % given.len()].clone()),
        }
    }
}

fn read_given(token: &str) -> Result<Credential, String> {
    let claims: GivenClaims = jsonwebtoken::dangerous::insecure_decode_claims(token)
        .map_err(|error| format!("not a token with a userId ({error})"))?;
    Ok(Credential {
        user: claims.user_id,
        authorization: bearer(token)?,
    })
}

fn bearer(token: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|_| "not fit for a header".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minted_token_says_who_the_buyer_is_and_can_be_given_back() {
        let secret = "s".to_owned();
        let issuer = Issuer::new(&Credentials::Minted { secret }, 7, 1_000).unwrap();
        let minted = issuer.credential(BuyerId(3)).unwrap();
        assert_eq!(minted.user, user_of(7, BuyerId(3)));
        let token = minted.authorization.to_str().unwrap()[7..].to_owned();
        let tokens = vec![token];
        let issuer = Issuer::new(&Credentials::Given { tokens }, 7, 1_000).unwrap();
        let given = issuer.credential(BuyerId(9)).unwrap();
        assert_eq!(given.user, minted.user);
        assert_eq!(given.authorization, minted.authorization);
    }

    #[test]
    fn a_token_that_cannot_be_read_is_named_by_its_line() {
        let tokens = vec!["nonsense".to_owned()];
        let error = Issuer::new(&Credentials::Given { tokens }, 7, 0).err();
        assert!(error.unwrap().starts_with("token 1: "));
    }
}
