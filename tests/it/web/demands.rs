//! What pages say of MFA and of external IDs.

use axum::http::StatusCode;
use countersign::app::approve::approve;
use countersign::domain::demands::Demands;
use countersign::domain::entitlement::Terms;
use countersign::domain::grant::{Grant, Marks};
use countersign::domain::request::{Request, RequestState};
use countersign::ids::RequestId;
use countersign::web::request::RequestPage;

use super::facts::{active, grant, now};
use super::samples::{html, page};
use crate::support::app::TestApp;
use crate::support::catalog::{Catalog, Entitlement, allowing};

const ID: &str = "vendor-7f3d2a8e";
const DEVICE: &str = "arn:aws:iam::111122223333:mfa/alice";

/// The request's page of an open grant, to each of these.
async fn open(change: impl FnOnce(&mut Catalog), viewers: &[&str]) -> Vec<String> {
    let company = TestApp::with(change).await;
    let portal = company.portal();
    let place = portal.asked().await;
    let id: RequestId = place.rsplit('/').next().unwrap().parse().unwrap();
    let waiting = portal.browser("bob").await.get(&place).await.body;
    assert!(
        waiting.contains("AWS refuses it without a second factor"),
        "{waiting}"
    );
    let asking = portal
        .browser("alice")
        .await
        .get("/entitlements/prod-admin")
        .await
        .body;
    assert!(
        asking.contains("AWS refuses it without a second factor"),
        "{asking}"
    );
    assert!(
        !asking.contains(ID),
        "who has asked for nothing is told nothing"
    );
    approve(&company.ctx("bob").await, id, None, None)
        .await
        .unwrap();
    company.open_grants().await;
    let mut pages = Vec::new();
    for who in viewers {
        let page = portal.browser(who).await.get(&place).await;
        assert_eq!(page.status, StatusCode::OK, "{who}");
        pages.push(page.body);
    }
    pages
}

fn asking(catalog: &mut Catalog, method: &str) {
    let entitlement = catalog.entitlement("prod-admin");
    method.clone_into(&mut entitlement.method);
    entitlement.more.insert("mfa".to_owned(), true.into());
    entitlement.more.insert("external_id".to_owned(), ID.into());
}

#[tokio::test]
async fn the_commands_show_what_the_role_asks_for() {
    for method in ["trust_policy", "switch"] {
        let pages = open(|it| asking(it, method), &["alice", "bob", "otto"]).await;
        let [own, approvers, auditors] = &pages[..] else {
            panic!("three");
        };
        for line in [
            format!("external_id = {ID}\nmfa_serial = {DEVICE}\nsource_profile = default"),
            format!("--external-id {ID} \\\n  --serial-number {DEVICE} --token-code CODE"),
            format!("-d ExternalId={ID} \\\n  -d SerialNumber={DEVICE} \\\n  -d TokenCode=CODE"),
        ] {
            assert!(own.contains(&line), "{method} {line}: {own}");
        }
        assert!(own.contains("The console cannot send one"), "{own}");
        assert!(!own.contains("switchrole"), "{own}");
        assert_eq!(own.contains("get-session-token"), method == "switch", "I11");
        assert!(approvers.contains(&format!("<dd class=\"mono\">{ID}</dd>")));
        assert!(!auditors.contains(ID), "{auditors}");
    }
}

#[tokio::test]
async fn long_term_keys_are_said_to_be_no_good() {
    let attached = |catalog: &mut Catalog| {
        let mut attached = Entitlement::attaching("prod-admin", &allowing("s3:GetObject"));
        attached.more.insert("mfa".to_owned(), true.into());
        *catalog.entitlement("prod-admin") = attached;
    };
    let pages = open(attached, &["alice"]).await;
    let command = format!(
        "aws sts get-session-token --region us-east-1 \\\n  --serial-number {DEVICE} --token-code CODE"
    );
    assert!(
        pages[0].contains("Long-term keys never have one"),
        "{}",
        pages[0]
    );
    assert!(pages[0].contains(&command), "{}", pages[0]);
    assert!(
        !pages[0].contains("with the keys and the console"),
        "{}",
        pages[0]
    );
}

#[test]
fn who_switches_in_the_console_signs_in_with_the_device_before() {
    let shown = |mfa, has_console: bool| {
        let sample = page(RequestState::Approved(now()), Some(grant(active())));
        let demands = Demands {
            mfa,
            external_id: None,
        };
        let terms = Terms {
            demands: demands.clone(),
            ..sample.request.terms.clone()
        };
        let granted = sample.grant.clone().map(|granted| Grant {
            demands,
            marks: Marks {
                console_since: has_console.then(now),
                ..Marks::default()
            },
            ..granted
        });
        html(&RequestPage {
            request: Request {
                terms,
                ..sample.request.clone()
            },
            grant: granted,
            ..sample
        })
    };
    let told = "In the console, sign in with it before you switch";
    assert!(shown(true, true).contains(told));
    assert!(!shown(true, false).contains(told));
    assert!(!shown(false, true).contains(told));
}
