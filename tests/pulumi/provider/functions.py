"""Lambda functions, their URLs, and who may invoke them."""

import pathlib

from aws import Kind, changed, pascal

# Properties of a function's configuration, as the provider and as Lambda name them.
SETTINGS = {
    "description": "Description",
    "handler": "Handler",
    "role": "Role",
    "runtime": "Runtime",
    "memorySize": "MemorySize",
    "timeout": "Timeout",
}


class Function(Kind):
    token = "aws:lambda:Function"
    named = "name"

    @staticmethod
    def settings(inputs):
        found = {lambdas: inputs[ours] for ours, lambdas in SETTINGS.items() if ours in inputs}
        for key in ("environment", "loggingConfig"):
            if key in inputs:
                found[key[0].upper() + key[1:]] = pascal(inputs[key]) if key != "environment" else {"Variables": inputs[key]["variables"]}
        return found

    @classmethod
    def create(cls, aws, inputs):
        function = aws.call(
            "lambda",
            "create_function",
            FunctionName=inputs["name"],
            Architectures=inputs.get("architectures"),
            Code={"ZipFile": pathlib.Path(inputs["code"]["path"]).read_bytes()},
            Tags=aws.tags(inputs),
            **cls.settings(inputs),
        )
        cls._reserve(aws, inputs)
        arn = function["FunctionArn"]
        invoke = f"arn:aws:apigateway:{aws.region}:lambda:path/2015-03-31/functions/{arn}/invocations"
        return inputs["name"], {"arn": arn, "invokeArn": invoke, "version": function["Version"]}

    @classmethod
    def update(cls, aws, identity, olds, inputs):
        differences = changed(olds, inputs)
        if "architectures" in differences:
            super().update(aws, identity, olds, inputs)
        if "code" in differences:
            code = pathlib.Path(inputs["code"]["path"]).read_bytes()
            aws.call("lambda", "update_function_code", FunctionName=identity, ZipFile=code)
        aws.call("lambda", "update_function_configuration", FunctionName=identity, **cls.settings(inputs))
        cls._reserve(aws, inputs)

    @classmethod
    def delete(cls, aws, identity, _state):
        aws.call("lambda", "delete_function", FunctionName=identity)

    @staticmethod
    def _reserve(aws, inputs):
        reserved = inputs.get("reservedConcurrentExecutions", -1)
        if reserved >= 0:
            aws.call("lambda", "put_function_concurrency", FunctionName=inputs["name"], ReservedConcurrentExecutions=reserved)


class FunctionUrl(Kind):
    token = "aws:lambda:FunctionUrl"
    fixed = frozenset({"functionName", "qualifier"})

    @classmethod
    def create(cls, aws, inputs):
        url = aws.call(
            "lambda",
            "create_function_url_config",
            FunctionName=inputs["functionName"],
            AuthType=inputs["authorizationType"],
            InvokeMode=inputs.get("invokeMode"),
        )
        address = url["FunctionUrl"].rstrip("/") + "/"  # AWS ends it with a slash, moto does not
        return inputs["functionName"], {"functionUrl": address, "functionArn": url["FunctionArn"]}

    @classmethod
    def delete(cls, aws, identity, _state):
        aws.call("lambda", "delete_function_url_config", FunctionName=identity)


class Permission(Kind):
    token = "aws:lambda:Permission"
    named = "statementId"

    @classmethod
    def replaces(cls, key):
        return True

    @classmethod
    def create(cls, aws, inputs):
        given = pascal({key: value for key, value in inputs.items() if key not in ("function", "region")})
        aws.call("lambda", "add_permission", FunctionName=inputs["function"], **given)
        return inputs["statementId"], {}

    @classmethod
    def delete(cls, aws, identity, state):
        aws.call("lambda", "remove_permission", FunctionName=state["function"], StatementId=identity)


KINDS = [Function, FunctionUrl, Permission]
