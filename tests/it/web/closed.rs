//! What became of a request, for whoever could have decided it, and for an open page that is too
//! late.

use axum::http::StatusCode;
use sqlx::AssertSqlSafe;

use crate::support::app::TestApp;
use crate::support::parts::FOLLOW;
use crate::support::portal::{Answer, Portal};

/// A way for a request to be over without carol.
enum End {
    Denied,
    Withdrawn,
    Lapsed,
}

async fn over(portal: &Portal, page: &str, end: &End) {
    let done = match end {
        End::Denied => {
            let said = [("choice", "deny"), ("comment", "Not <now>.")];
            let bob = portal.browser("bob").await;
            bob.post(&format!("{page}/decide"), &said).await.status
        }
        End::Withdrawn => {
            let alice = portal.browser("alice").await;
            alice.post(&format!("{page}/withdraw"), &[]).await.status
        }
        End::Lapsed => {
            let sql = "UPDATE requests SET state = 'expired', version = 2, closed_at = expires_at";
            let done = sqlx::raw_sql(AssertSqlSafe(sql));
            done.execute(&portal.db.pool).await.unwrap();
            StatusCode::SEE_OTHER
        }
    };
    assert_eq!(done, StatusCode::SEE_OTHER);
}

fn says(end: &End) -> [&'static str; 3] {
    match end {
        End::Denied => [
            "Denied: prod-admin for Alice",
            "Denied by Bob",
            "Not &#60;now&#62;.",
        ],
        End::Withdrawn => [
            "Withdrawn: prod-admin for Alice",
            "Withdrawn by Alice",
            " UTC",
        ],
        End::Lapsed => [
            "Expired: prod-admin for Alice",
            "Lapsed",
            "with 0 of one approval",
        ],
    }
}

fn assert_tells(answer: &Answer, end: &End) {
    for it in says(end) {
        assert!(answer.body.contains(it), "{it}: {}", answer.body);
    }
    assert!(!answer.body.contains("Send decision"), "{}", answer.body);
}

#[tokio::test]
async fn whoever_could_have_decided_sees_who_did_when_and_why() {
    for end in [End::Denied, End::Withdrawn, End::Lapsed] {
        let portal = TestApp::new().await.portal();
        let page = portal.asked().await;
        over(&portal, &page, &end).await;
        let carol = portal.browser("carol").await.get(&page).await;
        assert_eq!(carol.status, StatusCode::OK, "{}", says(&end)[0]);
        assert_tells(&carol, &end);
        let mallory = portal.browser("mallory").await.get(&page).await;
        assert_eq!(mallory.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn a_decision_that_is_too_late_shows_the_request_as_it_is_and_keeps_what_was_typed() {
    for end in [End::Denied, End::Withdrawn, End::Lapsed] {
        let portal = TestApp::new().await.portal();
        let page = portal.asked().await;
        over(&portal, &page, &end).await;
        let carol = portal.browser("carol").await;
        let said = [("choice", "approve"), ("comment", "I watch \"it\".")];
        let late = carol.post(&format!("{page}/decide"), &said).await;
        assert_eq!(late.status, StatusCode::CONFLICT);
        assert_tells(&late, &end);
        for kept in [
            "This was not done",
            "You cannot approve it",
            "What you had typed",
            "I watch &#34;it&#34;.",
        ] {
            assert!(late.body.contains(kept), "{kept}: {}", late.body);
        }
    }
}

#[tokio::test]
async fn an_end_that_is_too_late_keeps_its_reason() {
    let portal = TestApp::new().await.portal();
    let page = portal.asked().await;
    let (bob, carol) = (portal.browser("bob").await, portal.browser("carol").await);
    bob.post(&format!("{page}/decide"), &[("choice", "approve")])
        .await;
    let grant = sqlx::query_scalar!("SELECT grant_name FROM grants")
        .fetch_one(&portal.db.pool)
        .await
        .unwrap();
    let end = format!("/grants/{grant}/end");
    let unfit = carol.post(&end, &[("reason", "a\u{202e}b")]).await;
    assert_eq!(unfit.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        unfit.body.contains("value=\"a\u{202e}b\""),
        "{}",
        unfit.body
    );
    assert!(unfit.body.contains("id=\"reason-error\""), "{}", unfit.body);
    bob.post(&end, &[]).await;
    let late = carol.post(&end, &[("reason", "Over.")]).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert!(late.body.contains("<title>Error: Ended"), "{}", late.body);
    assert!(
        late.body.contains("<p class=\"words\">Over.</p>"),
        "{}",
        late.body
    );
}

#[tokio::test]
async fn who_has_voted_is_not_named_among_those_who_can_still_decide() {
    let company = TestApp::new().await;
    let portal = company.portal();
    let page = format!("/requests/{}", company.ask("prod-root").await.id);
    let (alice, bob) = (portal.browser("alice").await, portal.browser("bob").await);
    let first = alice.get(&page).await.body;
    let all = "2 more needed. Can decide: Bob, Carol, Dave, Erin.";
    assert!(first.contains(all), "{first}");
    bob.post(&format!("{page}/decide"), &[("choice", "approve")])
        .await;
    let second = alice.get(&page).await.body;
    let rest = "1 more needed. Can still decide: Carol, Dave, Erin.";
    assert!(second.contains(rest), "{second}");
    assert!(!second.contains("cannot be approved"), "{second}");
    let left = "UPDATE people SET groups = '{}' WHERE subject IN ('carol', 'dave', 'erin')";
    company.as_owner(left).await;
    let alone = alice.get(&page).await.body;
    let nobody = "Nobody else in <strong>approvers</strong> can decide this.";
    assert!(alone.contains(nobody), "{alone}");
    assert!(alone.contains("cannot be approved"), "{alone}");
}

#[tokio::test]
async fn a_start_that_is_to_come_is_not_now() {
    let portal = TestApp::new().await.on_time().portal();
    let asked = |start: &'static str| {
        let portal = &portal;
        async move {
            let alice = portal.browser("alice").await;
            let fields = [
                ("duration", "3600s"),
                ("justification", "Later."),
                ("starts_at", start),
            ];
            let asked = alice.post("/entitlements/prod-admin", &fields).await;
            asked.place().to_owned()
        }
    };
    let start = sqlx::query_scalar!(
        r#"SELECT to_char(now() AT TIME ZONE 'UTC' + interval '2 days', 'YYYY-MM-DD"T"HH24:MI') AS "at!""#
    );
    let start = start.fetch_one(&portal.db.pool).await.unwrap();
    let later = asked(start.leak()).await;
    let bob = portal.browser("bob").await;
    let page = bob.get(&later).await.body;
    assert!(page.contains("if approved by then"), "{page}");
    assert!(!page.contains("if approved now"), "{page}");
    let at_once = asked("").await;
    let page = bob.get(&at_once).await.body;
    assert!(page.contains("if approved now"), "{page}");
    // Nothing of it can be typed before it works.
    bob.post(&format!("{later}/decide"), &[("choice", "approve")])
        .await;
    let alice = portal.browser("alice").await;
    for set in [
        "state = 'scheduled'",
        "state = 'opening', opening_at = approved_at",
    ] {
        let sql = format!("UPDATE grants SET {set}; {FOLLOW}");
        let done = sqlx::raw_sql(AssertSqlSafe(sql));
        done.execute(&portal.db.pool).await.unwrap();
        let page = alice.get(&later).await.body;
        assert!(
            page.contains("How to use it will stand here once"),
            "{page}"
        );
        assert!(!page.contains("assume-role"), "{set}: {page}");
    }
    portal.open_grants().await;
    assert!(alice.get(&later).await.body.contains("assume-role"));
}
