//! `countersign target resume`.

use crate::sandbox::ROLE;
use crate::support::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn target_resume_says_in_one_line_what_it_did_or_why_not() {
    let world = World::new().await;
    let resume = || {
        let output = world.command(&["target", "resume", ROLE]).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, said) = resume();
    assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains("nothing to resume"), "{said}");
    sqlx::raw_sql("UPDATE targets SET condition = 'contested'")
        .execute(&world.db.pool)
        .await
        .unwrap();
    let (code, said) = resume();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("was contested"), "{said}");
}
