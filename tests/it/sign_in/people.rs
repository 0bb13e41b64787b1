//! Who somebody is: an issuer and a subject, and nothing that can be changed or typed alike.
#![expect(
    clippy::disallowed_methods,
    reason = "the tests' own SQL is not in the offline data of the query macros"
)]

use axum::http::StatusCode;
use serde_json::{Value, json};
use sqlx::Row as _;

use super::World;

/// People of the provider, by subject: id, name, e-mail address and whether that is verified.
async fn people(world: &World) -> Vec<(String, String, String, bool)> {
    let rows = sqlx::query(
        "SELECT subject, name, email, email_verified FROM people WHERE issuer = $1 ORDER BY subject",
    );
    let rows = rows
        .bind(&world.provider.issuer)
        .fetch_all(&world.portal.db.pool)
        .await
        .unwrap();
    rows.iter()
        .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3)))
        .collect()
}

async fn one(world: &World, sql: &'static str) -> String {
    let pool = &world.portal.db.pool;
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}

/// Signs in with changed claims.
async fn sign_in(world: &World, change: impl FnOnce(&mut Value)) {
    let flow = world.start("/").await;
    let mut claims = world.claims(&flow);
    change(&mut claims);
    let answer = world.come_back(&flow, &claims).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
}

#[tokio::test]
async fn a_person_is_known_by_issuer_and_subject_and_what_is_shown_follows() {
    let world = World::new().await;
    sign_in(&world, |_| ()).await;
    let id = "SELECT id::text FROM people WHERE subject = 'alice-1'";
    let before: String = one(&world, id).await;
    sign_in(&world, |it| {
        it["name"] = json!("Alice Baker");
        it["email"] = json!("alice.baker@example.com");
        it["email_verified"] = json!(false);
    })
    .await;
    assert_eq!(one(&world, id).await, before, "the same person");
    let (subject, name, email) = ("alice-1", "Alice Baker", "alice.baker@example.com");
    let told = (subject.to_owned(), name.to_owned(), email.to_owned(), false);
    assert_eq!(people(&world).await, [told]);
}

#[tokio::test]
async fn who_has_another_persons_address_or_a_subject_that_looks_like_theirs_is_somebody_else() {
    let world = World::new().await;
    let subjects = ["alice-1", "ALICE-1", "alice-1 ", "аlice-1", "alice‑1"];
    for subject in subjects {
        sign_in(&world, |it| it["sub"] = json!(subject)).await;
    }
    assert_eq!(people(&world).await.len(), subjects.len());
}

#[tokio::test]
async fn what_cannot_be_shown_as_it_is_is_not_taken_as_a_name() {
    let world = World::new().await;
    sign_in(&world, |it| {
        it["name"] = json!("Alice\u{202e}rehcrA");
        it["preferred_username"] = json!("alice");
        it["email"] = json!("a\u{200b}lice@example.com");
    })
    .await;
    sign_in(&world, |it| {
        *it = json!({
            "iss": it["iss"], "aud": it["aud"], "nonce": it["nonce"], "iat": it["iat"], "exp": it["exp"],
            "groups": [], "sub": "bare",
        });
    })
    .await;
    let named =
        |subject: &str, name: &str| (subject.to_owned(), name.to_owned(), String::new(), false);
    assert_eq!(
        people(&world).await,
        [named("alice-1", "alice"), named("bare", "bare")]
    );
}

#[tokio::test]
async fn an_address_is_verified_where_the_provider_says_so_or_is_trusted_with_it() {
    let world = World::new().await;
    for verified in [json!("true"), json!(1), Value::Null] {
        sign_in(&world, |it| it["email_verified"] = verified).await;
        assert!(!people(&world).await[0].3);
    }
    let world = World::with(|config| config.oidc.trust_email = true).await;
    sign_in(&world, |it| it["email_verified"] = Value::Null).await;
    assert!(people(&world).await[0].3);
}

#[tokio::test]
async fn what_the_provider_tells_of_a_session_is_kept_with_it() {
    let world = World::new().await;
    sign_in(&world, |it| {
        it["auth_time"] = it["iat"].clone();
        it["acr"] = json!("urn:mfa");
    })
    .await;
    let told = "SELECT concat_ws(' ', subject, sid, acr, auth_time = created_at, user_agent) FROM sessions";
    let kept = one(&world, told).await;
    assert_eq!(kept, "alice-1 at-the-provider urn:mfa t Firefox of alice");
}

/// `serve` may not write people: what it must write there it writes by a function, which refuses
/// what no sign-in brings.
#[tokio::test]
async fn the_function_that_serve_calls_refuses_what_no_sign_in_brings() {
    let world = World::new().await;
    let pool = &world.portal.db.pool;
    let call = async |arguments: &str| {
        let sql = format!("SELECT person_signed_in(gen_random_uuid(), {arguments})");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(pool).await
    };
    let refusal = async |arguments: &str| {
        let error = call(arguments).await.unwrap_err();
        let error = error.into_database_error().unwrap();
        error.constraint().unwrap_or_default().to_owned()
    };
    let good = "'https://i', 's', 'S', '', false, '{a}', now()";
    call(good).await.unwrap();
    for (arguments, constraint) in [
        (
            "'', 's', 'S', '', false, '{}', now()",
            "signed_in_as_nobody",
        ),
        (
            "NULL, 's', 'S', '', false, '{}', now()",
            "signed_in_as_nobody",
        ),
        // They would never be told too long ago.
        (
            "'https://i', 's', 'S', '', false, '{}', NULL",
            "told_nothing",
        ),
        (
            "'https://i', 's', 'S', '', NULL, '{}', now()",
            "told_nothing",
        ),
        (
            "'https://i', '', 'S', '', false, '{}', now()",
            "signed_in_as_nobody",
        ),
        (
            "'https://i', repeat('s', 256), 'S', '', false, '{}', now()",
            "signed_in_as_nobody",
        ),
        (
            "'https://i', 's', '', '', false, '{}', now()",
            "signed_in_without_name",
        ),
        (
            "'https://i', 's', repeat('n', 256), '', false, '{}', now()",
            "signed_in_without_name",
        ),
        (
            "'https://i', 's', 'S', NULL, false, '{}', now()",
            "signed_in_without_name",
        ),
        (
            "'https://i', 's', 'S', '', false, array_fill('g'::text, ARRAY[2001]), now()",
            "signed_in_with_too_much",
        ),
        (
            "'https://i', 's', 'S', '', false, ARRAY['a', NULL], now()",
            "signed_in_with_too_much",
        ),
    ] {
        assert_eq!(refusal(arguments).await, constraint, "{arguments}");
    }
    // An address that is not there is not verified, and an id of somebody else's brings nothing.
    call("'https://i', 's', 'S', '', true, NULL, now()")
        .await
        .unwrap();
    let row = "SELECT concat_ws(' ', email_verified, groups, groups_known) FROM people WHERE issuer = 'https://i'";
    assert_eq!(one(&world, row).await, "f {a} t");
    let taken = "SELECT person_signed_in((SELECT id FROM people LIMIT 1), 'https://i', 't', 'T', '', false, '{}', now())";
    assert!(sqlx::raw_sql(taken).execute(pool).await.is_err());
    for write in [
        "UPDATE people SET groups = '{admins}'",
        "INSERT INTO people (id, issuer, subject, name, email) VALUES (gen_random_uuid(), 'i', 's', 'n', '')",
        "DELETE FROM people",
        "UPDATE sign_in_attempts SET nonce = 'x'",
        "UPDATE logouts SET before = now()",
        "UPDATE sessions SET person = person",
        "DELETE FROM sessions",
    ] {
        let error = sqlx::raw_sql(write).execute(pool).await.unwrap_err();
        let error = error.into_database_error().unwrap();
        assert_eq!(error.code().as_deref(), Some("42501"), "{write}: {error}");
    }
}

/// Nobody but a member of the application's role.
#[tokio::test]
async fn the_function_is_for_serve_alone() {
    let world = World::new().await;
    let call =
        "SELECT person_signed_in(gen_random_uuid(), 'https://i', 's', 'S', '', false, '{}', now())";
    let catalog = world.portal.db.catalog().await;
    let error = sqlx::raw_sql(call).execute(&catalog).await.unwrap_err();
    assert_eq!(
        error.into_database_error().unwrap().code().as_deref(),
        Some("42501")
    );
}
