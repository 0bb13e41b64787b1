//! Text that people type, made safe where it comes in.

/// Why a text was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidText {
    /// Nothing but white space.
    #[error("must not be empty")]
    Empty,
    /// More characters than fit.
    #[error("must have at most {max} characters, not {actual}")]
    TooLong {
        /// The limit, in characters.
        max: usize,
        /// What was sent, in characters.
        actual: usize,
    },
    /// A control, bidirectional or invisible character, which could make an approver see something else than was written.
    #[error(
        "must not contain control or invisible characters (U+{code:04X} at character {position})"
    )]
    Control {
        /// The code point.
        code: u32,
        /// Its place, from 1.
        position: usize,
    },
}

/// A person's words: 1 to `MAX` characters after trimming, no control (but line break and tab), bidirectional or zero-width characters.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct Text<const MAX: usize>(String);

/// Why somebody asks, decides or ends: up to 2,000 characters.
pub type Words = Text<2000>;
/// The name or URL of a ticket: up to 200 characters.
pub type Ticket = Text<200>;

impl<const MAX: usize> Text<MAX> {
    /// Checks and trims `text`.
    ///
    /// # Errors
    /// When it is empty, too long, or holds a character that is not seen.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        let text = text.trim().replace("\r\n", "\n");
        let actual = text.chars().count();
        if actual == 0 {
            return Err(InvalidText::Empty);
        }
        if actual > MAX {
            return Err(InvalidText::TooLong { max: MAX, actual });
        }
        if let Some((place, c)) = text.chars().enumerate().find(|(_, c)| is_hidden(*c)) {
            return Err(InvalidText::Control {
                code: u32::from(c),
                position: place + 1,
            });
        }
        Ok(Self(text))
    }

    /// A text that was checked when it was stored, whatever the rules were then.
    pub(crate) const fn stored(text: String) -> Self {
        Self(text)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> std::fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Control characters but `\n` and `\t`, and the characters of Unicode that change direction or are not drawn.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
