"""The evaluator that the rights are judged by."""

import policies


def _document(*statements):
    return {"Statement": [dict(zip(("Effect", "Action", "Resource"), statement)) for statement in statements]}


class Evaluator:
    def nothing_is_allowed_that_nobody_allows(self):
        assert not policies.allowed(_document(("Allow", "s3:GetObject", "a")), "s3:GetObject", "b")
        assert not policies.allowed(_document(("Allow", "s3:GetObject", "a")), "s3:PutObject", "a")

    def a_denial_wins(self):
        assert not policies.allowed(_document(("Allow", "s3:*", "*"), ("Deny", "s3:GetObject", "a")), "s3:GetObject", "a")

    def wildcards_match_and_brackets_do_not(self):
        allows = _document(("Allow", ["s3:Get*"], ["a/*/c?", "[b]"]))
        assert policies.allowed(allows, "s3:getobject", "a/x/y/c1")
        assert policies.allowed(allows, "s3:GetObject", "[b]")
        assert not policies.allowed(allows, "s3:GetObject", "b")

    def a_table_does_not_mean_its_indexes(self):
        assert not policies.allowed(_document(("Allow", "dynamodb:Query", "table/a")), "dynamodb:Query", "table/a/index/b")
