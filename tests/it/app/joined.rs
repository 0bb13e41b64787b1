//! Which accounts are one human's: what a catalog may say of it, and that no history of it lets one
//! human decide alone.

use std::collections::{BTreeMap, BTreeSet};

use countersign::app::approve::approve;
use countersign::app::catalog::CatalogError;
use countersign::app::disable;
use countersign::app::enable;
use countersign::app::find;
use countersign::ids::RequestId;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::support::app::{TestApp, have};
use crate::support::catalog::{Catalog, Change, Entitlement, Person, SameAs, user_arn};

async fn told(company: &TestApp, catalog: &Catalog) -> Vec<String> {
    match company.apply(&catalog.render()).await {
        Ok(_) => vec![],
        Err(CatalogError::Invalid(wrong)) => wrong.into_iter().map(|it| it.what).collect(),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn same_as_names_an_account_that_is_the_same_as_no_other() {
    let company = TestApp::new().await;
    company.change(|it| it.join("dave", "carol")).await;
    let cases: [(Change, &str); 6] = [
        (
            |it| it.join("bob", "bob"),
            "bob@example.com: same_as names the account itself",
        ),
        (
            |it| {
                it.join("bob", "alice");
                it.join("erin", "bob");
            },
            "erin@example.com: same_as names an account that is itself the same as alice of demo: name that one",
        ),
        (
            |it| {
                it.join("bob", "alice");
                it.join("alice", "bob");
            },
            "same_as names an account that is itself the same as",
        ),
        (
            |it| {
                it.person("bob").same_as = Some(SameAs {
                    issuer: "demo".to_owned(),
                    subject: "nobody".to_owned(),
                });
            },
            "bob@example.com: same_as names nobody who is on record or in this file",
        ),
        // By what is on record, of accounts that are not in the file.
        (
            |it| {
                it.people.retain(|it| it.subject == "bob");
                it.person("bob").same_as = Some(SameAs {
                    issuer: "demo".to_owned(),
                    subject: "dave".to_owned(),
                });
            },
            "bob@example.com: same_as names an account that is itself the same as carol of demo",
        ),
        (
            |it| {
                it.people.retain(|it| it.subject == "carol");
                it.person("carol").same_as = Some(SameAs {
                    issuer: "demo".to_owned(),
                    subject: "bob".to_owned(),
                });
            },
            "carol@example.com: same_as makes a chain: dave of demo is the same as this account",
        ),
    ];
    for (change, wanted) in cases {
        let mut catalog = company.catalog();
        change(&mut catalog);
        let told = told(&company, &catalog).await;
        assert!(
            told.iter().any(|it| it.contains(wanted)),
            "{wanted}: {told:?}"
        );
    }
    let text = company.catalog().render();
    for (entry, wanted) in [
        ("same_as = \"carol\"", "must be a table in { }"),
        ("same_as = { subject = \"carol\" }", "issuer is missing"),
        (
            "same_as = { issuer = \"demo\", subject = \"carol\", name = \"x\" }",
            "is no key",
        ),
    ] {
        let at = "subject = \"bob\"";
        let wrong = company
            .apply(&text.replace(at, &format!("{at}\n{entry}")))
            .await;
        let wrong = wrong.unwrap_err().to_string();
        assert!(wrong.contains(wanted), "{entry}: {wrong}");
    }
}

#[tokio::test]
async fn who_is_the_same_as_whom_is_told_and_can_be_undone_and_turned_round() {
    let company = TestApp::new().await;
    let mut catalog = company.catalog();
    catalog.join("bob", "carol");
    let applied = company.apply(&catalog.render()).await.unwrap();
    assert_eq!(
        applied.changes,
        ["person bob@example.com, who is the same as carol of demo"]
    );
    assert!(
        company
            .apply(&catalog.render())
            .await
            .unwrap()
            .changes
            .is_empty()
    );
    let ids = company.ctx("bob").await.person.ids;
    assert_eq!(ids, company.ctx("carol").await.person.ids);
    assert_eq!(ids.len(), 2);

    catalog.person("bob").same_as = None;
    catalog.join("carol", "bob");
    let applied = company.apply(&catalog.render()).await.unwrap();
    assert_eq!(
        applied.changes,
        [
            "person bob@example.com, who is a person of their own again",
            "person carol@example.com, who is the same as bob of demo"
        ]
    );
    let carol = company.ctx("carol").await.person;
    assert_eq!(carol.human(), company.ctx("bob").await.person.id);

    // What a file does not name stays as it is.
    let alone = Catalog {
        people: vec![Person::named("zoe")],
        ..Catalog::default()
    };
    company.apply(&alone.render()).await.unwrap();
    assert_eq!(company.ctx("carol").await.person.ids.len(), 2);
    catalog.person("carol").same_as = None;
    let applied = company.apply(&catalog.render()).await.unwrap();
    assert_eq!(
        applied.changes,
        ["person carol@example.com, who is a person of their own again"]
    );
    assert_eq!(company.ctx("carol").await.person.ids.len(), 1);
}

#[tokio::test]
async fn sql_takes_no_chain_either() {
    let company = TestApp::new().await;
    company.change(|it| it.join("dave", "carol")).await;
    let of = |name: &str| format!("(SELECT id FROM people WHERE name = '{name}')");
    for (who, with, constraint) in [
        ("Bob", "Bob", "same_as_another"),
        ("Bob", "Dave", "same_as_chain"),
        ("Carol", "Bob", "same_as_chain"),
    ] {
        let sql = format!(
            "UPDATE people SET same_as = {} WHERE name = '{who}'",
            of(with)
        );
        let pool = company.db.catalog().await;
        let error = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&pool).await;
        let error = error.unwrap_err().into_database_error().unwrap();
        assert_eq!(error.constraint(), Some(constraint), "{who} {with}");
    }
}

/// How many accounts a history has.
const ACCOUNTS: usize = 7;
/// How many histories there are, and steps in each.
const HISTORIES: u64 = 6;
const STEPS: usize = 40;

/// What is known of the accounts apart from the product.
struct Known {
    same_as: BTreeMap<usize, usize>,
    disabled: BTreeSet<usize>,
}

impl Known {
    fn human(&self, account: usize) -> usize {
        self.same_as.get(&account).copied().unwrap_or(account)
    }
}

fn name(account: usize) -> String {
    format!("m{account}")
}

/// A request, by whom it was asked, how many it needs and who has voted.
struct Asked {
    id: RequestId,
    by: usize,
    needed: usize,
    votes: BTreeSet<usize>,
}

/// Whatever is joined, parted, disabled and enabled meanwhile: nobody decides on what another
/// account of theirs has asked for, and an approved request has as many humans as it needs, none of
/// them the one who asked.
#[tokio::test]
async fn no_graph_of_accounts_lets_one_human_decide_alone() {
    let mut approved = 0;
    for seed in 0..HISTORIES {
        approved += history(seed).await;
    }
    assert!(approved > 6, "hardly anything was approved: {approved}");
}

/// How many requests were approved.
async fn history(seed: u64) -> usize {
    let mut dice = StdRng::seed_from_u64(seed);
    let company = TestApp::with(|catalog| {
        for account in 0..ACCOUNTS {
            catalog.regroup(&name(account), &["developers", "approvers"]);
            catalog.person(&name(account)).principals = vec![user_arn(&name(account))];
        }
        catalog.entitlements.push(Entitlement {
            needed: 3,
            ..Entitlement::named("prod-three")
        });
    })
    .await;
    let mut known = Known {
        same_as: BTreeMap::new(),
        disabled: BTreeSet::new(),
    };
    let mut asked: Vec<Asked> = Vec::new();
    let mut approved = 0;
    for step in 0..STEPS {
        match dice.random_range(0..10) {
            0 => join(&company, &mut known, &mut dice).await,
            1 => turn(&company, &mut known, &mut asked, &mut dice).await,
            2 | 3 if asked.len() < 6 => {
                asked.extend(submit(&company, &known, &mut dice).await);
            }
            _ if asked.is_empty() => {}
            _ => {
                let nth = dice.random_range(0..asked.len());
                let voter = dice.random_range(0..ACCOUNTS);
                let done = vote(&company, &known, &mut asked[nth], voter).await;
                let at = format!("seed {seed}, step {step}");
                if done.unwrap_or_else(|why| panic!("{at}: {why}")) {
                    approved += 1;
                    asked.remove(nth);
                }
            }
        }
    }
    approved
}

/// alice's ask, as that of an account that is active.
async fn submit(company: &TestApp, known: &Known, dice: &mut StdRng) -> Option<Asked> {
    let by = dice.random_range(0..ACCOUNTS);
    if known.disabled.contains(&by) {
        return None;
    }
    let (entitlement, needed) = match dice.random_range(0..3) {
        0 => ("prod-admin", 1),
        1 => ("prod-root", 2),
        _ => ("prod-three", 3),
    };
    let model = company.ask(entitlement).await.id;
    let id = RequestId::new();
    let sql = format!(
        "INSERT INTO requests SELECT (jsonb_populate_record(r, jsonb_build_object('id', '{}', 'person', p.id,
                'principal', o.id, 'principal_arn', o.arn))).*
         FROM requests r, people p JOIN principals o ON o.person = p.id WHERE r.id = '{}' AND p.name = '{}'",
        id.uuid(),
        model.uuid(),
        name(by).to_uppercase()
    );
    company.as_owner(&sql).await;
    Some(Asked {
        id,
        by,
        needed,
        votes: BTreeSet::new(),
    })
}

/// Two accounts become one human's, or an account parts from the others.
async fn join(company: &TestApp, known: &mut Known, dice: &mut StdRng) {
    let (one, other) = (
        dice.random_range(0..ACCOUNTS),
        dice.random_range(0..ACCOUNTS),
    );
    let root = known.human(other);
    let is_root = known.same_as.values().any(|it| *it == one);
    if known.same_as.remove(&one).is_none() && root != one && !is_root {
        known.same_as.insert(one, root);
    }
    let same_as = known.same_as.clone();
    company
        .change(|catalog| {
            catalog.person(&name(one)).same_as = None;
            if let Some(root) = same_as.get(&one) {
                catalog.join(&name(one), &name(*root));
            }
        })
        .await;
}

/// An account is disabled, and its votes are lost for good; or it is enabled again.
async fn turn(company: &TestApp, known: &mut Known, asked: &mut [Asked], dice: &mut StdRng) {
    let account = dice.random_range(0..ACCOUNTS);
    let email = format!("{}@example.com", name(account));
    if known.disabled.remove(&account) {
        let done = enable::by_command(&company.admin, "test", &email);
        done.await.unwrap();
    } else {
        known.disabled.insert(account);
        for it in asked {
            it.votes.remove(&account);
        }
        let done = disable::by_command(&company.admin, "test", &email, None);
        done.await.unwrap();
    }
}

/// Whether the vote was the last one; and why it is not as it should be.
async fn vote(
    company: &TestApp,
    known: &Known,
    asked: &mut Asked,
    voter: usize,
) -> Result<bool, String> {
    let ctx = company.ctx(&name(voter)).await;
    let answer = approve(&ctx, asked.id, None, None).await;
    let human = known.human(voter);
    let humans = |votes: &BTreeSet<usize>| {
        let counted = votes.iter().map(|it| known.human(*it));
        counted
            .filter(|it| *it != known.human(asked.by))
            .collect::<BTreeSet<_>>()
            .len()
    };
    match answer {
        Ok(shown) => {
            if known.disabled.contains(&voter) {
                return Err(format!("{voter} is disabled and has voted"));
            }
            if human == known.human(asked.by) {
                return Err(format!("{voter} has decided on their own request"));
            }
            if asked.votes.iter().any(|it| known.human(*it) == human) {
                return Err(format!("{voter} has voted twice"));
            }
            asked.votes.insert(voter);
            let (have, is_approved) = (humans(&asked.votes), shown.grant.is_some());
            if (have >= asked.needed) == is_approved {
                return Ok(is_approved);
            }
            Err(format!(
                "{have} of {} and approved: {is_approved}",
                asked.needed
            ))
        }
        Err(error) => {
            let code = error.told_code();
            let had = asked.votes.iter().any(|it| known.human(*it) == human);
            let fits = match code {
                "unauthenticated" => known.disabled.contains(&voter),
                "self_approval" => human == known.human(asked.by),
                "already_decided" => had,
                // Who asked was disabled: it was withdrawn.
                "wrong_state" => true,
                _ => false,
            };
            if !fits {
                return Err(format!("{voter} was refused: {code}"));
            }
            let seen = find::request(&company.ctx("ada").await, asked.id).await;
            let seen = seen.map_err(|error| error.told_code().to_owned())?;
            let is_pending = seen.request.state.as_str() == "pending";
            if is_pending && usize::try_from(have(&seen)).ok() != Some(humans(&asked.votes)) {
                return Err("the page counts otherwise".to_owned());
            }
            Ok(false)
        }
    }
}
