//! ARNs are taken apart in one place.

use countersign::domain::arn::{Arn, Kind};

fn read(text: &str) -> (&str, &str, Kind, &str, &str) {
    let arn = Arn::read(text).unwrap();
    (arn.partition, arn.account, arn.kind, arn.path, arn.name)
}

#[test]
fn an_arn_has_partition_account_kind_path_and_name() {
    assert_eq!(
        read("arn:aws:iam::111122223333:role/prod-admin"),
        ("aws", "111122223333", Kind::Role, "/", "prod-admin")
    );
    assert_eq!(
        read("arn:aws-cn:iam::111122223333:user/team/b/anna"),
        ("aws-cn", "111122223333", Kind::User, "/team/b/", "anna")
    );
    // A colon in a path is part of it; a session has its role's name.
    assert_eq!(
        read("arn:aws:iam::111122223333:role/a:b/c"),
        ("aws", "111122223333", Kind::Role, "/a:b/", "c")
    );
    assert_eq!(
        read("arn:aws:sts::111122223333:assumed-role/prod-admin/anna"),
        ("aws", "111122223333", Kind::Session, "/", "prod-admin")
    );
    assert_eq!(
        read("arn:aws:iam::111122223333:root"),
        ("aws", "111122223333", Kind::Other, "/", "root")
    );
    for text in ["", "prod-admin", "AROAEXAMPLE", "arn:aws:iam::111122223333"] {
        assert_eq!(Arn::read(text), None, "{text}");
    }
}

#[test]
fn a_name_is_one_of_its_kind() {
    let role = "arn:aws:iam::111122223333:role/team/admin";
    assert_eq!(Arn::name_of(role, Kind::Role), Some("admin"));
    assert_eq!(Arn::name_of(role, Kind::User), None);
    let no_name = "arn:aws:iam::111122223333:role/team/";
    assert_eq!(Arn::name_of(no_name, Kind::Role), None);
    let roles = "arn:aws:iam::111122223333:roles/admin";
    assert_eq!(Arn::name_of(roles, Kind::Role), None);
}
