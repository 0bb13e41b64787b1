//! What Countersign needs in an account, and nothing more: the policy of the role, or of the
//! identity, that it works as there. IAM has no condition on the name of an inline policy or on who
//! is added to a trust policy, so that whoever has these rights is as good as the roles and users
//! they are for (SECURITY.md).

use serde_json::{Value, json};

use super::capacity::is_protected;
use crate::domain::account::{ManagerRole, Needs};
use crate::domain::entitlement::Method;
use crate::domain::fetch::GRANT_TAG;

/// What is done with users that carry policies of grants.
const ON_USERS: [&str; 5] = [
    "iam:ListUserPolicies",
    "iam:GetUserPolicy",
    "iam:PutUserPolicy",
    "iam:DeleteUserPolicy",
    "iam:SimulatePrincipalPolicy",
];

/// What is done with roles that people come as.
const ON_ROLES: [&str; 5] = [
    "iam:ListRolePolicies",
    "iam:GetRolePolicy",
    "iam:PutRolePolicy",
    "iam:DeleteRolePolicy",
    "iam:SimulatePrincipalPolicy",
];

/// The policy that gives what is needed; `us`: the ARNs that Countersign works as, whose own rights
/// it may never change.
#[must_use]
pub fn policy(needs: &Needs, us: &[&str]) -> Value {
    let mut statements = vec![json!({
        "Sid": "Quota", "Effect": "Allow", "Action": "iam:GetAccountSummary", "Resource": "*",
    })];
    let mut allow = |sid: &str, actions: &[&str], resources: &[&str]| {
        if !resources.is_empty() {
            statements.push(json!({
                "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources,
            }));
        }
    };
    let guarded = [
        "iam:GetRole",
        "iam:GetRolePolicy",
        "iam:PutRolePolicy",
        "iam:DeleteRolePolicy",
    ];
    allow("Guards", &guarded, &needs.guarded());
    // Nothing is written to the others.
    let mut unguarded = needs.opened(|_| true);
    unguarded.retain(|arn| !needs.guarded().contains(arn));
    let looked_at = ["iam:GetRole", "iam:GetRolePolicy"];
    allow("Unguarded", &looked_at, &unguarded);
    // For whoever approves: what these roles let a person leave behind.
    let analysed = ["iam:ListRolePolicies", "iam:ListAttachedRolePolicies"];
    allow("Analyses", &analysed, &needs.opened(|_| true));
    if !needs.roles.is_empty() {
        // Which policies they have attached, or as boundaries, is not known before.
        let shown = ["iam:GetPolicy", "iam:GetPolicyVersion"];
        allow("Policies", &shown, &["*"]);
    }
    let opened = needs.opened(|it| it.method == Method::TrustPolicy);
    allow("TrustPolicies", &["iam:UpdateAssumeRolePolicy"], &opened);
    for (sid, actions, resources) in of_people(needs) {
        allow(sid, actions, &resources);
    }
    // What `doctor` asks beside: whether the rights are there.
    let own: Vec<&str> = us.iter().copied().take(1).collect();
    allow("OwnRights", &["iam:SimulatePrincipalPolicy"], &own);
    statements.extend(assuming(&needs.assumed()));
    statements.extend(tags(&needs.tagged()));
    statements.push(never_itself(us));
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// What is read of people's users and roles, and put on them: with each Sid its actions and ARNs.
fn of_people(needs: &Needs) -> Vec<(&'static str, &'static [&'static str], Vec<&str>)> {
    let users: Vec<&str> = needs.users.iter().map(String::as_str).collect();
    let mut roles: Vec<&str> = needs.sessions.iter().map(|it| it.0.as_str()).collect();
    roles.dedup();
    // Nobody but AWS puts anything on its own.
    let (of_aws, own): (Vec<&str>, Vec<&str>) = roles.iter().partition(|arn| is_protected(arn));
    let is_let_in = !needs
        .opened(|it| it.method == Method::TrustPolicy)
        .is_empty();
    let mut all: Vec<(&str, &[&str], Vec<&str>)> = Vec::new();
    if needs.carries || needs.leaves || is_let_in {
        all.push(("Users", &["iam:GetUser"], users.clone()));
        all.push(("RolesOfPeople", &["iam:GetRole"], roles.clone()));
    }
    if needs.carries {
        all.push(("Carriers", &ON_USERS, users.clone()));
        all.push(("CarrierRoles", &ON_ROLES, own));
    }
    let leavers = match (needs.leaves, needs.carries) {
        (false, _) => Vec::new(),
        (true, true) => of_aws,
        (true, false) => users.into_iter().chain(roles).collect(),
    };
    all.push(("Leavers", &["iam:SimulatePrincipalPolicy"], leavers));
    all
}

/// Whatever else it is given later, it never gives itself more.
fn never_itself(us: &[&str]) -> Value {
    json!({
        "Sid": "NeverItself", "Effect": "Deny", "Resource": us,
        "Action": [
            "iam:Attach*", "iam:Delete*", "iam:Detach*", "iam:Put*", "iam:Tag*", "iam:Untag*", "iam:Update*",
        ],
    })
}

/// The right to assume these roles: under the name of a grant and in a person's name alone,
/// whatever the roles let in.
fn assuming(assumed: &[&str]) -> Vec<Value> {
    if assumed.is_empty() {
        return Vec::new();
    }
    vec![
        json!({
            "Sid": "Sessions", "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": assumed,
            "Condition": {"StringLike": {"sts:RoleSessionName": "grant_*", "sts:SourceIdentity": "person_*"}},
        }),
        json!({
            "Sid": "People", "Effect": "Allow", "Action": "sts:SetSourceIdentity", "Resource": assumed,
            "Condition": {"StringLike": {"sts:SourceIdentity": "person_*"}},
        }),
    ]
}

/// The right to tag these sessions with the grant's id, and with nothing else.
fn tags(tagged: &[&str]) -> Option<Value> {
    let own = format!("aws:RequestTag/{GRANT_TAG}");
    (!tagged.is_empty()).then(|| {
        json!({
            "Sid": "Tags", "Effect": "Allow", "Action": "sts:TagSession", "Resource": tagged,
            "Condition": {
                "StringLike": {own: "grant_*"}, "ForAllValues:StringEquals": {"aws:TagKeys": [GRANT_TAG]},
            },
        })
    })
}

/// The trust policy of a manager role: it lets Countersign in, the `hub`, and nobody else.
#[must_use]
pub fn trust(manager: &ManagerRole, hub: &str) -> Value {
    let mut equals = json!({"sts:RoleSessionName": "countersign"});
    if let Some(id) = &manager.external_id {
        equals["sts:ExternalId"] = json!(id);
    }
    json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": hub}, "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": equals},
    }]})
}
