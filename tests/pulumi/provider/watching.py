"""Log groups, alarms, their topic, and the dashboard."""

import json

from aws import Kind, pascal


class LogGroup(Kind):
    token = "aws:cloudwatch:LogGroup"
    named = "name"

    @classmethod
    def create(cls, aws, inputs):
        name = inputs["name"]
        aws.call("logs", "create_log_group", logGroupName=name, tags=aws.tags(inputs) or None)
        cls.update(aws, name, {}, inputs)
        return name, {"arn": aws.arn("logs", f"log-group:{name}")}

    @classmethod
    def update(cls, aws, identity, olds, inputs):
        if "retentionInDays" in inputs:
            aws.call("logs", "put_retention_policy", logGroupName=identity, retentionInDays=inputs["retentionInDays"])

    @classmethod
    def delete(cls, aws, identity, _state):
        aws.call("logs", "delete_log_group", logGroupName=identity)


class Topic(Kind):
    token = "aws:sns:Topic"
    named = "name"

    @classmethod
    def create(cls, aws, inputs):
        arn = aws.call("sns", "create_topic", Name=inputs["name"], Tags=aws.tag_list(inputs) or None)["TopicArn"]
        return arn, {"arn": arn}

    @classmethod
    def delete(cls, aws, identity, _state):
        aws.call("sns", "delete_topic", TopicArn=identity)


class MetricAlarm(Kind):
    token = "aws:cloudwatch:MetricAlarm"
    named = "name"

    @staticmethod
    def pairs(dimensions):
        return [{"Name": name, "Value": value} for name, value in dimensions.items()]

    @classmethod
    def query(cls, query):
        """The provider's metricQueries are flatter than CloudWatch's."""
        found = pascal({key: value for key, value in query.items() if key != "metric"})
        found.setdefault("ReturnData", False)
        if "metric" in query:
            metric = query["metric"]
            name = {"Namespace": metric["namespace"], "MetricName": metric["metricName"], "Dimensions": cls.pairs(metric["dimensions"])}
            found["MetricStat"] = {"Metric": name, "Period": metric["period"], "Stat": metric["stat"]}
        return found

    @classmethod
    def create(cls, aws, inputs):
        given = {key: value for key, value in inputs.items() if key not in ("name", "dimensions", "metricQueries", "region", "tags")}
        aws.call(
            "cloudwatch",
            "put_metric_alarm",
            AlarmName=inputs["name"],
            Dimensions=cls.pairs(inputs["dimensions"]) if "dimensions" in inputs else None,
            Metrics=[cls.query(query) for query in inputs["metricQueries"]] if "metricQueries" in inputs else None,
            Tags=aws.tag_list(inputs) or None,
            **pascal(given),
        )
        return inputs["name"], {"arn": aws.arn("cloudwatch", f"alarm:{inputs['name']}")}

    @classmethod
    def update(cls, aws, identity, olds, inputs):
        cls.create(aws, inputs)

    @classmethod
    def delete(cls, aws, identity, _state):
        aws.call("cloudwatch", "delete_alarms", AlarmNames=[identity])


class Dashboard(Kind):
    token = "aws:cloudwatch:Dashboard"
    fixed = frozenset({"dashboardName"})

    @classmethod
    def create(cls, aws, inputs):
        json.loads(inputs["dashboardBody"])
        name = inputs["dashboardName"]
        aws.call("cloudwatch", "put_dashboard", DashboardName=name, DashboardBody=inputs["dashboardBody"])
        return name, {"dashboardArn": f"arn:aws:cloudwatch::{aws.account}:dashboard/{name}"}

    @classmethod
    def update(cls, aws, identity, olds, inputs):
        cls.create(aws, inputs)

    @classmethod
    def delete(cls, aws, identity, _state):
        aws.call("cloudwatch", "delete_dashboards", DashboardNames=[identity])


KINDS = [LogGroup, Topic, MetricAlarm, Dashboard]
