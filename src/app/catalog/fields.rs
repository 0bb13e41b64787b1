//! The fields of one table of a catalog file, read one by one; whatever is missing, unknown or does
//! not fit is noted with its place.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::wrong::Wrong;

/// One table.
pub(super) struct Fields<'a> {
    table: &'a DeTable<'a>,
    /// Its header, or the whole of an inline table.
    at: Range<usize>,
    /// What messages begin with, so that they say whose field it is.
    whose: String,
    /// Every key that was asked for.
    known: Vec<&'static str>,
    wrong: &'a mut Vec<Wrong>,
}

impl<'a> Fields<'a> {
    pub const fn new(
        table: &'a DeTable<'a>,
        at: Range<usize>,
        whose: String,
        wrong: &'a mut Vec<Wrong>,
    ) -> Self {
        Self {
            table,
            at,
            whose,
            known: Vec::new(),
            wrong,
        }
    }

    /// The text of `key` as it stands, for a table's name in messages.
    pub fn peek(&self, key: &str) -> Option<&str> {
        self.table.get(key)?.get_ref().as_str()
    }

    /// Whether there is such a key.
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Where the value of `key` stands, or else the table.
    pub fn span(&self, key: &str) -> Range<usize> {
        let value = self.table.get(key);
        value.map_or_else(|| self.at.clone(), Spanned::span)
    }

    /// A text that has to be there.
    pub fn text<T>(
        &mut self,
        key: &'static str,
        rule: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Spanned<T>> {
        let Some(value) = self.value(key) else {
            self.refuse(self.at.clone(), key, "is missing");
            return None;
        };
        self.fitting(key, value, rule)
    }

    /// A text that may be left out, and is empty then.
    pub fn optional_text(
        &mut self,
        key: &'static str,
        rule: impl FnOnce(&str) -> Result<String, String>,
    ) -> Option<String> {
        match self.value(key) {
            Some(value) => self.fitting(key, value, rule).map(Spanned::into_inner),
            None => Some(String::new()),
        }
    }

    /// A text that may be left out. `None` where it does not fit.
    pub fn maybe_text<T>(
        &mut self,
        key: &'static str,
        rule: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Option<Spanned<T>>> {
        match self.value(key) {
            Some(value) => self.fitting(key, value, rule).map(Some),
            None => Some(None),
        }
    }

    /// A list of texts, which may be left out.
    pub fn list<T>(
        &mut self,
        key: &'static str,
        rule: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<Spanned<T>>> {
        let Some(value) = self.value(key) else {
            return Some(Vec::new());
        };
        let Some(items) = value.get_ref().as_array() else {
            self.refuse(value.span(), key, "must be a list of texts in [ ]");
            return None;
        };
        // Every item is looked at, also after one that does not fit.
        let fitting: Vec<_> = items
            .iter()
            .map(|item| self.fitting(key, item, &rule))
            .collect();
        fitting.into_iter().collect()
    }

    /// The same of texts and of inline tables, each of which is read by `read`.
    pub fn list_of_both<T>(
        &mut self,
        key: &'static str,
        rule: impl Fn(&str) -> Result<T, String>,
        read: impl Fn(Fields<'_>) -> Option<T>,
    ) -> Option<Vec<Spanned<T>>> {
        let Some(value) = self.value(key) else {
            return Some(Vec::new());
        };
        let Some(items) = value.get_ref().as_array() else {
            self.refuse(value.span(), key, "must be a list in [ ]");
            return None;
        };
        let mut fitting = Vec::new();
        for item in items {
            fitting.push(match item.get_ref() {
                DeValue::Table(table) => {
                    let whose = format!("{}: {key}", self.whose);
                    let fields = Fields::new(table, item.span(), whose, self.wrong);
                    read(fields).map(|it| Spanned::new(item.span(), it))
                }
                _ => self.fitting(key, item, &rule),
            });
        }
        fitting.into_iter().collect()
    }

    /// An inline table, which may be left out. `None` where it does not fit.
    pub fn maybe_table<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(Fields<'_>) -> Option<T>,
    ) -> Option<Option<Spanned<T>>> {
        let Some(value) = self.value(key) else {
            return Some(None);
        };
        let DeValue::Table(table) = value.get_ref() else {
            self.refuse(value.span(), key, "must be a table in { }");
            return None;
        };
        let whose = format!("{}: {key}", self.whose);
        let fields = Fields::new(table, value.span(), whose, self.wrong);
        read(fields).map(|it| Some(Spanned::new(value.span(), it)))
    }

    /// `true`, or left out. `None` where it does not fit, for that reason.
    pub fn flag(&mut self, key: &'static str, what: &str) -> Option<Option<Spanned<()>>> {
        let Some(value) = self.value(key) else {
            return Some(None);
        };
        if value.get_ref().as_bool() == Some(true) {
            return Some(Some(Spanned::new(value.span(), ())));
        }
        self.refuse(value.span(), key, what);
        None
    }

    /// `true` or `false`, or that where it is left out.
    pub fn either(&mut self, key: &'static str, default: bool) -> Option<bool> {
        let Some(value) = self.value(key) else {
            return Some(default);
        };
        let said = value.get_ref().as_bool();
        if said.is_none() {
            self.refuse(value.span(), key, "must be true or false");
        }
        said
    }

    /// Whether that key is not there. One that is there does not belong there, for that reason.
    pub fn must_lack(&mut self, key: &'static str, what: &str) -> bool {
        let value = self.value(key);
        if let Some(value) = value {
            self.refuse(value.span(), key, what);
        }
        value.is_none()
    }

    /// A whole number, which may be left out.
    pub fn number(
        &mut self,
        key: &'static str,
        fits: std::ops::RangeInclusive<i16>,
        default: i16,
    ) -> Option<i16> {
        let Some(value) = self.value(key) else {
            return Some(default);
        };
        let number = value.get_ref().as_integer();
        let number = number.and_then(|it| i16::from_str_radix(it.as_str(), it.radix()).ok());
        let number = number.filter(|it| fits.contains(it));
        if number.is_none() {
            let what = format!("must be a number from {} to {}", fits.start(), fits.end());
            self.refuse(value.span(), key, &what);
        }
        number
    }

    /// Every table of a list of tables, each read by `read`; those that do not fit are left out.
    pub fn tables<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(Fields<'_>) -> Option<T>,
    ) -> Vec<T> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let Some(items) = value.get_ref().as_array() else {
            let what = format!("must be a list of tables: begin each with [[{key}]]");
            self.refuse(value.span(), key, &what);
            return Vec::new();
        };
        let mut fitting = Vec::new();
        for item in items {
            if let DeValue::Table(table) = item.get_ref() {
                let fields = Fields::new(table, item.span(), key.to_owned(), self.wrong);
                fitting.extend(read(fields));
            } else {
                self.refuse(item.span(), key, "must be a table");
            }
        }
        fitting
    }

    /// Messages begin with this from now on.
    pub fn name(&mut self, whose: String) {
        self.whose = whose;
    }

    /// Notes that the field does not fit.
    pub fn refuse(&mut self, at: Range<usize>, key: &str, what: &str) {
        // The name is the file's: a terminal must not act upon what stands in it.
        let whose = self.whose.escape_debug();
        let what = if self.whose.is_empty() {
            format!("{key} {what}")
        } else {
            format!("{whose}: {key} {what}")
        };
        self.wrong.push(Wrong { at, what });
    }

    /// Notes every key that was not asked for.
    pub fn done(mut self) {
        let mut known = self.known.clone();
        known.sort_unstable();
        let expected = format!(
            "is no key that is known here; there are {}",
            known.join(", ")
        );
        for (key, _) in self.table {
            if !known.contains(&key.get_ref().as_ref()) {
                let name = format!("`{}`", key.get_ref().escape_debug());
                self.refuse(key.span(), &name, &expected);
            }
        }
    }

    fn value(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.known.push(key);
        self.table.get(key)
    }

    fn fitting<T>(
        &mut self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        rule: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Spanned<T>> {
        let Some(text) = value.get_ref().as_str() else {
            self.refuse(value.span(), key, "must be a text in quotes");
            return None;
        };
        match rule(text) {
            Ok(fitting) => Some(Spanned::new(value.span(), fitting)),
            Err(what) => {
                self.refuse(value.span(), key, &what);
                None
            }
        }
    }
}
