//! Who may end everything, of what, and who lifts the hold.

use countersign::app::ctx::Ctx;
use countersign::app::find::{self, Page};
use countersign::app::revoke::{NewRevocation, carry_on, lift, revoke};
use countersign::domain::revocation::Hold;
use countersign::error::Error;
use countersign::ids::RevocationId;
use sqlx::Executor as _;

use crate::support::app::TestApp;
use crate::support::catalog::{role_arn, user_arn};

async fn company() -> TestApp {
    TestApp::with(|catalog| catalog.regroup("amy", &["admins"])).await
}

fn everything() -> NewRevocation {
    NewRevocation {
        everything: true,
        reason: "A laptop was stolen".to_owned(),
        ..NewRevocation::default()
    }
}

fn of_account(account: &str) -> NewRevocation {
    NewRevocation {
        everything: false,
        account: Some(account.to_owned()),
        ..everything()
    }
}

fn code<T>(answer: Result<T, Error>) -> String {
    match answer {
        Ok(_) => "-".to_owned(),
        Err(error) => {
            let fields = error.fields().iter();
            let fields: Vec<_> = fields.map(|field| format!(" {}", field.field)).collect();
            format!("{}{}", error.about().code, fields.concat())
        }
    }
}

async fn state(ctx: &Ctx, id: RevocationId) -> &'static str {
    let view = find::revocation(ctx, id).await.unwrap();
    view.revocation.hold.as_str()
}

#[tokio::test]
async fn what_names_nothing_is_refused_and_what_is_wrong_is_told_together() {
    let app = company().await;
    let ada = app.ctx("ada").await;
    let named = |change: fn(&mut NewRevocation)| {
        let mut new = NewRevocation {
            everything: false,
            ..everything()
        };
        change(&mut new);
        new
    };
    let cases: [(NewRevocation, &str); 12] = [
        (named(|_| ()), "invalid_field scope"),
        (
            named(|it| {
                it.everything = true;
                it.account = Some("111122223333".into());
            }),
            "invalid_field scope",
        ),
        (
            named(|it| {
                it.person = Some("a@b".into());
                it.role = Some("x".into());
            }),
            "invalid_field scope",
        ),
        (
            named(|it| it.person = Some("nobody@example.com".into())),
            "invalid_field person",
        ),
        (
            named(|it| it.person = Some("alice".into())),
            "invalid_field person",
        ),
        (
            named(|it| it.person = Some("person_00000000000000000000000000".into())),
            "invalid_field person",
        ),
        (
            named(|it| it.role = Some("arn:aws:iam::111122223333:role/none".into())),
            "invalid_field role",
        ),
        (
            named(|it| it.account = Some("999988887777".into())),
            "invalid_field account",
        ),
        (
            named(|it| {
                it.everything = true;
                it.reason = "  ".into();
            }),
            "invalid_field reason",
        ),
        (
            named(|it| {
                it.everything = true;
                it.reason = "x".repeat(2001);
            }),
            "invalid_field reason",
        ),
        (
            named(|it| it.reason = String::new()),
            "invalid_field reason scope",
        ),
        (
            named(|it| {
                it.reason = String::new();
                it.account = Some("1".into());
            }),
            "invalid_field reason account",
        ),
    ];
    for (new, wanted) in cases {
        assert_eq!(code(revoke(&ada, new.clone()).await), wanted, "{new:?}");
    }
    assert_eq!(app.count("revocations").await, 0);
    let good = [
        named(|it| it.person = Some(" alice@example.com ".into())),
        named(|it| it.role = Some(role_arn("prod-admin"))),
        named(|it| it.role = Some(user_arn("alice"))),
        named(|it| it.account = Some("111122223333".into())),
        named(|it| it.everything = true),
    ];
    for new in good {
        assert_eq!(code(revoke(&ada, new.clone()).await), "-", "{new:?}");
    }
    assert_eq!(app.count("revocations").await, 5);
}

#[tokio::test]
async fn only_an_admin_ends_everything_and_lifts_it() {
    let app = company().await;
    let ada = app.ctx("ada").await;
    let id = revoke(&ada, of_account("111122223333")).await.unwrap().id;
    for (name, begun, lifted) in [
        ("alice", "forbidden", "not_found"),
        ("bob", "forbidden", "not_found"),
        ("mallory", "forbidden", "not_found"),
        ("otto", "forbidden", "forbidden"),
    ] {
        let ctx = app.ctx(name).await;
        assert_eq!(code(revoke(&ctx, everything()).await), begun, "{name}");
        assert_eq!(code(lift(&ctx, id).await), lifted, "{name}");
        let page = Page {
            cursor: None,
            limit: 9,
        };
        let sees = if name == "otto" { "-" } else { "forbidden" };
        assert_eq!(code(find::revocations(&ctx, page).await), sees);
    }
    // Whoever was an admin a moment ago is none.
    app.change(|catalog| catalog.regroup("ada", &["developers"]))
        .await;
    assert_eq!(code(revoke(&ada, everything()).await), "forbidden");
    assert_eq!(code(lift(&ada, id).await), "not_found");
    assert_eq!(
        app.events("everything", "revocation.begun", "refused")
            .await,
        5
    );
}

#[tokio::test]
async fn the_same_scope_again_goes_on_with_the_one_that_holds() {
    let app = company().await;
    let (ada, amy) = (app.ctx("ada").await, app.ctx("amy").await);
    let first = revoke(&ada, of_account("111122223333")).await.unwrap();
    let again = revoke(&amy, of_account("111122223333")).await.unwrap();
    assert_eq!((again.id, again.begun_by), (first.id, ada.person.id));
    // Each call is on record, with its reason.
    assert_eq!(app.events(first.id, "revocation.begun", "success").await, 2);
    assert_ne!(revoke(&amy, everything()).await.unwrap().id, first.id);
    carry_on(&app.app, first.id).await.unwrap();
    lift(&amy, first.id).await.unwrap();
    assert_eq!(code(lift(&amy, first.id).await), "wrong_state");
    let next = revoke(&amy, of_account("111122223333")).await.unwrap();
    assert_ne!(next.id, first.id, "the first one holds no more");
    carry_on(&app.app, next.id).await.unwrap();
    carry_on(&app.app, next.id).await.unwrap();
    assert_eq!(
        app.events(next.id, "revocation.through", "success").await,
        1
    );
}

#[tokio::test]
async fn two_people_lift_a_hold_on_everything() {
    let app = company().await;
    let (ada, amy) = (app.ctx("ada").await, app.ctx("amy").await);
    let id = revoke(&ada, everything()).await.unwrap().id;
    carry_on(&app.app, id).await.unwrap();
    // Whoever began it may be one of the two.
    let asked = lift(&ada, id).await.unwrap();
    assert!(matches!(asked.hold, Hold::Lifting { by, .. } if by == ada.person.id));
    assert_eq!(code(lift(&ada, id).await), "self_approval");
    assert_eq!(state(&amy, id).await, "lifting");
    // Whoever ends everything once more takes that back.
    assert_eq!(revoke(&amy, everything()).await.unwrap().id, id);
    assert_eq!(state(&amy, id).await, "held");
    lift(&ada, id).await.unwrap();
    lift(&amy, id).await.unwrap();
    assert_eq!(state(&amy, id).await, "lifted");
    assert_eq!(app.events(id, "revocation.lift_asked", "success").await, 2);
    assert_eq!(app.events(id, "revocation.lifted", "success").await, 1);
    // One person is enough for anything less.
    let id = revoke(&ada, of_account("111122223333")).await.unwrap().id;
    carry_on(&app.app, id).await.unwrap();
    lift(&ada, id).await.unwrap();
    assert_eq!(state(&amy, id).await, "lifted");
}

#[tokio::test]
async fn nobody_lifts_the_hold_on_themselves() {
    let app = company().await;
    let (ada, amy) = (app.ctx("ada").await, app.ctx("amy").await);
    let of_amy = NewRevocation {
        everything: false,
        person: Some("amy@example.com".to_owned()),
        ..everything()
    };
    let id = revoke(&ada, of_amy).await.unwrap().id;
    carry_on(&app.app, id).await.unwrap();
    assert_eq!(code(lift(&amy, id).await), "self_approval");
    lift(&ada, id).await.unwrap();
}

#[tokio::test]
async fn sql_holds_the_floor() {
    let app = company().await;
    let ada = app.ctx("ada").await;
    let id = revoke(&ada, everything()).await.unwrap().id.uuid();
    let (me, other) = (ada.person.id.uuid(), app.ctx("amy").await.person.id.uuid());
    let insert = "INSERT INTO revocations (id, scope, reason, begun_by, begun_at, account) VALUES (gen_random_uuid(),";
    let wrong = [
        format!("{insert} 'everything', 'x', '{me}', now(), NULL)"),
        format!("{insert} 'everything', 'x', '{me}', now(), '111122223333')"),
        format!("{insert} 'account', 'x', '{me}', now(), NULL)"),
        format!("{insert} 'person', 'x', '{me}', now(), '111122223333')"),
        format!("{insert} 'account', '', '{me}', now(), '111122223333')"),
        format!("UPDATE revocations SET lifted_by = '{me}', lifted_at = now() WHERE id = '{id}'"),
        format!(
            "UPDATE revocations SET lift_asked_by = '{me}', lift_asked_at = now(), lifted_by = '{me}', lifted_at = now() WHERE id = '{id}'"
        ),
        format!("UPDATE revocations SET reason = 'another' WHERE id = '{id}'"),
        format!("UPDATE revocations SET begun_at = now() WHERE id = '{id}'"),
        format!("DELETE FROM revocations WHERE id = '{id}'"),
    ];
    for sql in wrong {
        let done = app
            .pool()
            .execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql.clone())));
        assert!(done.await.is_err(), "{sql}");
    }
    let lifted = format!(
        "UPDATE revocations SET lift_asked_by = '{me}', lift_asked_at = now(), lifted_by = '{other}', lifted_at = now() WHERE id = '{id}'"
    );
    for (sql, is_taken) in [(lifted.clone(), true), (lifted, false)] {
        let done = app.pool().execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql)));
        assert_eq!(done.await.is_ok(), is_taken);
    }
}
