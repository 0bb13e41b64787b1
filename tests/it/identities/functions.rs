//! `serve` may not write principals: what it must it does by functions of the database, which
//! refuse what no link and no sign-in brings.

use sqlx::{AssertSqlSafe, Executor as _, PgPool, Row as _};

use super::World;

/// Runs it as the application; the constraint or code that refuses it, or the first column.
async fn call(pool: &PgPool, sql: &str) -> String {
    let done = pool
        .fetch_optional(sqlx::raw_sql(AssertSqlSafe(sql.to_owned())))
        .await;
    match done {
        Ok(row) => row.map_or_else(String::new, |row| row.get(0)),
        Err(error) => {
            let error = error.into_database_error().unwrap();
            let constraint = error.constraint().map(str::to_owned);
            constraint.unwrap_or_else(|| error.code().unwrap_or_default().into_owned())
        }
    }
}

/// A challenge of that person, brought back then, and over in five minutes.
async fn challenge(pool: &PgPool, nth: usize, name: &str, used: &str) {
    let sql = format!(
        "INSERT INTO challenges (nonce_hash, person, created_at, expires_at, used_at)
         SELECT sha256('{nth}'), id, now() - interval '1 hour', now() + interval '5 minutes', {used}
         FROM people WHERE name = '{name}'"
    );
    assert_eq!(call(pool, &sql).await, "");
}

/// A link of that person by that challenge.
fn linking(nth: usize, name: &str, account: &str, arn: &str, session: &str, id: &str) -> String {
    format!(
        "SELECT outcome FROM identity_linked(gen_random_uuid(), (SELECT id FROM people WHERE name = '{name}'),
             sha256('{nth}'), '{account}', '{arn}', {session}, {id}, now())"
    )
}

/// A moment ago.
const JUST_NOW: &str = "now() - interval '1 second'";
const BOB: &str = "arn:aws:iam::111122223333:user/bob";
const ID: &str = "'AIDAQ3EGRIKLMNOPQRST'";

#[tokio::test]
async fn an_identity_is_linked_by_a_challenge_of_ones_own_once_and_at_once() {
    let world = World::new().await;
    let pool = &world.portal.db.pool;
    let linked = async |nth, name, id| {
        let sql = linking(nth, name, "111122223333", BOB, "NULL", id);
        call(pool, &sql).await
    };
    let none = "linked_without_challenge";
    assert_eq!(linked(1, "Bob", ID).await, none, "there is none");
    challenge(pool, 1, "Bob", "NULL").await;
    assert_eq!(linked(1, "Bob", ID).await, none, "not brought back");
    challenge(pool, 2, "Alice", JUST_NOW).await;
    assert_eq!(linked(2, "Bob", ID).await, none, "another's");
    challenge(pool, 3, "Bob", "now() - interval '3 minutes'").await;
    assert_eq!(linked(3, "Bob", ID).await, none, "too long ago");
    challenge(pool, 4, "Bob", JUST_NOW).await;
    assert_eq!(linked(4, "Bob", "NULL").await, none, "nobody has signed");
    assert_eq!(
        linked(4, "Bob", "'root'").await,
        "principals_unique_id_check"
    );
    assert_eq!(world.identities().await.len(), 1);
    assert_eq!(linked(4, "Bob", ID).await, "new");
    assert_eq!(linked(4, "Bob", ID).await, none, "used already");
    assert_eq!(world.identities().await.len(), 2);
}

#[tokio::test]
async fn what_is_nobodys_own_is_refused_by_the_database_as_well() {
    let world = World::with(|it| {
        it.account("444455556666").manager_role =
            Some("arn:aws:iam::444455556666:role/hub/Manager".to_owned());
    })
    .await;
    let pool = &world.portal.db.pool;
    let role = |account: &str, place: &str| format!("arn:aws:iam::{account}:role/{place}");
    let own = "111122223333";
    let cases = [
        (
            own,
            "arn:aws:iam::111122223333:root".to_owned(),
            "NULL",
            "identity_of_no_form",
        ),
        (
            own,
            "arn:aws:iam::444455556666:user/bob".to_owned(),
            "NULL",
            "identity_of_no_form",
        ),
        (
            own,
            "arn:aws:sts::111122223333:assumed-role/x/bob".to_owned(),
            "'bob'",
            "identity_of_no_form",
        ),
        (
            own,
            "arn:aws:iam::111122223333:user/b\u{43e}b".to_owned(),
            "NULL",
            "identity_of_no_form",
        ),
        (
            own,
            "arn:aws:iam::111122223333:user/".to_owned(),
            "NULL",
            "identity_of_no_form",
        ),
        (own, BOB.to_owned(), "'bob'", "session_of_role"),
        (own, role(own, "developers"), "NULL", "session_of_role"),
        (own, role(own, "developers"), "'grant_x'", "session_name"),
        (own, role(own, "developers"), "'b b'", "session_name"),
        (own, role(own, "prod-admin"), "'bob'", "opened"),
        (own, role(own, "other/path/PROD-Admin"), "'bob'", "opened"),
        (
            "444455556666",
            role("444455556666", "manager"),
            "'bob'",
            "ours",
        ),
        (
            "777788889999",
            "arn:aws:iam::777788889999:user/bob".to_owned(),
            "NULL",
            "no_account",
        ),
        (
            own,
            "arn:aws:iam::111122223333:user/ALICE".to_owned(),
            "NULL",
            "taken",
        ),
    ];
    let before = world.identities().await;
    for (nth, (account, arn, session, answer)) in (1..).zip(cases) {
        // Each of its own: some outcomes are stored.
        challenge(pool, nth, "Bob", JUST_NOW).await;
        let sql = linking(nth, "Bob", account, &arn, session, ID);
        assert_eq!(call(pool, &sql).await, answer, "{arn} {session}");
    }
    assert_eq!(world.identities().await, before);
}

#[tokio::test]
async fn nobody_writes_identities_but_by_these_functions() {
    let world = World::new().await;
    let pool = &world.portal.db.pool;
    for write in [
        "UPDATE principals SET person = (SELECT id FROM people WHERE name = 'Bob')",
        "UPDATE principals SET ended_at = now()",
        "DELETE FROM principals",
        "INSERT INTO principals (id, person, account, arn) SELECT gen_random_uuid(), id, '111122223333', 'x' FROM people",
        "UPDATE challenges SET person = person",
        "UPDATE challenges SET linked_at = NULL",
        "SELECT outcome FROM claim_identity(gen_random_uuid(), gen_random_uuid(), '', '', '', '', '', now())",
    ] {
        assert_eq!(call(pool, write).await, "42501", "{write}");
    }
    // Somebody else's is not given up, nor what was not linked.
    let unlink = |name: &str| {
        format!(
            "SELECT outcome FROM identity_unlinked((SELECT id FROM people WHERE name = '{name}'),
                 (SELECT id FROM principals), now())"
        )
    };
    assert_eq!(call(pool, &unlink("Bob")).await, "none");
    assert_eq!(call(pool, &unlink("Alice")).await, "not_linked");
    // Of nobody and at no time nothing is claimed or ended.
    let alice = "(SELECT id FROM people WHERE name = 'Alice')";
    for (function, refused) in [
        (
            format!("identity_unlinked({alice}, (SELECT id FROM principals), NULL)"),
            "told_nothing",
        ),
        (
            "identity_unlinked(NULL, (SELECT id FROM principals), now())".to_owned(),
            "none",
        ),
        (
            format!("identity_templated(gen_random_uuid(), {alice}, NULL, NULL, NULL, NULL)"),
            "told_nothing",
        ),
        (
            "identity_templated(gen_random_uuid(), NULL, NULL, NULL, NULL, now())".to_owned(),
            "told_nothing",
        ),
        (
            format!("identity_templated(NULL, {alice}, '111122223333', '{BOB}', NULL, now())"),
            "told_nothing",
        ),
        (
            format!("identity_linked(NULL, NULL, NULL, '111122223333', '{BOB}', NULL, {ID}, NULL)"),
            "linked_without_challenge",
        ),
    ] {
        let sql = format!("SELECT outcome FROM {function}");
        assert_eq!(call(pool, &sql).await, refused, "{function}");
    }
    assert_eq!(world.identities().await.len(), 1);
    // They are for serve alone.
    let catalog = world.portal.db.catalog().await;
    for function in [
        unlink("Alice"),
        linking(1, "Bob", "111122223333", BOB, "NULL", ID),
        "SELECT outcome FROM identity_templated(gen_random_uuid(), gen_random_uuid(), NULL, NULL, NULL, now())".to_owned(),
    ] {
        assert_eq!(call(&catalog, &function).await, "42501", "{function}");
    }
}
