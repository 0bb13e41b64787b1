//! Being away: who decides in whose place, and who does not.

use chrono::TimeDelta;
use countersign::app::Ctx;
use countersign::app::delegations::{self, Wanted, delegate, end_delegation};
use countersign::app::deny::deny;
use countersign::app::find;

use super::recounts::{
    company, look, named, regroup, stand_in, state, sweep, told, vote, waits_for,
};
use crate::support::app::{TestApp, code, have, no_limits};

const TWO_OF_B: &str = r#"[{ groups = [{ group = "b", needed = 2 }] }]"#;
const A_THEN_B: &str = r#"[{ groups = [{ group = "a" }] }, { groups = [{ group = "b" }] }]"#;

/// Who sits in whose place, by their names.
async fn in_places(company: &TestApp, id: countersign::ids::RequestId) -> Vec<(String, String)> {
    let seen = look(company, id).await;
    let decisions = seen.decisions.into_iter();
    let pairs = decisions.filter_map(|it| Some((it.name, it.stands_for?.1)));
    pairs.collect()
}

fn pair(one: &str, other: &str) -> Vec<(String, String)> {
    vec![(one.to_owned(), other.to_owned())]
}

#[tokio::test]
async fn whoever_stands_in_decides_and_it_says_for_whom_now_and_later() {
    let company = company(TWO_OF_B, "bob:b carol:b erin:z").await;
    let id = company.ask("it").await.id;
    assert!(!waits_for(&company, "erin", id).await);
    let made = stand_in(&company, "bob", "erin").await;
    assert_eq!(
        company.events(made, "delegation.started", "success").await,
        1
    );
    assert!(waits_for(&company, "erin", id).await);
    let carol = company.ctx("carol").await;
    let away = find::request(&carol, id).await.unwrap().away;
    let away: Vec<_> = away
        .iter()
        .map(|it| (it.name.as_str(), it.delegate.as_str()))
        .collect();
    assert_eq!(away, [("Bob", "Erin")]);
    let alice = company.ctx("alice").await;
    assert!(find::request(&alice, id).await.unwrap().away.is_empty());

    assert_eq!(vote(&company, "erin", id).await, "-");
    assert_eq!(in_places(&company, id).await, pair("Erin", "Bob"));
    assert!(!waits_for(&company, "erin", id).await);
    assert_eq!(vote(&company, "carol", id).await, "-");
    assert_eq!(state(&company, id).await, "approved");
    end_delegation(&company.ctx("bob").await, made)
        .await
        .unwrap();
    // As it was then.
    assert_eq!(in_places(&company, id).await, pair("Erin", "Bob"));
}

#[tokio::test]
async fn when_a_delegation_ends_what_was_decided_by_it_counts_no_more() {
    let company = company(A_THEN_B, "bob:a carol:a dave:b erin:z").await;
    let id = company.ask("it").await.id;
    let made = stand_in(&company, "bob", "erin").await;
    assert_eq!(vote(&company, "erin", id).await, "-");
    assert_eq!(told(&company, id, "stage.opened").await, 1);
    end_delegation(&company.ctx("bob").await, made)
        .await
        .unwrap();
    let ended = company.events(made, "delegation.ended", "success").await;
    assert_eq!(ended, 1);
    assert_eq!(told(&company, id, "stage.reopened").await, 1);
    assert_eq!(have(&look(&company, id).await), 0);
    assert!(waits_for(&company, "carol", id).await);
    assert_eq!(sweep(&company).await, 0, "it is counted at once");
    // Who has it again has their vote again as well.
    stand_in(&company, "carol", "erin").await;
    assert_eq!(told(&company, id, "stage.opened").await, 2);
    assert_eq!(in_places(&company, id).await, pair("Erin", "Carol"));
}

#[tokio::test]
async fn a_delegation_that_begins_and_ends_later_is_counted_at_the_sweep() {
    let company = company(A_THEN_B, "bob:a carol:a dave:b erin:z").await;
    let id = company.ask("it").await.id;
    let first = stand_in(&company, "bob", "erin").await;
    assert_eq!(vote(&company, "erin", id).await, "-");
    end_delegation(&company.ctx("erin").await, first)
        .await
        .unwrap();
    let wanted = Wanted {
        to: company.ctx("erin").await.person.id.to_string(),
        from: Some(company.start + TimeDelta::minutes(10)),
        until: Some(company.start + TimeDelta::minutes(20)),
        ..Wanted::default()
    };
    delegate(&company.ctx("bob").await, wanted).await.unwrap();
    assert_eq!(sweep(&company).await, 0);
    assert_eq!(told(&company, id, "stage.opened").await, 1);
    company.later(TimeDelta::minutes(10));
    assert_eq!(sweep(&company).await, 1);
    assert_eq!(told(&company, id, "stage.opened").await, 2);
    company.later(TimeDelta::minutes(20));
    assert_eq!(sweep(&company).await, 1);
    assert_eq!(told(&company, id, "stage.reopened").await, 2);
}

#[tokio::test]
async fn a_delegation_completes_what_its_delegate_has_approved() {
    let company = company(TWO_OF_B, "bob:b carol:b dave:b erin:b,z").await;
    let id = company.ask("it").await.id;
    assert_eq!(vote(&company, "erin", id).await, "-");
    regroup(&company, "erin", &["z"]).await;
    assert_eq!(vote(&company, "carol", id).await, "-");
    assert_eq!(state(&company, id).await, "pending");
    stand_in(&company, "bob", "erin").await;
    assert_eq!(state(&company, id).await, "approved");
    assert_eq!(in_places(&company, id).await, pair("Erin", "Bob"));
    assert_eq!(company.count("grants").await, 1);
}

/// Example 11: delegator and delegate are one voice.
#[tokio::test]
async fn whoever_is_away_and_whoever_stands_in_for_them_fill_one_seat() {
    let company = company(TWO_OF_B, "bob:b carol:b erin:b,z").await;
    let id = company.ask("it").await.id;
    assert_eq!(vote(&company, "erin", id).await, "-");
    regroup(&company, "erin", &["z"]).await;
    assert_eq!(vote(&company, "bob", id).await, "-");
    stand_in(&company, "bob", "erin").await;
    let seen = look(&company, id).await;
    assert_eq!((have(&seen), named(&seen)), (1, vec!["Carol"]));
    assert_eq!(in_places(&company, id).await, []);
    assert_eq!(vote(&company, "erin", id).await, "already_decided");
    assert_eq!(vote(&company, "carol", id).await, "-");
    let voters: i32 = sqlx::query_scalar(
        "SELECT jsonb_array_length(details->'seats') FROM audit_events
         WHERE action = 'request.approved' AND details->>'grant_id' IS NOT NULL",
    )
    .fetch_one(company.pool())
    .await
    .unwrap();
    assert_eq!((state(&company, id).await, voters), ("approved", 2));
}

#[tokio::test]
async fn whoever_stands_in_and_has_voted_leaves_no_seat_to_who_is_away() {
    let company = company(TWO_OF_B, "bob:b carol:b erin:z").await;
    let id = company.ask("it").await.id;
    stand_in(&company, "bob", "erin").await;
    assert_eq!(vote(&company, "erin", id).await, "-");
    assert_eq!(vote(&company, "bob", id).await, "not_needed");
    assert_eq!(named(&look(&company, id).await), ["Carol"]);
}

/// Attack 1, example 12.
#[tokio::test]
async fn whoever_stands_in_for_the_requester_has_no_seat() {
    let company = company(TWO_OF_B, "alice:developers,b bob:b carol:b erin:z").await;
    stand_in(&company, "alice", "erin").await;
    let id = company.ask("it").await.id;
    assert_eq!(vote(&company, "erin", id).await, "not_found");
    let erin = company.ctx("erin").await;
    let denied = deny(&erin, id, Some("no".to_owned())).await;
    assert_eq!(code(denied), "not_found");
    assert!(!waits_for(&company, "erin", id).await);
    assert_eq!(named(&look(&company, id).await), ["Bob", "Carol"]);
    // Nor by SQL.
    let forged = sqlx::query(
        "INSERT INTO decisions (id, request, seq, revision, person, verdict, duration_seconds, channel, at) VALUES (gen_random_uuid(), $1, 1, 1, $2, 'approve', 60, 'api', $3)",
    )
    .bind(id.uuid())
    .bind(erin.person.id.uuid())
    .bind(company.start);
    let forged = forged.execute(company.pool()).await.unwrap_err();
    let refused = forged.as_database_error().unwrap().constraint();
    assert_eq!(refused, Some("vote_from_outside"));
}

/// Attack 1, example 13.
#[tokio::test]
async fn an_approver_gives_the_requester_no_seat() {
    let company = company(TWO_OF_B, "alice:developers,z bob:b carol:b").await;
    stand_in(&company, "bob", "alice").await;
    let id = company.ask("it").await.id;
    assert_eq!(vote(&company, "alice", id).await, "self_approval");
    let alice = company.ctx("alice").await;
    assert!(!find::request(&alice, id).await.unwrap().may.approve);
    assert!(!waits_for(&company, "alice", id).await);
    assert_eq!(named(&look(&company, id).await), ["Bob", "Carol"]);
}

#[tokio::test]
async fn nobody_passes_on_what_was_given_to_them() {
    let company = company(TWO_OF_B, "bob:b carol:b dave:z erin:z").await;
    stand_in(&company, "bob", "dave").await;
    stand_in(&company, "dave", "erin").await;
    let id = company.ask("it").await.id;
    assert_eq!(vote(&company, "erin", id).await, "not_found");
    assert!(!waits_for(&company, "erin", id).await);
    assert_eq!(vote(&company, "dave", id).await, "-");
}

async fn tried(from: &Ctx, to: &str, change: impl FnOnce(&mut Wanted)) -> String {
    let mut wanted = Wanted {
        to: to.to_owned(),
        until: Some(from.app.clock().given().unwrap() + TimeDelta::days(30)),
        ..Wanted::default()
    };
    change(&mut wanted);
    match delegate(from, wanted).await {
        Ok(_) => "-".to_owned(),
        Err(error) => {
            assert_eq!(error.about().status, 422, "{error:?}");
            let fields = error.fields().iter().map(|it| (it.field, it.code.as_str()));
            format!("{:?}", fields.collect::<Vec<_>>())
        }
    }
}

#[tokio::test]
async fn only_somebody_else_who_approves_something_stands_in_and_for_a_month_at_most() {
    let company = company(TWO_OF_B, "bob:b carol:b dave:nothing").await;
    company
        .change(|catalog| {
            catalog.join("mallory", "bob");
            catalog.regroup("mallory", &["b"]);
        })
        .await;
    let bob = company.ctx("bob").await;
    let start = company.start;
    let [wrong, unknown, until, from] = [
        r#"[("delegate", "invalid_field")]"#,
        r#"[("delegate", "person_unknown")]"#,
        r#"[("until", "invalid_field")]"#,
        r#"[("from", "invalid_field")]"#,
    ];
    let hour = TimeDelta::hours(1);
    for to in ["bob@example.com", "mallory@example.com", "dave@example.com"] {
        assert_eq!(tried(&bob, to, |_| ()).await, wrong, "{to}");
    }
    for to in ["nobody@example.com", "", "bob\0@example.com"] {
        assert_eq!(tried(&bob, to, |_| ()).await, unknown, "{to}");
    }
    let carol = "carol@example.com";
    let second = TimeDelta::seconds(1);
    let is_long = |it: &mut Wanted| it.until = Some(start + TimeDelta::days(30) + second);
    assert_eq!(tried(&bob, carol, is_long).await, until);
    assert_eq!(tried(&bob, carol, |it| it.until = None).await, until);
    assert_eq!(tried(&bob, carol, |it| it.until = Some(start)).await, until);
    assert_eq!(
        tried(&bob, carol, |it| it.from = Some(start - hour)).await,
        from
    );
    assert_eq!(company.count("delegations").await, 0);
    assert_eq!(tried(&bob, carol, |_| ()).await, "-");
    // One at a time, by the human.
    assert_eq!(tried(&bob, "erin@example.com", |_| ()).await, wrong);
    let mallory = company.ctx("mallory").await;
    assert_eq!(tried(&mallory, "erin@example.com", |_| ()).await, wrong);
    let afterwards = |it: &mut Wanted| {
        it.from = Some(start + TimeDelta::days(30));
        it.until = Some(start + TimeDelta::days(31));
    };
    assert_eq!(tried(&mallory, "erin@example.com", afterwards).await, "-");
    let own = delegations::own(&bob).await.unwrap();
    let own: Vec<_> = own.iter().map(|it| it.to_name.as_str()).collect();
    assert_eq!(own, ["Carol", "Erin"]);
}

#[tokio::test]
async fn either_of_the_two_ends_it_and_nobody_else() {
    let company = company(TWO_OF_B, "bob:b carol:b dave:b").await;
    for (from, to, ends) in [("bob", "carol", "bob"), ("bob", "carol", "carol")] {
        let made = stand_in(&company, from, to).await;
        let ada = end_delegation(&company.ctx("ada").await, made).await;
        assert_eq!(code(ada), "not_found");
        let other = end_delegation(&company.ctx("dave").await, made).await;
        assert_eq!(code(other), "not_found");
        let ends = company.ctx(ends).await;
        end_delegation(&ends, made).await.unwrap();
        assert_eq!(code(end_delegation(&ends, made).await), "not_found");
        let ended = company.events(made, "delegation.ended", "success").await;
        assert_eq!(ended, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_delegates_at_once_one_is_taken() {
    let company = company(TWO_OF_B, "bob:b carol:b dave:b").await;
    let (bob, until) = (company.ctx("bob").await, company.start + TimeDelta::days(1));
    for round in 0..30 {
        // A process of its own: after the first few in one, refusals are counted.
        let app = company.with_limits(no_limits());
        let tries = ["carol@example.com", "dave@example.com"].map(|to| {
            let wanted = Wanted {
                to: to.to_owned(),
                until: Some(until),
                ..Wanted::default()
            };
            let app = app.clone();
            let bob = Ctx { app, ..bob.clone() };
            tokio::spawn(async move { delegate(&bob, wanted).await })
        });
        let mut made = Vec::new();
        for attempt in tries {
            match attempt.await.unwrap() {
                Ok(id) => made.push(id),
                Err(error) => assert_eq!(error.told_code(), "invalid_field", "{error:?}"),
            }
        }
        assert_eq!(made.len(), 1, "round {round}");
        end_delegation(&bob, made[0]).await.unwrap();
    }
}
