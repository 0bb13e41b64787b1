//! Verbs on a request that nobody decided in time: it lapses with the first of them.

use chrono::TimeDelta;
use countersign::app::approve::approve;
use countersign::app::deny::deny;
use countersign::app::find;
use countersign::app::load::Shown;
use countersign::app::withdraw::withdraw;
use countersign::error::Error;
use countersign::ids::RequestId;

use crate::support::app::TestApp;

async fn late(company: &TestApp, who: &str, verb: &str, id: RequestId) -> Result<Shown, Error> {
    let ctx = company.ctx(who).await;
    match verb {
        "request.approved" => approve(&ctx, id, None, None).await,
        "request.denied" => deny(&ctx, id, Some("No.".to_owned())).await,
        _ => withdraw(&ctx, id).await,
    }
}

#[tokio::test]
async fn what_is_overdue_lapses_with_the_verb_that_finds_it() {
    for (who, verb, code) in [
        ("bob", "request.approved", "wrong_state"),
        ("bob", "request.denied", "wrong_state"),
        ("alice", "request.withdrawn", "wrong_state"),
        // Whoever may not do it is told that, and it lapses all the same.
        ("alice", "request.approved", "self_approval"),
        ("otto", "request.denied", "forbidden"),
        ("mallory", "request.withdrawn", "not_found"),
    ] {
        let company = TestApp::new().await;
        let id = company.ask("prod-admin").await.id;
        company.later(TimeDelta::hours(24));
        for _ in 0..2 {
            let error = late(&company, who, verb, id).await.unwrap_err();
            assert_eq!(error.about().code, code, "{who} {verb}");
            if code == "wrong_state" {
                let detail = error.about().detail;
                assert!(detail.contains("expired"), "{detail}");
            }
        }
        let view = find::request(&company.ctx("alice").await, id)
            .await
            .unwrap();
        assert_eq!(view.request.state.as_str(), "expired", "{who} {verb}");
        let lapse = view.events.last().unwrap();
        let lapse = (lapse.action.as_str(), lapse.actor_id.as_str());
        assert_eq!(lapse, ("request.expired", "sweep"));
        assert_eq!(view.events.len(), 2, "{who} {verb}");
        assert_eq!(company.events(id, verb, "refused").await, 2, "{who} {verb}");
    }
}
