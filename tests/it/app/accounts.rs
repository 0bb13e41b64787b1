//! Accounts with a role that Countersign works as there: what a catalog may not say of them, and
//! the external ID that it gets once.

use countersign::app::catalog::{Applied, CatalogError, check};
use countersign::app::submit::{NewRequest, submit};

use crate::sandbox::{OTHER, THIRD};
use crate::support::app::{TestApp, ask};
use crate::support::catalog::{Catalog, Change, role_arn};

const MANAGER: &str = "arn:aws:iam::444455556666:role/countersign-manager";

/// The account has this manager role.
fn managed<'a>(catalog: &'a mut Catalog, id: &str, arn: &str) -> &'a mut Catalog {
    catalog.account(id).manager_role = Some(arn.to_owned());
    catalog
}

fn of_role(catalog: &mut Catalog, arn: &str) {
    let entitlement = catalog.entitlement("staging-admin");
    arn.clone_into(&mut entitlement.role_arn);
}

/// What is wrong with a catalog: each place in its text, and what is said of it.
fn told(text: &str, error: CatalogError) -> Vec<(String, String)> {
    let CatalogError::Invalid(wrong) = error else {
        panic!("the database failed");
    };
    let wrong = wrong.into_iter();
    wrong.map(|it| (text[it.at].to_owned(), it.what)).collect()
}

#[tokio::test]
async fn a6_what_cannot_be_is_refused_at_its_place_and_without_a_database() {
    let company = TestApp::new().await;
    let rows: [(Change, &str, &str); 10] = [
        (
            |it| {
                managed(it, OTHER, "arn:aws:iam::777788889999:role/manager");
            },
            "arn:aws:iam::777788889999:role/manager",
            "manager_role must be a role of this account, 444455556666, and not of 777788889999",
        ),
        (
            |it| {
                managed(it, OTHER, "arn:aws:iam::444455556666:user/manager");
            },
            "arn:aws:iam::444455556666:user/manager",
            "manager_role must be the ARN of an IAM role",
        ),
        (
            |it| {
                managed(it, OTHER, "arn:aws-moon:iam::444455556666:role/manager");
            },
            "arn:aws-moon:iam::444455556666:role/manager",
            "manager_role must have the partition",
        ),
        (
            |it| it.account(OTHER).external_id = Some(true),
            "true",
            "external_id goes with manager_role",
        ),
        (
            |it| managed(it, OTHER, MANAGER).account(OTHER).external_id = Some(false),
            "false",
            "external_id must be true, or be left out",
        ),
        (
            |it| it.account(OTHER).owner = Some(" ".to_owned()),
            " ",
            "owner must",
        ),
        (
            |it| {
                of_role(
                    managed(it, OTHER, MANAGER),
                    "arn:aws:iam::444455556666:role/ops/Countersign-Manager",
                )
            },
            "arn:aws:iam::444455556666:role/ops/Countersign-Manager",
            "Countersign works as that role",
        ),
        (
            |it| {
                of_role(
                    managed(it, OTHER, MANAGER),
                    "arn:aws-cn:iam::444455556666:role/x",
                )
            },
            "arn:aws-cn:iam::444455556666:role/x",
            "is of the partition aws-cn, and account 444455556666 of aws, as arn:aws:iam::444455556666:role/countersign-manager",
        ),
        (
            |it| {
                it.person("bob").principals =
                    vec!["arn:aws-us-gov:iam::111122223333:user/bob".to_owned()]
            },
            "arn:aws-us-gov:iam::111122223333:user/bob",
            "is of the partition aws-us-gov, and account 111122223333 of aws",
        ),
        (
            |it| {
                managed(it, OTHER, "arn:aws-us-gov:iam::444455556666:role/manager");
                let alice = it.person("alice");
                alice
                    .principals
                    .push("arn:aws:iam::444455556666:user/alice".to_owned());
            },
            "arn:aws:iam::444455556666:user/alice",
            "of aws-us-gov, as arn:aws-us-gov:iam::444455556666:role/manager says",
        ),
    ];
    for (change, place, said) in rows {
        let mut catalog = company.catalog();
        change(&mut catalog);
        let text = catalog.render();
        let by_itself = check(&text, false).unwrap_err();
        let applied = company.apply(&text).await.unwrap_err();
        let [(at, what)] = &told(&text, applied)[..] else {
            panic!("{said}: {by_itself:?}");
        };
        assert_eq!(by_itself.len(), 1, "{said}");
        assert_eq!(at.trim_matches('"'), place, "{what}");
        assert!(what.contains(said), "{what}");
    }
}

/// Only what a file brings, beside what is on record.
fn alone(change: impl FnOnce(&mut Catalog)) -> Catalog {
    let mut catalog = Catalog::default();
    change(&mut catalog);
    catalog
}

#[tokio::test]
async fn a6_what_does_not_go_with_the_accounts_on_record_is_refused() {
    let company = TestApp::with(|catalog| {
        managed(catalog, OTHER, MANAGER);
        catalog.account(THIRD);
    })
    .await;
    let target = role_arn("PROD-admin");
    for (catalog, said) in [
        (
            alone(|it| of_role(it, MANAGER)),
            "Countersign works as that role",
        ),
        (
            alone(|it| {
                managed(it, "111122223333", &target);
            }),
            "manager_role is on record as the role arn:aws:iam::111122223333:role/prod-admin",
        ),
        (
            alone(|it| of_role(it, "arn:aws-cn:iam::444455556666:role/x")),
            "account 444455556666 of aws, as arn:aws:iam::444455556666:role/countersign-manager says",
        ),
        (
            alone(|it| {
                let gov = "arn:aws-us-gov:iam::111122223333:user/bob";
                it.person("bob").principals = vec![gov.to_owned()];
            }),
            "account 111122223333 of aws, as arn:aws:iam::111122223333:role/prod-admin says",
        ),
    ] {
        let text = catalog.render();
        check(&text, false).expect(said);
        let wrong = told(&text, company.apply(&text).await.expect_err(said));
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        assert!(wrong[0].1.contains(said), "{wrong:?}");
    }
    // What the file says of an account takes the place of what is on record.
    let moved = alone(|it| {
        let other = "arn:aws:iam::444455556666:role/other-manager";
        of_role(managed(it, OTHER, other), MANAGER);
    });
    company.apply(&moved.render()).await.unwrap();
    // An account that has nothing yet may be of any partition.
    let gov = "arn:aws-us-gov:iam::777788889999:role/x";
    company
        .apply(&alone(|it| of_role(it, gov)).render())
        .await
        .unwrap();
}

/// A user of another account may come into a role of this one; one of another partition of AWS
/// never, whoever says so.
#[tokio::test]
async fn a6_a_grant_never_spans_partitions() {
    let gov = "arn:aws-us-gov:iam::444455556666:user/alice";
    for method in ["switch", "trust_policy"] {
        let company = TestApp::with(|it| {
            it.account(OTHER);
            it.person("alice").principals = vec![gov.to_owned()];
            method.clone_into(&mut it.entitlement("prod-admin").method);
        })
        .await;
        let alice = company.ctx("alice").await;
        for (principal, said) in [
            (None, "no AWS identity of yours is known"),
            (Some(gov), "is not an AWS identity of yours"),
        ] {
            let wish = NewRequest {
                principal: principal.map(str::to_owned),
                ..ask("prod-admin")
            };
            let error = submit(&alice, wish).await.unwrap_err();
            let [wrong] = error.fields() else {
                panic!("{method}: {error:?}");
            };
            assert_eq!(wrong.field, "principal");
            assert!(wrong.detail.contains(said), "{method}: {}", wrong.detail);
        }
    }
}

async fn external_id(company: &TestApp) -> Option<String> {
    let sql = "SELECT external_id FROM accounts WHERE id = '444455556666'";
    sqlx::query_scalar(sql)
        .fetch_one(company.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn an_external_id_is_made_once_told_each_time_and_kept() {
    let company = TestApp::with(|catalog| {
        managed(catalog, OTHER, MANAGER);
    })
    .await;
    assert_eq!(external_id(&company).await, None);
    let asking = alone(|it| {
        let account = managed(it, OTHER, MANAGER).account(OTHER);
        account.external_id = Some(true);
        account.owner = Some("Partner Ltd".to_owned());
    });
    let first: Applied = company.apply(&asking.render()).await.unwrap();
    let id = external_id(&company).await.unwrap();
    let random = id.strip_prefix("countersign-").unwrap();
    assert!(
        random.len() == 32 && random.bytes().all(|b| b.is_ascii_hexdigit()),
        "{id}"
    );
    let note = format!(
        "account {OTHER} (Production): the trust policy of {MANAGER} has to ask for the external ID {id} \
         (sts:ExternalId); it is no secret; tell Partner Ltd"
    );
    assert_eq!(first.changes, ["account 444455556666 (Production)"]);
    assert!(first.notes.contains(&note), "{:?}", first.notes);
    let again = company.apply(&asking.render()).await.unwrap();
    assert_eq!(again.changes, [""; 0]);
    assert!(again.notes.contains(&note), "{:?}", again.notes);
    // Whatever later files say: somebody's trust policy names it.
    company
        .apply(
            &alone(|it| {
                managed(it, OTHER, MANAGER);
            })
            .render(),
        )
        .await
        .unwrap();
    company
        .apply(
            &alone(|it| {
                it.account(OTHER);
            })
            .render(),
        )
        .await
        .unwrap();
    assert_eq!(external_id(&company).await.as_ref(), Some(&id));
    let other = TestApp::new().await;
    other.apply(&asking.render()).await.unwrap();
    assert_ne!(external_id(&other).await, Some(id), "each has its own");
}

#[tokio::test]
async fn postgres_itself_refuses_a_manager_of_another_account_and_what_is_no_external_id() {
    let company = TestApp::new().await;
    let owner = sqlx::PgPool::connect(&company.db.owner_url).await.unwrap();
    let set = async |column: &str, value: &str| {
        let sql = format!("UPDATE accounts SET {column} = '{value}' WHERE id = '111122223333'");
        let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&owner)
            .await;
        let error = done.err()?;
        error.as_database_error()?.constraint().map(str::to_owned)
    };
    for (column, value, constraint) in [
        ("manager_role_arn", MANAGER, Some("manager_role")),
        (
            "manager_role_arn",
            "arn:aws:iam::111122223333:user/x",
            Some("manager_role"),
        ),
        (
            "manager_role_arn",
            "arn:aws-cn:iam::111122223333:role/ops/x",
            None,
        ),
        ("external_id", "x", Some("external_id")),
        ("external_id", "with space", Some("external_id")),
        ("external_id", "a+=,.@:/-_9", None),
        ("owner", "", Some("accounts_owner_check")),
    ] {
        assert_eq!(
            set(column, value).await.as_deref(),
            constraint,
            "{column} {value}"
        );
    }
}
