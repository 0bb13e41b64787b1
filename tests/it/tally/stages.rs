//! Stages in the words of the catalog, and their limits.

use countersign::domain::stages::{GroupSeats, InvalidStages, Stage, Stages};
use serde::Deserialize;
use serde_json::json;

#[derive(Debug, Deserialize)]
struct File {
    stages: Stages,
}

fn read(text: &str) -> Result<Stages, String> {
    let file: Result<File, toml::de::Error> = toml::from_str(text);
    let file = file.map_err(|it| it.message().to_owned())?;
    Ok(file.stages)
}

fn seats(group: &str, needed: i16) -> GroupSeats {
    GroupSeats {
        group: group.to_owned(),
        needed,
        escalation: None,
    }
}

fn stage(groups: &[(&str, i16)]) -> Stage {
    let groups = groups.iter().map(|(group, needed)| seats(group, *needed));
    Stage {
        groups: groups.collect(),
    }
}

#[test]
fn stages_read_and_write_as_the_catalog_does() {
    let text = r#"
stages = [ { groups = [ { group = "sre-leads", needed = 1 }, { group = "security" } ] },
           { groups = [ { group = "owners", needed = 2, escalate_to = "directors", escalate_after = "PT1H30M" } ] } ]
"#;
    let stages = read(text).unwrap();
    assert_eq!(stages.seats(), 4);
    let written = json!([
        {"groups": [{"group": "sre-leads", "needed": 1}, {"group": "security", "needed": 1}]},
        {"groups": [
            {"group": "owners", "needed": 2, "escalate_to": "directors", "escalate_after": "PT1H30M"},
        ]},
    ]);
    assert_eq!(serde_json::to_value(&stages).unwrap(), written);
    assert_eq!(serde_json::from_value::<Stages>(written).unwrap(), stages);
    let short = Stages::one("owners", 2).unwrap();
    let long = read(r#"stages = [ { groups = [ { group = "owners", needed = 2 } ] } ]"#).unwrap();
    assert_eq!(short, long);
}

#[test]
fn the_largest_stages_are_taken() {
    let five = |n| vec![stage(&[("A", 1), ("B", n)]); 5];
    assert_eq!(Stages::new(five(1)).unwrap().seats(), 10);
    assert_eq!(Stages::new(five(2)), Err(InvalidStages::Seats(15)));
    let wide = stage(&[("A", 2), ("B", 2), ("C", 2), ("D", 2), ("E", 2)]);
    assert_eq!(Stages::new(vec![wide]).unwrap().seats(), 10);
    assert_eq!(Stages::one("A", 10).unwrap().seats(), 10);
}

#[test]
fn stages_beyond_the_limits_are_refused() {
    let six = vec![stage(&[("A", 1)]); 6];
    let wide = ["A", "B", "C", "D", "E", "F"].map(|group| (group, 1));
    let most = (i16::MAX, i16::MIN);
    let wrong = [
        (vec![], "must have at least one stage"),
        (six, "must have at most 5 stages, not 6"),
        (
            vec![stage(&[("A", 1)]), stage(&[])],
            "stage 2 must name at least one group",
        ),
        (
            vec![stage(&wide)],
            "stage 1 must name at most 5 groups, not 6",
        ),
        (
            vec![stage(&[("A", 0)])],
            "stage 1, group A: needed must be from 1 to 10, not 0",
        ),
        (
            vec![stage(&[("A", 1), ("B", most.0)])],
            "stage 1, group B: needed must be from 1 to 10, not 32767",
        ),
        (
            vec![stage(&[("A", most.1)])],
            "stage 1, group A: needed must be from 1 to 10, not -32768",
        ),
        (
            vec![stage(&[("A", 6)]), stage(&[("A", 5)])],
            "all stages together must need at most 10 people, not 11",
        ),
        (
            vec![stage(&[("A", 1), ("A", 1)])],
            "stage 1 names the group A twice: say once how many are needed",
        ),
    ];
    for (stages, told) in wrong {
        assert_eq!(Stages::new(stages).unwrap_err().to_string(), told);
    }
}

#[test]
fn escalations_that_cannot_be_are_refused() {
    let refused = |keys: &str| {
        let group = format!(r#"{{ group = "owners", {keys} }}"#);
        read(&format!("stages = [ {{ groups = [ {group} ] }} ]")).unwrap_err()
    };
    let half = "escalate_to and escalate_after go together: leave out both, or none";
    assert_eq!(refused(r#"escalate_to = "directors""#), half);
    assert_eq!(refused(r#"escalate_after = "PT1H""#), half);
    let after = |duration: &str| {
        refused(&format!(
            r#"escalate_to = "directors", escalate_after = "{duration}""#
        ))
    };
    let length = "escalate_after must be longer than nothing, and at most PT8760H";
    for duration in ["PT0S", "-PT1H", "PT8761H", "PT999999999H"] {
        assert_eq!(after(duration), length, "{duration}");
    }
    assert!(after("1 hour").starts_with("escalate_after must be a duration in hours"));
    assert_eq!(after("PT0.5S"), "escalate_after must be whole seconds");
    assert_eq!(
        refused(r#"escalate_to = "owners", escalate_after = "PT1H""#),
        "stage 1, group owners: escalate_to must be another group"
    );
}
