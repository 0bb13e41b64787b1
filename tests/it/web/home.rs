//! The start page says what stands how: each state of access apart, and how much waits for an
//! approver.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::AssertSqlSafe;

use super::{facts, samples};
use crate::support::app::TestApp;
use crate::support::parts::FOLLOW;
use crate::support::portal::{Browser, Portal};
use countersign::domain::grant::GrantState;
use countersign::domain::request::RequestState;

async fn run(portal: &Portal, sql: &str) {
    let done = sqlx::raw_sql(AssertSqlSafe(sql));
    done.execute(&portal.db.pool).await.unwrap();
}

/// alice's Home with one approved request, whose grant is made to stand so.
async fn home_with(set: &str) -> String {
    let portal = TestApp::new().await.portal();
    let page = portal.asked().await;
    let bob = portal.browser("bob").await;
    bob.post(&format!("{page}/decide"), &[("choice", "approve")])
        .await;
    run(&portal, &format!("UPDATE grants SET {set}; {FOLLOW}")).await;
    portal.browser("alice").await.get("/").await.body
}

/// The cards alone: the list of requests below names states as well.
fn cards(home: &str) -> &str {
    let from = home.find("id=\"live\"").expect("a card");
    &home[from..home.find("id=\"ask\"").unwrap()]
}

fn assert_says(shown: &str, says: &[&str], never: &[&str]) {
    for it in says {
        assert!(shown.contains(it), "{it} is missing: {shown}");
    }
    for it in never {
        assert!(!shown.contains(it), "{it} is there: {shown}");
    }
}

#[tokio::test]
async fn what_opens_later_can_be_cancelled_and_is_not_drawn_as_open() {
    let home = home_with("state = 'scheduled'").await;
    let never = ["left<", "How to use it", "End now", "card live"];
    assert_says(
        cards(&home),
        &["1 scheduled", "Cancel<", "Scheduled<"],
        &never,
    );
    assert!(home.contains("<title>Home"), "{home}");
    let later = facts::opens_later();
    let row = samples::row(RequestState::Approved(facts::now()), Some(later));
    let home = samples::html(&samples::home(vec![], vec![row]));
    let says = ["opens </span>", "data-countdown=\"until\">11 min<"];
    assert_says(cards(&home), &says, &never);
}

#[tokio::test]
async fn what_aws_is_asked_for_is_not_drawn_as_open() {
    let home = home_with("state = 'opening', opening_at = approved_at").await;
    let never = ["left<", "How to use it", "data-countdown", "card live"];
    assert_says(cards(&home), &["1 opening", "AWS is being asked"], &never);
}

#[tokio::test]
async fn what_was_ended_may_work_until_aws_agrees() {
    let portal = TestApp::new().await.portal();
    let page = portal.asked().await;
    let (alice, bob) = (portal.browser("alice").await, portal.browser("bob").await);
    bob.post(&format!("{page}/decide"), &[("choice", "approve")])
        .await;
    portal.open_grants().await;
    let open = alice.get("/").await.body;
    assert_says(cards(&open), &["1 active", "How to use it", "End now"], &[]);
    let grant = sqlx::query_scalar!("SELECT grant_name FROM grants")
        .fetch_one(&portal.db.pool)
        .await
        .unwrap();
    alice.post(&format!("/grants/{grant}/end"), &[]).await;
    let home = alice.get("/").await.body;
    let says = [
        "1 closing",
        "It may work until AWS agrees",
        "its requester ended it",
    ];
    let never = [
        "left<",
        "How to use it",
        "End now",
        "data-countdown",
        "card live",
    ];
    assert_says(cards(&home), &says, &never);
}

#[tokio::test]
async fn past_its_deadline_nothing_is_drawn_as_open() {
    let past = facts::now() - TimeDelta::minutes(1);
    for state in [facts::active(), GrantState::Opening { at: past }] {
        let mut grant = facts::grant(state);
        grant.deadline = past;
        let row = samples::row(RequestState::Approved(past), Some(grant.clone()));
        let home = samples::html(&samples::home(vec![], vec![row]));
        let never = ["left<", "How to use it", "End now", "card live", "Active<"];
        assert_says(cards(&home), &["1 closing", "Its time was over"], &never);
        let page = samples::page(RequestState::Approved(past), Some(grant));
        let page = samples::html(&page);
        let never = ["left<", "Use it", "card live", "Active"];
        assert_says(&page, &["<title>Closing: ", "Its time was over"], &never);
    }
}

#[tokio::test]
async fn each_state_is_counted_apart() {
    let approved = RequestState::Approved(facts::now());
    let states = [
        facts::grant(facts::active()),
        facts::grant(facts::active()),
        facts::opens_later(),
        facts::grant(facts::closing()),
        facts::grant(GrantState::Opening { at: facts::now() }),
    ];
    let rows = states.map(|grant| samples::row(approved, Some(grant)));
    let home = samples::html(&samples::home(vec![], rows.into()));
    let tally = "2 active, 1 opening, 1 scheduled, 1 closing";
    assert_says(&home, &[tally, "<title>2 active"], &[]);
}

/// So many requests wait for bob.
async fn buried(n: i32) -> Portal {
    let portal = TestApp::new().await.portal();
    portal.asked().await;
    let more = format!(
        "INSERT INTO requests SELECT (jsonb_populate_record(r, jsonb_build_object(
             'id', '00000000-0000-7000-8000-' || lpad(n::text, 12, '0')))).* FROM requests r, generate_series(2, {n}) n"
    );
    run(&portal, &more).await;
    portal
}

#[tokio::test]
async fn an_approver_is_told_how_many_wait() {
    let portal = buried(400).await;
    let home = portal.browser("bob").await.get("/").await.body;
    let says = [
        "<span aria-hidden=\"true\">400</span>",
        "400 waiting",
        "The latest 20 of 400.",
        "<a href=\"/waiting\">All",
    ];
    assert_says(&home, &says, &[">100<"]);
    let portal = buried(1_200).await;
    let home = portal.browser("bob").await.get("/").await.body;
    let says = [
        "<span aria-hidden=\"true\">999+</span>",
        "more than 999 waiting",
        "The latest 20 of more than 999.",
    ];
    assert_says(&home, &says, &[]);
    let few = buried(20).await;
    let home = few.browser("bob").await.get("/").await.body;
    assert_says(&home, &["20 waiting"], &["The latest"]);
}

async fn watch(browser: &Browser<'_>, path: &str) -> String {
    let page = browser.get(path).await.body;
    let (_, rest) = page.split_once("data-watch=\"").expect("it is watched");
    rest.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn what_an_approver_has_open_changes_with_what_waits() {
    let portal = TestApp::new().await.portal();
    let (alice, bob) = (portal.browser("alice").await, portal.browser("bob").await);
    for path in ["/", "/waiting"] {
        let before = watch(&bob, path).await;
        assert_eq!(watch(&bob, path).await, before, "{path} changes by itself");
        let page = portal.asked().await;
        let asked = watch(&bob, path).await;
        assert_ne!(asked, before, "{path} after a request");
        alice.post(&format!("{page}/withdraw"), &[]).await;
        assert_ne!(watch(&bob, path).await, asked, "{path} after it is gone");
    }
    let mine = watch(&alice, "/requests").await;
    portal.asked().await;
    assert_ne!(watch(&alice, "/requests").await, mine);
}

#[tokio::test]
async fn a_closing_that_aws_refuses_says_who_refuses_since_when_and_what_to_do() {
    let portal = TestApp::new().await.portal();
    let page = portal.asked().await;
    let (alice, bob) = (portal.browser("alice").await, portal.browser("bob").await);
    bob.post(&format!("{page}/decide"), &[("choice", "approve")])
        .await;
    portal.open_grants().await;
    let grant = sqlx::query!("SELECT grant_name, deadline FROM grants")
        .fetch_one(&portal.db.pool)
        .await
        .unwrap();
    let end = format!("/grants/{}/end", grant.grant_name);
    alice.post(&end, &[]).await;
    let calm = alice.get(&page).await.body;
    assert_says(&calm, &["It may work until AWS agrees"], &["note bad"]);
    let before = watch(&alice, &page).await;
    run(
        &portal,
        "UPDATE targets SET attempts = 3, last_error = 'denied', last_error_at = '2026-01-02T03:04:05Z'",
    )
    .await;
    assert_ne!(
        watch(&alice, &page).await,
        before,
        "an open page stays calm"
    );
    for shown in [alice.get(&page).await.body, alice.get("/").await.body] {
        let says = [
            "AWS refuses Countersign the calls that it needs",
            "2 Jan 2026, 03:04:05 UTC",
            "3 attempts without success",
            "IAM permissions back",
            "It may work until AWS agrees",
            &shown_time(grant.deadline),
            "If it cannot wait",
        ];
        assert_says(&shown, &says, &[]);
    }
    let told = format!(
        "INSERT INTO audit_events (id, at, action, actor_kind, actor_id, actor_name, subject, channel, outcome, code)
         SELECT gen_random_uuid(), closing_at + interval '2 seconds', 'grant.delayed', 'system', 'worker', 'worker', '{}', 'system', 'failure', 'denied' FROM grants",
        grant.grant_name
    );
    run(&portal, &told).await;
    let since = sqlx::query_scalar!(r#"SELECT closing_at AS "at!" FROM grants"#)
        .fetch_one(&portal.db.pool)
        .await
        .unwrap();
    let shown = alice.get(&page).await.body;
    let first = shown_time(since + TimeDelta::seconds(2));
    assert!(
        shown.contains(&format!("needs</strong>, since {first}")),
        "{shown}"
    );
}

#[tokio::test]
async fn a_grant_that_waits_for_a_persons_judgement_is_told_so_and_by_no_failure() {
    let portal = TestApp::new().await.portal();
    let page = portal.asked().await;
    let (alice, bob) = (portal.browser("alice").await, portal.browser("bob").await);
    bob.post(&format!("{page}/decide"), &[("choice", "approve")])
        .await;
    run(
        &portal,
        "UPDATE grants SET state = 'opening', opening_at = approved_at",
    )
    .await;
    let calm = watch(&alice, &page).await;
    for (condition, says) in [
        ("safe_mode", "database may be behind AWS"),
        ("contested", "somebody keeps undoing"),
    ] {
        run(
            &portal,
            &format!("UPDATE targets SET condition = '{condition}'"),
        )
        .await;
        assert_ne!(watch(&alice, &page).await, calm, "an open page hears of it");
        for shown in [alice.get(&page).await.body, alice.get("/").await.body] {
            let says = [says, "It opens by itself once", "countersign target resume"];
            assert_says(&shown, &says, &["without success", "until AWS agrees"]);
        }
    }
}

fn shown_time(at: DateTime<Utc>) -> String {
    let at = countersign::web::show::time(&at);
    samples::html(&at)
}
