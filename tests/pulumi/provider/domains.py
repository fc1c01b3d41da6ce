"""Custom domains: certificates, API Gateway's domain names and mappings, Route 53 records."""

from aws import Kind, lower, pascal


class Certificate(Kind):
    token = "aws:acm:Certificate"

    @classmethod
    def replaces(cls, key):
        return True

    @classmethod
    def create(cls, aws, inputs):
        arn = aws.call(
            "acm",
            "request_certificate",
            DomainName=inputs["domainName"],
            SubjectAlternativeNames=inputs.get("subjectAlternativeNames"),
            ValidationMethod=inputs.get("validationMethod"),
            Tags=aws.tag_list(inputs) or None,
        )["CertificateArn"]
        options = aws.call("acm", "describe_certificate", CertificateArn=arn)["Certificate"]["DomainValidationOptions"]
        return arn, {"arn": arn, "domainValidationOptions": [cls.validation(option) for option in options]}

    @staticmethod
    def validation(option):
        record = {f"resourceRecord{key}": value for key, value in option["ResourceRecord"].items()}
        return {"domainName": option["DomainName"], **record}

    @classmethod
    def delete(cls, aws, identity, _state):
        aws.call("acm", "delete_certificate", CertificateArn=identity)


class CertificateValidation(Kind):
    """In AWS this waits until the certificate is issued; here it looks whether the records are the wanted ones."""

    token = "aws:acm:CertificateValidation"

    @classmethod
    def replaces(cls, key):
        return True

    @classmethod
    def create(cls, aws, inputs):
        arn = inputs["certificateArn"]
        certificate = aws.call("acm", "describe_certificate", CertificateArn=arn)["Certificate"]
        wanted = {option["ResourceRecord"]["Name"].rstrip(".") for option in certificate["DomainValidationOptions"]}
        given = {name.rstrip(".") for name in inputs.get("validationRecordFqdns", [])}
        if wanted != given:
            raise AssertionError(f"the certificate wants the records {sorted(wanted)}, not {sorted(given)}")
        return arn, {}

    @classmethod
    def delete(cls, aws, identity, _state):
        pass


class DomainName(Kind):
    token = "aws:apigatewayv2:DomainName"
    fixed = frozenset({"domainName"})

    @classmethod
    def create(cls, aws, inputs):
        name, settings = inputs["domainName"], inputs["domainNameConfiguration"]
        made = aws.call(
            "apigatewayv2", "create_domain_name", DomainName=name, DomainNameConfigurations=[pascal(settings)], Tags=aws.tags(inputs)
        )
        target = {"targetDomainName": f"d-{abs(hash(name)) % 10**8}.execute-api.{aws.region}.amazonaws.com", "hostedZoneId": "Z1UJRXOUMOOFQ8"}
        found = lower(made["DomainNameConfigurations"][0])
        target["targetDomainName"] = found.get("apiGatewayDomainName", target["targetDomainName"])
        return name, {"domainNameConfiguration": {**settings, **target}}

    @classmethod
    def delete(cls, aws, identity, _state):
        aws.call("apigatewayv2", "delete_domain_name", DomainName=identity)


class ApiMapping(Kind):
    token = "aws:apigatewayv2:ApiMapping"
    fixed = frozenset({"domainName"})

    @classmethod
    def create(cls, aws, inputs):
        domain = inputs["domainName"]
        kind = aws.call("apigatewayv2", "get_api", ApiId=inputs["apiId"])["ProtocolType"]
        if kind == "WEBSOCKET" and domain.startswith("*"):
            raise AssertionError(f"{domain}: API Gateway gives a wildcard domain to no WebSocket API")
        aws.call("apigatewayv2", "get_stage", ApiId=inputs["apiId"], StageName=inputs["stage"])
        mapping = aws.call(
            "apigatewayv2",
            "create_api_mapping",
            ApiId=inputs["apiId"],
            DomainName=domain,
            Stage=inputs["stage"],
            ApiMappingKey=inputs.get("apiMappingKey", ""),
        )
        return mapping["ApiMappingId"], {}

    @classmethod
    def delete(cls, aws, identity, state):
        aws.call("apigatewayv2", "delete_api_mapping", ApiMappingId=identity, DomainName=state["domainName"])


class Record(Kind):
    token = "aws:route53:Record"
    fixed = frozenset({"zoneId", "name", "type"})

    @staticmethod
    def record_set(inputs):
        record = {"Name": inputs["name"], "Type": inputs["type"]}
        if "aliases" in inputs:
            alias = inputs["aliases"][0]
            target = {"DNSName": alias["name"], "HostedZoneId": alias["zoneId"], "EvaluateTargetHealth": alias["evaluateTargetHealth"]}
            return {**record, "AliasTarget": target}
        return {**record, "TTL": inputs["ttl"], "ResourceRecords": [{"Value": value} for value in inputs["records"]]}

    @classmethod
    def change(cls, aws, action, inputs):
        batch = {"Changes": [{"Action": action, "ResourceRecordSet": cls.record_set(inputs)}]}
        aws.call("route53", "change_resource_record_sets", HostedZoneId=inputs["zoneId"], ChangeBatch=batch)

    @classmethod
    def create(cls, aws, inputs):
        cls.change(aws, "UPSERT" if inputs.get("allowOverwrite") else "CREATE", inputs)
        return f"{inputs['zoneId']}_{inputs['name']}_{inputs['type']}", {"fqdn": inputs["name"].rstrip(".")}

    @classmethod
    def delete(cls, aws, identity, state):
        cls.change(aws, "DELETE", state)


KINDS = [Certificate, CertificateValidation, DomainName, ApiMapping, Record]
