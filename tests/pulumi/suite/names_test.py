"""The check that the handler reads what Pulumi.yaml sets, tried on files of our own."""

import names



class Names:
    def the_same_on_both_sides_is_right(self, tmp_path):
        path = tmp_path / "config.rs"
        path.write_text('// "TUNNEL_IN_A_COMMENT"\n' + "\n".join(f'read("{name}")' for name in names.names_set()))
        assert names.problems([path]) == []

    def a_name_that_is_read_and_not_set_is_told(self, tmp_path):
        path = tmp_path / "config.rs"
        path.write_text("\n".join(f'read("{name}")' for name in [*names.names_set(), "TUNNEL_MORE"]))
        assert names.problems([path]) == ["the handler reads TUNNEL_MORE, which Pulumi.yaml does not set"]

    def a_name_that_is_set_and_not_read_is_told(self, tmp_path):
        path = tmp_path / "config.rs"
        path.write_text("\n".join(f'read("{name}")' for name in names.names_set() - {"TUNNEL_TOKEN"}))
        assert names.problems([path]) == ["Pulumi.yaml sets TUNNEL_TOKEN, which the handler does not read"]

    def a_missing_file_is_no_success(self, tmp_path):
        assert "no such file" in names.problems([tmp_path / "config.rs"])[0]
