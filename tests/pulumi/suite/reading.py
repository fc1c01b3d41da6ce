"""What a deployment made, as AWS tells it."""

import harness


def one(items):
    assert len(items) == 1, items
    return items[0]


def routes(deployment, api):
    """Route key -> its integration."""
    client = deployment.aws("apigatewayv2")
    integrations = {f"integrations/{item['IntegrationId']}": item for item in client.get_integrations(ApiId=api)["Items"]}
    return {item["RouteKey"]: integrations[item["Target"]] for item in client.get_routes(ApiId=api)["Items"]}


def api(deployment, identity):
    return deployment.aws("apigatewayv2").get_api(ApiId=identity)


def role_policy(deployment):
    role = deployment.function()["Configuration"]["Role"].split("/")[-1]
    iam = deployment.aws("iam")
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
    name = one(iam.list_role_policies(RoleName=role)["PolicyNames"])
    return iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]


def log_groups(deployment):
    """The two groups by the logical name in theirs."""
    groups = deployment.aws("logs").describe_log_groups()["logGroups"]
    return {name: one([g for g in groups if f"-{name}-" in g["logGroupName"]]) for name in ("logs", "accessLogs")}


def resources(deployment):
    """What the names in calls.json stand for."""
    outputs, dynamodb = deployment.outputs(), deployment.aws("dynamodb")
    table = {name: dynamodb.describe_table(TableName=outputs[f"{name}Table"])["Table"]["TableArn"] for name in ("connections", "pending")}
    sockets = f"arn:aws:execute-api:{harness.REGION}:123456789012:{outputs['wsApiId']}/{outputs['wsStageName']}"
    return {
        **table,
        "connections/index/by-connection": f"{table['connections']}/index/by-connection",
        "another index": f"{table['connections']}/index/another",
        "another table": f"arn:aws:dynamodb:{harness.REGION}:123456789012:table/{outputs['connectionsTable']}-2",
        "POST/@connections/*": f"{sockets}/POST/@connections/abc=",
        "GET/@connections/*": f"{sockets}/GET/@connections/abc=",
        "DELETE/@connections/*": f"{sockets}/DELETE/@connections/abc=",
        "logs": f"{log_groups(deployment)['logs']['arn'].removesuffix(':*')}:log-stream:a",
        "accessLogs": f"{log_groups(deployment)['accessLogs']['arn'].removesuffix(':*')}:log-stream:a",
    }
