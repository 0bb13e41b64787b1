//! What an API token may be used for. A scope is no right of its own: what its person may not do, a
//! token may not either.

/// One scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Ask, take back, fetch what was approved, end what is one's own.
    Create,
    /// See requests, grants and what may be asked for.
    Read,
    /// Approve and deny; end what is others', and revoke.
    Decide,
    /// Read the audit log.
    Audit,
    /// What admins alone may do.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 5] = [
        Self::Create,
        Self::Read,
        Self::Decide,
        Self::Audit,
        Self::Admin,
    ];

    /// The word used everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "request:create",
            Self::Read => "request:read",
            Self::Decide => "request:decide",
            Self::Audit => "audit:read",
            Self::Admin => "admin",
        }
    }

    /// What a token with it may do, in a few words.
    #[must_use]
    pub const fn means(self) -> &'static str {
        match self {
            Self::Create => "ask, take back, fetch credentials, end what is mine",
            Self::Read => "see requests, grants and what may be asked for",
            Self::Decide => "approve, deny, end what is others’, revoke",
            Self::Audit => "read the audit log",
            Self::Admin => "what admins alone may do",
        }
    }

    /// The scope of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word)
    }
}

/// A set of scopes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// All of them: what a session of the portal is good for.
    pub const ALL: Self = Self::of(&Scope::ALL);
    /// What a token has that was made without a word of it: all but the admins' own.
    pub const USUAL: Self = Self::of(&[Scope::Create, Scope::Read, Scope::Decide, Scope::Audit]);
    /// What a machine may have at most.
    pub const OF_MACHINES: Self = Self::of(&[Scope::Create, Scope::Read]);

    /// The set of these.
    #[must_use]
    pub const fn of(scopes: &[Scope]) -> Self {
        let (mut bits, mut nth) = (0, 0);
        while nth < scopes.len() {
            bits |= Self::bit(scopes[nth]);
            nth += 1;
        }
        Self(bits)
    }

    /// The set of these words.
    ///
    /// # Errors
    /// The first word that is no scope.
    pub fn parse<T: AsRef<str>>(words: &[T]) -> Result<Self, &str> {
        let mut set = Self::default();
        for word in words.iter().map(AsRef::as_ref) {
            set.0 |= Self::bit(Scope::parse(word).ok_or(word)?);
        }
        Ok(set)
    }

    /// The set that is stored as these words. What a newer release has stored gives nothing here.
    #[must_use]
    pub fn stored(words: &[String]) -> Self {
        let known = words.iter().filter_map(|word| Scope::parse(word));
        Self(known.fold(0, |bits, scope| bits | Self::bit(scope)))
    }

    const fn bit(scope: Scope) -> u8 {
        1 << scope as u8
    }

    /// Whether it has that scope.
    #[must_use]
    pub const fn has(self, scope: Scope) -> bool {
        self.0 & Self::bit(scope) != 0
    }

    /// Whether it has one of these.
    #[must_use]
    pub const fn has_one_of(self, scopes: &[Scope]) -> bool {
        self.0 & Self::of(scopes).0 != 0
    }

    /// Those that are in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether all of it is in the other.
    #[must_use]
    pub const fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each, in the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |it| self.has(*it))
    }

    /// Their words.
    #[must_use]
    pub fn words(self) -> Vec<String> {
        self.iter().map(|it| it.as_str().to_owned()).collect()
    }
}

impl std::fmt::Display for Scopes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.words().join(" "))
    }
}
