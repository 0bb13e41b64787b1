//! Revocations, by the names of their sequences: what is open ends, and nothing begins any more.

use chrono::TimeDelta;
use countersign::app::approve::approve;
use countersign::app::credentials::fetch;
use countersign::app::ctx::Ctx;
use countersign::app::find::{self, Page, RevocationView, RevokedView};
use countersign::app::revoke::{NewRevocation, carry_on, carry_on_all, lift, revoke};
use countersign::app::submit::submit;
use countersign::ids::{GrantId, RevocationId};
use sqlx::{AssertSqlSafe, Executor as _, Row as _};

use super::minutes;
use crate::sandbox::{OTHER, ROLE};
use crate::support::app::{TestApp, code};
use crate::support::catalog::user_arn;
use crate::support::elevation::{Elevation, attached};
use crate::support::member::Member;

/// Everybody who is an admin: two, since two lift a hold on everything.
pub async fn admins(app: &TestApp) -> (Ctx, Ctx) {
    app.change(|catalog| {
        for name in ["ada", "amy"] {
            catalog.regroup(name, &["admins"]);
        }
    })
    .await;
    (app.ctx("ada").await, app.ctx("amy").await)
}

pub fn everything() -> NewRevocation {
    NewRevocation {
        everything: true,
        reason: "A laptop was stolen".to_owned(),
        ..NewRevocation::default()
    }
}

/// Begins one, and waits until the batches are through.
pub async fn all(ctx: &Ctx, new: NewRevocation) -> RevocationId {
    let id = revoke(ctx, new).await.unwrap().id;
    carry_on(&ctx.app, id).await.unwrap();
    id
}

pub async fn seen(ctx: &Ctx, id: RevocationId) -> (RevocationView, Vec<RevokedView>) {
    let page = Page {
        cursor: None,
        limit: 50,
    };
    let grants = find::revoked(ctx, id, page).await.unwrap().items;
    (find::revocation(ctx, id).await.unwrap(), grants)
}

/// The row alone, as a process leaves it that dies before its first batch.
pub async fn hold_alone(app: &TestApp, ada: &Ctx) -> String {
    let id = RevocationId::new();
    let sql = format!(
        "INSERT INTO revocations (id, scope, reason, begun_by, begun_at) VALUES ('{}', 'everything', 'Now', '{}', now())",
        id.uuid(),
        ada.person.id.uuid()
    );
    let made = app.pool().execute(sqlx::raw_sql(AssertSqlSafe(sql)));
    made.await.unwrap();
    id.to_string()
}

/// What the audit log says of the revocation that ended a grant.
pub async fn named(world: &Elevation, grant: GrantId, action: &str) -> Vec<String> {
    let sql = format!(
        "SELECT details->>'revocation_id' AS id FROM audit_events WHERE subject = '{grant}' AND action = '{action}'"
    );
    let rows = world
        .stage
        .rows
        .pool
        .fetch_all(sqlx::raw_sql(AssertSqlSafe(sql)));
    let rows = rows.await.unwrap();
    rows.iter().filter_map(|row| row.get("id")).collect()
}

#[tokio::test]
async fn each_scope_ends_the_live_session_and_keeps_the_next_one_from_opening() {
    let world = Elevation::switching().await;
    let (ada, _) = admins(&world.app).await;
    let alice = world.stage.cloud.keys("alice");
    let scopes = [
        NewRevocation {
            person: Some(world.alice.person.id.to_string()),
            ..everything()
        },
        NewRevocation {
            person: Some("alice@example.com".to_owned()),
            ..everything()
        },
        NewRevocation {
            role: Some(ROLE.to_owned()),
            ..everything()
        },
        // The user that carries the policy.
        NewRevocation {
            role: Some(user_arn("alice")),
            ..everything()
        },
        NewRevocation {
            account: Some("111122223333".to_owned()),
            ..everything()
        },
    ];
    for mut scope in scopes {
        scope.everything = false;
        let grant = world.approved(60).await;
        world.stage.work().await;
        // The console name is hers again from δ on.
        world.stage.pass(TimeDelta::seconds(6)).await;
        let session = alice.assume(&grant.to_string()).await.unwrap();
        assert!(session.work().await);
        let waiting = submit(&world.alice, Elevation::wish(60)).await.unwrap();
        let waiting = waiting.request().id;
        let id = all(&ada, scope.clone()).await;
        world.stage.work().await;
        assert!(!session.work().await, "{scope:?}");
        assert!(alice.assume(&grant.to_string()).await.is_none());
        assert_eq!(world.stage.state(grant).await, "ended");
        assert_eq!(
            named(&world, grant, "grant.closing").await,
            [id.to_string()]
        );
        let refused = approve(&world.bob, waiting, None, None).await;
        assert_eq!(code(refused), "on_hold", "{scope:?}");
        let (view, grants) = seen(&ada, id).await;
        assert!(view.is_done(), "{view:?}");
        assert_eq!(grants.len(), 1);
        assert_eq!(grants[0].of.state, "ended");
        assert!(grants[0].of.guard_confirmed_at.is_some());
        assert!(grants[0].of.admitting_confirmed_at.is_some());
        lift(&ada, id).await.unwrap();
        // What waited may be approved now; what was ended stays so.
        let shown = approve(&world.bob, waiting, None, None).await.unwrap();
        world.stage.work().await;
        assert_eq!(world.stage.state(grant).await, "ended");
        let next = shown.grant.unwrap().id;
        // The console name is hers again from δ on.
        world.stage.pass(TimeDelta::seconds(6)).await;
        assert_eq!(world.stage.state(next).await, "active");
        world.end(next).await;
        world.stage.work().await;
    }
}

#[tokio::test]
async fn what_is_of_another_scope_goes_on() {
    let world = Elevation::attaching().await;
    let (ada, _) = admins(&world.app).await;
    let grant = world.open(60).await;
    world
        .app
        .change(|catalog| {
            catalog.account("999988887777");
            catalog.person("mallory");
        })
        .await;
    let others = [
        NewRevocation {
            person: Some("mallory@example.com".to_owned()),
            ..everything()
        },
        NewRevocation {
            role: Some(ROLE.to_owned()),
            ..everything()
        },
        NewRevocation {
            account: Some("999988887777".to_owned()),
            ..everything()
        },
    ];
    for mut scope in others {
        scope.everything = false;
        let id = all(&ada, scope).await;
        let (view, grants) = seen(&ada, id).await;
        assert!(view.is_done() && grants.is_empty(), "{view:?}");
    }
    world.stage.work().await;
    assert_eq!(world.stage.state(grant).await, "active");
    let again = world.open(60).await;
    assert_eq!(world.stage.state(again).await, "active");
}

/// R1: an approval commits beside the revocation, and no batch finds it.
#[tokio::test]
async fn r1_what_was_approved_beside_it_is_never_opened() {
    let world = Elevation::switching().await;
    let (ada, _) = admins(&world.app).await;
    let grant = world.approved(60).await;
    let id = hold_alone(&world.app, &ada).await;
    world.stage.cloud.take_writes();
    world.stage.work().await;
    assert_eq!(world.stage.state(grant).await, "ended");
    assert!(world.stage.cloud.take_writes().is_empty());
    assert_eq!(named(&world, grant, "grant.ended").await, [id]);
}

/// The guard is written, and nothing lets her in yet. The worker itself has to see the hold.
#[tokio::test]
async fn an_opening_under_way_ends() {
    let world = Elevation::switching().await;
    let (ada, _) = admins(&world.app).await;
    let grant = world.approved(60).await;
    let hold = world.stage.cloud.hold("PutRolePolicy", true);
    let worker = world.stage.worker().await;
    let working = tokio::spawn(async move { worker.run_until_idle().await });
    hold.reached().await;
    // The guard is written, and nothing lets her in yet. No batch comes to it: the worker itself
    // has to see the hold.
    let id = revoke(&ada, everything()).await.unwrap().id;
    hold.release();
    working.await.unwrap().unwrap();
    carry_on(&ada.app, id).await.unwrap();
    world.stage.work().await;
    let alice = world.stage.cloud.keys("alice");
    assert!(alice.assume(&grant.to_string()).await.is_none());
    assert_eq!(world.stage.state(grant).await, "ended");
    let writes = world.stage.cloud.take_writes();
    assert!(!writes.iter().any(|it| it == "PutUserPolicy"), "{writes:?}");
}

/// The worker ends what is held also where no batch ever comes.
#[tokio::test]
async fn a_hold_without_a_batch_is_enough() {
    let world = Elevation::new().await;
    let (ada, _) = admins(&world.app).await;
    let grant = world.open(60).await;
    let keys = world.keys(&world.fetch(grant).await.unwrap());
    hold_alone(&world.app, &ada).await;
    assert_eq!(code(fetch(&world.alice, grant).await), "on_hold");
    world.stage.pass(minutes(2)).await;
    assert_eq!(world.stage.state(grant).await, "ended");
    assert!(!keys.work().await);
}

/// R3: an account that does not answer leaves it undone, and says so.
#[tokio::test]
async fn r3_a_silent_account_is_named_and_nothing_is_proven() {
    let world = Member::across().await;
    let (ada, _) = admins(&world.app).await;
    let grant = world.open(60).await;
    let session = world.assume(grant).await.unwrap();
    let knobs = world.stage.cloud.knobs();
    knobs.silent(OTHER, true);
    let id = all(&ada, everything()).await;
    world.work().await;
    knobs.silent(OTHER, false);
    let (view, grants) = seen(&ada, id).await;
    assert!(!view.is_done() && !view.is_proven());
    assert_eq!((view.sum.open, view.sum.closing), (0, 1));
    let held = &grants[0];
    assert_eq!(held.of.account, OTHER);
    assert!(held.of.delayed_by.is_some(), "{held:?}");
    assert_eq!(
        held.works_until,
        Some(held.of.deadline),
        "a live session works on"
    );
    assert!(held.of.admitting_confirmed_at.is_some() && held.of.guard_confirmed_at.is_none());
    assert!(session.work().await);
    world.pass(minutes(6)).await;
    let (view, grants) = seen(&ada, id).await;
    assert!(view.is_done() && view.is_proven());
    assert_eq!(grants[0].works_until, None);
    assert!(!session.work().await);
}

/// The worker holds the role, and may be about to wait for a grant. Whoever ends the role, the
/// second time for the row of the first, does not wait for it.
#[tokio::test]
async fn a_role_that_is_worked_on_is_revoked_at_once() {
    let world = Elevation::new().await;
    let (ada, _) = admins(&world.app).await;
    let scope = NewRevocation {
        role: Some(ROLE.to_owned()),
        everything: false,
        ..everything()
    };
    let mut working = world.stage.rows.owner.begin().await.unwrap();
    let held = "SELECT FROM targets WHERE kind = 'role' FOR NO KEY UPDATE";
    working.execute(held).await.unwrap();
    let first = revoke(&ada, scope.clone()).await.unwrap();
    assert_eq!(revoke(&ada, scope).await.unwrap().id, first.id);
}

/// One user's closing and another role's: all targets of a batch are due at once.
#[tokio::test]
async fn a_batch_ends_every_method_at_once() {
    let world = Elevation::switching().await;
    let (ada, _) = admins(&world.app).await;
    world
        .app
        .change(|catalog| catalog.entitlements.push(attached("list", "iam:ListUsers")))
        .await;
    let switch = world.approved(60).await;
    let attach = world.approved_for("list", 60).await;
    world.stage.work().await;
    for grant in [switch, attach] {
        assert_eq!(world.stage.state(grant).await, "active");
    }
    let id = all(&ada, everything()).await;
    world.stage.work().await;
    let (view, grants) = seen(&ada, id).await;
    assert!(view.is_done(), "{view:?}");
    assert_eq!(grants.len(), 2);
    let of = |id| grants.iter().find(|it| it.of.grant == id).unwrap();
    assert_eq!(of(attach).of.guard_confirmed_at, None, "there is no role");
    assert!(of(attach).of.admitting_confirmed_at.is_some());
    assert!(of(switch).of.guard_sha256.is_some() && of(switch).of.guard_revision > Some(0));
}

/// Whoever leaks the keys of a user names the user: those whom a role's own trust policy lets in
/// belong to it as well as those who carry a policy.
#[tokio::test]
async fn a_user_or_their_account_is_meant_by_what_lets_them_in() {
    for scope in [
        NewRevocation {
            role: Some(user_arn("alice")),
            ..everything()
        },
        NewRevocation {
            account: Some("111122223333".to_owned()),
            ..everything()
        },
    ] {
        let world = Elevation::trusting().await;
        let (ada, _) = admins(&world.app).await;
        let grant = world.open(60).await;
        let waiting = submit(&world.alice, Elevation::wish(30)).await.unwrap();
        let scope = NewRevocation {
            everything: false,
            ..scope
        };
        let id = all(&ada, scope).await;
        world.stage.work().await;
        assert_eq!(world.stage.state(grant).await, "ended");
        let (view, grants) = seen(&ada, id).await;
        assert!(view.is_proven() && grants.len() == 1, "{view:?}");
        let refused = approve(&world.bob, waiting.request().id, None, None).await;
        assert_eq!(code(refused), "on_hold");
    }
}

/// Lifted before the batches are through, it would leave open what none of them has come to.
#[tokio::test]
async fn a_hold_is_lifted_only_when_nothing_of_it_is_open() {
    let world = Elevation::new().await;
    let (ada, _) = admins(&world.app).await;
    let grant = world.open(60).await;
    let id: RevocationId = hold_alone(&world.app, &ada).await.parse().unwrap();
    assert!(!find::revocation(&ada, id).await.unwrap().may_lift);
    assert_eq!(code(lift(&ada, id).await), "wrong_state");
    carry_on_all(&ada.app).await.unwrap();
    // The first of the two.
    lift(&ada, id).await.unwrap();
    world.stage.work().await;
    assert_eq!(world.stage.state(grant).await, "ended");
}

/// R1 once more: the hold is not lifted over what was approved beside it.
#[tokio::test]
async fn what_was_approved_beside_it_is_ended_before_it_is_lifted() {
    let world = Elevation::new().await;
    let (ada, _) = admins(&world.app).await;
    let grant = world.approved(60).await;
    let id: RevocationId = hold_alone(&world.app, &ada).await.parse().unwrap();
    let through = format!(
        "UPDATE revocations SET through_at = now() WHERE id = '{}'",
        id.uuid()
    );
    world.app.as_owner(&through).await;
    assert_eq!(code(lift(&ada, id).await), "wrong_state");
    carry_on_all(&ada.app).await.unwrap();
    lift(&ada, id).await.unwrap();
    assert_eq!(world.stage.state(grant).await, "ended");
}
