//! How a buyer authenticates: a user id, and a token that proves it.

use std::collections::BTreeSet;
use std::fmt;

use http::HeaderValue;
use jsonwebtoken::{EncodingKey, Header};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use tiketi_core::units::BuyerId;

/// Lifetime of a generated token, the same as the back end's.
const TOKEN_LIFE_S: u64 = 7 * 24 * 60 * 60;

/// Where tokens come from.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credentials {
    /// Generated here, signed with the secret of the system under test.
    Minted {
        /// The secret (HS256).
        secret: String,
    },
    /// Taken from a list; if there are more buyers than tokens, it starts over.
    Given {
        /// The tokens.
        tokens: Vec<String>,
    },
}

/// Shows neither the secret nor a token.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Minted { .. } => "Minted { .. }",
            Self::Given { .. } => "Given { .. }",
        })
    }
}

impl Credentials {
    /// Returns how many different users the given tokens are for; `None` if a token is generated for every buyer.
    ///
    /// # Errors
    ///
    /// When there are no tokens, or for the first one that cannot be read.
    pub fn users(&self) -> Result<Option<usize>, CredentialError> {
        Ok(match Issuer::new(self, 0, 0)?.source {
            Source::Minted(_) => None,
            Source::Given(given) => {
                let users: BTreeSet<_> = given.iter().map(|credential| credential.user).collect();
                Some(users.len())
            }
        })
    }
}

/// Why a credential cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// There are no tokens.
    #[error("the list of tokens is empty")]
    NoTokens,
    /// A given token cannot be used.
    #[error("token {line}: {source}")]
    Token {
        /// Its line in the list, from 1.
        line: usize,
        /// What is wrong with it.
        source: TokenError,
    },
    /// A token cannot be generated.
    #[error("cannot generate a token for {buyer}: {source}")]
    Minting {
        /// The buyer.
        buyer: BuyerId,
        /// Why.
        source: TokenError,
    },
}

/// What is wrong with a token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It is not a JWT with a `userId`. The error repeats parts of the token, and is not shown.
    #[error(
        "not a JWT with a userId (expected three Base64 parts with dots between them; `userId` is a UUID)"
    )]
    Claims(#[source] jsonwebtoken::errors::Error),
    /// It cannot be signed.
    #[error("cannot sign it ({0})")]
    Signature(#[source] jsonwebtoken::errors::Error),
    /// It has characters that a header cannot contain.
    #[error("not valid in an HTTP header")]
    Header,
}

/// Returns the user id of a buyer whose token is generated here: the same in every run with this seed.
pub fn user_of(seed: u64, buyer: BuyerId) -> Uuid {
    let name = format!("tiketi-sim/{seed}/{}", buyer.0);
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())
}

/// The credential of one buyer.
#[derive(Clone, Debug)]
pub(super) struct Credential {
    pub(super) user: Uuid,
    pub(super) authorization: HeaderValue,
}

/// Issues credentials.
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
    /// Builds an issuer; fails if a given token cannot be read.
    pub(super) fn new(
        credentials: &Credentials,
        seed: u64,
        issued_at_unix_s: u64,
    ) -> Result<Self, CredentialError> {
        let source = match credentials {
            Credentials::Minted { secret } => {
                let key = EncodingKey::from_secret(secret.as_bytes());
                Source::Minted(Box::new((Header::default(), key)))
            }
            Credentials::Given { tokens } => {
                if tokens.is_empty() {
                    return Err(CredentialError::NoTokens);
                }
                let given = tokens.iter().enumerate().map(|(index, token)| {
                    let line = index + 1;
                    read_given(token).map_err(|source| CredentialError::Token { line, source })
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

    /// Returns the credential of `buyer`.
    pub(super) fn credential(&self, buyer: BuyerId) -> Result<Credential, CredentialError> {
        match &self.source {
            Source::Minted(signing) => self
                .mint(buyer, signing)
                .map_err(|source| CredentialError::Minting { buyer, source }),
            Source::Given(given) => Ok(given[buyer.0 as usize % given.len()].clone()),
        }
    }

    fn mint(
        &self,
        buyer: BuyerId,
        (header, key): &(Header, EncodingKey),
    ) -> Result<Credential, TokenError> {
        let user = user_of(self.seed, buyer);
        let claims = Claims {
            user_id: user,
            email: format!("buyer{}@example.com", buyer.0),
            role: "user",
            iat: self.issued_at_unix_s,
            exp: self.issued_at_unix_s + TOKEN_LIFE_S,
        };
        let token = jsonwebtoken::encode(header, &claims, key).map_err(TokenError::Signature)?;
        let authorization = bearer(&token)?;
        Ok(Credential {
            user,
            authorization,
        })
    }

    /// An issuer that cannot sign: the algorithm does not fit the key.
    #[cfg(test)]
    pub(super) fn broken() -> Self {
        let header = Header::new(jsonwebtoken::Algorithm::RS256);
        let key = EncodingKey::from_secret(b"secret");
        Self {
            source: Source::Minted(Box::new((header, key))),
            seed: 0,
            issued_at_unix_s: 0,
        }
    }
}

fn read_given(token: &str) -> Result<Credential, TokenError> {
    let claims: GivenClaims =
        jsonwebtoken::dangerous::insecure_decode_claims(token).map_err(TokenError::Claims)?;
    Ok(Credential {
        user: claims.user_id,
        authorization: bearer(token)?,
    })
}

fn bearer(token: &str) -> Result<HeaderValue, TokenError> {
    let value = HeaderValue::try_from(format!("Bearer {token}"));
    let mut value = value.map_err(|_| TokenError::Header)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_token_identifies_the_buyer_and_can_be_given_back() {
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
    fn two_tokens_of_one_user_count_as_one() {
        let secret = "s".to_owned();
        let minted = Credentials::Minted { secret };
        let issuer = Issuer::new(&minted, 7, 1_000).unwrap();
        let token = |buyer| {
            let credential = issuer.credential(BuyerId(buyer)).unwrap();
            credential.authorization.to_str().unwrap()[7..].to_owned()
        };
        let tokens = vec![token(1), token(2), token(1)];
        assert_eq!(Credentials::Given { tokens }.users().unwrap(), Some(2));
        assert_eq!(minted.users().unwrap(), None);
    }

    #[test]
    fn a_token_that_cannot_be_read_is_reported_with_its_line() {
        let tokens = vec!["nonsense".to_owned()];
        let error = Issuer::new(&Credentials::Given { tokens }, 7, 0).err();
        assert!(error.unwrap().to_string().starts_with("token 1: "));
    }

    #[test]
    fn no_message_repeats_a_token_or_a_secret() {
        // The claims are {"userId":"hush"}, which the JSON parser would quote.
        let token = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VySWQiOiJodXNoIn0.c2lnbmF0dXJl".to_owned();
        let given = Credentials::Given {
            tokens: vec![token.clone()],
        };
        let minted = Credentials::Minted {
            secret: "hush".to_owned(),
        };
        let error = Issuer::new(&given, 7, 0).err().unwrap().to_string();
        for text in [error, format!("{given:?}"), format!("{minted:?}")] {
            assert!(!text.contains("hush") && !text.contains(&token), "{text}");
        }
    }
}
