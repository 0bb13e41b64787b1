//! One identity is one human's, whichever account of theirs has it; and that of an account that is
//! disabled gives way, where everybody can read it.

use axum::http::StatusCode;
use countersign::app::approve::approve;
use countersign::app::submit::submit;
use countersign::app::withdraw::withdraw;
use countersign::app::{disable, enable, identities};

use super::{World, assert_refused, link};
use crate::support::app::{ask, code};

const ALICES: &str = "arn:aws:iam::111122223333:user/alice";

/// bob is her successor, or her new account that nobody has joined.
#[tokio::test]
async fn the_identity_of_whoever_is_disabled_gives_way_and_it_is_told_whose_it_was() {
    let world = World::new().await;
    let (admin, email) = (&world.portal.admin, "alice@example.com");
    let browser = world.portal.browser("bob").await;
    let refused = link(&browser, &world.shell("alice")).await;
    assert_refused(&refused, 409, "identity_taken");
    let left = disable::by_command(admin, "test", email, None).await;
    let alice = left.unwrap().0.to_string();
    let linked = link(&browser, &world.shell("alice")).await;
    assert_eq!(linked.status, StatusCode::SEE_OTHER, "{}", linked.body);
    let all = world.identities().await;
    assert_eq!(all, [format!("Bob {ALICES} linked")]);
    let ended = "SELECT string_agg(subject || ' ' || actor_name || ' ' || (details->>'arn'), ',')
                 FROM audit_events WHERE action = 'identity.ended'";
    assert_eq!(world.one(ended).await, format!("{alice} Bob {ALICES}"));
    let claims = "SELECT count(*)::text FROM principals WHERE conflict_with IS NOT NULL";
    assert_eq!(world.one(claims).await, "0", "it has come true");
    // Back again, she does not get it by the way: it is bob's by now.
    enable::by_command(admin, "test", email).await.unwrap();
    let browser = world.portal.browser("alice").await;
    let refused = link(&browser, &world.shell("alice")).await;
    assert_refused(&refused, 409, "identity_taken");
    assert_eq!(world.identities().await.len(), 1);
}

/// A catalog that says so is as good.
#[tokio::test]
async fn a_catalog_gives_the_identity_of_whoever_is_disabled_to_somebody_else() {
    let world = World::new().await;
    let mut catalog = world.portal.catalog();
    catalog.person("alice").principals.clear();
    catalog.person("bob").principals = vec![ALICES.to_owned()];
    let file = catalog.render();
    let refused = world.portal.apply(&file).await.unwrap_err().to_string();
    assert!(
        refused.contains("belongs to alice@example.com"),
        "{refused}"
    );
    let (admin, email) = (&world.portal.admin, "alice@example.com");
    let left = disable::by_command(admin, "test", email, None).await;
    let alice = left.unwrap().0.to_string();
    let applied = world.portal.apply(&file).await.unwrap();
    let told = format!("principal {ALICES} of bob@example.com");
    assert!(applied.changes.contains(&told), "{:?}", applied.changes);
    let all = world.identities().await;
    assert_eq!(all, [format!("Bob {ALICES} catalog")]);
    let ended = "SELECT string_agg(subject || ' ' || (details->>'arn'), ',') FROM audit_events
                 WHERE action = 'identity.ended'";
    assert_eq!(world.one(ended).await, format!("{alice} {ALICES}"));
    // In another case it is told as that, whoever has it.
    catalog.person("bob").principals = vec![ALICES.replace("alice", "ALICE")];
    let refused = world.portal.apply(&catalog.render()).await.unwrap_err();
    assert!(refused.to_string().contains("by case"), "{refused}");
}

/// What one account has asked with, the other does not give up.
#[tokio::test]
async fn an_identity_that_another_account_asks_with_is_not_given_up() {
    let world = World::with(|it| {
        it.person("alice").principals.clear();
        it.join("alice", "bob");
    })
    .await;
    let browser = world.portal.browser("bob").await;
    let linked = link(&browser, &world.shell("bob")).await;
    assert_eq!(linked.status, StatusCode::SEE_OTHER, "{}", linked.body);
    let alice = world.portal.ctx("alice").await;
    let asked = submit(&alice, ask("prod-admin")).await.unwrap().request();
    let (id, bob) = (asked.principal.unwrap(), world.portal.ctx("bob").await);
    assert_eq!(code(identities::unlink(&bob, id).await), "identity_in_use");
    assert_eq!(code(identities::unlink(&alice, id).await), "not_found");
    withdraw(&alice, asked.id).await.unwrap();
    assert_eq!(code(identities::unlink(&bob, id).await), "-");
}

/// Both accounts ask with it, as long as they are one human's; it stays where it was.
#[tokio::test]
async fn two_accounts_of_one_human_have_one_identity_and_ask_with_it() {
    let world = World::with(|it| it.regroup("bob", &["developers", "approvers"])).await;
    let browser = world.portal.browser("bob").await;
    let ada = world.portal.browser("ada").await;
    let is_told = async || ada.get("/").await.body.contains("Two people are said");
    let refused = link(&browser, &world.shell("alice")).await;
    assert_refused(&refused, 409, "identity_taken");
    assert!(is_told().await);
    world.portal.change(|it| it.join("bob", "alice")).await;
    assert!(!is_told().await, "one human is no two people");
    let linked = link(&browser, &world.shell("alice")).await;
    assert_eq!(linked.status, StatusCode::SEE_OTHER, "{}", linked.body);
    let all = world.identities().await;
    assert_eq!(all, [format!("Alice {ALICES} catalog")]);
    assert_eq!(world.events("identity.refused").await.len(), 1);
    let of_bob = world.portal.ctx("bob").await;
    let listed = identities::own(&of_bob).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert!(!listed[0].is_own_account);
    let page = browser.get("/me/identities").await.body;
    assert!(page.contains("With another account of yours"), "{page}");

    let asked = async || submit(&of_bob, ask("prod-admin")).await.unwrap().request();
    let (first, second) = (asked().await, asked().await);
    assert_eq!(first.principal_arn.as_deref(), Some(ALICES));
    let dave = world.portal.ctx("dave").await;
    assert_eq!(code(approve(&dave, first.id, None, None).await), "-");
    // Parted again it is nothing of bob's.
    world
        .portal
        .change(|it| it.person("bob").same_as = None)
        .await;
    assert_eq!(
        code(approve(&dave, second.id, None, None).await),
        "not_eligible"
    );
    assert_eq!(
        code(submit(&of_bob, ask("prod-admin")).await),
        "invalid_field"
    );
}

/// The other account is disabled: what it had is its own, until bob shows that it is his.
#[tokio::test]
async fn an_account_that_is_disabled_lends_its_identity_to_no_other() {
    let world = World::with(|it| it.regroup("bob", &["developers", "approvers"])).await;
    world.portal.change(|it| it.join("bob", "alice")).await;
    let of_bob = world.portal.ctx("bob").await;
    let asked = submit(&of_bob, ask("prod-admin")).await.unwrap().request();
    let (admin, email) = (&world.portal.admin, "alice@example.com");
    disable::by_command(admin, "test", email, None)
        .await
        .unwrap();
    let dave = world.portal.ctx("dave").await;
    assert_eq!(
        code(approve(&dave, asked.id, None, None).await),
        "not_eligible"
    );
    assert_eq!(
        code(submit(&of_bob, ask("prod-admin")).await),
        "invalid_field"
    );
    let browser = world.portal.browser("bob").await;
    let linked = link(&browser, &world.shell("alice")).await;
    assert_eq!(linked.status, StatusCode::SEE_OTHER, "{}", linked.body);
    let all = world.identities().await;
    assert_eq!(all, [format!("Bob {ALICES} linked")]);
    assert_eq!(code(submit(&of_bob, ask("prod-admin")).await), "-");
}
