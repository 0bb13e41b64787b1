//! Pages of what opens no role.

use axum::http::StatusCode;
use countersign::app::approve::approve;
use countersign::ids::RequestId;

use crate::support::app::TestApp;
use crate::support::catalog::{Entitlement, allowing};

#[tokio::test]
async fn no_page_names_a_role_where_none_is_opened() {
    let attached = Entitlement::attaching("prod-admin", &allowing("s3:GetObject"));
    let company = TestApp::with(|it| *it.entitlement("prod-admin") = attached).await;
    let portal = company.portal();
    let place = portal.asked().await;
    let id: RequestId = place.rsplit('/').next().unwrap().parse().unwrap();
    let look = async |who: &str, path: &str| {
        let page = portal.browser(who).await.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert!(!page.body.contains("<dt>Role</dt>"), "{who} {path}");
        assert!(page.body.contains("own IAM user"), "{who} {path}");
        page.body
    };
    look("alice", "/entitlements/prod-admin").await;
    for who in ["alice", "bob"] {
        let page = look(who, &place).await;
        assert!(page.contains("so the user was not checked"), "{page}");
        assert!(
            page.contains("s3:GetObject"),
            "who decides sees on what: {page}"
        );
    }
    approve(&company.ctx("bob").await, id, None, None)
        .await
        .unwrap();
    company.open_grants().await;
    for who in ["alice", "bob"] {
        let page = look(who, &place).await;
        assert!(page.contains("Use it"), "{page}");
        for word in ["Session names", "session name", "assume-role", "grant_name"] {
            assert!(!page.contains(word), "{who}: {word}");
        }
    }
}
