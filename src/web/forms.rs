//! What forms send that a page other than their own shows again.

/// Lengths that forms offer, as far as they are allowed (seconds).
pub const LENGTHS: [i32; 10] = [30, 60, 300, 900, 1800, 3600, 7200, 14_400, 28_800, 43_200];

/// What the form that ends a grant sends.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EndForm {
    /// In the person's words; empty for none.
    pub reason: String,
}

/// What the form for a later deadline sends.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExtendForm {
    /// By how much later.
    pub duration: String,
    /// Why.
    pub justification: String,
    /// A ticket's name or URL; empty for none.
    pub ticket: String,
}
