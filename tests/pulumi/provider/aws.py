"""One account and region through boto3, and what all kinds of resources have in common."""

import json
import os
import threading

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


def is_unknown(value):
    return value == UNKNOWN


class Aws:
    """Calls AWS. Every call but reads is noted in the journal, since moto does not give everything back."""

    def __init__(self, settings):
        import boto3  # here, since the engine starts the plugin several times only to ask for the schema

        self.region = settings.get("region") or os.environ.get("AWS_REGION") or os.environ["AWS_DEFAULT_REGION"]
        self.default_tags = settings.get("defaultTags", {}).get("tags", {})
        self.session = boto3.Session(
            region_name=self.region,
            aws_access_key_id=settings.get("accessKey"),
            aws_secret_access_key=settings.get("secretKey"),
            profile_name=settings.get("profile"),
        )
        self.endpoints = {name: url for entry in settings.get("endpoints", []) for name, url in entry.items()}
        self.clients, self.lock = {}, threading.Lock()
        self.journal = os.environ.get("PULUMI_AWS_JOURNAL")
        self.account = self.call("sts", "get_caller_identity")["Account"]

    def call(self, service, operation, **parameters):
        given = {name: value for name, value in parameters.items() if value is not None}
        self._note(service, operation, given)
        return getattr(self._client(service), operation)(**given)

    def _client(self, service):
        with self.lock:  # making a client is not safe in threads, using one is
            if service not in self.clients:
                self.clients[service] = self.session.client(service, endpoint_url=self.endpoints.get(service))
            return self.clients[service]

    def _note(self, service, operation, parameters):
        if self.journal and not operation.startswith(("get_", "describe_", "list_")):
            line = json.dumps({"service": service, "operation": operation, "parameters": parameters}, default=lambda _: "bytes")
            with self.lock, open(self.journal, "a") as journal:
                journal.write(line + "\n")

    def arn(self, service, resource):
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"

    def tags(self, inputs):
        return {**self.default_tags, **inputs.get("tags", {})}

    def tag_list(self, inputs):
        return [{"Key": key, "Value": value} for key, value in self.tags(inputs).items()]

    def everywhere(self, known):
        """Outputs that nearly every kind has."""
        common = {"region": self.region, "tagsAll": dict(self.default_tags)}
        return {key: value for key, value in common.items() if key in known}


class Kind:
    """One resource type. `named` is the property that gets a name of its own when the program gives none."""

    token = ""
    named = None
    fixed = frozenset()  # a change of these makes a new resource

    @classmethod
    def autoname(cls, logical, seed):
        return f"{logical}-{seed.hex()[:7]}"

    @classmethod
    def replaces(cls, key):
        return key in cls.fixed or key in (cls.named, "region")

    @classmethod
    def problems(cls, name, inputs):
        """Rules of AWS that break a deployment quietly, and that types cannot say."""
        return []

    @classmethod
    def update(cls, aws, identity, olds, inputs):
        raise NotImplementedError(f"the tests' provider does not update {cls.token}")


def pascal(value):
    """camelCase keys as boto3 spells them for most services, at all depths."""
    if isinstance(value, dict):
        return {key[0].upper() + key[1:]: pascal(item) for key, item in value.items()}
    return [pascal(item) for item in value] if isinstance(value, list) else value


def lower(value):
    """PascalCase keys as the provider spells them."""
    return {key[0].lower() + key[1:]: item for key, item in value.items()}


def changed(olds, inputs):
    return {key for key in {*olds, *inputs} if olds.get(key) != inputs.get(key)}
