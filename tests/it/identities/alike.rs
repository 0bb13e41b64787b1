//! Case, spaces and look-alikes decide nothing: what looks like somebody's identity is either
//! theirs or nobody's.

use countersign::db::identities::{self, Claimed};
use countersign::db::tx::Tx;
use countersign::domain::audit::{Actor, Channel};
use countersign::domain::identity::{AwsIdentity, Template};
use countersign::domain::signed_call::sts_host;
use proptest::prelude::*;

use super::World;
use crate::support::catalog::user_arn;

fn template(text: &str) -> Template {
    Template::try_from(text.to_owned()).unwrap()
}

const USER: &str = "arn:aws:iam::111122223333:user/people/{sub}";
const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/team/developers/{sub}";

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a claim holds: it says who, and never in which account, below which path or of
    /// which role.
    #[test]
    fn a_claim_leads_to_no_other_account_path_or_role(claim in "\\PC{0,70}|[a-z/:{}*?$@.=, -]{0,70}") {
        let user = template(USER).fill(|_| Some(claim.as_str()));
        let session = template(SESSION).fill(|_| Some(claim.as_str()));
        let fits = (1..=64).contains(&claim.len())
            && claim.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c));
        prop_assert_eq!(user.is_some(), fits);
        if let Some(user) = user {
            prop_assert_eq!(user.arn, format!("arn:aws:iam::111122223333:user/people/{claim}"));
            prop_assert_eq!((user.account.as_str(), user.session), ("111122223333", None));
        }
        let is_session = fits && claim.len() >= 2 && !claim.starts_with("grant_");
        prop_assert_eq!(session.is_some(), is_session);
        if let Some(session) = session {
            prop_assert_eq!(session.arn, "arn:aws:iam::111122223333:role/team/developers");
            prop_assert_eq!(session.session, Some(claim));
        }
    }

    /// Whatever a region is called: the host is one of AWS's, or there is none.
    #[test]
    fn a_region_leads_to_no_other_host(region in "\\PC{0,30}|[a-z0-9-]{0,30}|[a-z]{2}-[a-z./@#:]{1,20}-[0-9]{1,3}") {
        if let Some(host) = sts_host(&region) {
            prop_assert!(region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
            let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
            prop_assert_eq!(host, format!("sts.{region}.{suffix}"));
        }
    }
}

#[test]
fn regions_of_the_known_partitions_have_a_host() {
    for (region, host) in [
        ("us-east-1", "sts.us-east-1.amazonaws.com"),
        ("ap-southeast-4", "sts.ap-southeast-4.amazonaws.com"),
        ("us-gov-west-1", "sts.us-gov-west-1.amazonaws.com"),
        ("cn-northwest-1", "sts.cn-northwest-1.amazonaws.com.cn"),
    ] {
        assert_eq!(sts_host(region).as_deref(), Some(host));
    }
    for region in [
        "",
        "us",
        "us-1",
        "us-east",
        "us-iso-east-1",
        "us-isob-east-1",
        "eusc-de-east-1",
        "us-east-1-",
    ] {
        assert_eq!(sts_host(region), None, "{region}");
    }
}

/// Ways to write `alice` that IAM does not tell apart from it, and ways that only look like it.
fn spellings() -> Vec<(String, bool)> {
    let same = ["alice", "ALICE", "Alice", "aLiCe"].map(|it| (it.to_owned(), true));
    let alike = [
        "аlice",
        "alіce",
        "ａlice",
        "al\u{200b}ice",
        "alice ",
        " alice",
        "al ice",
        "alicé",
        "alıce",
        "ALİCE",
        "ali\u{212a}e",
    ];
    let alike = alike.map(|it| (it.to_owned(), false));
    same.into_iter().chain(alike).collect()
}

#[tokio::test]
async fn what_looks_like_alices_is_alices_or_nobodys() {
    let world = World::new().await;
    let mallory = world.portal.ctx("mallory").await.person.id;
    let alice = world.portal.ctx("alice").await.person.id;
    let claim = async |person, identity: Option<AwsIdentity>| {
        let actor = Actor::System { part: "test" };
        let work = async |tx: &mut Tx| {
            let now = tx.now();
            Ok(identities::template(tx.conn(), person, identity.as_ref(), now).await?)
        };
        let (claimed, _) = world
            .portal
            .app
            .transaction(actor, Channel::System, work)
            .await
            .unwrap();
        claimed
    };
    let template = template("arn:aws:iam::111122223333:user/{sub}");
    for (name, is_hers) in spellings() {
        let identity = template.fill(|_| Some(name.as_str()));
        assert_eq!(identity.is_some(), is_hers, "{name}");
        let claimed = claim(mallory, identity.clone()).await;
        assert_eq!(claimed, is_hers.then_some(Claimed::Taken(alice)), "{name}");
        // She herself has it whatever she is called.
        if is_hers {
            assert!(matches!(
                claim(alice, identity).await,
                Some(Claimed::Kept(_))
            ));
        }
    }
    assert_eq!(
        world.identities().await,
        [format!("Alice {} catalog", user_arn("alice"))]
    );
}
