"""An account of AWS with throw-away users and roles, which are all removed again."""

import json
import secrets
import time
from datetime import datetime, timedelta, timezone

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

# Everything is made below it, so that what a killed run left is found without looking at anything else.
PATH = "/countersign-trial/"
REFUSED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
# A key, a user or a role that IAM has made and that is not known everywhere yet.
NOT_YET = REFUSED | {"InvalidClientTokenId", "NoSuchEntity", "MalformedPolicyDocument", "ServiceFailure", "Throttling"}


class CannotAsk(Exception):
    """Why a question cannot be asked here."""


def code(error):
    return error.response["Error"]["Code"]


def allowed(call, **params):
    """Whether a call goes through; a failure that is no refusal is raised."""
    try:
        call(**params)
    except ClientError as error:
        if code(error) in REFUSED:
            return False
        raise
    return True


def is_stand_in(client):
    return ".amazonaws." not in client.meta.endpoint_url


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, separators=(",", ":"))


def allow(action, resource="*", **condition):
    return statement("Allow", action, resource, condition)


def deny(action, resource="*", **condition):
    return statement("Deny", action, resource, condition)


def statement(effect, action, resource, condition):
    plain = {"Effect": effect, "Action": action, "Resource": resource}
    return plain | ({"Condition": condition} if condition else {})


def trusting(principal, action="sts:AssumeRole", **condition):
    plain = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": action}
    return policy(plain | ({"Condition": condition} if condition else {}))


def literal(at):
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


class Account:
    def __init__(self):
        self.own = boto3.Session()
        self.iam, self.sts = self.client("iam"), self.client("sts")
        who = self.sts.get_caller_identity()
        self.id, self.who = who["Account"], who["Arn"]
        self.partition = who["Arn"].split(":")[1]
        self.name = f"countersign-trial-{secrets.token_hex(4)}"
        self.lag = 0.0
        self.made = 0
        # What was made, since lists may lag behind.
        self.users, self.roles = set(), set()
        # The user that `measure` has made, with a key.
        self.first = None

    def client(self, service, keys=None):
        given = {}
        if keys:
            given = {
                "aws_access_key_id": keys["AccessKeyId"],
                "aws_secret_access_key": keys["SecretAccessKey"],
                "aws_session_token": keys.get("SessionToken"),
            }
        # The region of the profile, else one that every account has.
        region = self.own.region_name or "us-east-1"
        limits = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 4, "mode": "standard"})
        return self.own.client(service, region_name=region, config=limits, **given)

    def arn(self, kind, name):
        return f"arn:{self.partition}:iam::{self.id}:{kind}{PATH}{name}"

    def root(self):
        return f"arn:{self.partition}:iam::{self.id}:root"

    # --- waiting

    @property
    def patience(self):
        """How long IAM may take to follow: six times what it took at first."""
        return max(5.0, min(120.0, 6 * self.lag))

    def eventually(self, call, **params):
        """Calls until it goes through; the last refusal is raised."""
        ends = time.monotonic() + max(self.patience, 60.0)
        while True:
            try:
                return call(**params)
            except ClientError as error:
                if code(error) not in NOT_YET or time.monotonic() > ends:
                    raise
                time.sleep(0.5)

    def becomes(self, wanted, call, **params):
        """Whether the call is allowed, or refused, twice in a row before patience is over."""
        ends, row = time.monotonic() + self.patience, 0
        while row < 2:
            row = row + 1 if allowed(call, **params) == wanted else 0
            if row == 0 and time.monotonic() > ends:
                return False
            time.sleep(0.1 if row else 0.5)
        return True

    def eventually_allowed(self, call, **params):
        """Whether it is ever allowed: by somebody who was made a moment ago."""
        try:
            self.eventually(call, **params)
        except ClientError as error:
            if code(error) in REFUSED:
                return False
            raise
        return True

    def next(self):
        """A number that no other thing of this run has."""
        self.made += 1
        return self.made

    def settle(self):
        """What was written before is in force afterwards, as far as one can know."""
        time.sleep(min(30.0, 2 * self.lag))

    def deadline(self):
        """A moment soon enough to wait for, and late enough for a document that names it to be in force."""
        at = datetime.now(timezone.utc) + timedelta(seconds=4 + min(90.0, 3 * self.lag))
        return at.replace(microsecond=0)

    def wait_until(self, at):
        time.sleep(max(0.0, (at - datetime.now(timezone.utc)).total_seconds()) + 1.5)

    # --- making

    def user(self, role, **policies):
        """A user with a key: its ARN and keys."""
        name = f"{self.name}-{role}"
        self.users.add(name)
        self.iam.create_user(UserName=name, Path=PATH)
        for policy_name, text in policies.items():
            self.iam.put_user_policy(UserName=name, PolicyName=policy_name, PolicyDocument=text)
        keys = self.iam.create_access_key(UserName=name)["AccessKey"]
        return name, self.arn("user", name), keys

    def role(self, role, trust, tags=(), **policies):
        name = f"{self.name}-{role}"
        self.roles.add(name)
        tags = [{"Key": key, "Value": value} for key, value in tags]
        made = self.eventually(
            self.iam.create_role, RoleName=name, Path=PATH, AssumeRolePolicyDocument=trust, **({"Tags": tags} if tags else {})
        )
        for policy_name, text in policies.items():
            self.iam.put_role_policy(RoleName=name, PolicyName=policy_name, PolicyDocument=text)
        return name, self.arn("role", name), made["Role"]["RoleId"]

    def assume(self, keys, role_arn, session, **more):
        sts = self.client("sts", keys)
        return sts.assume_role(RoleArn=role_arn, RoleSessionName=session, **more)["Credentials"]

    def measure(self):
        """How long it takes until a new user may assume a new role: the yardstick of every wait."""
        begun = time.monotonic()
        self.first = self.user("first")
        _, arn, keys = self.first
        _, role, _ = self.role("first", trusting(arn))
        self.eventually(self.client("sts", keys).assume_role, RoleArn=role, RoleSessionName="first")
        self.lag = time.monotonic() - begun

    # --- removing

    def left(self):
        """The users and roles below our path."""
        users = self.pages("list_users", "Users", PathPrefix=PATH)
        roles = self.pages("list_roles", "Roles", PathPrefix=PATH)
        return [it["UserName"] for it in users], [it["RoleName"] for it in roles]

    def pages(self, operation, key, **params):
        pages = self.iam.get_paginator(operation).paginate(**params)
        return [it for page in pages for it in page[key]]

    def clean(self):
        """Removes everything below our path, and looks again whether it is so: what is left, and why."""
        for _ in range(5):
            users, roles = self.left()
            failed = [attempt(self.delete_user, name) for name in self.users.union(users)]
            failed += [attempt(self.delete_role, name) for name in self.roles.union(roles)]
            self.delete_devices()
            left = [name for kind in self.left() for name in kind]
            if not left:
                break
            # A list may show for a while what is gone.
            time.sleep(2)
        return left, [failure for failure in failed if failure]

    def devices(self):
        """The virtual devices for a second factor below our path."""
        try:
            devices = self.pages("list_virtual_mfa_devices", "VirtualMFADevices")
        except ClientError as error:
            # The stand-in makes none.
            if code(error) == "InvalidAction":
                return []
            raise
        return [it for it in devices if f":mfa{PATH}" in it["SerialNumber"]]

    def delete_devices(self):
        for device in self.devices():
            attempt(lambda serial: self.iam.delete_virtual_mfa_device(SerialNumber=serial), device["SerialNumber"])

    def delete_user(self, user):
        for device in self.devices():
            if device.get("User", {}).get("UserName") == user:
                self.iam.deactivate_mfa_device(UserName=user, SerialNumber=device["SerialNumber"])
        for key in self.pages("list_access_keys", "AccessKeyMetadata", UserName=user):
            self.iam.delete_access_key(UserName=user, AccessKeyId=key["AccessKeyId"])
        for name in self.pages("list_user_policies", "PolicyNames", UserName=user):
            self.iam.delete_user_policy(UserName=user, PolicyName=name)
        self.iam.delete_user(UserName=user)

    def delete_role(self, role):
        for name in self.pages("list_role_policies", "PolicyNames", RoleName=role):
            self.iam.delete_role_policy(RoleName=role, PolicyName=name)
        self.iam.delete_role(RoleName=role)


def attempt(delete, name):
    try:
        delete(name)
    except ClientError as error:
        # Deleted by somebody else meanwhile is deleted.
        return None if code(error) == "NoSuchEntity" else f"{name}: {error}"
    return None
