//! Text that people type, made safe where it comes in.

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::props::{
    DefaultIgnorableCodePoint, EmojiModifier, ExtendedPictographic, GeneralCategory,
};
use icu_properties::{CodePointMapData, CodePointSetData};

/// Joins two pictures to one: a woman, this and a rocket are an astronaut.
const JOINER: char = '\u{200d}';
/// Has the character before it drawn in colour.
const AS_PICTURE: char = '\u{fe0f}';
/// Draws a key around the digit before it.
const KEYCAP: char = '\u{20e3}';

/// Why a text was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidText {
    /// Nothing but white space.
    #[error("must not be empty")]
    Empty,
    /// Marks alone, which say nothing.
    #[error("must contain at least one letter or digit")]
    Wordless,
    /// More characters than fit.
    #[error("must have at most {max} characters, not {actual}")]
    TooLong {
        /// The limit, in characters.
        max: usize,
        /// What was sent, in characters.
        actual: usize,
    },
    /// A control, bidirectional or invisible character, which could make an approver see something
    /// else than was written.
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

/// A person's words: 1 to `MAX` characters after trimming, with a letter or digit among them, and
/// none that is not seen.
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
    /// When it is empty, too long, says nothing, or holds a character that is not seen.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        // Browsers send CR LF, and a CR is refused below as a control character.
        let text = text.trim().replace("\r\n", "\n");
        // Characters, as the columns' CHECKs count them.
        let actual = text.chars().count();
        if actual == 0 {
            return Err(InvalidText::Empty);
        }
        if actual > MAX {
            return Err(InvalidText::TooLong { max: MAX, actual });
        }
        all_seen(&text)?;
        has_word(&text)?;
        Ok(Self(text))
    }

    /// Checks and trims a text that may be left out. Forms send a blank one then.
    ///
    /// # Errors
    /// When it is too long, says nothing, or holds a character that is not seen.
    pub fn optional(text: Option<&str>) -> Result<Option<Self>, InvalidText> {
        let said = text.filter(|text| !text.trim().is_empty());
        said.map(Self::parse).transpose()
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

/// Checks the name of a person, a group, a token: one line with a letter or digit, and no character
/// that is not seen, not even inside emoji.
///
/// # Errors
/// When it is empty, says nothing, or holds a character that is not seen.
pub fn check_name(name: &str) -> Result<(), InvalidText> {
    if name.trim().is_empty() {
        return Err(InvalidText::Empty);
    }
    // `is_hidden` lets line ends through, and a name has one line.
    let unseen = |c: char| c.is_control() || is_hidden(c);
    match name.chars().enumerate().find(|(_, c)| unseen(*c)) {
        Some((place, c)) => Err(hidden(c, place)),
        None => has_word(name),
    }
}

/// Checks that a text of several lines, or none, holds no character that is not seen.
///
/// # Errors
/// The first such character.
pub fn all_seen(text: &str) -> Result<(), InvalidText> {
    let mut before = None;
    let mut rest = text.chars().enumerate().peekable();
    while let Some((place, c)) = rest.next() {
        let after = rest.peek().map(|(_, c)| *c);
        // What makes one emoji of several characters is invisible only where it stands alone.
        let draws = match c {
            JOINER => before.is_some_and(is_picture) && after.is_some_and(is_pictographic),
            AS_PICTURE => before.is_some_and(is_pictographic) || after == Some(KEYCAP),
            _ => false,
        };
        if is_hidden(c) && !draws {
            return Err(hidden(c, place));
        }
        before = Some(c);
    }
    Ok(())
}

/// The name as people tell names apart: width, case and runs of white space make no other one.
#[must_use]
pub fn fold(name: &str) -> String {
    let plain = ComposingNormalizerBorrowed::new_nfkc().normalize(name);
    // By way of capitals, so that ß and ſ count as what they look like.
    let folded = plain.to_uppercase().to_lowercase();
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a character is not drawn, changes the direction of others, or has no meaning that
/// everybody shares: control (but `\n` and `\t`), format, private use and unassigned characters,
/// separators of lines, everything that Unicode lets a font leave out, and three that are drawn as
/// a blank.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    const NOT_SEEN: [GeneralCategory; 7] = [
        GeneralCategory::Control,
        GeneralCategory::Format,
        GeneralCategory::PrivateUse,
        GeneralCategory::Surrogate,
        GeneralCategory::Unassigned,
        GeneralCategory::LineSeparator,
        GeneralCategory::ParagraphSeparator,
    ];
    // The empty Braille cell, the note head that is none, and what stands for an object of another
    // document.
    const BLANK: [char; 3] = ['\u{2800}', '\u{1d159}', '\u{fffc}'];
    if c == '\n' || c == '\t' {
        return false;
    }
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    NOT_SEEN.contains(&category)
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
        || BLANK.contains(&c)
}

fn has_word(text: &str) -> Result<(), InvalidText> {
    if text.chars().any(char::is_alphanumeric) {
        return Ok(());
    }
    Err(InvalidText::Wordless)
}

fn hidden(c: char, place: usize) -> InvalidText {
    InvalidText::Control {
        code: u32::from(c),
        position: place + 1,
    }
}

fn is_pictographic(c: char) -> bool {
    CodePointSetData::new::<ExtendedPictographic>().contains(c)
}

/// What a joiner may follow: a picture, with its colour of skin or its sign for colour.
fn is_picture(c: char) -> bool {
    c == AS_PICTURE || CodePointSetData::new::<EmojiModifier>().contains(c) || is_pictographic(c)
}
