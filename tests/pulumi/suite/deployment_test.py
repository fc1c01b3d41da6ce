"""What `pulumi up` made, read back from AWS and compared with what is meant. Each stack, with and without a domain."""

import base64
import hashlib
import json
import pathlib

import botocore.session
import pytest

import harness
import policies
import reading

pytestmark = pytest.mark.engine

CALLS = json.loads((pathlib.Path(__file__).parents[1] / "calls.json").read_text())["calls"]
MEANT = {
    "dev": {"timeout": 300, "memory": 256, "kept": False, "limit": 100, "days": 7},
    "prod": {"timeout": 900, "memory": 512, "kept": True, "limit": 1000, "days": 90},
}


class Forwarders:
    """The WebSocket API."""

    def messages_find_their_route_by_kind(self, deployment):
        found = reading.api(deployment, deployment.outputs()["wsApiId"])
        assert found["ProtocolType"] == "WEBSOCKET"
        assert found["RouteSelectionExpression"] == "$request.body.kind"

    def three_routes_invoke_the_handler(self, deployment):
        outputs = deployment.outputs()
        handler = deployment.function()["Configuration"]["FunctionArn"]
        found = reading.routes(deployment, outputs["wsApiId"])
        assert set(found) == {"$connect", "$disconnect", "$default", "ping"}
        for key in ("$connect", "$disconnect", "$default"):
            assert found[key]["IntegrationType"] == "AWS_PROXY"
            assert found[key]["IntegrationUri"].endswith(f":lambda:path/2015-03-31/functions/{handler}/invocations")
            assert found[key]["TimeoutInMillis"] == 29_000

    def the_keep_alive_invokes_nothing(self, deployment):
        ping = reading.routes(deployment, deployment.outputs()["wsApiId"])["ping"]
        assert ping["IntegrationType"] == "MOCK"
        assert "IntegrationUri" not in ping
        assert json.loads(ping["RequestTemplates"][ping["TemplateSelectionExpression"]]) == {"statusCode": 200}

    def the_stage_deploys_itself_and_has_both_limits(self, deployment):
        outputs, meant = deployment.outputs(), MEANT[deployment.stack]
        stage = reading.one(deployment.aws("apigatewayv2").get_stages(ApiId=outputs["wsApiId"])["Items"])
        assert stage["StageName"] == outputs["wsStageName"] == "live"
        assert stage["AutoDeploy"] is True
        assert stage["DefaultRouteSettings"] == {"ThrottlingBurstLimit": meant["limit"], "ThrottlingRateLimit": meant["limit"]}
        assert "AccessLogSettings" not in stage


class Visitors:
    """The HTTP API and the function's URL."""

    def one_route_takes_everything_and_nothing_answers_preflights(self, deployment):
        identity = deployment.outputs()["httpApiId"]
        found = reading.api(deployment, identity)
        assert found["ProtocolType"] == "HTTP"
        assert "CorsConfiguration" not in found
        key, integration = reading.one(list(reading.routes(deployment, identity).items()))
        assert key == "$default"
        assert integration["IntegrationType"] == "AWS_PROXY"
        assert integration["PayloadFormatVersion"] == "2.0"
        assert integration["TimeoutInMillis"] == 30_000

    def the_stage_is_no_part_of_the_path_and_has_both_limits(self, deployment):
        meant = MEANT[deployment.stack]
        stage = reading.one(deployment.aws("apigatewayv2").get_stages(ApiId=deployment.outputs()["httpApiId"])["Items"])
        assert stage["StageName"] == "$default"
        assert stage["AutoDeploy"] is True
        assert stage["DefaultRouteSettings"] == {"ThrottlingBurstLimit": meant["limit"], "ThrottlingRateLimit": meant["limit"]}

    def access_logs_hold_neither_path_nor_query_nor_headers(self, deployment):
        stage = reading.one(deployment.aws("apigatewayv2").get_stages(ApiId=deployment.outputs()["httpApiId"])["Items"])
        assert stage["AccessLogSettings"]["DestinationArn"] == reading.log_groups(deployment)["accessLogs"]["arn"].removesuffix(":*")
        fields = set(json.loads(stage["AccessLogSettings"]["Format"]).values())
        assert {"$context.status", "$context.requestId", "$context.responseLatency"} <= fields
        assert not fields & {"$context.path", "$context.protocol", "$context.authorizer"}
        assert not any("header" in field.lower() or "query" in field.lower() for field in fields)

    def the_function_has_a_url_that_streams(self, deployment):
        outputs = deployment.outputs()
        url = deployment.aws("lambda").get_function_url_config(FunctionName=outputs["handlerName"])
        assert (url["AuthType"], url["InvokeMode"]) == ("NONE", "RESPONSE_STREAM")
        assert outputs["streamUrl"] == f"{url['FunctionUrl']}/{{tunnel}}"


class Handler:
    """The function, its environment, and who may invoke it."""

    def it_runs_the_zip_byte_for_byte(self, deployment):
        found, meant = deployment.function()["Configuration"], MEANT[deployment.stack]
        code = (deployment.checkout.root / "build/bootstrap.zip").read_bytes()
        assert found["CodeSha256"] == base64.b64encode(hashlib.sha256(code).digest()).decode()
        assert (found["Runtime"], found["Architectures"], found["Handler"]) == ("provided.al2023", ["arm64"], "bootstrap")
        assert (found["Timeout"], found["MemorySize"]) == (meant["timeout"], meant["memory"])

    def its_environment_is_complete(self, deployment):
        outputs = deployment.outputs()
        assert deployment.function()["Configuration"]["Environment"]["Variables"] == {
            "TUNNEL_CONNECTIONS_TABLE": outputs["connectionsTable"],
            "TUNNEL_PENDING_TABLE": outputs["pendingTable"],
            "TUNNEL_CALLBACK_URL": f"https://{outputs['wsApiId']}.execute-api.{harness.REGION}.amazonaws.com/live",
            "TUNNEL_PUBLIC_URL": "",
            "TUNNEL_HTTP_URL": f"https://{outputs['httpApiId']}.execute-api.{harness.REGION}.amazonaws.com/{{tunnel}}",
            "TUNNEL_STREAM_URL": "",
            "TUNNEL_TOKEN": harness.TOKEN,
            "TUNNEL_JWT_SECRET": "",
            "TUNNEL_JWKS": "",
            "TUNNEL_ANSWER_SECONDS": "28",
            "TUNNEL_LINK_SECONDS": "7200",
            "RUST_LOG": "info",
        }

    def it_logs_json_to_a_group_of_its_own(self, deployment):
        made = reading.one([call for call in deployment.checkout.journal() if call["operation"] == "create_function"])
        group = reading.log_groups(deployment)["logs"]["logGroupName"]
        assert made["parameters"]["LoggingConfig"] == {"LogFormat": "JSON", "LogGroup": group}

    def logs_end_after_some_days(self, deployment):
        for group in reading.log_groups(deployment).values():
            assert group["retentionInDays"] == MEANT[deployment.stack]["days"]

    def each_api_may_invoke_it_and_no_other(self, deployment):
        outputs = deployment.outputs()
        document = json.loads(deployment.aws("lambda").get_policy(FunctionName=outputs["handlerName"])["Policy"])
        source = f"arn:aws:execute-api:{harness.REGION}:123456789012"
        for allowed in (f"{outputs['wsApiId']}/live/$connect", f"{outputs['wsApiId']}/live/$default", f"{outputs['httpApiId']}/$default/$default"):
            assert policies.service_may(document, "apigateway.amazonaws.com", f"{source}:{allowed}"), allowed
        for denied in ("another/live/$connect", f"{outputs['wsApiId']}/another/$connect"):
            assert not policies.service_may(document, "apigateway.amazonaws.com", f"{source}:{denied}"), denied
        assert not policies.service_may(document, "s3.amazonaws.com", f"{source}:{outputs['httpApiId']}/$default/$default")

    def its_url_takes_two_permissions_and_opens_nothing_else(self, deployment):
        name = deployment.outputs()["handlerName"]
        statements = json.loads(deployment.aws("lambda").get_policy(FunctionName=name)["Policy"])["Statement"]
        public = {s["Action"]: s for s in statements if s["Principal"] == "*"}
        assert len(statements) == 4
        assert set(public) == {"lambda:InvokeFunctionUrl", "lambda:InvokeFunction"}
        assert public["lambda:InvokeFunctionUrl"]["FunctionUrlAuthType"] == "NONE"
        assert public["lambda:InvokeFunction"]["InvokedViaFunctionUrl"] is True


class Tables:
    def links_are_found_by_name_and_by_connection(self, deployment):
        table = deployment.aws("dynamodb").describe_table(TableName=deployment.outputs()["connectionsTable"])["Table"]
        assert table["KeySchema"] == [{"AttributeName": "name", "KeyType": "HASH"}]
        assert {a["AttributeName"]: a["AttributeType"] for a in table["AttributeDefinitions"]} == {"name": "S", "connectionId": "S"}
        index = reading.one(table["GlobalSecondaryIndexes"])
        assert index["IndexName"] == "by-connection"
        assert index["KeySchema"] == [{"AttributeName": "connectionId", "KeyType": "HASH"}]
        assert index["Projection"] == {"ProjectionType": "KEYS_ONLY"}

    def parts_are_kept_by_exchange_and_number(self, deployment):
        table = deployment.aws("dynamodb").describe_table(TableName=deployment.outputs()["pendingTable"])["Table"]
        assert table["KeySchema"] == [{"AttributeName": "exchange", "KeyType": "HASH"}, {"AttributeName": "part", "KeyType": "RANGE"}]
        assert {a["AttributeName"]: a["AttributeType"] for a in table["AttributeDefinitions"]} == {"exchange": "S", "part": "N"}

    def both_are_paid_by_use_and_forget_by_themselves(self, deployment):
        client = deployment.aws("dynamodb")
        for name in ("connectionsTable", "pendingTable"):
            table = deployment.outputs()[name]
            assert client.describe_table(TableName=table)["Table"]["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
            ttl = client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
            assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expiresAt"}

    def those_of_prod_are_protected_and_backed_up(self, deployment):
        client, kept = deployment.aws("dynamodb"), MEANT[deployment.stack]["kept"]
        for name in ("connectionsTable", "pendingTable"):
            table = deployment.outputs()[name]
            assert client.describe_table(TableName=table)["Table"]["DeletionProtectionEnabled"] is kept
            backups = client.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
            assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == ("ENABLED" if kept else "DISABLED")


class Rights:
    """The role of the function: what it calls, and nothing more."""

    def only_lambda_may_take_the_role(self, deployment):
        role = deployment.function()["Configuration"]["Role"].split("/")[-1]
        document = deployment.aws("iam").get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
        statement = reading.one(document["Statement"])
        assert (statement["Action"], statement["Principal"]) == ("sts:AssumeRole", {"Service": "lambda.amazonaws.com"})

    def every_call_of_the_handler_is_allowed(self, deployment):
        document, names = reading.role_policy(deployment), reading.resources(deployment)
        for call in CALLS:
            assert policies.allowed(document, call["action"], names[call["on"]]), call

    def every_other_call_is_denied(self, deployment):
        document, names = reading.role_policy(deployment), reading.resources(deployment)
        wanted = {(call["action"], call["on"]) for call in CALLS}
        session = botocore.session.get_session()
        actions = [f"{s}:{operation}" for s in ("dynamodb", "logs", "lambda", "iam") for operation in session.get_service_model(s).operation_names]
        for action in [*actions, "execute-api:ManageConnections", "execute-api:Invoke", "execute-api:InvalidateCache"]:
            for name, arn in names.items():
                assert policies.allowed(document, action, arn) is ((action, name) in wanted), f"{action} on {name}"

    def connections_of_another_api_or_stage_are_out_of_reach(self, deployment):
        document, outputs = reading.role_policy(deployment), deployment.outputs()
        for place in (f"{outputs['httpApiId']}/live", "another/live", f"{outputs['wsApiId']}/another"):
            arn = f"arn:aws:execute-api:{harness.REGION}:123456789012:{place}/POST/@connections/abc="
            assert not policies.allowed(document, "execute-api:ManageConnections", arn), place


class Watching:
    def five_alarms_tell_the_topic(self, deployment):
        outputs = deployment.outputs()
        alarms = deployment.aws("cloudwatch").describe_alarms()["MetricAlarms"]
        assert all(alarm["AlarmActions"] == [outputs["alarmTopic"]] for alarm in alarms)
        assert all(alarm["TreatMissingData"] == "notBreaching" for alarm in alarms)
        on_function = [{"Name": "FunctionName", "Value": outputs["handlerName"]}]
        plain = {a["MetricName"]: sorted(a["Dimensions"], key=lambda d: d["Name"]) for a in alarms if "MetricName" in a}
        assert plain == {
            "Errors": on_function,
            "Throttles": on_function,
            "5xx": [{"Name": "ApiId", "Value": outputs["httpApiId"]}, {"Name": "Stage", "Value": "$default"}],
            "ExecutionError": [{"Name": "ApiId", "Value": outputs["wsApiId"]}, {"Name": "Stage", "Value": "live"}],
        }
        assert len(alarms) == 5

    def one_of_them_sees_the_time_out_coming(self, deployment):
        alarm = reading.one([a for a in deployment.aws("cloudwatch").describe_alarms()["MetricAlarms"] if a["Metrics"]])
        duration, share = sorted(alarm["Metrics"], key=lambda query: query["Id"])
        assert duration["MetricStat"]["Metric"]["MetricName"] == "Duration"
        assert (duration["MetricStat"]["Stat"], duration["ReturnData"]) == ("Maximum", False)
        # A duration in milliseconds of a time-out in seconds, in percent.
        assert share["Expression"] == f"longest / ({MEANT[deployment.stack]['timeout']} * 10)"
        assert (share["ReturnData"], alarm["Threshold"], alarm["ComparisonOperator"]) == (True, 95.0, "GreaterThanThreshold")

    def the_dashboard_shows_the_handlers_own_numbers(self, deployment):
        body = deployment.aws("cloudwatch").get_dashboard(DashboardName=deployment.outputs()["dashboard"])["DashboardBody"]
        widgets = json.loads(body)["widgets"]
        metrics = [metric for widget in widgets for metric in widget["properties"]["metrics"]]
        ours = {metric[1] for metric in metrics if metric[0] == "HttpTunnel"}
        searches = [metric[0]["expression"] for metric in metrics if isinstance(metric[0], dict)]
        assert ours == {"Exchanges", "WaitedMilliseconds", "Parts"}
        assert reading.one(searches) == "SEARCH('{HttpTunnel,Code} MetricName=\"Errors\"', 'Sum', 300)"
        assert all(widget["properties"]["region"] == harness.REGION for widget in widgets)
        assert "${" not in body


class Outputs:
    def they_say_where_it_is_and_how_to_begin(self, deployment):
        outputs = deployment.outputs()
        assert outputs["publicUrl"] == f"https://{outputs['httpApiId']}.execute-api.{harness.REGION}.amazonaws.com/{{tunnel}}"
        assert outputs["endpoint"] == f"wss://{outputs['wsApiId']}.execute-api.{harness.REGION}.amazonaws.com/live"
        assert outputs["forwarder"] == f"TUNNEL_TOKEN=… forwarder 8000 --endpoint {outputs['endpoint']}"

    def the_secret_is_neither_in_them_nor_in_the_state_nor_in_the_stack_file(self, deployment):
        files = [path for path in deployment.checkout.folder.rglob("*") if path.is_file() and path.name != "journal"]
        assert any("state" in path.parts for path in files)
        assert [path for path in files if harness.TOKEN.encode() in path.read_bytes()] == []
        assert harness.TOKEN not in json.dumps(deployment.outputs())

    def everything_is_tagged_with_its_stack(self, deployment):
        assert deployment.function()["Tags"] == {"project": "http-tunnel", "stack": deployment.stack}


class Domain:
    """What there is of it; without a domain, nothing."""

    def visitors_get_the_wildcard_and_forwarders_a_name(self, deployment):
        client, outputs = deployment.aws("apigatewayv2"), deployment.outputs()
        found = {}
        for name in (item["DomainName"] for item in client.get_domain_names()["Items"]):
            mapping = reading.one(client.get_api_mappings(DomainName=name)["Items"])
            found[name] = (mapping["ApiId"], mapping["Stage"], mapping.get("ApiMappingKey") or "")
        meant = {f"*.{harness.DOMAIN}": (outputs["httpApiId"], "$default", ""), f"connect.{harness.DOMAIN}": (outputs["wsApiId"], "live", "")}
        assert found == (meant if deployment.with_domain else {})

    def its_certificate_and_names_are_in_the_zone(self, deployment):
        added = [record for record in deployment.inventory()["records"] if record not in deployment.untouched["records"]]
        kinds = sorted((kind, name) for name, kind in added if kind != "CNAME")
        assert kinds == ([("A", f"*.{harness.DOMAIN}."), ("A", f"connect.{harness.DOMAIN}.")] if deployment.with_domain else [])
        assert len([kind for _, kind in added if kind == "CNAME"]) == deployment.with_domain

    def one_certificate_covers_both(self, deployment):
        certificates = deployment.aws("acm").list_certificates()["CertificateSummaryList"]
        assert [item["DomainName"] for item in certificates] == [f"*.{harness.DOMAIN}"] * deployment.with_domain

    def its_outputs_name_it(self, deployment):
        if deployment.with_domain:
            assert deployment.outputs("domain") == {
                "publicUrl": f"https://{{tunnel}}.{harness.DOMAIN}",
                "endpoint": f"wss://connect.{harness.DOMAIN}",
                "forwarder": f"TUNNEL_TOKEN=… forwarder 8000 --endpoint wss://connect.{harness.DOMAIN}",
            }


class TheEnd:
    """Last in this file: it takes the deployment away."""

    def kept_tables_stop_a_removal(self, deployment):
        if MEANT[deployment.stack]["kept"]:
            refused = deployment.checkout.pulumi("destroy", "--yes", "--skip-preview", ok=False)
            assert refused.returncode != 0
            assert "deletion" in (refused.stdout + refused.stderr).lower()
            deployment.checkout.edit("Pulumi.prod.yaml", 'keepTables: "true"', 'keepTables: "false"')
            deployment.checkout.pulumi("up", "--yes", "--skip-preview")

    def destroy_leaves_nothing_behind(self, deployment):
        deployment.destroy()
        assert deployment.inventory() == deployment.untouched
