//! How many grants there may be of an entitlement at a time.

use countersign::app::approve::approve;
use countersign::app::end::end;
use countersign::app::extend::{NewExtension, extend};
use countersign::app::submit::submit;
use countersign::error::Error;
use countersign::ids::{GrantId, RequestId};
use sqlx::{Connection as _, PgConnection};

use super::company;
use crate::support::app::{TestApp, ask, code};
use crate::support::catalog::{Person, user_arn};
use crate::support::wait;

/// The company with one more developer, and these rules.
async fn with_zoe(rules: &str) -> TestApp {
    let company = company(rules).await;
    let zoe = Person {
        groups: vec!["developers".to_owned()],
        principals: vec![user_arn("zoe")],
        ..Person::named("zoe")
    };
    company.change(|it| it.people.push(zoe)).await;
    company
}

async fn asked(company: &TestApp, name: &str) -> Result<RequestId, Error> {
    let asked = submit(&company.ctx(name).await, ask("prod-admin")).await;
    asked.map(|it| it.request().id)
}

async fn approved(company: &TestApp, by: &str, id: RequestId) -> Result<GrantId, Error> {
    let shown = approve(&company.ctx(by).await, id, None, None).await;
    shown.map(|it| it.grant.unwrap().id)
}

/// What is told of a limit, once it is one.
fn reached<T>(answer: Result<T, Error>) -> String {
    let about = answer.err().expect("a limit").about();
    assert_eq!((about.status, about.code), (409, "limit_reached"));
    about.detail.into_owned()
}

#[tokio::test]
async fn one_person_has_no_more_grants_than_the_rules_let_them() {
    let company = with_zoe("live_per_person = 1").await;
    let first = asked(&company, "alice").await.unwrap();
    let second = asked(&company, "alice").await.unwrap();
    let other = asked(&company, "zoe").await.unwrap();
    let grant = approved(&company, "bob", first).await.unwrap();
    // One that is only scheduled counts: at completion, and at the next ask.
    let told = "One person may have 1 grant of this entitlement at a time (`live_per_person`), and there is 1.";
    let detail = reached(approved(&company, "bob", second).await);
    assert!(detail.starts_with(told), "{detail}");
    let detail = reached(asked(&company, "alice").await);
    assert!(detail.starts_with(told), "{detail}");
    assert_eq!(
        company.events(second, "request.approved", "refused").await,
        1
    );
    let refused = company.events("prod-admin", "request.submitted", "refused");
    assert_eq!(refused.await, 1);
    // Nothing of the vote is kept, and others are not meant.
    let votes = "SELECT count(*) FROM decisions d JOIN requests r ON r.id = d.request WHERE r.state = 'pending'";
    let votes: i64 = sqlx::query_scalar(votes)
        .fetch_one(company.pool())
        .await
        .unwrap();
    assert_eq!(votes, 0);
    approved(&company, "bob", other).await.unwrap();
    // A closing one is not over yet; then there is room.
    company.open_grants().await;
    let alice = company.ctx("alice").await;
    end(&alice, grant, None).await.unwrap();
    reached(approved(&company, "bob", second).await);
    over(&company, grant).await;
    approved(&company, "bob", second).await.unwrap();
}

/// What the worker would have made of a closing grant in the end.
async fn over(company: &TestApp, grant: GrantId) {
    let sql = "UPDATE parts SET state = 'closed', closed_at = opened_at WHERE \"grant\" = $1";
    let done = sqlx::query(sql).bind(grant.uuid()).execute(company.pool());
    done.await.unwrap();
    let sql = "UPDATE grants SET state = 'ended', ended_at = closing_at WHERE id = $1";
    let done = sqlx::query(sql).bind(grant.uuid()).execute(company.pool());
    done.await.unwrap();
}

#[tokio::test]
async fn two_accounts_of_one_human_are_one_person() {
    let company = with_zoe("live_per_person = 1").await;
    company.change(|it| it.join("zoe", "alice")).await;
    let first = asked(&company, "alice").await.unwrap();
    let second = asked(&company, "zoe").await.unwrap();
    approved(&company, "bob", first).await.unwrap();
    reached(approved(&company, "bob", second).await);
    reached(asked(&company, "zoe").await);
}

#[tokio::test]
async fn there_are_no_more_grants_than_the_rules_let_there_be() {
    let company = with_zoe("live = 2").await;
    for name in ["alice", "zoe"] {
        let id = asked(&company, name).await.unwrap();
        approved(&company, "bob", id).await.unwrap();
    }
    let detail = reached(asked(&company, "alice").await);
    let told = "There may be 2 grants of this entitlement at a time (`live`), and there are 2.";
    assert!(detail.starts_with(told), "{detail}");
    // Of this entitlement alone.
    let id = company.ask("prod-root").await.id;
    for name in ["bob", "carol"] {
        let shown = approve(&company.ctx(name).await, id, None, None).await;
        assert_eq!(code(shown), "-");
    }
}

#[tokio::test]
async fn an_extension_is_no_grant_more() {
    let company = company("live = 1, live_per_person = 1").await;
    let id = asked(&company, "alice").await.unwrap();
    let grant = approved(&company, "bob", id).await.unwrap();
    company.open_grants().await;
    let more = NewExtension {
        duration_seconds: 600,
        justification: "It still burns".to_owned(),
        ..NewExtension::default()
    };
    let view = extend(&company.ctx("alice").await, grant, more).await;
    let extension = view.unwrap().extension.unwrap();
    approved(&company, "bob", extension).await.unwrap();
    assert_eq!(company.count("grants").await, 1);
}

/// Both wait for the entitlement before either has counted, so that one of them sees the other.
#[tokio::test]
async fn two_last_approvals_at_once_make_one_grant() {
    let company = company("live = 1").await;
    let requests = [
        company.ask("prod-admin").await,
        company.ask("prod-admin").await,
    ];
    let voters = [company.ctx("bob").await, company.ctx("carol").await];
    let mut admin = company.db.superuser().await;
    let mut owner = PgConnection::connect(&company.db.owner_url).await.unwrap();
    let mut held = owner.begin().await.unwrap();
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
    let of = format!("grants of {}", requests[0].entitlement);
    let locked = sqlx::query(lock).bind(of).execute(&mut *held).await;
    locked.unwrap();
    let ids = requests.map(|it| it.id);
    let votes = std::iter::zip(voters, ids);
    let voting = votes.map(|(voter, id)| {
        tokio::spawn(async move { code(approve(&voter, id, None, None).await) })
    });
    let voting: Vec<_> = voting.collect();
    wait::until_async("both wait for the entitlement", async || {
        let waiting = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = 'advisory'";
        let count: i64 = sqlx::query_scalar(waiting)
            .fetch_one(&mut admin)
            .await
            .unwrap();
        count == 2
    })
    .await;
    held.commit().await.unwrap();
    let mut codes = Vec::new();
    for vote in voting {
        codes.push(vote.await.unwrap());
    }
    codes.sort_unstable();
    assert_eq!(codes, ["-", "limit_reached"]);
    assert_eq!(company.count("grants").await, 1);
    assert_eq!(company.count("decisions").await, 1);
}
