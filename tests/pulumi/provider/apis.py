"""API Gateway: WebSocket and HTTP APIs, their integrations, routes and stages."""

from aws import Kind, pascal


def without(inputs, *names):
    return pascal({key: value for key, value in inputs.items() if key not in (*names, "region", "tags")})


class Api(Kind):
    token = "aws:apigatewayv2:Api"
    named = "name"
    fixed = frozenset({"protocolType"})

    @classmethod
    def create(cls, aws, inputs):
        api = aws.call("apigatewayv2", "create_api", Tags=aws.tags(inputs), **without(inputs))
        scheme = "wss" if inputs["protocolType"] == "WEBSOCKET" else "https"  # moto says https of both
        identity = api["ApiId"]
        address = f"{scheme}://{identity}.execute-api.{aws.region}.amazonaws.com"
        return identity, {
            "apiEndpoint": address,
            "arn": f"arn:aws:apigateway:{aws.region}::/apis/{identity}",
            "executionArn": aws.arn("execute-api", identity),
        }

    @classmethod
    def delete(cls, aws, identity, _state):
        aws.call("apigatewayv2", "delete_api", ApiId=identity)


class Integration(Kind):
    token = "aws:apigatewayv2:Integration"
    fixed = frozenset({"apiId", "integrationType"})

    @classmethod
    def create(cls, aws, inputs):
        integration = aws.call(
            "apigatewayv2",
            "create_integration",
            # Keys that are no names of ours: content types, or what a template is chosen by.
            RequestTemplates=inputs.get("requestTemplates"),
            TimeoutInMillis=inputs.get("timeoutMilliseconds"),
            **without(inputs, "requestTemplates", "timeoutMilliseconds"),
        )
        return integration["IntegrationId"], {}

    @classmethod
    def delete(cls, aws, identity, state):
        aws.call("apigatewayv2", "delete_integration", ApiId=state["apiId"], IntegrationId=identity)


class Route(Kind):
    token = "aws:apigatewayv2:Route"
    fixed = frozenset({"apiId"})

    @classmethod
    def create(cls, aws, inputs):
        return aws.call("apigatewayv2", "create_route", **without(inputs))["RouteId"], {}

    @classmethod
    def delete(cls, aws, identity, state):
        aws.call("apigatewayv2", "delete_route", ApiId=state["apiId"], RouteId=identity)


class Stage(Kind):
    token = "aws:apigatewayv2:Stage"
    named = "name"
    fixed = frozenset({"apiId"})

    @classmethod
    def problems(cls, name, inputs):
        found = []
        limits = inputs.get("defaultRouteSettings", {})
        if limits and not {"throttlingBurstLimit", "throttlingRateLimit"} <= set(limits):
            found.append(f"{name}: one limit alone sets the other to 0")
        if not inputs.get("autoDeploy") and "deploymentId" not in inputs:
            found.append(f"{name}: without autoDeploy and deployment every request gets 403")
        return found

    @classmethod
    def create(cls, aws, inputs):
        api = aws.call("apigatewayv2", "get_api", ApiId=inputs["apiId"])
        if api["ProtocolType"] == "WEBSOCKET" and not aws.call("apigatewayv2", "get_routes", ApiId=inputs["apiId"])["Items"]:
            raise AssertionError("a WebSocket API needs routes before its first deployment: dependsOn is missing")
        name = inputs["name"]
        aws.call("apigatewayv2", "create_stage", StageName=name, Tags=aws.tags(inputs), **without(inputs, "name"))
        scheme = "wss" if api["ProtocolType"] == "WEBSOCKET" else "https"
        path = "" if name == "$default" else name
        return name, {
            "invokeUrl": f"{scheme}://{inputs['apiId']}.execute-api.{aws.region}.amazonaws.com/{path}",
            "executionArn": aws.arn("execute-api", f"{inputs['apiId']}/{name}"),
            "arn": f"arn:aws:apigateway:{aws.region}::/apis/{inputs['apiId']}/stages/{name}",
        }

    @classmethod
    def delete(cls, aws, identity, state):
        aws.call("apigatewayv2", "delete_stage", ApiId=state["apiId"], StageName=identity)


KINDS = [Api, Integration, Route, Stage]
