//! A role that only a person takes back into service.

use std::time::Duration;

use countersign::app::approve::approve;
use countersign::app::deny::deny;
use countersign::app::resume::resume;
use countersign::app::submit::submit;

use crate::support::app::{TestApp, ask};

const ROLE: &str = "arn:aws:iam::111122223333:role/prod-admin";

async fn suspend(company: &TestApp, condition: &str) {
    let sql = format!("UPDATE targets SET condition = '{condition}' WHERE arn = '{ROLE}'");
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(company.pool())
        .await
        .unwrap();
}

#[tokio::test]
async fn nobody_can_ask_for_a_suspended_role_until_a_person_resumes_it() {
    for condition in ["contested", "safe_mode"] {
        let company = TestApp::new().await;
        let alice = company.ctx("alice").await;
        suspend(&company, condition).await;
        let error = submit(&alice, ask("prod-admin")).await.unwrap_err();
        assert_eq!(
            (error.about().code, error.about().status),
            ("role_suspended", 409)
        );
        assert_eq!(company.count("requests").await, 0);
        let refused = company.events("prod-admin", "request.submitted", "refused");
        assert_eq!(refused.await, 1);

        let was = resume(&company.admin, "test", ROLE).await.unwrap();
        assert_eq!(was.as_str(), condition);
        let asked = submit(&alice, ask("prod-admin")).await.unwrap();
        let request = asked.request();
        assert_eq!(
            company
                .events(request.target, "target.changed", "success")
                .await,
            1
        );
    }
}

/// For P after safe mode was noticed a look may lag behind what the database has lost.
#[tokio::test]
async fn safe_mode_is_not_lifted_before_a_look_can_tell_what_was_lost() {
    let company = TestApp::new()
        .await
        .configured(|it| it.aws.propagation_margin = Duration::from_mins(2));
    suspend(&company, "safe_mode").await;
    let since = async |ago: &str| {
        let sql = format!(
            "UPDATE targets SET safe_since = '{}'::timestamptz - interval '{ago}'",
            company.start
        );
        let sql = sqlx::raw_sql(sqlx::AssertSqlSafe(sql));
        sql.execute(company.pool()).await.unwrap();
    };
    since("1 minute").await;
    let error = resume(&company.app, "test", ROLE).await.unwrap_err();
    assert_eq!(error.about().code, "invalid_field");
    assert!(
        error.about().detail.contains("try again in"),
        "{}",
        error.about().detail
    );
    since("2 minutes").await;
    resume(&company.app, "test", ROLE).await.unwrap();
}

#[tokio::test]
async fn what_mends_itself_is_not_resumed_by_hand() {
    let company = TestApp::new().await;
    for condition in ["ok", "unreadable", "gone"] {
        suspend(&company, condition).await;
        let error = resume(&company.admin, "test", ROLE).await.unwrap_err();
        assert_eq!(error.about().code, "invalid_field", "{condition}");
        assert!(
            error.about().detail.contains(condition),
            "{}",
            error.about().detail
        );
    }
    let unknown = resume(
        &company.admin,
        "test",
        "arn:aws:iam::111122223333:role/other",
    )
    .await;
    assert_eq!(unknown.unwrap_err().about().code, "not_found");
}

#[tokio::test]
async fn what_waited_for_a_decision_is_not_approved_while_the_role_is_suspended() {
    for condition in ["contested", "safe_mode"] {
        let company = TestApp::new().await;
        let (first, second) = (
            company.ask("prod-admin").await.id,
            company.ask("prod-admin").await.id,
        );
        suspend(&company, condition).await;
        let bob = company.ctx("bob").await;
        let error = approve(&bob, first, None, None).await.unwrap_err();
        assert_eq!(
            (error.about().code, error.about().status),
            ("role_suspended", 409)
        );
        let refused = company.events(first, "request.approved", "refused");
        assert_eq!(refused.await, 1);
        deny(&bob, second, Some("No.".to_owned())).await.unwrap();
        resume(&company.admin, "test", ROLE).await.unwrap();
        approve(&bob, first, None, None).await.unwrap();
    }
}
