"""IAM roles and the policies inside them."""

import json

from aws import Kind


class Role(Kind):
    token = "aws:iam:Role"
    named = "name"

    @classmethod
    def create(cls, aws, inputs):
        json.loads(inputs["assumeRolePolicy"])
        role = aws.call(
            "iam",
            "create_role",
            RoleName=inputs["name"],
            AssumeRolePolicyDocument=inputs["assumeRolePolicy"],
            Tags=aws.tag_list(inputs) or None,
        )["Role"]
        return inputs["name"], {"arn": role["Arn"], "uniqueId": role["RoleId"]}

    @classmethod
    def delete(cls, aws, identity, _state):
        aws.call("iam", "delete_role", RoleName=identity)


class RolePolicy(Kind):
    token = "aws:iam:RolePolicy"
    named = "name"
    fixed = frozenset({"role"})

    @classmethod
    def create(cls, aws, inputs):
        aws.call("iam", "put_role_policy", RoleName=inputs["role"], PolicyName=inputs["name"], PolicyDocument=inputs["policy"])
        return f"{inputs['role']}:{inputs['name']}", {}

    @classmethod
    def update(cls, aws, identity, olds, inputs):
        cls.create(aws, inputs)

    @classmethod
    def delete(cls, aws, identity, _state):
        role, name = identity.split(":")
        aws.call("iam", "delete_role_policy", RoleName=role, PolicyName=name)


KINDS = [Role, RolePolicy]
