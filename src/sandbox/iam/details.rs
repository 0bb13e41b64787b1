//! GetAccountAuthorizationDetails: users, roles and managed policies with everything that they may,
//! page by page.

use super::documents::encode;
use super::entity::{Call, own};
use super::managed::{attached, details, show_boundary};
use super::{roles, users};
use crate::sandbox::doc::Doc;
use crate::sandbox::state::{Policies, State};
use crate::sandbox::wire::{Fault, Xml};

/// The lists of the answer, by what they are filtered for. There are no groups here.
const LISTS: [(&str, &str); 4] = [
    ("User", "UserDetailList"),
    ("Group", "GroupDetailList"),
    ("Role", "RoleDetailList"),
    ("LocalManagedPolicy", "Policies"),
];

pub(super) fn get(state: &State, it: &Call<'_>) -> Result<Xml, Fault> {
    let filter = it.params.list("Filter.member.", "");
    let wanted = |kind: &str| filter.is_empty() || filter.iter().any(|it| it == kind);
    let account = own(state, it)?;
    let users = account.users.values().map(|user| {
        let shown = users::show(account, user);
        let inline = inline(&user.policies, it);
        let shown = shown
            .members("UserPolicyList", inline)
            .members("GroupList", [])
            .members("AttachedManagedPolicies", attached(&user.policies, it));
        ("User", show_boundary(shown, &user.policies, it))
    });
    let roles = account.roles.values().map(|role| {
        let shown = roles::show(state, account, role, it);
        let inline = inline(&role.policies, it);
        let shown = shown
            .members("InstanceProfileList", [])
            .members("RolePolicyList", inline)
            .members("AttachedManagedPolicies", attached(&role.policies, it))
            .members("Tags", roles::tags(role));
        ("Role", show_boundary(shown, &role.policies, it))
    });
    let managed = account.managed.iter();
    let managed = managed.filter_map(|(arn, policy)| details(arn, policy, it));
    let managed = managed.map(|shown| ("LocalManagedPolicy", shown));
    let all = users.chain(roles).chain(managed);
    let all: Vec<_> = all.filter(|(kind, _)| wanted(kind)).collect();
    let (window, marker) = it.params.window(all.len())?;
    let mut shown: Vec<_> = all
        .into_iter()
        .skip(window.start)
        .take(window.len())
        .collect();
    let mut answer = Xml::default();
    for (kind, list) in LISTS {
        let of_kind = shown.extract_if(.., |it| it.0 == kind).map(|it| it.1);
        answer = answer.members(list, of_kind.collect::<Vec<_>>());
    }
    Ok(answer
        .leaf("IsTruncated", marker.is_some().to_string())
        .maybe("Marker", marker.as_deref()))
}

fn inline(policies: &Policies, it: &Call<'_>) -> Vec<Xml> {
    let text = |doc: &Doc| doc.control(it.mode.stale)?.text.clone();
    let there = policies.inline.iter();
    let there = there.filter_map(|(name, doc)| Some((name, text(doc)?)));
    let show = |(name, text): (&String, String)| {
        Xml::default()
            .leaf("PolicyName", name)
            .leaf("PolicyDocument", encode(&text, it))
    };
    there.map(show).collect()
}
