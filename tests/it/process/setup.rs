//! `countersign aws-setup` as it is typed.

use std::process::Output;

use serde_json::Value;

use super::refusals::refusal;
use crate::support::world::World;

fn json(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).expect("JSON alone")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_for_an_account_is_printed_or_why_not() {
    let world = World::new().await;
    let typed = |arguments: &[&str]| world.command(&[&["aws-setup"], arguments].concat());
    let own = ["--account", "111122223333"];
    // STS says who it is.
    let template = json(&typed(&own).output().expect("it runs"));
    let policy = &template["Resources"]["Countersign"]["Properties"]["PolicyDocument"];
    let deny = policy["Statement"].as_array().expect("a list").last();
    let resource = deny.expect("one")["Resource"][0].as_str().expect("an ARN");
    assert!(
        resource.starts_with("arn:aws:iam::111122223333:user/"),
        "{resource}"
    );
    let hub = "arn:aws:sts::999999999999:assumed-role/countersign/i-1";
    let other = typed(&[&own[..], &["--hub", hub, "--format", "terraform"]].concat()).output();
    let written = json(&other.expect("it runs"));
    let policy = written["resource"]["aws_iam_policy"]["countersign"]["policy"].as_str();
    let policy: Value = serde_json::from_str(policy.expect("a text")).expect("JSON");
    let deny = policy["Statement"].as_array().expect("a list").last();
    assert_eq!(
        deny.expect("one")["Resource"][0],
        "arn:aws:iam::999999999999:role/countersign",
        "the role of the session"
    );

    let unknown = refusal(typed(&["--account", "000000000000"]));
    assert!(
        unknown.contains("account is not in the catalog"),
        "{unknown}"
    );
    let nobody = refusal(typed(&[&own[..], &["--hub", "countersign"]].concat()));
    assert!(
        nobody.contains("hub must be the ARN of an IAM role or user"),
        "{nobody}"
    );
    let mut silent = typed(&own);
    silent.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    let silent = refusal(silent);
    assert!(
        silent.contains("STS does not tell who Countersign is"),
        "{silent}"
    );
}
