//! API tokens: made on the server's command line, shown once, stored as a hash.

use chrono::TimeDelta;
use crc::{CRC_32_ISO_HDLC, Crc};
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use super::ctx::App;
use crate::db;
use crate::db::people::{ListedToken, NewToken};
use crate::db::tx::Tx;
use crate::domain::audit::{Action, Actor, Channel};
use crate::domain::person::Person;
use crate::domain::text::check_name;
use crate::error::{CallerError, Error};
use crate::ids::TokenId;

/// What every API token begins with, so that scanners for secrets recognise it:
/// `^csn_[0-9A-Za-z]{49}$`.
const PREFIX: &str = "csn_";
/// How many characters of it nobody guesses: 256 bits in base62.
const RANDOM: usize = 43;
/// How many say that the others are typed right: their CRC-32 in base62.
const CHECKSUM: usize = 6;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// CRC-32 as in IEEE 802.3.
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
/// The longest life of a token.
pub const LONGEST: TimeDelta = TimeDelta::days(90);

/// SHA-256 of a token, as it is stored.
#[must_use]
pub fn hash(token: &str) -> [u8; 32] {
    // No salt and no slow hash: nobody guesses 256 random bits.
    Sha256::digest(token).into()
}

/// 256 random bits in hexadecimal.
#[must_use]
pub(super) fn secret() -> String {
    hex::encode(rand::random::<[u8; 32]>())
}

/// A token's text.
fn text() -> String {
    let letter = |_| char::from(BASE62[rand::random_range(0..BASE62.len())]);
    let random: String = (0..RANDOM).map(letter).collect();
    format!("{PREFIX}{random}{}", checksum(&random))
}

/// The CRC-32 in base62, filled with `0` at the left.
fn checksum(random: &str) -> String {
    let mut rest = CRC.checksum(random.as_bytes());
    let mut letters = [b'0'; CHECKSUM];
    for letter in letters.iter_mut().rev() {
        *letter = BASE62[rest as usize % BASE62.len()];
        rest /= 62;
    }
    letters.map(char::from).iter().collect()
}

/// Whether a text can be a token of ours: what cannot costs no look-up in the database.
#[must_use]
pub fn is_token(text: &str) -> bool {
    let Some(rest) = text.strip_prefix(PREFIX) else {
        return false;
    };
    // Those of before had 64 hexadecimal digits, and work until they expire.
    if rest.len() == 64 {
        return rest
            .bytes()
            .all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c));
    }
    let is_plain = rest.bytes().all(|c| c.is_ascii_alphanumeric());
    rest.len() == RANDOM + CHECKSUM && is_plain && {
        let (random, sum) = rest.split_at(RANDOM);
        checksum(random) == sum
    }
}

/// Makes a token for the person with this id or e-mail address.
///
/// # Errors
/// When there is no such person or more than one, the name is empty, or the life is longer than 90
/// days.
pub async fn create(
    app: &App,
    machine: &str,
    person: &str,
    name: &str,
    expires_in: TimeDelta,
) -> Result<(TokenId, SecretString), Error> {
    check_name(name).map_err(|it| Error::field("name", it.to_string()))?;
    if expires_in <= TimeDelta::zero() || expires_in > LONGEST {
        return Err(Error::field(
            "expires-in",
            "must be from 1 second (PT1S) to 90 days (PT2160H)",
        ));
    }
    let token = text();
    let actor = Actor::Machine {
        name: machine.to_owned(),
    };
    let id = app.transaction(actor, Channel::Cli, async |tx: &mut Tx| {
        let person = named(tx, person).await?;
        let (id, created_at) = (TokenId::new(), tx.now());
        let expires_at = created_at + expires_in;
        // Enough for people to tell tokens apart, and for nobody to find the rest.
        let prefix = &token[..PREFIX.len() + 6];
        let new = NewToken {
            id,
            hash: &hash(&token),
            prefix,
            person: person.id,
            name,
            created_at,
            expires_at,
        };
        db::people::insert_token(tx.conn(), &new).await?;
        let event = tx.by.did(
            id,
            Action::TokenCreated {
                name: name.to_owned(),
                prefix: prefix.to_owned(),
                expires_at,
            },
        );
        db::audit::append(tx.conn(), &event).await?;
        Ok(id)
    });
    Ok((id.await?, token.into()))
}

/// Revokes a token. A token that does not work any more stays as it is.
///
/// # Errors
/// `NotFound` where there is no token of this id that works.
pub async fn revoke(app: &App, machine: &str, id: TokenId) -> Result<(), Error> {
    let actor = Actor::Machine {
        name: machine.to_owned(),
    };
    app.transaction(actor, Channel::Cli, async |tx: &mut Tx| {
        let now = tx.now();
        if !db::people::revoke_token(tx.conn(), id, now).await? {
            return Err(CallerError::NotFound.into());
        }
        let event = tx.by.did(id, Action::TokenRevoked {});
        Ok(db::audit::append(tx.conn(), &event).await?)
    })
    .await
}

/// Every token, the newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn list(app: &App) -> Result<Vec<ListedToken>, Error> {
    app.read(async |conn| Ok(db::people::tokens(conn).await?))
        .await
}

/// The person with this id or e-mail address.
///
/// # Errors
/// When there is no such person or more than one.
pub(super) async fn named(tx: &mut Tx, person: &str) -> Result<Person, Error> {
    if let Ok(id) = person.parse() {
        return db::people::get(tx.conn(), id)
            .await?
            .ok_or_else(|| Error::field("person", "is not known"));
    }
    let mut found = db::people::with_email(tx.conn(), person).await?;
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(Error::field(
            "person",
            "is not known: give the e-mail address or the id of somebody in the catalog",
        )),
        // E-mail addresses are not unique, and a token must not go to the wrong one of two.
        _ => Err(Error::field(
            "person",
            "is the e-mail address of several people: give the id",
        )),
    }
}
