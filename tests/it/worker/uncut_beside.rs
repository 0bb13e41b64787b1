//! Credentials that nothing can cut early beside everything else: guards, revocations, a database
//! that is behind AWS, and tags.

use chrono::TimeDelta;
use countersign::app::approve::approve;
use countersign::app::credentials::fetch;
use countersign::app::find::{self, Page};
use countersign::app::resume::resume;
use countersign::app::revoke::{NewRevocation, carry_on, revoke};
use countersign::app::submit::{NewRequest, Submitted, submit};
use countersign::error::Error;
use countersign::ids::{GrantId, RequestId};
use countersign::policy::assumable;
use serde_json::Value;

use super::minutes;
use crate::sandbox::{ALLOW_ALL, ROLE};
use crate::support::app::code;
use crate::support::catalog::{Catalog, Entitlement, role_arn};
use crate::support::elevation::{Elevation, uncut};

const US: &str = "arn:aws:iam::111122223333:user/countersign";

fn wish(entitlement: &str, minutes: i64) -> NewRequest {
    NewRequest {
        entitlement: entitlement.to_owned(),
        ..Elevation::wish(minutes)
    }
}

async fn asked(world: &Elevation, entitlement: &str) -> Result<RequestId, Error> {
    let asked = submit(&world.alice, wish(entitlement, 60)).await;
    asked.map(Submitted::request).map(|it| it.id)
}

/// Beside `prod-admin`, which nothing cuts, an entitlement of the same role with a guard.
fn guarded(catalog: &mut Catalog) {
    let role_arn = catalog.entitlements[0].role_arn.clone();
    catalog.entitlements.push(Entitlement {
        role_arn,
        method: "sts_credentials".to_owned(),
        approver_group: "leads".to_owned(),
        ..Entitlement::named("guarded")
    });
}

async fn both() -> Elevation {
    let world = Elevation::uncut().await;
    world.app.change(guarded).await;
    world
}

/// Ours of an ended grant, another installation's, and a closed role's: none of them lists it.
#[tokio::test]
async fn a_guard_of_anybody_on_the_role_refuses_the_request() {
    let world = both().await;
    let ended = world.approved_for("guarded", 5).await;
    world.stage.work().await;
    world.stage.pass(minutes(6)).await;
    assert_eq!(world.stage.state(ended).await, "ended");
    assert!(
        world.stage.cloud.guard().is_some(),
        "it stays for half a day"
    );
    assert_eq!(code(asked(&world, "prod-admin").await), "role_guarded");

    let world = Elevation::uncut().await;
    let other = r#"{"Version":"2012-10-17","Statement":[{"Sid":"CountersignRev1iffffffff","Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringLike":{"aws:userid":"AROAX:grant_*"}}}]}"#;
    let knobs = world.stage.cloud.knobs();
    knobs
        .put_role_policy(ROLE, "CountersignGuard", Some(other))
        .unwrap();
    assert_eq!(code(asked(&world, "prod-admin").await), "role_guarded");
    world.stage.cloud.delete_guard();
    world.stage.advance(TimeDelta::seconds(5));
    assert_eq!(code(asked(&world, "prod-admin").await), "-");

    // Asked and approved, and closed before it opens.
    let grant = world.approved_at(10, 30).await;
    world
        .stage
        .rows
        .as_owner("UPDATE targets SET closed = true")
        .await;
    assert_eq!(code(asked(&world, "prod-admin").await), "role_guarded");
    world.stage.pass(minutes(10)).await;
    assert_eq!(world.stage.state(grant).await, "failed");
}

/// A guard that comes while it is open denies what is out, and nothing more is handed out.
#[tokio::test]
async fn nothing_is_handed_out_that_a_guard_would_deny() {
    let world = Elevation::uncut().await;
    let grant = world.open(60).await;
    let keys = world.keys(&world.fetch(grant).await.unwrap());
    let close = "UPDATE targets SET closed = true, due_at = '2026-01-05T09:00:00Z'";
    world.stage.rows.as_owner(close).await;
    world.stage.work().await;
    assert!(
        !keys.work().await,
        "the guard of a closed role lists nobody"
    );
    world
        .stage
        .rows
        .as_owner("UPDATE targets SET closed = false")
        .await;
    assert_eq!(
        world.refused(grant).await,
        "role_guarded",
        "it stands still"
    );
    assert_eq!(world.rows(grant).await.len(), 1);
}

/// Of two on one role the first that is approved keeps the other away, in both directions.
#[tokio::test]
async fn a_guard_and_keys_that_it_would_cut_are_never_on_a_role_at_once() {
    for (first, second, told) in [
        ("prod-admin", "guarded", "keys_out"),
        ("guarded", "prod-admin", "role_guarded"),
    ] {
        let world = both().await;
        let one = asked(&world, first).await.unwrap();
        let other = asked(&world, second).await.unwrap();
        approve(&world.bob, one, None, None).await.unwrap();
        // Approved beside it, and asked for after it.
        assert_eq!(
            code(approve(&world.bob, other, None, None).await),
            told,
            "{first}"
        );
        assert_eq!(code(asked(&world, second).await), told, "{first}");
        let later = NewRequest {
            starts_at: Some(world.stage.now() + minutes(60)),
            ..wish(second, 30)
        };
        // What is over by then keeps nobody away; a guard stays for longer.
        let later = submit(&world.alice, later).await.map(Submitted::request);
        if second == "guarded" {
            approve(&world.bob, later.unwrap().id, None, None)
                .await
                .unwrap();
        } else {
            assert_eq!(code(later), told);
        }
        world.stage.work().await;
    }
}

async fn revoked(world: &Elevation, scope: NewRevocation) -> countersign::ids::RevocationId {
    world.app.change(|it| it.regroup("ada", &["admins"])).await;
    let ada = world.app.ctx("ada").await;
    let id = revoke(&ada, scope).await.unwrap().id;
    carry_on(&ada.app, id).await.unwrap();
    id
}

/// R6: what cannot be cut is told apart, with its minute.
#[tokio::test]
async fn r6_a_revocation_tells_what_cannot_be_cut_and_until_when_it_works() {
    let reason = || "A laptop was stolen".to_owned();
    let scopes = [
        NewRevocation {
            role: Some(ROLE.to_owned()),
            reason: reason(),
            ..NewRevocation::default()
        },
        NewRevocation {
            account: Some("111122223333".to_owned()),
            reason: reason(),
            ..NewRevocation::default()
        },
    ];
    for scope in scopes {
        let world = Elevation::uncut().await;
        let grant = world.open(60).await;
        let keys = world.keys(&world.fetch(grant).await.unwrap());
        let unfetched = world.open(30).await;
        let until = world.stage.now() + minutes(60);
        let id = revoked(&world, scope).await;
        assert_eq!(world.refused(grant).await, "wrong_state");
        world.stage.work().await;
        let ada = world.app.ctx("ada").await;
        let page = || Page {
            cursor: None,
            limit: 50,
        };
        let seen = async || {
            let view = find::revocation(&ada, id).await.unwrap();
            let grants = find::revoked(&ada, id, page()).await.unwrap().items;
            (view, grants)
        };
        let (view, grants) = seen().await;
        assert_eq!((view.sum.uncut, view.sum.uncut_until), (1, Some(until)));
        assert_eq!(view.sum.works_until, Some(until));
        assert!(!view.is_done(), "it works still");
        let told: Vec<_> = grants
            .iter()
            .map(|it| (it.of.grant, it.is_uncut(), it.works_until))
            .collect();
        assert_eq!(told, [(unfetched, false, None), (grant, true, Some(until))]);
        let api = world.app.api().await;
        let token = api.token("ada").await;
        let path = format!("/revocations/{id}");
        let one = api.call(&token, "GET", &path, &Value::Null).await.body;
        assert_eq!(one["cannot_be_cut"], 1, "{one}");
        assert_eq!(one["cannot_be_cut_until"], one["can_work_until"]);
        let many = api
            .call(&token, "GET", &format!("{path}/grants"), &Value::Null)
            .await
            .body;
        let apart: Vec<_> = many["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["cannot_be_cut"].clone())
            .collect();
        assert_eq!(apart, [false, true]);
        let portal = world.app.portal();
        let told = portal.browser("ada").await.get(&path).await.body;
        let apart = told
            .find("What cannot be cut early")
            .expect("a section of its own");
        let rest = told.find("What it ends").unwrap();
        assert!(told[apart..rest].contains(&grant.to_string()), "{told}");
        assert!(told[rest..].contains(&unfetched.to_string()), "{told}");
        assert!(told.contains("1 grant cannot be cut early"), "{told}");
        assert!(keys.work().await);
        world.stage.pass(minutes(60) + TimeDelta::seconds(5)).await;
        let (view, grants) = seen().await;
        let request = format!("/requests/{}", grants[1].of.request);
        let told = portal.browser("ada").await.get(&request).await.body;
        for step in [
            "there is nothing to write in AWS",
            "Over: nothing that was handed out",
        ] {
            assert!(told.contains(step), "{step}: {told}");
        }
        assert!(!told.contains("AWS confirmed"), "{told}");
        assert_eq!((view.sum.uncut, view.sum.works_until), (0, None));
        assert!(view.is_done());
        assert!(grants.iter().all(|it| it.works_until.is_none()));
    }
}

/// What is held neither opens nor is handed out.
#[tokio::test]
async fn a_hold_ends_what_is_scheduled_and_keeps_the_rest_from_being_fetched() {
    let world = Elevation::uncut().await;
    let later = world.approved_at(10, 30).await;
    let grant = world.open(60).await;
    let hold = "INSERT INTO revocations (id, scope, reason, begun_by, begun_at) \
                SELECT gen_random_uuid(), 'everything', 'Now', id, '2026-01-05T09:00:00Z' FROM people LIMIT 1";
    world.stage.rows.as_owner(hold).await;
    assert_eq!(world.refused(grant).await, "on_hold");
    // Nobody has come to it before its start.
    world.stage.pass(minutes(10)).await;
    assert_eq!(world.stage.state(later).await, "ended");
}

/// A3: its early end leaves no trace in AWS, so that one rewind anywhere withholds it.
#[tokio::test]
async fn a3_one_rewind_that_is_seen_withholds_it_until_a_person_has_looked() {
    let world = Elevation::uncut().await;
    let grant = world.open(60).await;
    let other = role_arn("staging");
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":[{}]}}"#,
        assumable::statements(US)
    );
    let knobs = world.stage.cloud.knobs();
    knobs.create_role(&other, &trust).unwrap();
    knobs
        .put_role_policy(&other, "all", Some(ALLOW_ALL))
        .unwrap();
    let add = |catalog: &mut Catalog| {
        guarded(catalog);
        catalog.entitlements[1].role_arn.clone_from(&other);
    };
    world.app.change(|it| it.entitlements.truncate(1)).await;
    world.app.change(add).await;
    let elsewhere = world.approved_for("guarded", 60).await;
    world.stage.work().await;
    assert_eq!(world.stage.state(elsewhere).await, "active");
    assert_eq!(world.refused(grant).await, "-");
    // The database forgets the guards that it has written there.
    let forget = format!(
        "UPDATE targets SET revision = 0, due_at = '2026-01-05T09:00:00Z' WHERE arn = '{other}'"
    );
    world.stage.rows.as_owner(&forget).await;
    world.stage.work().await;
    assert_eq!(world.refused(grant).await, "rewind_seen");
    assert_eq!(code(fetch(&world.alice, elsewhere).await), "role_suspended");
    // Not by the role itself, on which nothing was seen.
    let denied = resume(&world.app.admin, "test", ROLE).await;
    assert!(denied.is_err(), "{denied:?}");
    assert_eq!(world.refused(grant).await, "rewind_seen");
    resume(&world.app.admin, "test", &other).await.unwrap();
    assert_eq!(world.refused(grant).await, "-");
}

/// Also what was seen on somebody's user, on whom nothing waits for anybody.
#[tokio::test]
async fn a3_an_ended_policy_under_an_open_grant_is_a_rewind_as_well() {
    let world = Elevation::uncut().await;
    let arn = world.stage.cloud.create_user("alice");
    let attach = |catalog: &mut Catalog| {
        catalog.person("alice").principals = vec![arn.clone()];
        catalog.regroup("alice", &["developers"]);
        let attached = crate::support::elevation::attached("own", "iam:ListUsers");
        catalog.entitlements.push(attached);
    };
    world.app.change(attach).await;
    let grant = world.open(60).await;
    let own = world.approved_for("own", 60).await;
    world.stage.work().await;
    assert_eq!(world.stage.state(own).await, "active");
    let installation = world
        .stage
        .rows
        .target("(SELECT i.id FROM installation i)")
        .await;
    let policy = format!("Countersign-{}-{own}", installation.unwrap());
    let ended = Some(countersign::policy::inline::ENDED);
    world
        .stage
        .cloud
        .knobs()
        .put_user_policy(&arn, &policy, ended)
        .unwrap();
    world.stage.pass(minutes(2)).await;
    assert_eq!(world.stage.state(own).await, "ended");
    assert_eq!(world.refused(grant).await, "rewind_seen");
    resume(&world.app.admin, "test", &arn).await.unwrap();
    assert_eq!(world.refused(grant).await, "-");
    assert!(
        resume(&world.app.admin, "test", &arn).await.is_err(),
        "once"
    );
}

fn tagged(catalog: &mut Catalog) {
    let more = &mut catalog.entitlements[0].more;
    more.insert("session_tags".to_owned(), toml::Value::Boolean(true));
}

fn trust_with(statements: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#)
}

/// With a guard and without one.
#[tokio::test]
async fn sessions_carry_the_grants_id_where_the_role_takes_the_tag() {
    for is_cut in [true, false] {
        let with = assumable::statements_with_tags(US);
        let mut world = Elevation::new().await;
        for takes_it in [false, true] {
            world = Elevation::new().await;
            if !is_cut {
                world.app.change(|it| uncut(&mut it.entitlements[0])).await;
            }
            world.app.change(tagged).await;
            if takes_it {
                let trust = trust_with(&with);
                world.stage.cloud.knobs().put_trust(ROLE, &trust).unwrap();
            } else {
                let refused = asked(&world, "prod-admin").await.unwrap_err();
                let about = refused.about();
                assert_eq!(about.code, "role_not_assumable");
                assert!(about.detail.contains(&with), "{}", about.detail);
            }
        }
        let knobs = world.stage.cloud.knobs();
        let grant = world.open(60).await;
        // Only what is tagged so may do anything.
        let only = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:ListUsers","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/countersign:grant":"GRANT"}}}}"#;
        let only = |grant: &GrantId| only.replace("GRANT", &grant.to_string());
        let all = |text: &str| knobs.put_role_policy(ROLE, "all", Some(text)).unwrap();
        let keys = world.keys(&world.fetch(grant).await.unwrap());
        all(&only(&GrantId::new()));
        assert!(!keys.work().await, "another grant's");
        all(&only(&grant));
        assert!(keys.work().await);
        let packed = "SELECT min(packed_percent) > 0 AS packed FROM fetches";
        let row = sqlx::Executor::fetch_one(&world.stage.rows.pool, packed)
            .await
            .unwrap();
        assert!(sqlx::Row::get::<bool, _>(&row, "packed"));
    }
}

/// The role takes no other tag of ours, and none that is another grant's form.
#[tokio::test]
async fn the_statement_takes_that_tag_and_no_other() {
    let world = Elevation::with_trust(&assumable::statements_with_tags(US)).await;
    let keys = world.stage.cloud.keys("countersign");
    let grant = GrantId::new().to_string();
    for (tags, told) in [
        (vec![("countersign:grant", grant.as_str())], true),
        (vec![("countersign:grant", "mine")], false),
        (vec![("team", grant.as_str())], false),
        (
            vec![("countersign:grant", grant.as_str()), ("team", "sre")],
            false,
        ),
        (vec![], true),
    ] {
        let tag = |(key, value): &(&str, &str)| {
            let tag = aws_sdk_sts::types::Tag::builder().key(*key).value(*value);
            tag.build().unwrap()
        };
        let assume = keys.sts().assume_role().role_arn(ROLE);
        let assume = assume.role_session_name(&grant).source_identity("person_1");
        let tags_of: Vec<_> = tags.iter().map(tag).collect();
        let done = assume
            .set_tags((!tags_of.is_empty()).then_some(tags_of))
            .send()
            .await;
        assert_eq!(done.is_ok(), told, "{tags:?}: {done:?}");
    }
}

/// A role that takes the tag no more opens for nobody who would carry it.
#[tokio::test]
async fn what_would_carry_a_tag_opens_only_where_the_role_still_takes_it() {
    let with = assumable::statements_with_tags(US);
    let world = Elevation::with_trust(&with).await;
    world.app.change(tagged).await;
    let grant = world.approved(60).await;
    let without = trust_with(&assumable::statements(US));
    world.stage.cloud.knobs().put_trust(ROLE, &without).unwrap();
    world.stage.work().await;
    let row = world.stage.grant(grant).await;
    assert_eq!(
        (row.state.as_str(), row.cause.as_deref()),
        ("failed", Some("could_not_open"))
    );
}
