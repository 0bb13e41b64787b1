//! What forms send that a page other than their own shows again.

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
