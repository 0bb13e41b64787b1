//! SimulatePrincipalPolicy: what the policies of a user or role say of a request that nobody makes
//! (IAM API Reference). Resource policies, other callers and policies that are sent along are not
//! part of it.

use std::collections::BTreeSet;

use super::entity::{Call, own};
use crate::sandbox::arn::locate;
use crate::sandbox::context::Context;
use crate::sandbox::doc::Doc;
use crate::sandbox::document::statement_spans;
use crate::sandbox::evaluate::{Decision, Request, decide, matching, missing};
use crate::sandbox::managed::of_aws;
use crate::sandbox::state::{Account, Policies, State};
use crate::sandbox::wire::{Fault, Params, Xml};

/// Parameters that would change the decision and are not heard here.
const UNHEARD: [&str; 6] = [
    "PolicyInputList.",
    "PermissionsBoundaryPolicyInputList.",
    "ResourcePolicy",
    "ResourceOwner",
    "CallerArn",
    "ResourceHandlingOption",
];

/// A policy, by the name that the answer has for it.
struct Source {
    id: String,
    kind: &'static str,
    text: String,
}

/// Who would make the request.
struct Subject {
    sources: Vec<Source>,
    boundary: Option<String>,
    context: Context,
}

pub(super) fn simulate(state: &State, it: &Call<'_>) -> Result<Xml, Fault> {
    let params = it.params;
    params.without(&UNHEARD)?;
    let arn = params.need("PolicySourceArn")?;
    let mut subject = subject(state, it, arn)?;
    read_context(params, &mut subject.context);
    let actions = params.list("ActionNames.member.", "");
    if actions.is_empty() {
        params.need("ActionNames")?;
    }
    let mut resources = params.list("ResourceArns.member.", "");
    if resources.is_empty() {
        resources.push("*".to_owned());
    }
    let pairs = actions
        .iter()
        .flat_map(|action| resources.iter().map(move |resource| (action, resource)));
    let results = pairs.map(|(action, resource)| {
        let request = Request {
            action,
            resource,
            context: &subject.context,
            rules: it.mode.rules,
        };
        result(&subject, &request)
    });
    Xml::default().page("EvaluationResults", results.collect(), params)
}

/// The policies as a read shows them, and the keys that the principal brings along. Which keys AWS
/// knows by itself here is inferred: those of the principal, and not the time.
fn subject(state: &State, it: &Call<'_>, arn: &str) -> Result<Subject, Fault> {
    let account = own(state, it)?;
    let gone = || {
        let message = format!("The entity with ARN {arn} cannot be found.");
        Fault::new(404, "NoSuchEntity", message)
    };
    let (_, name) = locate(arn).ok_or_else(|| {
        let message =
            format!("Invalid Entity Arn: {arn} does not clearly define entity type and name.");
        Fault::new(400, "InvalidInput", message)
    })?;
    let mut context = Context::default();
    context.set("aws:PrincipalArn", arn);
    context.set("aws:PrincipalAccount", account.id.as_str());
    if arn.contains(":user/") {
        let user = account.users.get(&name);
        let user = user
            .filter(|it| account.user_arn(it) == arn)
            .ok_or_else(gone)?;
        context.set("aws:username", user.name.as_str());
        context.set("aws:userid", user.id.as_str());
        return Ok(Subject {
            sources: sources(account, &user.policies, "user", &user.name, it),
            boundary: boundary(account, &user.policies, it),
            context,
        });
    }
    let role = account.roles.get(&name);
    let role = role
        .filter(|it| account.role_arn(it) == arn)
        .ok_or_else(gone)?;
    for (key, value) in &role.tags {
        context.set(&format!("aws:PrincipalTag/{key}"), value.as_str());
    }
    Ok(Subject {
        sources: sources(account, &role.policies, "role", &role.name, it),
        boundary: boundary(account, &role.policies, it),
        context,
    })
}

fn shown(doc: &Doc, it: &Call<'_>) -> Option<String> {
    doc.control(it.mode.stale)?.text.clone()
}

fn managed(account: &Account, arn: &str, it: &Call<'_>) -> Option<String> {
    let own = || shown(&account.managed.get(arn)?.doc, it);
    of_aws(arn).map(str::to_owned).or_else(own)
}

fn sources(
    account: &Account,
    policies: &Policies,
    kind: &'static str,
    name: &str,
    it: &Call<'_>,
) -> Vec<Source> {
    let inline = policies.inline.iter().filter_map(|(policy, doc)| {
        let id = format!("{kind}_{name}_{policy}");
        shown(doc, it).map(|text| Source { id, kind, text })
    });
    let attached = policies.attached.values();
    let attached = attached.filter_map(|doc| {
        let id = shown(doc, it)?;
        let text = managed(account, &id, it)?;
        let of_aws = of_aws(&id).is_some();
        let kind = if of_aws {
            "aws-managed"
        } else {
            "user-managed"
        };
        Some(Source { id, kind, text })
    });
    inline.chain(attached).collect()
}

fn boundary(account: &Account, policies: &Policies, it: &Call<'_>) -> Option<String> {
    let arn = shown(&policies.boundary, it)?;
    Some(managed(account, &arn, it).unwrap_or_default())
}

/// `ContextEntries.member.1.ContextKeyName`, `….ContextKeyValues.member.1` and so on.
fn read_context(params: &Params, context: &mut Context) {
    let names = params.list("ContextEntries.member.", ".ContextKeyName");
    for (n, name) in (1..).zip(&names) {
        let before = format!("ContextEntries.member.{n}.ContextKeyValues.member.");
        context.set_all(name, params.list(&before, ""));
    }
}

fn result(subject: &Subject, request: &Request<'_>) -> Xml {
    let texts: Vec<&str> = subject.sources.iter().map(|it| it.text.as_str()).collect();
    let own = decide(&texts, request);
    let limit = subject.boundary.as_ref().map(|it| decide(&[it], request));
    let decision = match (own, limit.unwrap_or(Decision::Allowed)) {
        (Decision::ExplicitlyDenied, _) | (_, Decision::ExplicitlyDenied) => "explicitDeny",
        (Decision::Allowed, Decision::Allowed) => "allowed",
        _ => "implicitDeny",
    };
    let matched = subject.sources.iter().flat_map(|source| {
        let all = matching(&source.text, request).into_iter();
        let determine = all.filter(|(_, denies)| match decision {
            "explicitDeny" => *denies,
            "allowed" => true,
            _ => false,
        });
        determine
            .map(|(n, _)| statement(source, n))
            .collect::<Vec<_>>()
    });
    let bounded = subject.boundary.as_deref();
    let missing: BTreeSet<String> = texts
        .iter()
        .copied()
        .chain(bounded)
        .flat_map(|text| missing(text, request))
        .collect();
    let shown = Xml::default()
        .leaf("EvalActionName", request.action)
        .leaf("EvalResourceName", request.resource)
        .leaf("EvalDecision", decision)
        .members("MatchedStatements", matched.collect::<Vec<_>>())
        .members(
            "MissingContextValues",
            missing.iter().map(|it| Xml::text(it)),
        );
    match limit {
        None => shown,
        Some(limit) => {
            let allowed = (limit == Decision::Allowed).to_string();
            let detail = Xml::default().leaf("AllowedByPermissionsBoundary", allowed);
            shown.node("PermissionsBoundaryDecisionDetail", detail)
        }
    }
}

/// Which policy a statement is in, and where it stands there: lines and columns from 1.
fn statement(source: &Source, n: usize) -> Xml {
    let position = |at: usize| {
        let before = &source.text[..at];
        let line = 1 + before.matches('\n').count();
        let column = 1 + before
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count();
        Xml::default()
            .leaf("Line", line.to_string())
            .leaf("Column", column.to_string())
    };
    let shown = Xml::default()
        .leaf("SourcePolicyId", &source.id)
        .leaf("SourcePolicyType", source.kind);
    match statement_spans(&source.text).get(n) {
        Some(span) => shown
            .node("StartPosition", position(span.start))
            .node("EndPosition", position(span.end)),
        None => shown,
    }
}
