//! What a catalog may not hold: names that show nothing or look like others, and what AWS could not
//! have.

use countersign::app::catalog;

use super::setup::{CATALOG, Company};

const ALICE: &str = "principals = [\"arn:aws:iam::111122223333:user/alice\"]";
const ROLE: &str = "role_arn = \"arn:aws:iam::111122223333:role/prod-admin\"";

fn person(subject: &str, name: &str, more: &str) -> String {
    format!(
        "[[people]]\nissuer = \"demo\"\nsubject = \"{subject}\"\nname = \"{name}\"\nemail = \"{subject}@example.com\"\n{more}\n"
    )
}

/// Why the text is not applied.
async fn refused(company: &Company, text: &str) -> String {
    let people = company.count("people").await;
    let applied = catalog::apply(&company.admin, text, "test").await;
    let error = applied.expect_err(text);
    assert_eq!(company.count("people").await, people);
    error.to_string()
}

#[tokio::test]
async fn what_iam_could_not_have_is_refused_by_field() {
    let company = Company::new().await;
    for (from, to, told) in [
        (ALICE, "arn:aws:iam::111122223333:user/al ice", "principals"),
        (ALICE, "arn:aws:iam::111122223333:user/alice$", "principals"),
        (ALICE, "arn:aws:iam::111122223333:user/ünal", "principals"),
        (ALICE, "arn:aws:iam::111122223333:user/", "principals"),
        (ALICE, "arn:aws:iam::111122223333:role/alice", "principals"),
        (ALICE, "arn:aws:iam::1111:user/alice", "12 digits"),
        (
            ALICE,
            "arn:aws-moon:iam::111122223333:user/alice",
            "partition",
        ),
        (
            ROLE,
            "arn:aws-iso:iam::111122223333:role/prod-admin",
            "partition",
        ),
        (ROLE, "arn:aws:iam::111122223333:role/prod/*", "role_arn"),
        (ROLE, "arn:aws:iam::111122223333:role/pröd/admin", "path"),
        (ROLE, "arn:aws:iam::111122223333:roleprod-admin", "role_arn"),
        (
            ROLE,
            "arn:aws:sts::111122223333:role/prod-admin",
            "role_arn",
        ),
    ] {
        let to = match from {
            ALICE => format!("principals = [\"{to}\"]"),
            _ => format!("role_arn = \"{to}\""),
        };
        let why = refused(&company, &CATALOG.replacen(from, &to, 1)).await;
        assert!(why.contains(told), "{to}: {why}");
    }
    let long = CATALOG.replacen(":user/alice", &format!(":user/{}", "a".repeat(65)), 1);
    assert!(refused(&company, &long).await.contains("1 to 64"));
    for arn in [
        "arn:aws:iam::111122223333:user/a+=,.@_-9",
        "arn:aws:iam::111122223333:user/team/of two/alice"
            .replace(' ', "-")
            .as_str(),
        "arn:aws-us-gov:iam::111122223333:user/alice-gov",
        "arn:aws-cn:iam::111122223333:user/alice-cn",
    ] {
        let text = CATALOG.replacen(ALICE, &format!("principals = [\"{arn}\"]"), 1);
        catalog::apply(&company.admin, &text, "test").await.unwrap();
    }
}

#[tokio::test]
async fn what_stands_there_twice_or_differs_by_case_alone_is_refused() {
    let company = Company::new().await;
    let arn = "arn:aws:iam::111122223333:user";
    let of = |arn: &str| format!("principals = [\"{arn}\"]");
    for (more, told) in [
        (
            person("alice", "Alice", ""),
            "the person alice of demo is in this file twice",
        ),
        (
            person("ALICE", "Alice", ""),
            "the person ALICE of demo differs from alice of demo",
        ),
        (
            person("al", "Al", &of(&format!("{arn}/ALICE"))),
            "/ALICE differs from",
        ),
        (
            person("al", "Al", &of(&format!("{arn}/alice"))),
            "/alice is in this file twice",
        ),
        (
            person("al", "Al", "groups = [\"Approvers\"]"),
            "group Approvers differs from approvers",
        ),
        (person("bob2", "BOB", ""), "differs from"),
        (person("bob2", "Ｂob", ""), "differs from"),
        (person("bob2", "Bob\u{3164}", ""), "U+3164"),
        (person("bob2", "\u{2800}", ""), "U+2800"),
        (person("bob2", "...", ""), "letter or digit"),
        (
            person("bob2", "Al", "groups = [\"approvers\u{fe00}\"]"),
            "U+FE00",
        ),
    ] {
        let why = refused(&company, &format!("{CATALOG}{more}")).await;
        assert!(why.contains(told), "{more}: {why}");
    }
    let twice = CATALOG.replace("role/prod-root", "role/PROD-admin");
    assert!(refused(&company, &twice).await.contains("role_arn"));
    // Two people may have one name, letter for letter.
    let namesake = format!("{CATALOG}{}", person("bob2", "Bob", ""));
    catalog::apply(&company.admin, &namesake, "test")
        .await
        .unwrap();
}

#[tokio::test]
async fn what_is_on_record_in_another_case_is_refused() {
    let company = Company::new().await;
    let arn = "arn:aws:iam::111122223333:user/Alice";
    let other = person("al", "Al", &format!("principals = [\"{arn}\"]"));
    let why = refused(&company, &other).await;
    assert!(why.contains("user/alice of alice@example.com"), "{why}");
    let own = person("alice", "Alice", &format!("principals = [\"{arn}\"]"));
    assert!(refused(&company, &own).await.contains("by case"));
    let why = refused(&company, &person("al", "ALICE", "")).await;
    assert!(why.contains("differs from"), "{why}");
    let (_, offers) = CATALOG.split_once("[[entitlements]]").unwrap();
    let role = format!(
        "[[entitlements]]{}",
        offers.replace("role/prod-admin", "role/Prod-Admin")
    );
    let why = refused(&company, &role).await;
    assert!(
        why.contains("role/prod-admin: IAM does not tell names apart"),
        "{why}"
    );
}

/// What is meant by each mistake, in the order of the text, and what is said of it.
async fn places(company: &Company, text: &str) -> Vec<(String, String)> {
    let applied = catalog::apply(&company.admin, text, "test").await;
    let catalog::CatalogError::Invalid(wrong) = applied.expect_err(text) else {
        panic!("the database failed");
    };
    wrong
        .into_iter()
        .map(|it| (text[it.at].to_owned(), it.what))
        .collect()
}

#[tokio::test]
async fn each_mistake_is_told_at_once_and_at_its_place() {
    let company = Company::new().await;
    let arn = "arn:aws:iam::111122223333:user/ALICE";
    let more = format!("groups = [\"devs\", \"Approvers\"]\nprincipals = [\"{arn}\"]");
    let al = person("al", "ALICE", &more);
    let eve = person("eve", "...", "");
    let role = "arn:aws:iam::111122223333:role/Prod-Admin";
    let (_, offers) = CATALOG.split_once("[[entitlements]]").unwrap();
    let offers = offers.replace("arn:aws:iam::111122223333:role/prod-admin", role);

    let in_file = places(&company, &format!("{CATALOG}{al}")).await;
    // The same on record alone.
    let named = person("al", "ALICE", &more.replace("Approvers", "approvers"));
    let beside = places(&company, &format!("{named}[[entitlements]]{offers}")).await;
    for found in [&in_file, &beside] {
        for (place, said) in [("ALICE", "name ALICE differs from Alice"), (arn, "/ALICE ")] {
            let place = format!("\"{place}\"");
            let mut told = found.iter().filter(|it| it.0 == place);
            assert!(told.any(|it| it.1.contains(said)), "{place}: {found:?}");
        }
    }
    let role = format!("\"{role}\"");
    let mut told = beside.iter().filter(|it| it.0 == role);
    assert!(
        told.any(|it| it.1.contains(": role_arn ")),
        "{role}: {beside:?}"
    );
    let group = (
        "\"Approvers\"".to_owned(),
        "group Approvers differs from approvers by case, width or white space alone".to_owned(),
    );
    assert!(in_file.contains(&group), "{in_file:?}");
    let wordless = places(&company, &eve).await;
    let said = "eve@example.com: name must contain at least one letter or digit";
    assert_eq!(wordless, [("\"...\"".to_owned(), said.to_owned())]);
}
