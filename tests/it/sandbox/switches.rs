//! Every rule can be switched off, and then some call is decided otherwise.

use aws_sdk_sts::operation::assume_role::builders::AssumeRoleFluentBuilder;
use aws_sdk_sts::types::Tag;
use chrono::TimeDelta;
use countersign::sandbox::Rule;

use super::console::Browser;
use super::*;

const HUB: &str = "arn:aws:iam::111122223333:role/hub";
const BOB: &str = "arn:aws:iam::111122223333:user/bob";
const READ_ONLY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";
const MFA: &str = r#"{"Bool":{"aws:MultiFactorAuthPresent":"true"}}"#;
const NAMED: &str = r#"{"StringEquals":{"sts:RoleSessionName":"grant_1"}}"#;

/// A sandbox in which the one rule may not hold.
struct Stage {
    sandbox: Sandbox,
}

impl Stage {
    /// alice and `hub` may assume `prod-admin`, and alice `hub`, with whatever is asked besides.
    async fn new(off: Option<Rule>) -> Self {
        let every = |principal: &str| trusts(principal).replace("sts:AssumeRole", "sts:*");
        let mut account = account(&every(ALICE));
        account.roles[0].max_session_duration = 7_200;
        account.roles.push(role("hub", &every(ALICE)));
        account.roles.push(role("next", &every(HUB)));
        account.roles.push(SeedRole {
            path: "/aws-reserved/".to_owned(),
            ..role("theirs", &trusts(ALICE))
        });
        let carol = account_of(OTHER, vec![user("carol", None)], vec![]);
        let sandbox = start_all(vec![account, carol]).await;
        if let Some(rule) = off {
            sandbox.knobs().without(rule);
        }
        Self { sandbox }
    }

    fn trust(&self, text: &str) {
        self.sandbox.knobs().put_trust(ROLE, text).unwrap();
    }

    fn allow(&self, condition: &str) {
        let text = identity("Allow", "*", condition);
        self.own(&text);
    }

    fn own(&self, text: &str) {
        let knobs = self.sandbox.knobs();
        knobs.put_user_policy(ALICE, "own", Some(text)).unwrap();
    }

    fn ask(&self) -> AssumeRoleFluentBuilder {
        let call = as_user(&self.sandbox, "alice").1.assume_role();
        call.role_arn(ROLE).role_session_name("grant_1")
    }

    /// On from a session of `hub` that was asked for so.
    async fn chain(&self, ask: AssumeRoleFluentBuilder, to: &str) -> AssumeRoleFluentBuilder {
        let hub = ask.role_arn(HUB).send().await.unwrap();
        let call = as_session(&self.sandbox, &hub).1.assume_role();
        call.role_arn(to).role_session_name("grant_1")
    }

    async fn bound(&self) {
        let call = as_user(&self.sandbox, "admin").0;
        let call = call.put_user_permissions_boundary().user_name("alice");
        let call = call.permissions_boundary(READ_ONLY).send().await;
        assert_eq!(code(call), "ok");
    }

    async fn lists(&self) -> String {
        let iam = as_user(&self.sandbox, "alice").0;
        code(iam.list_users().send().await)
    }

    async fn creates(&self, session: &AssumeRoleOutput) -> String {
        let iam = as_session(&self.sandbox, session).0;
        code(iam.create_user().user_name("new").send().await)
    }
}

fn tag() -> Tag {
    Tag::builder().key("team").value("sre").build().unwrap()
}

/// By what alice's own policies say of an ordinary call.
async fn evaluation(rule: Rule, stage: &Stage) -> Option<String> {
    match rule {
        Rule::IdentityPolicies => {}
        Rule::ExplicitDeny => stage.own(&ALLOW_ALL.replace(
            "]}",
            r#",{"Effect":"Deny","Action":"iam:*","Resource":"*"}]}"#,
        )),
        Rule::Dates => stage.allow(r#"{"DateLessThan":{"aws:CurrentTime":"2001-01-01"}}"#),
        Rule::MissingKeys => stage.allow(r#"{"StringEquals":{"x:y":"z"}}"#),
        Rule::IfExists => stage.allow(r#"{"StringEqualsIfExists":{"x:y":"z"}}"#),
        Rule::SetOperators => stage.allow(r#"{"ForAllValues:StringEquals":{"x:y":"z"}}"#),
        Rule::Variables => stage.allow(r#"{"StringEquals":{"aws:userid":"${aws:userid}"}}"#),
        Rule::Signatures => {
            stage.own(ALLOW_ALL);
            let wrong = Credentials::new("AKIAALICE", "wrong", None, None, "test");
            let iam = credentials(&stage.sandbox, wrong).0;
            return Some(code(iam.list_users().send().await));
        }
        Rule::Boundaries => {
            stage.own(ALLOW_ALL);
            stage.bound().await;
            let iam = as_user(&stage.sandbox, "alice").0;
            return Some(code(iam.create_user().user_name("new").send().await));
        }
        _ => return None,
    }
    Some(stage.lists().await)
}

/// By whether alice may assume `prod-admin`.
async fn trust(rule: Rule, stage: &Stage) -> Option<String> {
    let device = "arn:aws:iam::111122223333:mfa/alice";
    let call = match rule {
        Rule::TrustPolicies => {
            stage.trust(&trusts(BOB));
            stage.ask()
        }
        Rule::SecondFactor => {
            stage.trust(&trusting(ALICE, MFA));
            stage.ask().serial_number(device).token_code("000000")
        }
        Rule::KeysOfActions => {
            let named = trusting(ALICE, NAMED).replace("sts:AssumeRole", "sts:*");
            stage.trust(&named);
            stage.ask().tags(tag())
        }
        Rule::SessionNameInOwnPolicies => {
            stage.trust(&trusts(ACCOUNT));
            stage.allow(NAMED);
            stage.ask()
        }
        Rule::SecondFactorInOwnPolicies => {
            stage.trust(&trusts(ACCOUNT));
            stage.allow(MFA);
            stage.ask().serial_number(device).token_code("123456")
        }
        Rule::BoundPrincipals => {
            let (id, secret) = key("alice");
            stage.sandbox.knobs().create_user(ALICE, &id, &secret);
            stage.ask()
        }
        Rule::AccountNeedsOwnPolicy => {
            stage.trust(&trusts(ACCOUNT));
            stage.ask()
        }
        Rule::BothAccounts => {
            stage.trust(&trusts("arn:aws:iam::444455556666:user/carol"));
            let carol = as_user(&stage.sandbox, "carol").1.assume_role();
            carol.role_arn(ROLE).role_session_name("grant_1")
        }
        Rule::UserArnPassesBoundary => {
            stage.bound().await;
            stage.ask()
        }
        Rule::SetSourceIdentity => {
            stage.trust(&trusts(ALICE));
            stage.ask().source_identity("person_1")
        }
        Rule::TagSession => {
            stage.trust(&trusts(ALICE));
            stage.ask().tags(tag())
        }
        Rule::MaxSessionDuration => stage.ask().duration_seconds(7_201),
        Rule::SessionPolicyQuota => stage.ask().policy(format!("{ALLOW_ALL}{:2000}", "")),
        Rule::PackedQuota => {
            stage.sandbox.knobs().packed_quota(10);
            stage.ask().policy(ALLOW_ALL)
        }
        _ => return None,
    };
    Some(code(call.send().await))
}

/// By what a session may do, or the next one.
async fn sessions(rule: Rule, stage: &Stage) -> Option<String> {
    let next = "arn:aws:iam::111122223333:role/next";
    let list = identity("Allow", "iam:List*", "{}");
    let knobs = stage.sandbox.knobs();
    let call = match rule {
        Rule::SessionsEnd => {
            let session = stage.ask().send().await.unwrap();
            knobs.advance(TimeDelta::hours(1));
            return Some(works(&stage.sandbox, &session).await.to_string());
        }
        Rule::SessionPolicies => {
            let session = stage.ask().policy(list).send().await.unwrap();
            return Some(stage.creates(&session).await);
        }
        Rule::SessionArnPassesLimits => {
            let live = "arn:aws:sts::111122223333:assumed-role/hub/grant_1";
            knobs.put_trust(next, &trusts(live)).unwrap();
            stage.chain(stage.ask().policy(list), next).await
        }
        Rule::ChainedHour => {
            let call = stage.chain(stage.ask(), next).await;
            call.duration_seconds(7_200)
        }
        Rule::SourceIdentityPersists => {
            let ask = stage.ask().source_identity("person_1");
            stage.chain(ask, next).await.source_identity("person_2")
        }
        Rule::TransitiveTags => {
            let ask = stage.ask().tags(tag()).transitive_tag_keys("team");
            stage.chain(ask, next).await.tags(tag())
        }
        _ => return None,
    };
    Some(code(call.send().await))
}

/// By what IAM takes.
async fn writes(rule: Rule, stage: &Stage) -> Option<String> {
    let knobs = stage.sandbox.knobs();
    let put = match rule {
        Rule::Documents => knobs.put_trust(ROLE, "{}"),
        Rule::KnownPrincipals => knobs.put_trust(ROLE, &trusts(&format!("{BOB}by"))),
        Rule::TrustQuota => {
            let long = trusting(
                ALICE,
                &format!(r#"{{"Null":{{"x:{:x<2048}":"true"}}}}"#, ""),
            );
            knobs.put_trust(ROLE, &long)
        }
        Rule::InlineQuota => {
            let long = identity(
                "Deny",
                "x:y",
                &format!(r#"{{"Null":{{"x:{:x<2048}":"true"}}}}"#, ""),
            );
            knobs.put_user_policy(ALICE, "p", Some(&long))
        }
        Rule::ProtectedRoles => {
            let theirs = "arn:aws:iam::111122223333:role/aws-reserved/theirs";
            knobs.put_role_policy(theirs, "p", Some(ALLOW_ALL))
        }
        _ => return None,
    };
    Some(put.map_or_else(|refusal| refusal.code, |()| "ok".to_owned()))
}

/// By what the console may do.
async fn console(rule: Rule, stage: &Stage) -> Option<String> {
    let browser = Browser::new(&stage.sandbox);
    let knobs = stage.sandbox.knobs();
    if rule == Rule::ChainedFederation {
        let call = stage.chain(stage.ask(), "arn:aws:iam::111122223333:role/next");
        let call = call.await.duration_seconds(900);
        let session = call.send().await.unwrap();
        let token = browser.token(&session, None).await;
        return Some(token.is_ok().to_string());
    }
    let console = [
        Rule::SigninTokensEnd,
        Rule::ConsoleKeepsName,
        Rule::ConsoleKeepsSessionPolicy,
        Rule::ConsoleKeysAreNew,
    ];
    console.contains(&rule).then_some(())?;
    let call = stage.ask().policy(identity("Allow", "iam:ListUsers", "{}"));
    let session = call.send().await.unwrap();
    let token = browser.token(&session, None).await.unwrap();
    if rule == Rule::SigninTokensEnd {
        knobs.advance(TimeDelta::minutes(15));
        return Some(browser.login(&token).await.to_string());
    }
    let issued = knobs.now().format("%Y-%m-%dT%H:%M:%SZ");
    let cut = format!(r#"{{"DateLessThanEquals":{{"aws:TokenIssueTime":"{issued}"}}}}"#);
    knobs.advance(TimeDelta::minutes(1));
    assert_eq!(browser.login(&token).await, 303);
    let (iam, _) = browser.clients().await;
    if rule == Rule::ConsoleKeepsName {
        let id = knobs.unique_id(ROLE).unwrap();
        let named = format!(r#"{{"StringEquals":{{"aws:userid":"{id}:grant_1"}}}}"#);
        let deny = identity("Deny", "*", &named);
        knobs.put_role_policy(ROLE, "deny", Some(&deny)).unwrap();
        return Some(code(iam.list_users().send().await));
    }
    if rule == Rule::ConsoleKeepsSessionPolicy {
        return Some(code(iam.list_roles().send().await));
    }
    let cut = identity("Deny", "*", &cut);
    knobs.put_role_policy(ROLE, "cut", Some(&cut)).unwrap();
    Some(code(iam.list_users().send().await))
}

/// The one decision that hangs on the rule.
async fn decision(rule: Rule, off: Option<Rule>) -> String {
    let stage = Stage::new(off).await;
    let all = [
        evaluation(rule, &stage).await,
        trust(rule, &stage).await,
        sessions(rule, &stage).await,
        writes(rule, &stage).await,
        console(rule, &stage).await,
    ];
    let mut made = all.into_iter().flatten();
    let first = made.next();
    assert!(made.next().is_none(), "{rule:?} is there twice");
    first.unwrap_or_else(|| panic!("no decision hangs on {rule:?}"))
}

#[tokio::test]
async fn every_off_switch_changes_a_decision() {
    for rule in Rule::ALL {
        let (on, off) = (decision(rule, None).await, decision(rule, Some(rule)).await);
        assert_ne!(on, off, "{rule:?}");
    }
}

#[tokio::test]
async fn an_off_switch_is_one_rules_and_is_taken_back() {
    // Decisions of one kind, under each switch of that kind: only their own changes them.
    let kind = [
        Rule::IdentityPolicies,
        Rule::ExplicitDeny,
        Rule::Dates,
        Rule::MissingKeys,
        Rule::IfExists,
        Rule::SetOperators,
        Rule::Variables,
    ];
    for rule in kind {
        let on = decision(rule, None).await;
        for other in kind.into_iter().filter(|it| *it != rule) {
            let with = decision(rule, Some(other)).await;
            // Without identity policies nothing is refused but by a Deny.
            if other != Rule::IdentityPolicies {
                assert_eq!(with, on, "{rule:?} without {other:?}");
            }
        }
    }
    let stage = Stage::new(Some(Rule::IdentityPolicies)).await;
    assert_eq!(stage.lists().await, "ok");
    stage.sandbox.knobs().with_every_rule();
    assert_eq!(stage.lists().await, "AccessDenied");
}
