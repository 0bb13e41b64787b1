//! Two accounts of one human (`same_as`): they ask and decide as one.

use std::num::NonZeroU32;

use countersign::app::approve::approve;
use countersign::app::deny::deny;
use countersign::app::find::{self, Page, RequestFilter};
use countersign::app::revoke::{self, NewRevocation};
use countersign::app::submit::submit;
use countersign::app::{Ctx, credentials, end, extend, withdraw};
use countersign::ids::RequestId;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::support::app::{TestApp, ask, code, have, no_limits};
use crate::support::catalog::{Catalog, Entitlement, user_arn};

/// alice asks, alba is her other account; bob approves, and so does bert, who is bob. `prod-three`
/// needs three.
fn joined(catalog: &mut Catalog) {
    unjoined(catalog);
    catalog.join("alba", "alice");
    catalog.join("bert", "bob");
}

fn unjoined(catalog: &mut Catalog) {
    catalog.regroup("alba", &["developers", "approvers"]);
    catalog.person("alba").principals = vec![user_arn("alba")];
    catalog.regroup("bert", &["approvers"]);
    catalog.entitlements.push(Entitlement {
        needed: 3,
        ..Entitlement::named("prod-three")
    });
}

async fn waiting(ctx: &Ctx) -> Vec<RequestId> {
    let filter = RequestFilter {
        waiting: true,
        ..RequestFilter::default()
    };
    let page = Page {
        cursor: None,
        limit: 50,
    };
    let listed = find::requests(ctx, &filter, page).await.unwrap();
    let (counted, _) = find::waiting(ctx).await.unwrap();
    assert_eq!(usize::try_from(counted).unwrap(), listed.items.len());
    listed.items.iter().map(|it| it.request.id).collect()
}

/// The constraint that refuses `sql` of the application.
async fn refusal(company: &TestApp, sql: &str) -> Option<String> {
    let mut app = PgConnection::connect(&company.db.app_url).await.unwrap();
    let error = app
        .execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned())))
        .await;
    let error = error.unwrap_err().into_database_error().unwrap();
    error.constraint().map(ToOwned::to_owned)
}

/// Attack 2.
#[tokio::test]
async fn who_asks_with_one_account_cannot_decide_with_the_other() {
    let company = TestApp::with(joined).await;
    let (alice, alba) = (company.ctx("alice").await, company.ctx("alba").await);
    for (asks, decides) in [(&alice, &alba), (&alba, &alice)] {
        let request = submit(asks, ask("prod-admin")).await.unwrap().request().id;
        assert_eq!(
            code(approve(decides, request, None, None).await),
            "self_approval"
        );
        let no = Some("No.".to_owned());
        assert_eq!(code(deny(decides, request, no).await), "self_approval");
        let forged = format!(
            "INSERT INTO decisions (id, request, seq, revision, person, verdict, duration_seconds, channel, at)
             SELECT gen_random_uuid(), id, 1, 1, '{}', 'approve', duration_seconds, 'api', submitted_at
             FROM requests WHERE id = '{}'",
            decides.person.id.uuid(),
            request.uuid()
        );
        let refused = refusal(&company, &forged).await;
        assert_eq!(refused.as_deref(), Some("self_approval"));
        // Nobody is told to wait for them.
        assert!(!waiting(decides).await.contains(&request));
        let seen = find::request(decides, request).await.unwrap();
        assert!(!seen.may.approve);
        assert_eq!(seen.approvers.named, ["Bob", "Carol", "Dave", "Erin"]);
    }
    assert_eq!(company.count("decisions").await, 0);
}

/// Attack 2.
#[tokio::test]
async fn who_votes_with_both_accounts_votes_once() {
    let company = TestApp::with(joined).await;
    let (bob, bert) = (company.ctx("bob").await, company.ctx("bert").await);
    for (first, second) in [(&bob, &bert), (&bert, &bob)] {
        let request = company.ask("prod-root").await.id;
        assert_eq!(waiting(second).await, [request]);
        approve(first, request, None, None).await.unwrap();
        assert_eq!(
            code(approve(second, request, None, None).await),
            "already_decided"
        );
        assert!(waiting(second).await.is_empty());
        let seen = find::request(second, request).await.unwrap();
        assert!(!seen.may.approve);
        assert_eq!(have(&seen), 1);
        assert_eq!(seen.approvers.named, ["Carol", "Dave", "Erin"]);
        let carol = company.ctx("carol").await;
        let shown = approve(&carol, request, None, None).await.unwrap();
        assert_eq!(shown.request.state.as_str(), "approved");
    }
}

#[tokio::test]
async fn votes_that_turn_out_to_be_one_humans_count_once() {
    let company = TestApp::with(unjoined).await;
    let alice = company.ctx("alice").await;
    let request = submit(&alice, ask("prod-three")).await.unwrap();
    let request = request.request().id;
    for name in ["bob", "bert"] {
        approve(&company.ctx(name).await, request, None, None)
            .await
            .unwrap();
    }
    company.change(|it| it.join("bert", "bob")).await;
    let seen = find::request(&alice, request).await.unwrap();
    assert_eq!(have(&seen), 1);
    // alba's counts until she turns out to be alice.
    approve(&company.ctx("alba").await, request, None, None)
        .await
        .unwrap();
    company.change(|it| it.join("alba", "alice")).await;
    let seen = find::request(&alice, request).await.unwrap();
    assert_eq!(have(&seen), 1);
    let second = approve(&company.ctx("carol").await, request, None, None).await;
    assert_eq!(second.unwrap().request.state.as_str(), "pending");
    let third = approve(&company.ctx("dave").await, request, None, None).await;
    assert_eq!(third.unwrap().request.state.as_str(), "approved");
}

/// Whatever the program counts, the database takes no grant without as many humans.
#[tokio::test]
async fn sql_alone_counts_humans() {
    let company = TestApp::with(unjoined).await;
    let request = company.ask("prod-root").await.id;
    let vote = |name: &str| {
        format!(
            "INSERT INTO decisions (id, request, seq, revision, person, verdict, duration_seconds, channel, at)
             SELECT gen_random_uuid(), r.id, (SELECT count(*) + 1 FROM decisions d WHERE d.request = r.id), 1, p.id, 'approve', r.duration_seconds, 'portal', r.submitted_at FROM requests r, people p WHERE p.name = '{name}';"
        )
    };
    let grant = format!(
        "UPDATE requests SET state = 'approved', closed_at = submitted_at, version = 9 WHERE id = '{id}';
         INSERT INTO grants (id, request, target, person, method, principal_arn, grant_name, state, starts_at, deadline,
                             approved_at)
         SELECT gen_random_uuid(), id, target, person, 'trust_policy', principal_arn, 'grant_00000000000000000000000000',
                'scheduled', submitted_at, submitted_at + duration_seconds * interval '1 second', submitted_at
         FROM requests WHERE id = '{id}'",
        id = request.uuid()
    );
    for (name, change) in [
        (
            "Bert",
            "UPDATE people SET same_as = (SELECT id FROM people WHERE name = 'Bob') WHERE name = 'Bert'",
        ),
        (
            "Alba",
            "UPDATE people SET same_as = (SELECT id FROM people WHERE name = 'Alice') WHERE name = 'Alba'",
        ),
        (
            "Carol",
            "UPDATE people SET status = 'disabled', disabled_at = now() WHERE name = 'Carol'",
        ),
    ] {
        // Of the owner, who changes people between the votes and the grant.
        let mut owner = PgConnection::connect(&company.db.owner_url).await.unwrap();
        let sql = format!("BEGIN; {} {} {change}; {grant}", vote("Bob"), vote(name));
        let error = owner.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await;
        let error = error.unwrap_err().into_database_error().unwrap();
        assert_eq!(error.constraint(), Some("approvals_missing"), "{name}");
        owner.execute("ROLLBACK").await.unwrap();
    }
    let mut owner = PgConnection::connect(&company.db.owner_url).await.unwrap();
    let sql = format!("BEGIN; {} {} {grant}", vote("Bob"), vote("Bert"));
    owner
        .execute(sqlx::raw_sql(AssertSqlSafe(sql)))
        .await
        .unwrap();
}

/// What gives is the account's: grants, credentials and lists of what is "mine".
#[tokio::test]
async fn what_one_account_has_is_not_the_others() {
    let company = TestApp::with(joined).await;
    let (alice, alba) = (company.ctx("alice").await, company.ctx("alba").await);
    let request = company.ask("prod-admin").await.id;
    let shown = approve(&company.ctx("carol").await, request, None, None).await;
    let grant = shown.unwrap().grant.unwrap().id;
    let pending = company.ask("prod-admin").await.id;
    let page = || Page {
        cursor: None,
        limit: 50,
    };
    assert_eq!(
        find::grants(&alice, true, page())
            .await
            .unwrap()
            .items
            .len(),
        1
    );
    assert!(
        find::grants(&alba, true, page())
            .await
            .unwrap()
            .items
            .is_empty()
    );
    let mine = RequestFilter {
        mine: true,
        ..RequestFilter::default()
    };
    let own = find::requests(
        &alba,
        &mine,
        Page {
            cursor: None,
            limit: 50,
        },
    )
    .await;
    assert!(own.unwrap().items.is_empty());
    assert_eq!(code(withdraw::withdraw(&alba, pending).await), "forbidden");
    assert_eq!(code(credentials::fetch(&alba, grant).await), "forbidden");
    let more = extend::NewExtension::default();
    assert_eq!(code(extend::extend(&alba, grant, more).await), "forbidden");
    // As an approver she may end it, as any.
    assert_eq!(code(end::end(&alba, grant, None).await), "-");
}

#[tokio::test]
async fn two_humans_lift_a_hold_and_nobody_their_own() {
    let company = TestApp::with(|catalog| {
        for name in ["ada", "amy", "ann"] {
            catalog.regroup(name, &["admins"]);
        }
        catalog.join("amy", "ada");
    })
    .await;
    let (ada, amy, ann) = (
        company.ctx("ada").await,
        company.ctx("amy").await,
        company.ctx("ann").await,
    );
    let new = NewRevocation {
        everything: true,
        reason: "Stolen".to_owned(),
        ..NewRevocation::default()
    };
    let all = revoke::revoke(&ann, new).await.unwrap().id;
    revoke::carry_on(&company.app, all).await.unwrap();
    revoke::lift(&ada, all).await.unwrap();
    assert_eq!(code(revoke::lift(&amy, all).await), "self_approval");
    let forged = format!(
        "UPDATE revocations SET lifted_by = '{}', lifted_at = now() WHERE id = '{}'",
        amy.person.id.uuid(),
        all.uuid()
    );
    let refused = refusal(&company, &forged).await;
    assert_eq!(refused.as_deref(), Some("two_people_lift_everything"));
    revoke::lift(&ann, all).await.unwrap();

    let new = NewRevocation {
        person: Some("ada@example.com".to_owned()),
        reason: "Stolen".to_owned(),
        ..NewRevocation::default()
    };
    let own = revoke::revoke(&ann, new).await.unwrap().id;
    revoke::carry_on(&company.app, own).await.unwrap();
    assert_eq!(code(revoke::lift(&amy, own).await), "self_approval");
    revoke::lift(&ann, own).await.unwrap();
}

#[tokio::test]
async fn limits_are_the_humans() {
    let company = TestApp::with(joined).await;
    let mut limits = no_limits();
    limits.pending_per_person = NonZeroU32::new(2).unwrap();
    let company = company.configured(|config| config.limits = limits);
    let (alice, alba, dave) = (
        company.ctx("alice").await,
        company.ctx("alba").await,
        company.ctx("dave").await,
    );
    for who in [&alice, &alba] {
        submit(who, ask("prod-admin")).await.unwrap();
    }
    for who in [&alice, &alba] {
        assert_eq!(code(submit(who, ask("prod-admin")).await), "limit_reached");
    }
    // Calls are counted for the human as well.
    assert_eq!(alba.person.human(), alice.person.id);
    assert_eq!(dave.person.human(), dave.person.id);
    let mut limits = no_limits();
    limits.asks_per_hour = NonZeroU32::new(1).unwrap();
    limits.pending_per_person = NonZeroU32::MAX;
    let app = company.with_limits(limits);
    let on = |ctx: &Ctx| Ctx {
        app: app.clone(),
        ..ctx.clone()
    };
    submit(&on(&alba), ask("prod-admin")).await.unwrap();
    let refused = submit(&on(&alice), ask("prod-admin")).await;
    assert_eq!(code(refused), "rate_limited");
}
