//! Room in a guard, asked when somebody requests.

use countersign::app::submit::{NewRequest, submit};
use countersign::error::{Error, RoleError};

use super::minutes;
use crate::sandbox::{ALLOW_ALL, ROLE};
use crate::support::elevation::Elevation;

/// An inline policy of so many characters.
fn policy(characters: usize) -> String {
    let frame = |resource: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::{resource}"}}]}}"#
        )
    };
    frame(&"x".repeat(characters - frame("").len()))
}

async fn asked(world: &Elevation, wish: NewRequest) -> Result<(), (usize, usize, usize)> {
    match submit(&world.alice, wish).await {
        Ok(_) => Ok(()),
        Err(Error::Role(RoleError::GuardFull {
            used,
            quota,
            needed,
        })) => Err((used, quota, needed)),
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_role_whose_inline_policies_leave_no_room_is_refused_at_the_request() {
    let world = Elevation::new().await;
    let knobs = world.stage.cloud.knobs();
    let put = |characters: usize| {
        let text = policy(characters);
        knobs.put_role_policy(ROLE, "foreign", Some(&text)).unwrap();
    };
    put(9_800);
    let (used, quota, needed) = asked(&world, Elevation::wish(60)).await.unwrap_err();
    assert_eq!(quota, 10_240);
    assert!(used > 9_800 && used + needed > quota, "{used} and {needed}");
    // As much as there is room for, to the character.
    world
        .stage
        .cloud
        .knobs()
        .put_role_policy(ROLE, "foreign", None)
        .unwrap();
    put(9_800 - (used + needed - quota));
    // What was seen a moment ago counts for as long.
    tokio::time::sleep(std::time::Duration::from_millis(3_100)).await;
    asked(&world, Elevation::wish(60)).await.unwrap();
    let grant = world.open(60).await;
    assert!(world.stage.listed(grant), "and it opens");
    let guard = world.stage.cloud.guard().unwrap().len();
    // The role's own inline policy counts as well.
    let counted = used - 9_800 - ALLOW_ALL.len() + needed;
    assert!(
        guard <= counted && counted < guard + 20,
        "{guard}, counted as {counted}"
    );
}

#[tokio::test]
async fn grants_that_overlap_take_room_and_others_do_not() {
    let world = Elevation::new().await;
    let text = policy(9_200);
    let knobs = world.stage.cloud.knobs();
    knobs.put_role_policy(ROLE, "foreign", Some(&text)).unwrap();
    let at = |start: i64, length: i64| NewRequest {
        starts_at: Some(world.stage.now() + minutes(start)),
        ..Elevation::wish(length)
    };
    let mut fitted = 0;
    while asked(&world, at(60, 60 + fitted)).await.is_ok() {
        let shown = world.approved_at(60, 60 + fitted).await;
        assert_eq!(world.stage.state(shown).await, "scheduled");
        fitted += 1;
        assert!(fitted < 10, "there is an end to it");
    }
    assert!(fitted > 0);
    // Before them, and after.
    asked(&world, at(1, 50)).await.unwrap();
    asked(&world, at(180, 60)).await.unwrap();
    assert!(asked(&world, at(100, 100)).await.is_err());
}
