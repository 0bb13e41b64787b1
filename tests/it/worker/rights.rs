//! The rights that `aws-setup` asks for are enough for each method, and each of them is needed.

use chrono::TimeDelta;
use countersign::app::aws_setup::{Setup, setup};
use countersign::app::credentials::fetch;
use countersign::domain::outlive::Through;
use countersign::policy::assumable;
use serde_json::Value;

use super::minutes;
use crate::support::catalog::Catalog;
use crate::support::elevation::uncut;
use crate::support::member::{MANAGER, Member, ROLE, US};
use crate::support::stage::FOREIGN;

const READ_ONLY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";

/// Nobody is kept from anything without the answers of the first three: `doctor` asks for more than
/// a grant's life needs. A role that names the manager of its own account lets it in by itself; the
/// last three pin how.
const NOT_NEEDED_ALONE: [&str; 6] = [
    "iam:GetAccountSummary",
    "iam:ListRolePolicies",
    "iam:SimulatePrincipalPolicy",
    "sts:AssumeRole",
    "sts:SetSourceIdentity",
    "sts:TagSession",
];

/// Credentials that nothing cuts, and that carry a tag.
const UNCUT: &str = "uncut";

async fn world(method: &str) -> Member {
    if method == UNCUT {
        let statements = assumable::statements_with_tags(MANAGER);
        let trust = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
        let member = Member::with("sts_credentials", &trust).await;
        let change = |catalog: &mut Catalog| {
            let offered = catalog
                .entitlements
                .iter_mut()
                .find(|it| it.role_arn == ROLE);
            let offered = offered.unwrap();
            uncut(offered);
            let tags = toml::Value::Boolean(true);
            offered.more.insert("session_tags".to_owned(), tags);
        };
        member.app.change(change).await;
        member.stage.cloud.knobs().attach(ROLE, READ_ONLY, true);
        return member;
    }
    let trust = match method {
        "switch" => root_of("444455556666"),
        "sts_credentials" => format!(
            r#"{{"Version":"2012-10-17","Statement":[{}]}}"#,
            assumable::statements(MANAGER)
        ),
        _ => FOREIGN.to_owned(),
    };
    let member = Member::with(method, &trust).await;
    let knobs = member.stage.cloud.knobs();
    knobs.attach(ROLE, READ_ONLY, true);
    member
}

fn root_of(account: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{account}:root"}},"Action":"sts:AssumeRole"}}]}}"#
    )
}

async fn asked(world: &Member) -> Setup {
    setup(&world.app.app, "444455556666", Some(US.to_owned()))
        .await
        .unwrap()
}

/// The manager role is made as the template says, and `without` this action.
async fn make(world: &Member, without: Option<&str>) {
    let template = asked(world).await.cloudformation();
    let role = &template["Resources"]["CountersignManager"]["Properties"];
    let knobs = world.stage.cloud.knobs();
    knobs
        .put_trust(MANAGER, &role["AssumeRolePolicyDocument"].to_string())
        .unwrap();
    let mut policy = role["Policies"][0]["PolicyDocument"].clone();
    if let Some(action) = without {
        for statement in policy["Statement"].as_array_mut().unwrap() {
            let actions = match &mut statement["Action"] {
                Value::Array(actions) => actions.as_mut_slice(),
                one => std::slice::from_mut(one),
            };
            for lacking in actions.iter_mut().filter(|it| *it == action) {
                *lacking = Value::from("iam:GetServiceLinkedRoleDeletionStatus");
            }
        }
    }
    knobs.put_role_policy(MANAGER, "all", None).unwrap();
    knobs
        .put_role_policy(MANAGER, "countersign", Some(&policy.to_string()))
        .unwrap();
}

/// From the request to the guard's removal: how far it comes.
async fn life(world: &Member, method: &str) -> Result<(), &'static str> {
    let Ok(request) = world.ask(60).await else {
        return Err("asked");
    };
    if !request.target_checked {
        return Err("checked");
    }
    let outlives = request.outlives.unwrap_or_default();
    if outlives.iter().any(|it| it.through == Through::Unread) {
        return Err("analysed");
    }
    let grant = world.approve(request.id).await;
    world.work().await;
    if world.stage.state(grant).await != "active" {
        return Err("active");
    }
    let is_fetched = [UNCUT, "sts_credentials"].contains(&method);
    if is_fetched && fetch(&world.alice, grant).await.is_err() {
        return Err("fetched");
    }
    if !is_fetched && world.assume(grant).await.is_none() {
        return Err("used");
    }
    world.end(grant).await;
    world.work().await;
    if method == UNCUT {
        world.pass(minutes(61)).await;
    }
    if world.stage.state(grant).await != "ended" {
        return Err("ended");
    }
    for _ in 0..3 {
        world.pass(TimeDelta::hours(13)).await;
        world.pass(minutes(6)).await;
    }
    if world.is_left().await {
        return Err("forgotten");
    }
    Ok(())
}

async fn each_right_is_needed(method: &str) {
    let whole = world(method).await;
    make(&whole, None).await;
    assert_eq!(life(&whole, method).await, Ok(()), "{method}");
    for action in actions(&asked(&whole).await.cloudformation()) {
        // alice may come into a role of another account, where hers has to tell who she is.
        let leaves = [UNCUT, "sts_credentials"].contains(&method) && action == "iam:GetUser";
        if leaves || NOT_NEEDED_ALONE.contains(&action.as_str()) {
            continue;
        }
        let lacking = world(method).await;
        make(&lacking, Some(&action)).await;
        assert!(
            life(&lacking, method).await.is_err(),
            "{method} needs no {action}"
        );
    }
}

/// What the template allows.
fn actions(template: &Value) -> Vec<String> {
    let role = &template["Resources"]["CountersignManager"]["Properties"];
    let statements = role["Policies"][0]["PolicyDocument"]["Statement"]
        .as_array()
        .unwrap();
    let allowed = statements.iter().filter(|it| it["Effect"] == "Allow");
    let each = allowed.flat_map(|it| match &it["Action"] {
        Value::Array(actions) => actions.clone(),
        one => vec![one.clone()],
    });
    each.map(|it| it.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn each_right_is_needed_and_enough_for_trust_policies() {
    each_right_is_needed("trust_policy").await;
}

#[tokio::test]
async fn each_right_is_needed_and_enough_for_switches() {
    each_right_is_needed("switch").await;
}

#[tokio::test]
async fn each_right_is_needed_and_enough_for_credentials() {
    each_right_is_needed("sts_credentials").await;
}

/// Without any right to write.
#[tokio::test]
async fn each_right_is_needed_and_enough_for_what_nothing_cuts() {
    each_right_is_needed(UNCUT).await;
    let template = asked(&world(UNCUT).await).await.cloudformation();
    let of_roles = |action: &String| action.contains("Role") && !action.starts_with("iam:Get");
    let mut writes = actions(&template);
    writes.retain(|it| of_roles(it) && !it.starts_with("iam:List") && it != "sts:AssumeRole");
    assert!(writes.is_empty(), "{writes:?}");
    let told = &template["Metadata"]["TrustStatementsOfRoles"][ROLE];
    let tag = told
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["Action"] == "sts:TagSession");
    assert!(tag.is_some(), "{told}");
}

#[tokio::test]
async fn both_templates_say_the_same_and_the_manager_never_changes_itself() {
    let world = world("sts_credentials").await;
    let setup = asked(&world).await;
    let (cloudformation, terraform) = (setup.cloudformation(), setup.terraform());
    let role = &cloudformation["Resources"]["CountersignManager"]["Properties"];
    assert_eq!(role["Path"], "/team/");
    assert_eq!(role["RoleName"], "countersign-manager");
    let policy = &role["Policies"][0]["PolicyDocument"];
    let written = terraform["resource"]["aws_iam_role_policy"]["countersign"]["policy"].as_str();
    let written: Value = serde_json::from_str(written.unwrap()).unwrap();
    assert_eq!(&written, policy);
    let deny = policy["Statement"].as_array().unwrap().last().unwrap();
    assert_eq!(deny["Effect"], "Deny");
    assert_eq!(deny["Resource"], serde_json::json!([MANAGER, US]));
    let statements = &cloudformation["Metadata"]["TrustStatementsOfRoles"][ROLE];
    assert_eq!(statements[0]["Principal"]["AWS"], MANAGER);
    assert_eq!(
        terraform["//"]["trust statements of roles"][ROLE],
        *statements
    );
}

/// Whom people come as is read, and written to where policies are put on it: of a role of AWS's own
/// nothing is.
#[tokio::test]
async fn a_role_that_people_come_as_is_set_up_as_well() {
    const DEVELOPERS: &str = "arn:aws:iam::444455556666:role/Developers";
    let rows = [
        ("trust_policy", FOREIGN.to_owned(), false),
        ("switch", root_of("444455556666"), true),
    ];
    for (method, trust, carries) in rows {
        let world = Member::with_role(method, &trust, DEVELOPERS).await;
        make(&world, None).await;
        let setup = asked(&world).await.cloudformation();
        let on_it = |action: &str| {
            let role = &setup["Resources"]["CountersignManager"]["Properties"];
            let all = &role["Policies"][0]["PolicyDocument"]["Statement"];
            let mut all = all.as_array().unwrap().iter();
            all.any(|it| {
                it["Resource"].to_string().contains(DEVELOPERS)
                    && it["Action"].to_string().contains(action)
            })
        };
        assert!(on_it("iam:GetRole\""), "{method}: {setup}");
        assert_eq!(on_it("iam:PutRolePolicy"), carries, "{method}: {setup}");
        assert!(!on_it("iam:UpdateAssumeRolePolicy"), "{method}: {setup}");
        let grant = world.open(60).await;
        let alice = world.stage.cloud.session_of(DEVELOPERS, "alice");
        let session = alice.assume_role(ROLE, &grant.to_string()).await.unwrap();
        world.end(grant).await;
        world.work().await;
        assert!(!session.work().await, "{method}");
        assert_eq!(world.stage.state(grant).await, "ended", "{method}");
    }
}
