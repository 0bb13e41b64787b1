//! `countersign reconcile --dry-run` as it is typed: all well, then each divergence by its line,
//! and all well again once it is undone; nothing is written.

use std::process::Output;
use std::time::{Duration, Instant};

use countersign::ids::GrantId;
use countersign::policy::inline::ENDED;
use sqlx::{AssertSqlSafe, Executor as _, Row as _};

use super::restored::{approved, policy, policy_name, world};
use crate::sandbox::{ACCOUNT, ALICE, ROLE, key, trusts};
use crate::support::catalog::{allowing, user_arn};
use crate::support::cloud::is_write;
use crate::support::world::{TRUST, World};

const GUARD: &str = "CountersignGuard";

fn dry_run(world: &World, more: &[&str]) -> Output {
    let mut arguments = vec!["reconcile", "--dry-run"];
    arguments.extend(more);
    world.command(&arguments).output().expect("it runs")
}

/// The kinds of the lines that begin with that word.
fn kinds(output: &Output, about: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().filter_map(|line| line.strip_prefix("  "));
    let lines = lines.filter_map(|line| line.strip_prefix(about)?.trim_start().split_once(": "));
    lines.map(|(kind, _)| kind.to_owned()).collect()
}

/// Everything that people and the loop have stored.
async fn rows(world: &World) -> String {
    let sql = "SELECT md5(concat((SELECT string_agg(t::text, ',' ORDER BY id) FROM targets t),
                   (SELECT string_agg(g::text, ',' ORDER BY id) FROM grants g),
                   (SELECT string_agg(p::text, ',' ORDER BY id) FROM parts p),
                   (SELECT string_agg(d::text, ',' ORDER BY target, key) FROM documents d),
                   (SELECT count(*) FROM audit_events)))";
    let row = world.db.pool.fetch_one(sqlx::raw_sql(sql)).await;
    row.expect("a row").get(0)
}

async fn sql(world: &World, sql: &str) {
    let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
    sql.execute(&world.db.pool).await.expect("good SQL");
}

/// What stands in AWS while everything is well.
struct Well {
    trust: String,
    guard: String,
    /// Name and text of the policy on alice's user.
    policy: (String, String),
    /// Name of the policy of the grant that has ended.
    ended: String,
    /// Names of ours that no grant has.
    stray: (String, String),
}

type Row = (&'static str, &'static [&'static str], fn(&World, &Well));

fn put_user_policy(world: &World, user: &str, name: &str, text: Option<&str>) {
    let put = world.sandbox.knobs().put_user_policy(user, name, text);
    put.expect("a policy");
}

fn put_guard(world: &World, text: Option<&str>) {
    let put = world.sandbox.knobs().put_role_policy(ROLE, GUARD, text);
    put.expect("a policy");
}

fn put_trust(world: &World, text: &str) {
    world.sandbox.knobs().put_trust(ROLE, text).expect("good");
}

const DIVERGENCES: [Row; 13] = [
    ("her statement is gone", &["missing"], |world, _| {
        put_trust(world, TRUST)
    }),
    (
        "her statement has another date",
        &["altered"],
        |world, well| {
            put_trust(
                world,
                &well.trust.replace(
                    "DateLessThan\":{\"aws:CurrentTime\":\"2",
                    "DateLessThan\":{\"aws:CurrentTime\":\"3",
                ),
            );
        },
    ),
    (
        "a statement of no grant",
        &["unaccounted"],
        |world, well| {
            let (stray, own) = (&well.stray.1, &well.ended);
            let suffix = own.rsplit_once("grant_").expect("a name").1;
            assert!(!well.trust.contains(suffix));
            let first = well
                .trust
                .find("{\"Sid\":\"Countersign")
                .expect("her statement");
            let statement = &well.trust[first..];
            let statement = &statement[..=statement.find("}}}").expect("its end") + 2];
            let hers = statement
                .split('"')
                .nth(3)
                .expect("a Sid")
                .trim_start_matches("Countersign")
                .to_owned();
            let copy = statement.replace(&hers, stray);
            put_trust(
                world,
                &well
                    .trust
                    .replacen(statement, &format!("{statement},{copy}"), 1),
            );
        },
    ),
    ("the guard is gone", &["guard_missing"], |world, _| {
        put_guard(world, None)
    }),
    ("the guard is changed", &["guard_altered"], |world, well| {
        put_guard(
            world,
            Some(&well.guard.replace("iam:PassRole", "iam:GetRole")),
        );
    }),
    (
        "the guard does not list her",
        &["guard_altered", "unlisted"],
        |world, well| {
            put_guard(world, Some(&well.guard.replace("grant_", "grant_x")));
        },
    ),
    ("a later guard", &["later_revision"], |world, well| {
        let first = well.guard.find("CountersignRev").expect("a revision") + "CountersignRev".len();
        let (before, after) = well.guard.split_at(first);
        put_guard(world, Some(&format!("{before}9{after}")));
    }),
    (
        "another installation's guard",
        &["other_installation"],
        |world, well| {
            let installation = well.policy.0.split('-').nth(1).expect("its id");
            put_guard(world, Some(&well.guard.replace(installation, "zzzzzzzz")));
        },
    ),
    ("her policy is gone", &["missing"], |world, well| {
        put_user_policy(world, ALICE, &well.policy.0, None);
    }),
    ("her policy allows more", &["altered"], |world, well| {
        let more = well.policy.1.replace("iam:ListUsers", "iam:List*");
        put_user_policy(world, ALICE, &well.policy.0, Some(&more));
    }),
    (
        "her policy is that of an end",
        &["other_timeline"],
        |world, well| {
            put_user_policy(world, ALICE, &well.policy.0, Some(ENDED));
        },
    ),
    ("an ended policy is back", &["came_back"], |world, well| {
        put_user_policy(world, ALICE, &well.ended, Some(&allowing("iam:ListUsers")));
    }),
    ("a policy of no grant", &["unaccounted"], |world, well| {
        put_user_policy(
            world,
            ALICE,
            &well.stray.0,
            Some(&allowing("iam:ListUsers")),
        );
    }),
];

impl Well {
    async fn of(world: &World, (role, attached, ended): (&str, &str, &str)) -> Self {
        let stray = GrantId::new().to_string();
        let suffix = stray.trim_start_matches("grant_").to_owned();
        assert!(world.trust().contains(role.trim_start_matches("grant_")));
        Self {
            trust: world.trust(),
            guard: world.guard().expect("it stands"),
            policy: (
                policy_name(world, attached).await,
                policy(world, attached).await.expect("it stands"),
            ),
            ended: policy_name(world, ended).await,
            stray: (policy_name(world, &stray).await, suffix),
        }
    }

    fn undo(&self, world: &World) {
        put_trust(world, &self.trust);
        put_guard(world, Some(&self.guard));
        put_user_policy(world, ALICE, &self.policy.0, Some(&self.policy.1));
        put_user_policy(world, ALICE, &self.ended, Some(ENDED));
        let stray = &self.stray.0;
        if world.sandbox.knobs().user_policy(ALICE, stray).is_some() {
            put_user_policy(world, ALICE, stray, None);
        }
    }
}

/// A grant on the role, one on alice's user and one that has ended there, in a world in which
/// nobody serves.
async fn left_alone() -> (World, Well) {
    let world = world().await;
    let serve = world.serve();
    let role = approved(&world, &serve, "prod-admin").await;
    let attached = approved(&world, &serve, "see-users").await;
    let ended = approved(&world, &serve, "see-users").await;
    for grant in [&role, &attached, &ended] {
        serve.reaches(&world.alice, grant, "active").await;
    }
    world.end(&serve, &ended).await;
    serve.reaches(&world.alice, &ended, "ended").await;
    serve.kill();
    let well = Well::of(&world, (&role, &attached, &ended)).await;
    (world, well)
}

fn agrees(world: &World, name: &str) {
    let output = dry_run(world, &[]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{name}: {text}");
    assert_eq!(text, "", "{name}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_divergence_is_one_line_and_nothing_is_written() {
    let (world, well) = left_alone().await;
    agrees(&world, "all well");
    let (calls, before) = (world.sandbox.knobs().calls().len(), rows(&world).await);
    let mut wrong = Vec::new();
    for (name, expected, fault) in DIVERGENCES {
        fault(&world, &well);
        let output = dry_run(&world, &[]);
        let is_told = kinds(&output, "diverges") == expected && output.status.code() == Some(1);
        if !is_told || kinds(&output, "next").is_empty() {
            let text = String::from_utf8_lossy(&output.stdout);
            wrong.push(format!("{name}: {text}"));
        }
        well.undo(&world);
        agrees(&world, name);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let calls = world.sandbox.knobs().calls().split_off(calls);
    assert!(!calls.iter().any(|call| is_write(&call.action)));
    assert_eq!(rows(&world).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_made_anew_or_judged_by_nobody_is_told() {
    let (world, well) = left_alone().await;
    let knobs = world.sandbox.knobs();
    let diverge = |name: &str, expected: &[&str]| {
        let output = dry_run(&world, &[]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(kinds(&output, "diverges"), expected, "{name}: {text}");
        text
    };
    for (condition, expected) in [("contested", &["contested"][..]), ("safe_mode", &[])] {
        let set = format!("UPDATE targets SET condition = '{condition}' WHERE arn = '{ROLE}'");
        sql(&world, &set).await;
        let text = diverge(condition, expected);
        assert_eq!(text.contains("(contested)"), condition == "contested");
    }
    sql(&world, "UPDATE targets SET condition = 'ok', last_error = 'unplanned' WHERE arn LIKE '%prod-admin'").await;
    diverge("unplanned", &["unplanned"]);
    sql(&world, "UPDATE targets SET last_error = NULL").await;

    // bob is in nobody's catalog.
    let bob = user_arn("bob");
    let text = allowing("iam:ListUsers");
    put_user_policy(&world, &bob, &well.stray.0, Some(&text));
    put_user_policy(
        &world,
        &bob,
        "Countersign-zzzzzzzz-grant_01k0000000000000000000000a",
        Some(&text),
    );
    let told = diverge("an orphan", &["orphan"]);
    let mend = format!(
        "mend: aws iam delete-user-policy --user-name bob --policy-name {}",
        well.stray.0
    );
    assert!(told.contains(&mend), "{told}");
    put_user_policy(&world, &bob, &well.stray.0, None);
    let own = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":"iam:GetAccountAuthorizationDetails","Resource":"*"}]}"#;
    put_user_policy(&world, &user_arn("admin"), "own", Some(own));
    let output = dry_run(&world, &[]);
    assert_eq!(
        (output.status.code(), kinds(&output, "note")),
        (Some(0), vec!["orphans".to_owned()])
    );
    put_user_policy(
        &world,
        &user_arn("admin"),
        "own",
        Some(crate::sandbox::ALLOW_ALL),
    );

    let foreign = trusts(&bob);
    let foreign = foreign
        .split_once("[{")
        .expect("a statement")
        .1
        .rsplit_once("}]")
        .expect("its end")
        .0;
    put_trust(
        &world,
        &well
            .trust
            .replacen("[ {", &format!("[{{{foreign}}}, {{"), 1),
    );
    knobs.delete_user(&bob);
    diverge("a deleted principal", &["blocked_by_foreign_principal"]);
    put_trust(&world, &well.trust);

    knobs.delete_user(ALICE);
    diverge("her user is gone", &["principal_gone", "gone"]);
    let (id, secret) = key("alice");
    knobs.create_user(ALICE, &id, &secret);
    diverge("another alice", &["principal_gone", "replaced"]);
    knobs.delete_role(ROLE);
    diverge("no role", &["gone", "replaced"]);
    knobs.create_role(ROLE, TRUST).expect("good");
    diverge("another role", &["replaced", "replaced"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_is_taken_or_refused_in_one_line_and_silence_costs_one_time_limit() {
    let (world, well) = left_alone().await;
    let refused = |output: &Output, said: &str| {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            (output.status.code(), text.lines().count()),
            (Some(1), 1),
            "{text}"
        );
        assert!(text.contains(said), "{text}");
    };
    let plain = world.command(&["reconcile"]).output().expect("it runs");
    refused(&plain, "the running `serve`");
    let unknown = dry_run(&world, &["--target", "arn:aws:iam::111122223333:role/none"]);
    refused(&unknown, "is not in the catalog");

    put_trust(&world, TRUST);
    put_user_policy(&world, ALICE, &well.stray.0, Some(ENDED));
    let one = dry_run(&world, &["--target", ALICE]);
    assert_eq!(kinds(&one, "diverges"), ["unaccounted"]);
    let text = String::from_utf8_lossy(&one.stdout).into_owned();
    assert!(text.starts_with(&format!("user {ALICE}\n")), "{text}");

    world.sandbox.knobs().silent(ACCOUNT, true);
    let begun = Instant::now();
    let silent = dry_run(&world, &[]);
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(silent.status.code(), Some(1));
    let unseen = kinds(&silent, "unseen");
    assert!(
        unseen.len() == 4 && unseen.iter().all(|it| it == "unclear"),
        "{unseen:?}"
    );
}
