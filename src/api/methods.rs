//! What a method of a path asks for. Apart from the table of routes, which names the handlers.

use crate::domain::audit::verb::Verb;
use crate::domain::scope::Scope;

/// A method, the verb of one that changes something, and the scopes of which a token has to have
/// one; none for what is open to everybody.
pub type Method = (&'static str, Option<Verb>, &'static [Scope]);

/// The methods of one path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Methods(pub(super) &'static [Method]);

impl Methods {
    /// The verb and the scopes of one of them. HEAD is GET without the body.
    pub(super) fn needs(self, method: &str) -> Option<(Option<Verb>, &'static [Scope])> {
        let method = if method == "HEAD" { "GET" } else { method };
        let found = self.0.iter().find(|(name, ..)| *name == method);
        found.map(|(_, verb, scopes)| (*verb, *scopes))
    }
}
