//! Whom the verbs wake: the worker, and only where a target became due.

use std::time::Duration;

use countersign::app::approve::approve;
use countersign::app::deny::deny;
use countersign::app::end::end;
use countersign::app::submit::submit;
use countersign::app::withdraw::withdraw;
use countersign::app::{find, sign_in};

use crate::support::app::{TestApp, ask};

/// Whether the worker was woken since the last call.
async fn is_woken(company: &TestApp) -> bool {
    let wake = company.app.wake();
    // A permit that is there is taken at the first poll.
    let woken = tokio::time::timeout(Duration::ZERO, wake.notified());
    woken.await.is_ok()
}

#[tokio::test]
async fn only_what_makes_a_target_due_wakes_the_worker() {
    let company = TestApp::new().await;
    let (alice, bob) = (company.ctx("alice").await, company.ctx("bob").await);
    let no = || Some("No.".to_owned());

    let denied = company.ask("prod-admin").await.id;
    assert!(!is_woken(&company).await, "an ask");
    submit(&alice, ask("unheard-of")).await.unwrap_err();
    assert!(!is_woken(&company).await, "a refused ask");
    deny(&bob, denied, no()).await.unwrap();
    assert!(!is_woken(&company).await, "a denial");
    approve(&bob, denied, None, None).await.unwrap_err();
    assert!(!is_woken(&company).await, "a refused approval");
    let withdrawn = company.ask("prod-admin").await.id;
    withdraw(&alice, withdrawn).await.unwrap();
    assert!(!is_woken(&company).await, "a withdrawal");
    sign_in::start(&company.app, bob.person.id, sign_in::Browser::default())
        .await
        .unwrap();
    assert!(!is_woken(&company).await, "a sign-in");

    let halfway = company.ask("prod-root").await.id;
    approve(&bob, halfway, None, None).await.unwrap();
    assert!(!is_woken(&company).await, "one approval of two");
    let approved = company.ask("prod-admin").await.id;
    approve(&bob, approved, None, None).await.unwrap();
    assert!(is_woken(&company).await, "an approval");
    assert!(!is_woken(&company).await, "once");
    let grant = find::request(&alice, approved).await.unwrap().grant;
    let grant = grant.unwrap().id;
    end(&alice, grant, None).await.unwrap();
    assert!(is_woken(&company).await, "an end");
    end(&alice, grant, None).await.unwrap_err();
    assert!(!is_woken(&company).await, "a refused end");
}
