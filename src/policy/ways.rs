//! Actions with which a person can stay beyond a deadline. From the Service Authorization
//! Reference; a selection, the most telling ones of each kind first.

use super::management::MANAGING;
use crate::domain::outlive::Through;

/// The kinds that the guard's shield keeps from the role itself, so that they count elsewhere only.
pub(super) const ELSEWHERE: [Through; 3] = [
    Through::WritingIam,
    Through::AssumingRoles,
    Through::PassingRoles,
];

/// What each kind of way takes.
pub(super) const WAYS: [(Through, &[&str]); 10] = [
    (Through::WritingIam, &WRITING_IAM),
    (
        Through::AssumingRoles,
        &["sts:AssumeRole", "sts:AssumeRoot"],
    ),
    (Through::PassingRoles, &["iam:PassRole"]),
    (Through::AcquiringRoles, &["iam:AcquireRole"]),
    (
        Through::AcceptingDelegation,
        &[
            "iam:AcceptDelegationRequest",
            "iam:AssociateDelegationRequest",
            "iam:CreateDelegationRequest",
            "iam:SendDelegationToken",
            "iam:UpdateDelegationRequest",
        ],
    ),
    (Through::ManagingPeople, &MANAGING_PEOPLE),
    (
        Through::SigningIn,
        &[
            "signin:AuthorizeOAuth2Access",
            "signin:CreateOAuth2Token",
            "signin:CreateAccount",
            "signin:CreateTrustedIdentityPropagationApplicationForConsole",
        ],
    ),
    (
        Through::HoldingTokens,
        &[
            "sts:GetWebIdentityToken",
            "sts:GetDelegatedAccessToken",
            "sts:GetServiceBearerToken",
            "codeartifact:GetAuthorizationToken",
        ],
    ),
    (Through::ManagingPermissions, &MANAGING),
    (Through::RunningCode, &RUNNING_CODE),
];

/// The actions of IAM that change nothing begin so.
const READING_IAM: [&str; 4] = ["iam:get", "iam:list", "iam:simulate", "iam:generate"];

/// Whether an action, in lower case, writes IAM and is of no other kind: also one that AWS adds
/// tomorrow.
pub(super) fn is_writing_iam(action: &str) -> bool {
    let other = WAYS.iter().filter(|(kind, _)| *kind != Through::WritingIam);
    let mut other = other.flat_map(|(_, actions)| actions.iter());
    action.starts_with("iam:")
        && !READING_IAM.iter().any(|start| action.starts_with(start))
        && !other.any(|it| it.eq_ignore_ascii_case(action))
}

const WRITING_IAM: [&str; 56] = [
    "iam:CreateAccessKey",
    "iam:CreateUser",
    "iam:CreateRole",
    "iam:AttachRolePolicy",
    "iam:PutRolePolicy",
    "iam:UpdateAssumeRolePolicy",
    "iam:CreateLoginProfile",
    "iam:UpdateLoginProfile",
    "iam:AttachUserPolicy",
    "iam:AttachGroupPolicy",
    "iam:PutUserPolicy",
    "iam:PutGroupPolicy",
    "iam:AddUserToGroup",
    "iam:CreatePolicy",
    "iam:CreatePolicyVersion",
    "iam:SetDefaultPolicyVersion",
    "iam:AddRoleToInstanceProfile",
    "iam:CreateInstanceProfile",
    "iam:CreateSAMLProvider",
    "iam:UpdateSAMLProvider",
    "iam:CreateOpenIDConnectProvider",
    "iam:AddClientIDToOpenIDConnectProvider",
    "iam:UpdateOpenIDConnectProviderThumbprint",
    "iam:CreateServiceSpecificCredential",
    "iam:ResetServiceSpecificCredential",
    "iam:UpdateServiceSpecificCredential",
    "iam:UploadSSHPublicKey",
    "iam:UpdateSSHPublicKey",
    "iam:UploadSigningCertificate",
    "iam:UpdateSigningCertificate",
    "iam:UpdateAccessKey",
    "iam:ChangePassword",
    "iam:CreateVirtualMFADevice",
    "iam:EnableMFADevice",
    "iam:DeactivateMFADevice",
    "iam:ResyncMFADevice",
    "iam:DeleteVirtualMFADevice",
    "iam:PutRolePermissionsBoundary",
    "iam:PutUserPermissionsBoundary",
    "iam:DeleteRolePermissionsBoundary",
    "iam:DeleteUserPermissionsBoundary",
    "iam:DetachRolePolicy",
    "iam:DetachUserPolicy",
    "iam:DetachGroupPolicy",
    "iam:DeleteRolePolicy",
    "iam:DeleteUserPolicy",
    "iam:DeleteGroupPolicy",
    "iam:DeletePolicyVersion",
    "iam:RemoveUserFromGroup",
    "iam:TagRole",
    "iam:TagUser",
    "iam:UntagRole",
    "iam:UntagUser",
    "iam:UpdateRole",
    "iam:UpdateUser",
    "iam:CreateGroup",
];

const MANAGING_PEOPLE: [&str; 26] = [
    "sso:CreateAccountAssignment",
    "sso:ProvisionPermissionSet",
    "sso:PutInlinePolicyToPermissionSet",
    "sso:AttachManagedPolicyToPermissionSet",
    "sso:AttachCustomerManagedPolicyReferenceToPermissionSet",
    "sso:CreatePermissionSet",
    "sso:UpdatePermissionSet",
    "sso:PutPermissionsBoundaryToPermissionSet",
    "sso:DeletePermissionsBoundaryFromPermissionSet",
    "sso:CreateApplication",
    "sso:PutApplicationGrant",
    "sso:CreateTrustedTokenIssuer",
    "sso:AssociateProfile",
    "sso-directory:CreateUser",
    "sso-directory:AddMemberToGroup",
    "sso-directory:CreateBearerToken",
    "sso-directory:UpdatePassword",
    "identitystore:CreateUser",
    "identitystore:CreateGroupMembership",
    "identitystore:UpdateUser",
    "organizations:CreateAccount",
    "organizations:InviteAccountToOrganization",
    "organizations:RegisterDelegatedAdministrator",
    "organizations:PutResourcePolicy",
    "organizations:DetachPolicy",
    "account:StartPrimaryEmailUpdate",
];

/// A selection of what runs with other credentials than those of the session.
const RUNNING_CODE: [&str; 14] = [
    "lambda:UpdateFunctionCode",
    "ssm:StartSession",
    "ssm:SendCommand",
    "ecs:ExecuteCommand",
    "ec2-instance-connect:SendSSHPublicKey",
    "ec2-instance-connect:SendSerialConsoleSSHPublicKey",
    "ec2:ModifyInstanceAttribute",
    "cloudformation:UpdateStack",
    "codebuild:StartBuild",
    "glue:UpdateJob",
    "states:UpdateStateMachine",
    "eks:CreateAccessEntry",
    "rds-db:connect",
    "events:PutRule",
];
