//! How a buyer authenticates: a user id, and a token that proves it; or what a file of users says.

use std::collections::BTreeSet;
use std::fmt;

use http::HeaderValue;
use jsonwebtoken::{EncodingKey, Header};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use tiketi_api::{IdText, Mapping, Template, Values, Variable};
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
    /// There are none: buyers get them from the system under test, or need none.
    None,
    /// Read from a file of users, one for each buyer.
    Users {
        /// The names of the columns.
        columns: Vec<String>,
        /// The rows.
        rows: Vec<Vec<String>>,
    },
    /// Taken from a list. It starts over if there are more buyers than tokens, which [`Self::check_share`] only accepts on request.
    Given {
        /// The tokens.
        tokens: Vec<String>,
    },
}

/// Shows neither the secret, nor a token, nor what the file of users says.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Users { .. } => "Users { .. }",
            Self::Minted { .. } => "Minted { .. }",
            Self::Given { .. } => "Given { .. }",
        })
    }
}

impl Credentials {
    /// Checks that there are any, as the mapping needs them, and that all given tokens can be read.
    ///
    /// # Errors
    ///
    /// When there are no tokens, for the first one that cannot be read, and for missing users or columns.
    pub fn check(&self, mapping: &Mapping) -> Result<(), CredentialError> {
        Issuer::new(self, mapping, 0, 0)?;
        let needs_token = mapping.uses(Variable::Token) && !mapping.keeps(Variable::Token);
        if needs_token && matches!(self, Self::None | Self::Users { .. }) {
            return Err(CredentialError::TokenNeeded);
        }
        if !matches!(self, Self::Users { .. })
            && let Some(column) = mapping.columns.first()
        {
            return Err(CredentialError::UsersNeeded {
                column: column.clone(),
            });
        }
        Users::of(self, &mapping.columns)?;
        Ok(())
    }

    /// Checks that each of this many buyers is a user of its own: a back end takes two buyers with one user for the same person,
    /// who for example has one place in the queue. Two tokens of one user count as one.
    ///
    /// # Errors
    ///
    /// When there are more buyers than users.
    pub fn check_share(&self, mapping: &Mapping, buyers: usize) -> Result<(), CredentialError> {
        let (users, of_tokens) = match self {
            Self::None | Self::Minted { .. } => return Ok(()),
            Self::Users { rows, .. } => (rows.len(), false),
            Self::Given { .. } => match self.users(mapping)? {
                Some(users) => (users, true),
                None => return Ok(()),
            },
        };
        if users < buyers {
            return Err(CredentialError::TooFewUsers {
                of_tokens,
                users,
                buyers,
            });
        }
        Ok(())
    }

    /// Returns how many different users the given tokens are for; `None` if they do not come from a list.
    ///
    /// # Errors
    ///
    /// When there are no tokens, or for the first one that cannot be read.
    pub fn users(&self, mapping: &Mapping) -> Result<Option<usize>, CredentialError> {
        let Source::Given(given) = Issuer::new(self, mapping, 0, 0)?.source else {
            return Ok(None);
        };
        // Without a claim that names the user, each token is one.
        let names_user = mapping.tokens.user.is_some();
        let of = |credential: &Credential| {
            let token = credential.authorization.as_ref();
            let token = token
                .filter(|_| !names_user)
                .map(|token| token.as_bytes().to_vec());
            let user = names_user.then(|| tiketi_api::key_of(&credential.user));
            (user, token)
        };
        let users: BTreeSet<_> = given.iter().map(of).collect();
        Ok(Some(users.len()))
    }
}

/// Why a credential cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// There are no tokens.
    #[error("the list of tokens is empty")]
    NoTokens,
    /// The mapping sends a token that no response contains.
    #[error("the API mapping sends {{token}}, and no response gives it a value")]
    TokenNeeded,
    /// The mapping names a column, and there is no file of users.
    #[error("the API mapping names {{user.{column}}}, and there is no file of users")]
    UsersNeeded {
        /// The column.
        column: String,
    },
    /// The file of users has no such column.
    #[error("there is no column `{column}` (expected one of {known})")]
    NoColumn {
        /// The column.
        column: String,
        /// Those that there are.
        known: String,
    },
    /// There are more buyers than users.
    #[error(
        "{}{users} users are too few for {buyers} buyers (expected {buyers}, one for each)",
        if *.of_tokens { "tokens for " } else { "" }
    )]
    TooFewUsers {
        /// Whether they are those of given tokens.
        of_tokens: bool,
        /// Different users in the file.
        users: usize,
        /// Buyers of the run.
        buyers: usize,
    },
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
    #[error("not a JWT (expected three Base64 parts with dots between them)")]
    Claims(#[source] jsonwebtoken::errors::Error),
    /// It does not name its user.
    #[error("a JWT without `{pointer}` (expected the id of the user there)")]
    NoUser {
        /// Where the id should be.
        pointer: String,
    },
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

/// Returns the e-mail address of a generated buyer.
pub(super) fn email_of(buyer: BuyerId) -> String {
    format!("buyer{}@example.com", buyer.0)
}

/// The credential of one buyer.
#[derive(Clone, Debug)]
pub(super) struct Credential {
    pub(super) user: IdText<'static>,
    /// `Bearer` with the token; `None` without one.
    pub(super) authorization: Option<HeaderValue>,
}

impl Credential {
    /// A user without a token.
    pub(super) fn anonymous(user: Uuid) -> Self {
        Self {
            user: user.into(),
            authorization: None,
        }
    }
}

/// The file of users: one row for each buyer.
#[derive(Debug)]
pub(super) struct Users {
    /// Where the columns of the mapping are in a row.
    places: Vec<usize>,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Users {
    /// Finds the `wanted` columns in a file of users; `None` without a file.
    pub(super) fn of(
        credentials: &Credentials,
        wanted: &[String],
    ) -> Result<Option<Self>, CredentialError> {
        let Credentials::Users { columns, rows } = credentials else {
            return Ok(None);
        };
        let place = |column: &String| {
            let place = columns.iter().position(|one| one == column);
            place.ok_or_else(|| CredentialError::NoColumn {
                column: column.clone(),
                known: columns.join(", "),
            })
        };
        Ok(Some(Self {
            places: wanted.iter().map(place).collect::<Result<_, _>>()?,
            columns: columns.clone(),
            rows: rows.clone(),
        }))
    }

    fn row(&self, buyer: BuyerId) -> Option<&[String]> {
        let rows = self.rows.len().max(1);
        self.rows.get(buyer.0 as usize % rows).map(Vec::as_slice)
    }

    /// Returns what a buyer has in a column of the mapping.
    pub(super) fn value(&self, buyer: BuyerId, column: usize) -> Option<&str> {
        let place = self.places.get(column)?;
        self.row(buyer)?.get(*place).map(String::as_str)
    }

    /// Returns what a buyer has in columns whose names are those of secrets.
    pub(super) fn secrets(&self, buyer: BuyerId) -> Vec<String> {
        let row = self.row(buyer).unwrap_or_default();
        let cells = self.columns.iter().zip(row);
        let secret = cells.filter(|(column, _)| tiketi_api::mask::is_secret(column));
        secret.map(|(_, value)| value.clone()).collect()
    }
}

/// Issues credentials.
pub(super) struct Issuer {
    source: Source,
    seed: u64,
    issued_at_unix_s: u64,
}

enum Source {
    Anonymous,
    Minted(Box<Signing>),
    Given(Vec<Credential>),
}

/// What tokens are generated with.
struct Signing {
    header: Header,
    key: EncodingKey,
    claims: Vec<(String, Template)>,
}

/// The claims of a generated token, in the order of the mapping.
struct Claims {
    stated: Vec<(String, serde_json::Value)>,
    iat: u64,
    exp: u64,
}

impl Serialize for Claims {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in &self.stated {
            map.serialize_entry(name, value)?;
        }
        map.serialize_entry("iat", &self.iat)?;
        map.serialize_entry("exp", &self.exp)?;
        map.end()
    }
}

/// What is known of a buyer before the first request.
struct Known {
    user: Uuid,
    email: String,
}

impl Values for Known {
    fn value(&self, variable: Variable) -> Option<IdText<'_>> {
        match variable {
            Variable::User => Some(self.user.into()),
            Variable::Email => Some(IdText {
                text: self.email.as_str().into(),
                is_number: false,
            }),
            _ => None,
        }
    }
}

impl Issuer {
    /// Builds an issuer; fails if a given token cannot be read.
    pub(super) fn new(
        credentials: &Credentials,
        mapping: &Mapping,
        seed: u64,
        issued_at_unix_s: u64,
    ) -> Result<Self, CredentialError> {
        let source = match credentials {
            Credentials::None | Credentials::Users { .. } => Source::Anonymous,
            Credentials::Minted { secret } => Source::Minted(Box::new(Signing {
                header: Header::default(),
                key: EncodingKey::from_secret(secret.as_bytes()),
                claims: mapping.tokens.claims.clone(),
            })),
            Credentials::Given { tokens } => {
                if tokens.is_empty() {
                    return Err(CredentialError::NoTokens);
                }
                let given = tokens.iter().enumerate().map(|(index, token)| {
                    let line = index + 1;
                    let read = read_given(token, mapping.tokens.user.as_deref(), seed, index);
                    read.map_err(|source| CredentialError::Token { line, source })
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
            Source::Anonymous => Ok(Credential::anonymous(user_of(self.seed, buyer))),
            Source::Minted(signing) => self
                .mint(buyer, signing)
                .map_err(|source| CredentialError::Minting { buyer, source }),
            Source::Given(given) => Ok(given[buyer.0 as usize % given.len()].clone()),
        }
    }

    fn mint(&self, buyer: BuyerId, signing: &Signing) -> Result<Credential, TokenError> {
        let user = user_of(self.seed, buyer);
        let known = Known {
            user,
            email: email_of(buyer),
        };
        let claim = |(name, template): &(String, Template)| {
            let mut json = String::new();
            let rendered = template.render(&known, &mut json);
            rendered.expect("a mapping whose claims name other variables does not compile");
            let value = serde_json::from_str(&json).expect("the template of a body is JSON");
            (name.clone(), value)
        };
        let claims = Claims {
            stated: signing.claims.iter().map(claim).collect(),
            iat: self.issued_at_unix_s,
            exp: self.issued_at_unix_s + TOKEN_LIFE_S,
        };
        let token = jsonwebtoken::encode(&signing.header, &claims, &signing.key)
            .map_err(TokenError::Signature)?;
        Ok(Credential {
            user: user.into(),
            authorization: Some(bearer(&token)?),
        })
    }

    /// An issuer that cannot sign: the algorithm does not fit the key.
    #[cfg(test)]
    pub(super) fn broken() -> Self {
        let header = Header::new(jsonwebtoken::Algorithm::RS256);
        let key = EncodingKey::from_secret(b"secret");
        Self {
            source: Source::Minted(Box::new(Signing {
                header,
                key,
                claims: Vec::new(),
            })),
            seed: 0,
            issued_at_unix_s: 0,
        }
    }
}

/// Reads a given token. If the mapping does not say where its user is, it is not looked into.
fn read_given(
    token: &str,
    pointer: Option<&str>,
    seed: u64,
    index: usize,
) -> Result<Credential, TokenError> {
    let user = match pointer {
        None => user_of(seed, BuyerId(u32::try_from(index).unwrap_or(u32::MAX))).into(),
        Some(pointer) => {
            let claims: serde_json::Value = jsonwebtoken::dangerous::insecure_decode_claims(token)
                .map_err(TokenError::Claims)?;
            let (text, is_number) = match claims.pointer(pointer) {
                Some(serde_json::Value::String(text)) => (text.clone(), false),
                Some(serde_json::Value::Number(number)) => (number.to_string(), true),
                _ => {
                    let pointer = pointer.to_owned();
                    return Err(TokenError::NoUser { pointer });
                }
            };
            IdText {
                text: text.into(),
                is_number,
            }
        }
    };
    Ok(Credential {
        user,
        authorization: Some(bearer(token)?),
    })
}

/// Returns the value of an `Authorization` header with a token.
pub(super) fn bearer(token: &str) -> Result<HeaderValue, TokenError> {
    let value = HeaderValue::try_from(format!("Bearer {token}"));
    let mut value = value.map_err(|_| TokenError::Header)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiketi_api::tiketi;

    #[test]
    fn a_generated_token_identifies_the_buyer_and_can_be_given_back() {
        let secret = "s".to_owned();
        let issuer = Issuer::new(&Credentials::Minted { secret }, &tiketi(), 7, 1_000).unwrap();
        let minted = issuer.credential(BuyerId(3)).unwrap();
        assert_eq!(minted.user, user_of(7, BuyerId(3)).into());
        let authorization = minted.authorization.clone().unwrap();
        let token = authorization.to_str().unwrap()[7..].to_owned();
        let tokens = vec![token];
        let issuer = Issuer::new(&Credentials::Given { tokens }, &tiketi(), 7, 1_000).unwrap();
        let given = issuer.credential(BuyerId(9)).unwrap();
        assert_eq!(given.user, minted.user);
        assert_eq!(given.authorization, minted.authorization);
    }

    #[test]
    fn two_tokens_of_one_user_are_one_user() {
        let secret = "s".to_owned();
        let minted = Credentials::Minted { secret };
        let issuer = Issuer::new(&minted, &tiketi(), 7, 1_000).unwrap();
        let token = |buyer| {
            let minted = issuer.credential(BuyerId(buyer)).unwrap();
            let authorization = minted.authorization.unwrap();
            authorization.to_str().unwrap()[7..].to_owned()
        };
        let tokens = vec![token(1), token(2), token(1)];
        let given = Credentials::Given { tokens };
        assert_eq!(given.users(&tiketi()).unwrap(), Some(2));
        assert_eq!(minted.users(&tiketi()).unwrap(), None);
        assert!(given.check_share(&tiketi(), 2).is_ok());
        let few = given.check_share(&tiketi(), 3).unwrap_err().to_string();
        assert!(
            few.starts_with("tokens for 2 users are too few for 3 buyers"),
            "{few}"
        );
        assert!(minted.check_share(&tiketi(), 1_000).is_ok());
        // A mapping that does not look into tokens tells them apart as they are.
        let opaque = mapping("headers = { authorization = \"Bearer {token}\" }");
        assert_eq!(given.users(&opaque).unwrap(), Some(2));
    }

    #[test]
    fn a_token_that_cannot_be_read_is_reported_with_its_line() {
        let tokens = vec!["nonsense".to_owned()];
        let error = Issuer::new(&Credentials::Given { tokens }, &tiketi(), 7, 0).err();
        assert!(error.unwrap().to_string().starts_with("token 1: "));
    }

    #[test]
    fn no_message_repeats_a_token_or_a_secret() {
        // The claims are {"sub":"hush"}, without a `userId`.
        let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJodXNoIn0.c2lnbmF0dXJl".to_owned();
        let given = Credentials::Given {
            tokens: vec![token.clone()],
        };
        let minted = Credentials::Minted {
            secret: "hush".to_owned(),
        };
        let error = Issuer::new(&given, &tiketi(), 7, 0)
            .err()
            .unwrap()
            .to_string();
        for text in [error, format!("{given:?}"), format!("{minted:?}")] {
            assert!(!text.contains("hush") && !text.contains(&token), "{text}");
        }
    }

    fn mapping(text: &str) -> Mapping {
        let text =
            format!("{text}\n[payment]\ncall = \"POST /pay\"\nmeans = [{{ is = \"paid\" }}]\n");
        let table = toml::de::DeTable::parse(&text).unwrap();
        tiketi_api::compile(&tiketi_api::Tree::from_table(table.get_ref(), 0..0)).unwrap()
    }

    #[test]
    fn claims_of_generated_tokens_are_those_of_the_mapping() {
        let mapping =
            mapping("[tokens]\nclaims = { sub = \"{user}\", level = 3 }\nuser = \"/sub\"");
        let secret = "s".to_owned();
        let issuer = Issuer::new(&Credentials::Minted { secret }, &mapping, 7, 1_000).unwrap();
        let minted = issuer.credential(BuyerId(3)).unwrap();
        let token = minted.authorization.clone().unwrap();
        let token = token.to_str().unwrap()[7..].to_owned();
        let claims: serde_json::Value =
            jsonwebtoken::dangerous::insecure_decode_claims(&token).unwrap();
        assert_eq!(claims["sub"], user_of(7, BuyerId(3)).to_string());
        assert_eq!(claims["level"], 3);
        let given = Credentials::Given {
            tokens: vec![token],
        };
        let issuer = Issuer::new(&given, &mapping, 7, 0).unwrap();
        assert_eq!(issuer.credential(BuyerId(0)).unwrap().user, minted.user);
    }

    #[test]
    fn the_file_of_users_needs_the_columns_of_the_mapping_and_a_row_for_each_buyer() {
        let login = "[login]\ncall = \"POST /login\"\nbody = { email = \"{user.email}\" }\nkeep = { token = \"/token\" }";
        let mapping = mapping(login);
        let users = |columns: &[&str]| Credentials::Users {
            columns: columns.iter().map(ToString::to_string).collect(),
            rows: vec![vec!["a@b.c".to_owned(); columns.len()]; 2],
        };
        assert!(users(&["id", "email"]).check(&mapping).is_ok());
        assert!(users(&["email"]).check_share(&mapping, 2).is_ok());
        let few = users(&["email"]).check_share(&mapping, 3).unwrap_err();
        assert!(matches!(few, CredentialError::TooFewUsers { .. }), "{few}");
        let none = users(&["mail"]).check(&mapping).unwrap_err();
        assert!(matches!(none, CredentialError::NoColumn { .. }), "{none}");
        let none = Credentials::None.check(&mapping).unwrap_err();
        assert!(
            matches!(none, CredentialError::UsersNeeded { .. }),
            "{none}"
        );
        let none = Credentials::None.check(&tiketi()).unwrap_err();
        assert!(matches!(none, CredentialError::TokenNeeded), "{none}");
    }
}
