//! Who decides, once, and what wins.

use chrono::TimeDelta;
use countersign::app::Ctx;
use countersign::app::approve::approve;
use countersign::app::deny::deny;
use countersign::app::end::end;
use countersign::app::expire::expire_due;
use countersign::app::find;
use countersign::app::withdraw::withdraw;
use countersign::domain::audit::By;
use countersign::domain::grant::GrantState;
use countersign::domain::request::{RequestState, Verdict};
use countersign::domain::text::Words;
use countersign::error::{CallerError, Error, InputError, StateError, VoteError};
use countersign::ids::GrantId;

use crate::support::app::{TestApp, no_limits};
use crate::web::facts::tallied;

#[tokio::test(flavor = "multi_thread")]
async fn of_four_approvers_at_once_one_decides() {
    let company = TestApp::new().await;
    let mut approvers = Vec::new();
    for name in ["bob", "carol", "dave", "erin"] {
        approvers.push(company.ctx(name).await);
    }
    for round in 0..50 {
        // A process of its own: after the first few in one, refusals are counted.
        let app = company.with_limits(no_limits());
        let request = company.ask("prod-admin").await;
        let tries: Vec<_> = approvers
            .iter()
            .cloned()
            .map(|ctx| Ctx {
                app: app.clone(),
                ..ctx
            })
            .map(|ctx| tokio::spawn(async move { approve(&ctx, request.id, None, None).await }))
            .collect();
        let mut won = 0;
        for attempt in tries {
            match attempt.await.unwrap() {
                Ok(approved) => {
                    won += 1;
                    assert_eq!(approved.request.state.as_str(), "approved");
                }
                Err(Error::State(StateError::Wrong(it))) => assert_eq!(it.state, "approved"),
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!(won, 1, "round {round}");
        assert_eq!(company.count("decisions").await, round + 1);
        assert_eq!(company.count("grants").await, round + 1);
        assert_eq!(
            company
                .events(request.id, "request.approved", "success")
                .await,
            1
        );
        assert_eq!(
            company
                .events(request.id, "request.approved", "refused")
                .await,
            3
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn approve_against_withdraw_has_one_winner() {
    let company = TestApp::new().await;
    let (alice, bob) = (company.ctx("alice").await, company.ctx("bob").await);
    for _ in 0..30 {
        let id = company.ask("prod-admin").await.id;
        let (one, other) = (bob.clone(), alice.clone());
        let approved = tokio::spawn(async move { approve(&one, id, None, None).await });
        let withdrawn = tokio::spawn(async move { withdraw(&other, id).await });
        let (approved, withdrawn) = (approved.await.unwrap(), withdrawn.await.unwrap());
        assert_ne!(approved.is_ok(), withdrawn.is_ok());
        let view = find::request(&alice, id).await.unwrap();
        assert_eq!(view.grant.is_some(), approved.is_ok());
        let state = if approved.is_ok() {
            "approved"
        } else {
            "withdrawn"
        };
        assert_eq!(view.request.state.as_str(), state);
    }
}

#[tokio::test]
async fn nobody_decides_on_their_own_request_by_verb_or_by_sql() {
    let company = TestApp::new().await;
    let alice = company.ctx("alice").await;
    let id = company.ask("prod-admin").await.id;
    assert!(matches!(
        approve(&alice, id, None, None).await,
        Err(Error::Caller(CallerError::SelfApproval))
    ));
    let refused = deny(&alice, id, Some("no".to_owned())).await;
    assert!(matches!(
        refused,
        Err(Error::Caller(CallerError::SelfApproval))
    ));
    let forged = sqlx::query(
        "INSERT INTO decisions (id, request, seq, revision, person, verdict, duration_seconds, channel, at) VALUES (gen_random_uuid(), $1, 1, 1, $2, 'approve', 60, 'api', $3)",
    )
    .bind(id.uuid())
    .bind(alice.person.id.uuid())
    .bind(company.start)
    .execute(company.pool())
    .await
    .unwrap_err();
    assert_eq!(
        forged.as_database_error().unwrap().constraint(),
        Some("self_approval")
    );
    assert!(matches!(
        Error::from(forged),
        Error::Caller(CallerError::SelfApproval)
    ));
    assert_eq!(company.count("decisions").await, 0);
    assert_eq!(company.events(id, "request.approved", "refused").await, 1);
    assert_eq!(company.events(id, "request.denied", "refused").await, 1);
}

#[tokio::test]
async fn what_is_not_pending_is_refused_naming_its_state() {
    let company = TestApp::new().await;
    let (alice, bob) = (company.ctx("alice").await, company.ctx("bob").await);
    let denied = company.ask("prod-admin").await.id;
    deny(&bob, denied, Some("not now".to_owned()))
        .await
        .unwrap();
    let withdrawn = company.ask("prod-admin").await.id;
    withdraw(&alice, withdrawn).await.unwrap();
    let approved = company.ask("prod-admin").await.id;
    approve(&bob, approved, None, None).await.unwrap();
    for (id, state) in [
        (denied, "denied"),
        (withdrawn, "withdrawn"),
        (approved, "approved"),
    ] {
        for error in [
            approve(&bob, id, None, None).await.unwrap_err(),
            deny(&bob, id, Some("no".to_owned())).await.unwrap_err(),
            withdraw(&alice, id).await.unwrap_err(),
        ] {
            assert_eq!(error.about().code, "wrong_state");
            assert!(
                error.about().detail.contains(state),
                "{}",
                error.about().detail
            );
        }
    }
}

#[tokio::test]
async fn one_person_is_one_voice() {
    let company = TestApp::new().await;
    let (bob, carol) = (company.ctx("bob").await, company.ctx("carol").await);
    let id = company.ask("prod-root").await.id;
    let first = approve(&bob, id, Some("fine".to_owned()), None)
        .await
        .unwrap();
    assert_eq!(first.request.state, RequestState::Pending);
    assert!(matches!(
        approve(&bob, id, None, None).await,
        Err(Error::State(StateError::Vote(VoteError::AlreadyDecided)))
    ));
    assert_eq!(company.count("grants").await, 0);
    let second = approve(&carol, id, None, None).await.unwrap();
    assert_eq!(second.request.state, RequestState::Approved(company.start));
    assert_eq!(company.count("grants").await, 1);
}

#[tokio::test]
async fn a_denial_says_why() {
    let company = TestApp::new().await;
    let bob = company.ctx("bob").await;
    let id = company.ask("prod-admin").await.id;
    for nothing in [None, Some(" \n ".to_owned())] {
        assert!(matches!(
            deny(&bob, id, nothing).await,
            Err(Error::Input(InputError::CommentRequired(Verdict::Deny)))
        ));
    }
    assert_eq!(company.count("decisions").await, 0);
}

#[tokio::test]
async fn an_approval_makes_the_role_due() {
    let company = TestApp::new().await;
    let id = company.ask("prod-admin").await.id;
    approve(&company.ctx("bob").await, id, None, None)
        .await
        .unwrap();
    let due: Option<chrono::DateTime<chrono::Utc>> =
        sqlx::query_scalar("SELECT due_at FROM targets WHERE arn LIKE '%prod-admin'")
            .fetch_one(company.pool())
            .await
            .unwrap();
    assert_eq!(due, Some(company.start));
}

#[tokio::test]
async fn nobody_decided_in_time() {
    let company = TestApp::new().await;
    let swept = company.ask("prod-admin").await.id;
    let locked = company.ask("prod-admin").await.id;
    company.later(TimeDelta::hours(24) - TimeDelta::seconds(1));
    assert_eq!(expire_due(&company.app).await.unwrap(), 0);
    company.later(TimeDelta::hours(24));
    let late = approve(&company.ctx("bob").await, locked, None, None)
        .await
        .unwrap_err();
    assert!(
        late.about().detail.contains("expired"),
        "{}",
        late.about().detail
    );
    assert_eq!(
        company.events(locked, "request.expired", "success").await,
        1
    );
    assert_eq!(
        company.events(locked, "request.approved", "refused").await,
        1
    );
    assert_eq!(expire_due(&company.app).await.unwrap(), 1);
    assert_eq!(company.events(swept, "request.expired", "success").await, 1);
    assert_eq!(expire_due(&company.app).await.unwrap(), 0);
    assert_eq!(company.count("decisions").await, 0);
}

#[tokio::test]
async fn requesters_release_and_approvers_revoke() {
    let company = TestApp::new().await;
    for (who, cause) in [
        ("alice", "released"),
        ("bob", "revoked"),
        ("ada", "revoked"),
    ] {
        let id = company.ask("prod-admin").await.id;
        approve(&company.ctx("carol").await, id, None, None)
            .await
            .unwrap();
        let ctx = company.ctx(who).await;
        let grant = find::request(&company.ctx("alice").await, id)
            .await
            .unwrap()
            .grant
            .unwrap();
        let ended = end(&ctx, grant.id, Some("done".to_owned())).await.unwrap();
        match &ended.grant.state {
            GrantState::Ended {
                cause: it,
                by,
                reason,
                ..
            } => {
                assert_eq!(it.as_str(), cause);
                assert_eq!(*by, Some(ctx.person.id));
                assert_eq!(reason.as_ref().unwrap().as_str(), "done");
            }
            other => panic!("{other:?}"),
        }
        let again = end(&ctx, grant.id, None).await.unwrap_err();
        assert!(
            again.about().detail.contains("ended"),
            "{}",
            again.about().detail
        );
        assert_eq!(company.events(grant.id, "grant.ended", "success").await, 1);
    }
    let unknown = end(&company.ctx("bob").await, GrantId::new(), None).await;
    assert!(matches!(unknown, Err(Error::Caller(CallerError::NotFound))));
}

#[tokio::test]
async fn what_lapses_while_it_is_decided_is_expired() {
    let company = TestApp::new().await;
    let request = company.ask("prod-admin").await;
    let by = By::system("test", request.expires_at);
    let no = Words::parse("no").unwrap();
    let second = By::system("test", request.expires_at - TimeDelta::microseconds(1));
    let last = || tallied(1, 1);
    assert!(request.clone().approve(last(), 3600, None, &second).is_ok());
    let refused = [
        request.clone().approve(last(), 3600, None, &by).map(drop),
        request.clone().deny(&no, &by).map(drop),
        request.clone().withdraw(&by).map(drop),
    ];
    for refused in refused {
        assert_eq!(refused.unwrap_err().state, "expired");
    }
    assert!(request.expire(None, &by).is_ok());
}
