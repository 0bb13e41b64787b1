//! Who sees a request once it is granted, and until when.

use countersign::app::approve::approve;
use countersign::app::end::end;
use countersign::app::find;
use countersign::ids::{GrantId, RequestId};

use crate::support::app::TestApp;
use crate::support::parts::FOLLOW;

async fn granted(company: &TestApp) -> (RequestId, GrantId) {
    let id = company.ask("prod-admin").await.id;
    let bob = company.ctx("bob").await;
    approve(&bob, id, None, None).await.unwrap();
    (id, find::request(&bob, id).await.unwrap().grant.unwrap().id)
}

async fn sees(company: &TestApp, name: &str, (request, grant): (RequestId, GrantId)) -> bool {
    let ctx = company.ctx(name).await;
    let (request, grant) = (
        find::request(&ctx, request).await,
        find::grant(&ctx, grant).await,
    );
    assert_eq!(request.is_ok(), grant.is_ok(), "{name}");
    request.is_ok()
}

#[tokio::test]
async fn an_approver_who_did_not_decide_sees_a_grant_and_what_became_of_it() {
    let company = TestApp::new().await;
    let ids = granted(&company).await;
    let state = async |set: &str| {
        let sql = format!("UPDATE grants SET {set}; {FOLLOW}");
        let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql));
        done.execute(company.pool()).await.unwrap();
    };
    for set in [
        "state = 'scheduled'",
        "state = 'opening', opening_at = starts_at",
        "state = 'active', opened_at = starts_at",
        "state = 'closing', closing_at = deadline, cause = 'deadline'",
    ] {
        state(set).await;
        assert!(sees(&company, "carol", ids).await, "{set}");
    }
    state("state = 'ended', ended_at = deadline").await;
    for (name, still) in [
        ("carol", true),
        ("mallory", false),
        ("bob", true),
        ("alice", true),
        ("ada", true),
        ("otto", true),
    ] {
        assert_eq!(sees(&company, name, ids).await, still, "{name}");
    }
    let late = end(&company.ctx("carol").await, ids.1, None).await;
    assert_eq!(late.unwrap_err().about().code, "wrong_state");
}

#[tokio::test]
async fn who_ended_a_grant_sees_what_became_of_it() {
    let company = TestApp::new().await;
    let ids = granted(&company).await;
    end(&company.ctx("carol").await, ids.1, None).await.unwrap();
    let left = "UPDATE people SET groups = '{}' WHERE subject IN ('carol', 'dave')";
    company.as_owner(left).await;
    assert!(sees(&company, "carol", ids).await);
    assert!(!sees(&company, "dave", ids).await);
}
