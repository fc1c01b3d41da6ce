"""A stand-in for pulumi-resource-aws: it refuses what the real provider does not know, and makes the rest at an AWS endpoint.

Types, properties and outputs come from PyPI's pulumi-aws (../schema.py); resources are made through boto3, at moto in the tests
(`AWS_ENDPOINT_URL`). What this does NOT prove, since only the real provider and AWS can:
  - that AWS accepts the values: quotas, names, ARNs of other services, the rules between two properties;
  - the real provider's own checks, defaults, coercions ("256" for 256 is refused here), waits, retries and eventual consistency;
  - which changes replace a resource (our own lists below, read from the provider's documentation) and what a refresh finds;
  - updates that no test makes: they fail here by name instead of pretending;
  - certificates that really validate, names that really resolve, functions that really run.
Where the real provider is at hand, tests/pulumi/run uses it unchanged (REAL_PROVIDER in tests/pulumi/README.md).
"""

import json
import os
import pathlib
import re
import sys
import threading
import traceback
from concurrent import futures

import grpc
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import apis  # noqa: E402 # after the path is set
import domains  # noqa: E402
import functions  # noqa: E402
import roles  # noqa: E402
import tables  # noqa: E402
import watching  # noqa: E402
from aws import Aws, is_unknown  # noqa: E402
from schema import Package  # noqa: E402
from typecheck import Checker  # noqa: E402

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
KINDS = {kind.token: kind for room in (apis, domains, functions, roles, tables, watching) for kind in room.KINDS}


def plain(struct):
    """A protobuf struct as Python values, whole numbers as int."""
    return whole(json_format.MessageToDict(struct))


def whole(value):
    if isinstance(value, dict):
        return {key: whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def struct(value):
    return json_format.ParseDict(value, struct_pb2.Struct())


def kind_of(urn):
    """`urn:pulumi:dev::http-tunnel::aws:lambda/function:Function::handler` -> the kind, and the logical name."""
    token, name = urn.split("::")[2:4]
    package_name, module, resource = token.split("$")[-1].split(":")
    return KINDS.get(f"{package_name}:{module.split('/')[0]}:{resource}"), name


def same(old, new):
    """Equal, where archives are compared by what is in them."""
    if isinstance(old, dict) and isinstance(new, dict) and "hash" in old and "hash" in new:
        return old["hash"] == new["hash"]
    return old == new


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """One instance per plugin process, configured once."""

    def __init__(self):
        self.schema = json.loads(pathlib.Path(os.environ["PULUMI_TEST_TOOLS"], "schema.json").read_text())
        self.known = Package(self.schema)
        self.checker = Checker(self.known, lambda value: {"$ref": "pulumi.json#/Any"} if is_unknown(value) else None)
        self.aws = None

    def GetPluginInfo(self, request, context):
        return plugin_pb2.PluginInfo(version="7.51.1")

    def GetSchema(self, request, context):
        return provider_pb2.GetSchemaResponse(schema=json.dumps(self.schema))

    def CheckConfig(self, request, context):
        news = plain(request.news)
        settings = {name: parsed(value) for name, value in news.items() if name not in ("version", "pluginDownloadURL")}
        problems = self.checker.members("aws", self.known.inputs("aws::Provider"), settings)
        if not (news.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")):
            problems.append("aws: no region: set aws:region or AWS_REGION")
        return provider_pb2.CheckResponse(inputs=struct(news), failures=failures(problems))

    def DiffConfig(self, request, context):
        replaces = [name for name in ("region",) if plain(request.olds).get(name) != plain(request.news).get(name)]
        return provider_pb2.DiffResponse(replaces=replaces)

    def Configure(self, request, context):
        settings = {name: parsed(value) for name, value in plain(request.args).items()}
        self.aws = Aws(settings)
        return provider_pb2.ConfigureResponse(acceptSecrets=False, supportsPreview=True, supports_autonaming_configuration=True)

    def Check(self, request, context):
        kind, name = kind_of(request.urn)
        if kind is None:
            return provider_pb2.CheckResponse(inputs=request.news, failures=failures([f"{name}: the tests' provider makes no such type"]))
        news, olds = plain(request.news), plain(request.olds)
        problems = self.checker.members(name, self.known.inputs(kind.token), news)
        if kind.named and kind.named not in news:
            news[kind.named] = olds.get(kind.named) or request.autonaming.proposed_name or kind.autoname(name, request.randomSeed)
        return provider_pb2.CheckResponse(inputs=struct(news), failures=failures(problems + kind.problems(name, news)))

    def Diff(self, request, context):
        kind, _ = kind_of(request.urn)
        olds, news = plain(request.old_inputs), plain(request.news)
        changed = sorted(key for key in {*olds, *news} if not same(olds.get(key), news.get(key)))
        replaces = [key for key in changed if kind.replaces(key)]
        some = provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=some, diffs=changed, replaces=replaces, deleteBeforeReplace=kind.named is None)

    def Create(self, request, context):
        kind, name = kind_of(request.urn)
        inputs = plain(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=struct(self._outputs(kind, name, inputs, None)))
        identity, outputs = kind.create(self.aws, inputs)
        return provider_pb2.CreateResponse(id=identity, properties=struct(self._outputs(kind, name, inputs, outputs)))

    def Update(self, request, context):
        kind, name = kind_of(request.urn)
        olds, inputs = plain(request.olds), plain(request.news)
        if not request.preview:
            kind.update(self.aws, request.id, plain(request.old_inputs), inputs)
        kept = {key: value for key, value in olds.items() if key not in self.known.inputs(kind.token)}
        return provider_pb2.UpdateResponse(properties=struct({**kept, **inputs}))

    def Delete(self, request, context):
        kind, _ = kind_of(request.urn)
        kind.delete(self.aws, request.id, plain(request.properties))
        return empty_pb2.Empty()

    def Cancel(self, request, context):
        return empty_pb2.Empty()

    def _outputs(self, kind, name, inputs, outputs):
        """What the program may refer to; before the resource is there, everything but the inputs is unknown."""
        known = self.known.outputs(kind.token)
        if outputs is None:
            return {**{key: UNKNOWN for key in known}, **inputs, **self.aws.everywhere(known)}
        strangers = set(outputs) - set(known)
        if strangers:
            raise AssertionError(f"{name}: the real provider has no outputs {sorted(strangers)}")
        return {**inputs, **self.aws.everywhere(known), **outputs}


def parsed(value):
    """Settings of the provider that are no strings come as JSON."""
    if isinstance(value, str) and re.match(r"[\[{]|(true|false)$", value):
        return json.loads(value)
    return value


def failures(problems):
    return [provider_pb2.CheckFailure(reason=problem) for problem in problems]


class Reporting(grpc.ServerInterceptor):
    """An exception becomes the resource's error, with its text and nothing more; the whole of it goes to the plugin's log."""

    def intercept_service(self, continuation, details):
        handler = continuation(details)
        if handler is None or not handler.unary_unary:
            return handler

        def call(request, context):
            try:
                return handler.unary_unary(request, context)
            except NotImplementedError as error:
                context.abort(grpc.StatusCode.UNIMPLEMENTED, str(error))
            except Exception as error:  # the boundary to the engine
                if not context.code():
                    traceback.print_exc()
                    context.abort(grpc.StatusCode.UNKNOWN, f"{type(error).__name__}: {error}")
                raise

        return grpc.unary_unary_rpc_method_handler(call, handler.request_deserializer, handler.response_serializer)


def main():
    unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    server = grpc.server(futures.ThreadPoolExecutor(8), options=unlimited, interceptors=[Reporting()])
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(), server)
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
