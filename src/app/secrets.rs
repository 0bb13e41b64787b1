//! The secrets that callers show: how they look, and how they are stored.

use crc::{CRC_32_ISO_HDLC, Crc};
use sha2::{Digest, Sha256};

/// What tokens begin with that speak for people, so that scanners for secrets recognise them:
/// `^cs[nm]_[0-9A-Za-z]{49}$`.
pub(super) const PREFIX: &str = "csn_";
/// What those of machines begin with.
pub(super) const MACHINE_PREFIX: &str = "csm_";
/// How many characters of it nobody guesses: 256 bits in base62.
const RANDOM: usize = 43;
/// How many say that the others are typed right: their CRC-32 in base62.
const CHECKSUM: usize = 6;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// CRC-32 as in IEEE 802.3.
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

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
pub(super) fn text(prefix: &str) -> String {
    let letter = |_| char::from(BASE62[rand::random_range(0..BASE62.len())]);
    let random: String = (0..RANDOM).map(letter).collect();
    format!("{prefix}{random}{}", checksum(&random))
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
    let of_person = text.strip_prefix(PREFIX);
    let Some(rest) = of_person.or_else(|| text.strip_prefix(MACHINE_PREFIX)) else {
        return false;
    };
    // Those of before had 64 hexadecimal digits, and work until they expire.
    if rest.len() == 64 && of_person.is_some() {
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
