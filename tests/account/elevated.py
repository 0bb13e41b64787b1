"""AWS's own tools, unchanged, with the profile that the portal shows: they run its line whenever they want credentials."""

import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import botocore.session
from botocore.exceptions import CredentialRetrievalError

NAME = "elevated"
# What would win over the profile.
OTHERS = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]


class Profile:
    """A config file with a `credential_process`, and who uses it."""

    def __init__(self, file, region):
        self.file, self.region = file, region
        # The access keys that requests were signed with.
        self.used = set()
        session = botocore.session.Session(profile=NAME)
        session.set_config_variable("config_file", str(file))
        self.iam = session.create_client("iam", region_name=region)
        self.iam.meta.events.register("before-send.iam", self.sent)

    def sent(self, request, **_):
        signed = request.headers["Authorization"]
        signed = signed.decode() if isinstance(signed, bytes) else signed
        self.used.add(signed.split("Credential=")[1].split("/")[0])

    def read(self):
        return self.iam.get_account_summary()

    def gives_nothing(self):
        """Whether the line fails, so that a tool has no credentials at all."""
        try:
            self.read()
        except CredentialRetrievalError:
            return True
        return False

    def command_line(self):
        """What the AWS CLI says about the same call; nothing where it goes through."""
        aws = Path(sys.executable).with_name("aws")
        env = {name: value for name, value in os.environ.items() if name not in OTHERS}
        env |= {"AWS_CONFIG_FILE": str(self.file), "AWS_REGION": self.region, "AWS_PAGER": ""}
        command = [aws, "--profile", NAME, "iam", "get-account-summary"]
        told = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
        return told.stderr.strip() if told.returncode else ""


@contextmanager
def profile(address, grant, token, region):
    """The profile as `web/commands.rs` writes it, with the token where its line looks for it."""
    asks = f"curl -fsS -X POST -H @- {address}/api/v1/grants/{grant}/credentials"
    line = f"""sh -c 'printf "Authorization: Bearer %s" "$COUNTERSIGN_TOKEN" | {asks}'"""
    os.environ["COUNTERSIGN_TOKEN"] = token
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "config")
            file.write_text(f"[profile {NAME}]\ncredential_process = {line}\nregion = {region}\n")
            yield Profile(file, region)
    finally:
        del os.environ["COUNTERSIGN_TOKEN"]
