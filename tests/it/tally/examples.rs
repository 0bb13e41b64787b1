//! What is expected of a request, example by example. Alice asks.

use countersign::domain::tally::Refusal;

use super::{Scene, scene};

struct Example {
    number: &'static str,
    scene: Scene,
    told: &'static str,
    refused: Option<(&'static str, Refusal)>,
}

fn example(number: &'static str, scene: Scene, told: &'static str) -> Example {
    Example {
        number,
        scene,
        told,
        refused: None,
    }
}

impl Example {
    fn refuses(mut self, person: &'static str, why: Refusal) -> Self {
        self.refused = Some((person, why));
        self
    }
}

fn within_a_stage() -> Vec<Example> {
    let three = || scene("A1 B1", "bob:A,B carol:A dan:B");
    let and_kim = scene("A1 B1", "bob:A,B carol:A kim:A");
    let ring = scene("A1 B1 C1", "p:A,B q:A,C r:A s:B");
    vec![
        example(
            "1",
            three().votes("bob"),
            "stage 1, 1 of 2, can carol dan, fillable",
        ),
        example(
            "2",
            three().votes("bob carol"),
            "complete: carol A1, bob B1",
        ),
        // Greed puts bob on A, and hangs.
        example(
            "3",
            scene("A1 B1", "bob:A,B carol:A").votes("bob"),
            "stage 1, 1 of 2, can carol, fillable",
        ),
        example(
            "4",
            scene("A1 B1", "bob:A,B").votes("bob"),
            "stage 1, 1 of 2, can –, not fillable",
        ),
        // The requester sits nowhere.
        example(
            "5",
            scene("A2", "alice:A bob:A"),
            "stage 1, 0 of 2, can bob, not fillable",
        ),
        example(
            "6",
            and_kim.votes("carol"),
            "stage 1, 1 of 2, can bob, fillable",
        )
        .refuses("kim", Refusal::NotNeeded),
        example(
            "15",
            ring.votes("p q"),
            "stage 1, 2 of 3, can r s, fillable",
        ),
    ]
}

fn in_several_stages() -> Vec<Example> {
    let two = || scene("A1 then B1", "bob:A,B carol:A");
    let back = || scene("A1 then B2", "bob:A carol:A dan:B hal:B");
    vec![
        example(
            "7",
            two().votes("bob"),
            "stage 2, 0 of 1, can carol, fillable",
        ),
        example(
            "7, with carol",
            two().votes("bob carol"),
            "complete: carol A1, bob B2",
        ),
        example(
            "8",
            scene("A1 then B1", "bob:A dan:B"),
            "stage 1, 0 of 1, can bob, fillable",
        )
        .refuses("dan", Refusal::StageNotOpen),
        // Bob and dan had voted, and bob has taken his vote back.
        example(
            "9",
            back().votes("dan"),
            "stage 1, 0 of 1, can bob carol, fillable",
        ),
        // Dan is not asked again.
        example(
            "9, after carol",
            back().votes("dan carol"),
            "stage 2, 1 of 2, can hal, fillable",
        ),
    ]
}

fn with_delegations() -> Vec<Example> {
    let late = scene("A1 B1", "dan:B eve:A fay:A").delegations("dan>eve");
    let one_voice = scene("B2", "dan:B hal:B gus:Z").delegations("dan>gus");
    vec![
        // One human, one seat, whatever they hold. Eve had voted when dan delegated to her.
        example(
            "10",
            late.votes("eve"),
            "stage 1, 1 of 2, can dan fay, fillable",
        ),
        // Delegator and delegate are one voice.
        example(
            "11",
            one_voice.votes("gus dan"),
            "stage 1, 1 of 2, can hal, fillable",
        ),
        // The requester's delegate is nobody.
        example(
            "12",
            scene("B1", "alice:B gus:Z").delegations("alice>gus"),
            "stage 1, 0 of 1, can –, not fillable",
        )
        .refuses("gus", Refusal::NotApprover),
        example(
            "13",
            scene("B1", "alice:Z dan:B").delegations("dan>alice"),
            "stage 1, 0 of 1, can dan, fillable",
        )
        .refuses("alice", Refusal::SelfApproval),
    ]
}

fn of_leavers_and_machines() -> Vec<Example> {
    let gone = |bob: &str| scene("A2", &format!("{bob} carol:A ivy:A")).votes("bob carol");
    vec![
        example(
            "14, bob left A",
            gone("bob:Z"),
            "stage 1, 1 of 2, can ivy, fillable",
        ),
        example(
            "14, bob was disabled",
            gone("-bob:A"),
            "stage 1, 1 of 2, can ivy, fillable",
        ),
        // A machine of bob's has asked for alice.
        example(
            "16",
            scene("A1", "bob:A carol:A").asked_by("alice bob"),
            "stage 1, 0 of 1, can carol, fillable",
        )
        .refuses("bob", Refusal::SelfApproval),
    ]
}

#[test]
fn each_example_is_as_expected() {
    let examples = [
        within_a_stage(),
        in_several_stages(),
        with_delegations(),
        of_leavers_and_machines(),
    ];
    for it in examples.into_iter().flatten() {
        assert_eq!(it.scene.told(), it.told, "example {}", it.number);
        if let Some((person, why)) = it.refused {
            let refused = it.scene.may_vote(person);
            assert_eq!(refused, Err(why), "example {}: {person}", it.number);
        }
    }
}
