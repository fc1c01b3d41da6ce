"""DynamoDB tables."""

from aws import Kind, changed


class Table(Kind):
    token = "aws:dynamodb:Table"
    named = "name"
    fixed = frozenset({"hashKey", "rangeKey"})

    @staticmethod
    def keys(definition):
        kinds = (("hashKey", "HASH"), ("rangeKey", "RANGE"))
        return [{"AttributeName": definition[key], "KeyType": kind} for key, kind in kinds if definition.get(key)]

    @classmethod
    def problems(cls, name, inputs):
        indexes = inputs.get("globalSecondaryIndexes", [])
        keys = {key["AttributeName"] for definition in (inputs, *indexes) for key in cls.keys(definition)}
        declared = {attribute["name"] for attribute in inputs.get("attributes", [])}
        return [] if keys == declared else [f"{name}: attributes are {sorted(declared)}, keys are {sorted(keys)}"]

    @classmethod
    def index(cls, index):
        projection = {"ProjectionType": index["projectionType"]}
        return {"IndexName": index["name"], "KeySchema": cls.keys(index), "Projection": projection}

    @classmethod
    def create(cls, aws, inputs):
        name = inputs["name"]
        table = aws.call(
            "dynamodb",
            "create_table",
            TableName=name,
            BillingMode=inputs.get("billingMode"),
            KeySchema=cls.keys(inputs),
            AttributeDefinitions=[{"AttributeName": a["name"], "AttributeType": a["type"]} for a in inputs["attributes"]],
            GlobalSecondaryIndexes=[cls.index(i) for i in inputs.get("globalSecondaryIndexes", [])] or None,
            DeletionProtectionEnabled=inputs.get("deletionProtectionEnabled"),
            Tags=aws.tag_list(inputs) or None,
        )["TableDescription"]
        cls._expire(aws, name, inputs)
        cls._back_up(aws, name, inputs)
        return name, {"arn": table["TableArn"]}

    @classmethod
    def update(cls, aws, identity, olds, inputs):
        differences = changed(olds, inputs)
        if differences - {"deletionProtectionEnabled", "pointInTimeRecovery"}:
            super().update(aws, identity, olds, inputs)
        aws.call("dynamodb", "update_table", TableName=identity, DeletionProtectionEnabled=inputs["deletionProtectionEnabled"])
        cls._back_up(aws, identity, inputs, also_off=True)

    @classmethod
    def delete(cls, aws, identity, _state):
        aws.call("dynamodb", "delete_table", TableName=identity)

    @staticmethod
    def _expire(aws, name, inputs):
        if "ttl" in inputs:
            settings = {"AttributeName": inputs["ttl"]["attributeName"], "Enabled": inputs["ttl"].get("enabled", False)}
            aws.call("dynamodb", "update_time_to_live", TableName=name, TimeToLiveSpecification=settings)

    @staticmethod
    def _back_up(aws, name, inputs, also_off=False):
        enabled = inputs.get("pointInTimeRecovery", {}).get("enabled", False)
        if enabled or also_off:
            settings = {"PointInTimeRecoveryEnabled": enabled}
            aws.call("dynamodb", "update_continuous_backups", TableName=name, PointInTimeRecoverySpecification=settings)


KINDS = [Table]
