//! Two `serve` processes on one Postgres share the work and do nothing twice.

use std::fs::File;

use super::Server;
use crate::support::world::World;

/// Roles that are taken up at the same time.
const AT_ONCE: usize = 4;
/// When one process has had all of the work by then, the other does nothing.
const MOST: usize = 10 * AT_ONCE;

/// A process that does one thing at a time, and what it logs.
struct Replica {
    serve: Server,
    log: tempfile::NamedTempFile,
}

impl Replica {
    fn start(world: &World) -> Self {
        let log = tempfile::NamedTempFile::new().expect("a temporary file");
        let mut command = world.command(&["serve"]);
        command
            .env("RUST_LOG", "info")
            .env("COUNTERSIGN_LOG__FORMAT", "json")
            .env("COUNTERSIGN_WORKER__CONCURRENCY", "1")
            .stderr(File::create(log.path()).expect("writable"));
        let serve = Server::start(command);
        Self { serve, log }
    }

    /// How many of the grants this process brought into the state.
    fn brought(&self, grants: &[String], state: &str) -> usize {
        let log = std::fs::read_to_string(self.log.path()).expect("readable");
        let state = format!("\"state\":\"{state}\"");
        let told = |grant: &&String| {
            let mut lines = log.lines().filter(|it| it.contains("grant changed"));
            lines.any(|it| it.contains(*grant) && it.contains(&state))
        };
        grants.iter().filter(told).count()
    }
}

/// Whether both have brought grants into the state; none of them is the work of both.
fn is_shared(one: &Replica, two: &Replica, grants: &[String], state: &str) -> bool {
    let (by_one, by_two) = (one.brought(grants, state), two.brought(grants, state));
    assert_eq!(by_one + by_two, grants.len(), "{state}");
    by_one > 0 && by_two > 0
}

/// How often the role's guard and its trust policy were written.
fn writes(world: &World, role: &str) -> [usize; 2] {
    let calls = world.sandbox.knobs().calls();
    ["PutRolePolicy", "UpdateAssumeRolePolicy"].map(|action| {
        let mut calls: Vec<_> = calls.iter().filter(|it| it.action == action).collect();
        calls.retain(|it| it.params.get("RoleName").is_some_and(|it| it == role));
        calls.len()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_share_the_work_and_do_nothing_twice() {
    let world = World::new().await;
    let (one, two) = (Replica::start(&world), Replica::start(&world));
    let mut grants = Vec::new();
    for round in 0..6 {
        let (asked, decided) = if round % 2 == 0 {
            (&one.serve, &two.serve)
        } else {
            (&two.serve, &one.serve)
        };
        let request = world.submit(asked, "PT1H").await;
        grants.push(world.approve(decided, &request).await);
    }
    for grant in &grants {
        one.serve.reaches(&world.alice, grant, "active").await;
        world.assert_once(&one.serve, grant, "grant.opening").await;
        world.assert_once(&one.serve, grant, "grant.opened").await;
    }
    assert_eq!(world.our_statements(), grants.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_document_is_written_once_whichever_process_does_it() {
    let world = World::new().await;
    let roles: Vec<_> = (0..MOST).map(|it| format!("prod-{it}")).collect();
    world.offer(&roles);
    let (one, two) = (Replica::start(&world), Replica::start(&world));
    let pair = [&one.serve, &two.serve];
    let (mut opened, mut ended) = (false, false);
    let mut grants = Vec::new();
    for roles in roles.chunks(AT_ONCE) {
        let first = grants.len();
        let mut asked = Vec::new();
        for role in roles {
            asked.push(world.submit_for(&one.serve, role, "PT1H").await);
        }
        for (request, serve) in asked.iter().zip(pair.into_iter().cycle()) {
            grants.push(world.approve(serve, request).await);
        }
        let new = &grants[first..];
        for grant in new {
            one.serve.reaches(&world.alice, grant, "active").await;
        }
        for role in roles {
            assert_eq!(writes(&world, role), [1, 1], "{role}: opened once");
        }
        for (grant, serve) in new.iter().zip(pair.into_iter().cycle()) {
            world.end(serve, grant).await;
        }
        for grant in new {
            two.serve.reaches(&world.alice, grant, "ended").await;
            for action in ["opening", "opened", "closing", "ended"] {
                let action = format!("grant.{action}");
                world.assert_once(&one.serve, grant, &action).await;
            }
        }
        for role in roles {
            assert_eq!(writes(&world, role), [2, 2], "{role}: closed once");
        }
        opened |= is_shared(&one, &two, &grants, "active");
        ended |= is_shared(&one, &two, &grants, "ended");
        if opened && ended {
            return;
        }
    }
    panic!("after {MOST} roles: both opened: {opened}, both closed: {ended}");
}
