//! A catalog file: what may stand in it, and every rule that can be told without the database.

use toml::Spanned;
use toml::de::DeTable;

use super::accounts;
use super::alike::tell_apart;
use super::closed::{self, closed};
use super::demands::{self, demands};
use super::fields::Fields;
use super::handed_out::handed_out;
use super::opens::{Opens, opens, scope};
use super::principals::{self, role_session, user};
use super::rules;
use super::same;
use super::stages;
use super::wrong::Wrong;
use crate::db::same::At;
use crate::domain::arn::{Arn, Kind};
use crate::domain::duration;
use crate::domain::entitlement::{Method, Terms};
use crate::domain::person::Who;
use crate::domain::text::{all_seen, check_name};

/// The longest session that AWS knows, and so the longest grant (seconds).
const LONGEST: i64 = 43_200;

/// What a file says, where nothing is wrong with it.
#[derive(Debug)]
pub(super) struct File {
    pub accounts: Vec<Account>,
    pub people: Vec<Somebody>,
    pub entitlements: Vec<Offer>,
}

#[derive(Debug)]
pub(super) struct Account {
    pub id: Spanned<String>,
    pub name: Spanned<String>,
    /// The role that Countersign works as there.
    pub manager: Option<Spanned<Identity>>,
    /// Whether its trust policy asks for an external ID, which Countersign makes.
    pub external_id: bool,
    /// Whom to ask.
    pub owner: Option<String>,
}

#[derive(Debug)]
pub(super) struct Somebody {
    pub issuer: String,
    pub subject: Spanned<String>,
    pub name: Spanned<String>,
    pub email: String,
    pub groups: Vec<Spanned<String>>,
    pub principals: Vec<Spanned<Identity>>,
    /// The account of the same human that counts for both.
    pub same_as: Option<Spanned<At>>,
}

/// An IAM user or role.
#[derive(Debug)]
pub(super) struct Identity {
    pub arn: String,
    pub account: String,
    /// The name of a person's sessions, where they come as a role.
    pub session: Option<String>,
}

impl Identity {
    /// As documents name it.
    pub fn who(&self) -> Who<'_> {
        Who {
            arn: &self.arn,
            session: self.session.as_deref(),
        }
    }
}

#[derive(Debug)]
pub(super) struct Offer {
    pub name: Spanned<String>,
    /// The role that it opens; none where people's own users are allowed something.
    pub role: Option<Spanned<Identity>>,
    /// The account of that role, or of those users.
    pub account: Spanned<String>,
    /// Whether that role is closed.
    pub closed: bool,
    /// Whose members may ask, and whose decide.
    pub groups: Vec<Spanned<String>>,
    pub terms: Terms,
}

/// Reads a file.
///
/// # Errors
/// Everything that is wrong with it, in the order of the text.
pub(super) fn read(text: &str) -> Result<File, Vec<Wrong>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    // What stands behind a mistake in the writing is not read as it was meant: the mistakes after
    // the first one are none.
    if let Some(error) = errors.first() {
        return Err(vec![Wrong {
            at: error.span().unwrap_or_default(),
            what: format!("this is not TOML: {}", error.message()),
        }]);
    }
    let mut wrong = Vec::new();
    let mut fields = Fields::new(document.get_ref(), 0..0, String::new(), &mut wrong);
    let file = File {
        accounts: fields.tables("accounts", account),
        people: fields.tables("people", somebody),
        entitlements: fields.tables("entitlements", offer),
    };
    fields.done();
    tell_apart(&file, &mut wrong);
    wrong.extend(accounts::in_file(&file));
    wrong.extend(principals::in_file(&file));
    wrong.extend(same::in_file(&file));
    wrong.extend(closed::in_file(&file));
    wrong.extend(demands::in_file(&file));
    if wrong.is_empty() {
        return Ok(file);
    }
    wrong.sort_by_key(|it| it.at.start);
    Err(wrong)
}

fn account(mut fields: Fields<'_>) -> Option<Account> {
    if let Some(id) = fields.peek("id") {
        fields.name(format!("account {id}"));
    }
    let id = fields.text("id", account_id);
    let name = fields.text("name", seen);
    let own = id.as_ref().map(|it| it.get_ref().clone());
    let manager = fields.maybe_text("manager_role", |arn| manager(arn, own.as_deref()));
    let external_id = fields.flag(
        "external_id",
        "must be true, or be left out: one that was made is kept",
    );
    let owner = fields.maybe_text("owner", seen);
    if let (Some(None), Some(Some(flag))) = (&manager, &external_id) {
        let what = "goes with manager_role: it is sent when that role is assumed";
        fields.refuse(flag.span(), "external_id", what);
    }
    // Everything is read before the first `?`: else a table would tell of one mistake at a time.
    fields.done();
    Some(Account {
        id: id?,
        name: name?,
        manager: manager?,
        external_id: external_id?.is_some(),
        owner: owner?.map(Spanned::into_inner),
    })
}

fn somebody(mut fields: Fields<'_>) -> Option<Somebody> {
    if let Some(email) = fields.peek("email") {
        fields.name(email.to_owned());
    }
    let issuer = fields.text("issuer", seen);
    let subject = fields.text("subject", seen);
    let name = fields.text("name", seen);
    let email = fields.text("email", seen);
    let groups = fields.list("groups", seen);
    let principals = fields.list_of_both("principals", user, role_session);
    let same_as = fields.maybe_table("same_as", same::account);
    fields.done();
    Some(Somebody {
        issuer: issuer?.into_inner(),
        subject: subject?,
        name: name?,
        email: email?.into_inner(),
        groups: groups?,
        principals: principals?,
        same_as: same_as?,
    })
}

fn offer(mut fields: Fields<'_>) -> Option<Offer> {
    if let Some(name) = fields.peek("name") {
        fields.name(format!("entitlement {name}"));
    }
    let name = fields.text("name", entitlement_name);
    let description = fields.optional_text("description", description);
    let method = fields.text("method", method);
    let known = method.as_ref().map(|it| *it.get_ref());
    let demands = demands(&mut fields, known);
    let mfa = demands.as_ref().is_some_and(|it| it.mfa);
    let opens = opens(&mut fields, known, mfa);
    let least = fields.text("min_duration", length);
    let most = fields.text("max_duration", length);
    let requester_group = fields.text("requester_group", seen);
    let approvers = stages::approvers(&mut fields);
    let rules = rules::rules(&mut fields);
    let scope = scope(&mut fields, known);
    let handed_out = handed_out(&mut fields, known, most.as_ref());
    let closed = closed(&mut fields, known);
    in_order(&mut fields, least.as_ref(), most.as_ref());
    fields.done();
    let name = name?;
    let Opens {
        role,
        account,
        statements,
    } = opens?;
    let (handed_out, (stages, deciding)) = (handed_out?, approvers?);
    let mut groups = vec![requester_group?];
    let requester_group = groups[0].get_ref().clone();
    groups.extend(deciding);
    let terms = Terms {
        name: name.get_ref().clone(),
        description: description?,
        account: account.get_ref().clone(),
        // Comes from the account's row when the entitlement is read.
        account_name: String::new(),
        role_arn: role.as_ref().map(|it| it.get_ref().arn.clone()),
        method: method?.into_inner(),
        statements,
        scope: scope?,
        early_end: handed_out.early_end,
        session_tags: handed_out.session_tags,
        demands: demands?,
        min_duration_seconds: least?.into_inner(),
        max_duration_seconds: most?.into_inner(),
        requester_group,
        stages,
        rules: rules?,
        version: 1,
    };
    Some(Offer {
        name,
        role,
        account,
        closed: closed?,
        groups,
        terms,
    })
}

fn in_order(fields: &mut Fields<'_>, least: Option<&Spanned<i32>>, most: Option<&Spanned<i32>>) {
    if let (Some(least), Some(most)) = (least, most)
        && least.get_ref() > most.get_ref()
    {
        fields.refuse(least.span(), "min_duration", "is longer than max_duration");
    }
}

pub(super) fn account_id(text: &str) -> Result<String, String> {
    if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err("must be 12 digits".to_owned())
    }
}

/// A role of the account itself: any other one would work elsewhere.
fn manager(arn: &str, account: Option<&str>) -> Result<Identity, String> {
    let role = identity(arn, Kind::Role)?;
    match account {
        Some(account) if account != role.account => Err(format!(
            "must be a role of this account, {account}, and not of {}",
            role.account
        )),
        _ => Ok(role),
    }
}

/// A name that people read.
pub(super) fn seen(text: &str) -> Result<String, String> {
    check_name(text).map_err(|it| it.to_string())?;
    Ok(text.to_owned())
}

/// Several lines are fine, nothing at all as well.
fn description(text: &str) -> Result<String, String> {
    all_seen(text).map_err(|it| it.to_string())?;
    Ok(text.to_owned())
}

fn entitlement_name(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if (1..=63).contains(&text.len()) && !text.starts_with('-') && text.chars().all(is_plain) {
        return Ok(text.to_owned());
    }
    Err("must be 1 to 63 small letters, digits and hyphens, and not begin with a hyphen".to_owned())
}

fn method(text: &str) -> Result<Method, String> {
    Method::parse(text).ok_or_else(|| {
        "must be \"trust_policy\", \"switch\", \"attach\" or \"sts_credentials\"".to_owned()
    })
}

/// A duration of a grant, in seconds.
fn length(text: &str) -> Result<i32, String> {
    let seconds = duration::parse(text)
        .map_err(|_| "must be a duration such as PT15M (15 minutes) or PT8H (8 hours)")?;
    if seconds < 1 {
        return Err("must be 1 second (PT1S) or longer".to_owned());
    }
    let fitting = i32::try_from(seconds).ok();
    let fitting = fitting.filter(|_| seconds <= LONGEST);
    fitting.ok_or_else(|| "must be 12 hours (PT12H) or shorter, as sessions of AWS are".to_owned())
}

/// The ARN of an IAM user or role.
pub(super) fn identity(text: &str, kind: Kind) -> Result<Identity, String> {
    let arn = Arn::parse(text, kind).map_err(|it| it.to_string())?;
    Ok(Identity {
        account: arn.account.to_owned(),
        arn: text.to_owned(),
        session: None,
    })
}
